// What is wrong with a request, gathered: one answer tells of several mistakes, in the service's
// words and with a google.rpc.BadRequest detail (CT-spec 1.2).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/cloudtasks/outcome.h"
#include "api/cloudtasks/rest/shape.h"

namespace deferd::cloudtasks::rest {

class BadRequest {
 public:
  // `at` is the path of the message, `name` what was written there. Further ones than the first few
  // are not kept.
  void unknown_name(std::string_view at, std::string_view name, std::string_view why);
  // `at` is the path of the field; `what` is said of its value.
  void bad_value(std::string_view at, const Field& field, std::string_view what);
  void bad_oneof(std::string_view at, const Field& field);

  bool empty() const { return violations_.empty(); }
  Outcome<void> outcome() const;

 private:
  void add(std::string_view at, std::string description);

  std::vector<std::pair<std::string, std::string>> violations_;  // path, description
};

// What a caller wrote, in quotes, short enough for an error's text.
std::string quoted(std::string_view text, char quote = '"');

}  // namespace deferd::cloudtasks::rest
