// What the readers of App Engine's files share: complaints in the words of the SDK's schema, around
// which stand file, line, column and whom it is about, and the values of single keys.
//
// The first thing that is wrong is kept, and ends the reading: after any call that may refuse,
// refused() tells.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/config_tree.h"

namespace deferd {

// A value in an error text: not at any length, and nothing that steers a terminal.
std::string shown_value(std::string_view text);
// As the SDK prints one that may not be a text.
std::string shown_value(const ConfigNode& value);

class SchemaReader {
 public:
  using Node = ConfigNode;

  // `kind`: of what subjects are, "job". The source outlives this.
  SchemaReader(const SourceText& source, std::string_view kind) : source_(source), kind_(kind) {}

  bool refused() const { return error_.has_value(); }
  std::optional<Error> take_error() { return std::move(error_); }

  // Whom further complaints are about: job "/daily". Empty: the file.
  void set_subject(std::string_view subject) { subject_ = shown_value(subject); }

  // ---- Complaints. `key` is the one that is wrong.

  void refuse(TextPlace place, std::string_view key, std::string_view message);
  // Through the schema: what was given, then why not, then what a parser of the SDK would say.
  void refuse_value(const Node& value, std::string_view key, std::string_view why,
                    std::string_view more = {});
  void refuse_expression(const Node& value, std::string_view key, std::string_view expression,
                         std::string_view more = {});
  // Whether every key is one of these, and there once.
  bool check_keys(const Node& map, std::string_view object,
                  std::span<const std::string_view> known);

  // ---- Single values; absent for a key that is not there, has no value, or (then refused) a wrong
  // one.

  static const Node* given(const Node& map, std::string_view key);
  std::optional<std::string> text(const Node& map, std::string_view key);
  std::optional<std::int64_t> integer(const Node& map, std::string_view key);
  // A float of seconds. `negative`: what is said of one below zero.
  std::optional<Micros> seconds(const Node& map, std::string_view key, std::string_view negative);

 private:
  const SourceText& source_;
  const std::string_view kind_;
  std::string subject_;
  std::optional<Error> error_;
};

}  // namespace deferd
