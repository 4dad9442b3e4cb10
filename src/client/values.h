// Durations, instants, bytes and JSON, between C++ and the wire.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "deferd/models.h"

namespace deferd::inline v1::detail {

std::string duration_text(Duration duration);  // "1500us"
// "1m30s", "0.1s"; nothing for what is no duration.
std::optional<Duration> read_duration(std::string_view text);

std::string instant_text(Instant instant);  // "2026-11-24T22:53:01.123456Z"
std::optional<Instant> read_instant(std::string_view text);

std::string base64(std::string_view bytes);
std::string from_base64(std::string_view text);

// The members of a JSON object, as text: what a caller gives as JSON goes out as it was written.
// Values that are not set are left out.
class ObjectText {
 public:
  void add(std::string_view name, const boost::json::value& value);
  void add_duration(std::string_view name, const std::optional<Duration>& value);
  void add_instant(std::string_view name, const std::optional<Instant>& value);
  template <class T>
  void add_given(std::string_view name, const std::optional<T>& value) {
    if (value) add(name, boost::json::value_from(*value));
  }
  void add_text(std::string_view name, std::string_view value) {  // empty: not set
    if (!value.empty()) add(name, boost::json::value(value));
  }
  // As "body", or as "body_base64" when it is not ASCII.
  void add_body(std::string_view bytes);
  // Throws InvalidArgument for text that is no JSON.
  void add_json(std::string_view name, std::string_view text);
  // An object or list made here; an empty object is not set.
  void add_raw(std::string_view name, std::string_view text);

  bool empty() const { return members_.empty(); }
  std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

// Members of an answer; what is not there, or of another kind, is as not set.
class Members {
 public:
  explicit Members(const boost::json::value& value);

  std::string text(std::string_view name) const;
  std::optional<std::string> given_text(std::string_view name) const;
  std::optional<std::int64_t> number(std::string_view name) const;
  std::optional<int> small(std::string_view name) const;
  std::optional<double> real(std::string_view name) const;
  std::optional<Duration> duration(std::string_view name) const;
  std::optional<Instant> instant(std::string_view name) const;
  std::optional<std::string> body() const;  // "body" or "body_base64"
  // null when it is not there
  const boost::json::value& at(std::string_view name) const;
  bool has(std::string_view name) const;

 private:
  const boost::json::object* object_;
};

}  // namespace deferd::inline v1::detail
