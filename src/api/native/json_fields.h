// JSON as it is asked for: Fields takes an object's members one by one, with their types and
// ranges, and remembers the first thing that is wrong.
//
//   Fields fields(document.root(), "tasks[3].");
//   const auto key = fields.text("key");
//   const auto delay = fields.duration("delay");
//   if (auto ok = fields.finish(); !ok) return fail(ok.error());   // also refuses members nobody
//   asked for
//
// Boost.JSON stays inside this room's .cc files.
#pragma once

#include <array>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/json_document.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd::native {

namespace json = boost::json;

class Fields {
 public:
  // `path` is what stands before a member's name in an error's field: "" or "retry." or
  // "tasks[3].".
  Fields(const json::value& value, std::string path);

  // The member, or nothing when it is absent or wrong (then finish() fails).
  std::optional<std::string_view> text(std::string_view name);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  // A number of seconds, or text like "1m30s"; low <= it <= high.
  std::optional<Micros> duration(std::string_view name, Micros low, Micros high);
  // What was measured, so at least 0 and perhaps finer than a microsecond: rounded.
  std::optional<Micros> measured(std::string_view name);
  // Null for absent. Any type.
  const json::value* any(std::string_view name);
  const json::object* object(std::string_view name);
  const json::array* array(std::string_view name);

  // Records that a member is wrong; the first record stays.
  void refuse(std::string_view name, std::string message);
  void refuse(Error error);
  // `error` came from a parser that knows no fields: it is about this member.
  void refuse_as(std::string_view name, Error error);

  bool ok() const { return !error_.has_value(); }
  const std::string& path() const { return path_; }
  Result<void> finish();

 private:
  const json::value* take(std::string_view name);
  void wrong_type(std::string_view name, const json::value& is, std::string_view wanted);
  Error unknown_member() const;

  static constexpr std::size_t names_max =
      24;  // asked for by one caller; the largest is a queue's settings

  const json::object* object_ = nullptr;
  std::string path_;
  std::optional<Error> error_;
  std::array<std::string_view, names_max> names_;
  std::size_t name_count_ = 0;
  std::size_t present_ = 0;
};

// "a string", "a number"...: what a value is, for an error text.
std::string_view kind_of(const json::value& value);

}  // namespace deferd::native
