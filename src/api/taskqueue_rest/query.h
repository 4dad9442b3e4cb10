// The query of a request, and what its values mean. Pure.
//
// What Google's clients add to every call (alt, key, prettyPrint, quotaUser, userIp, oauth_token)
// is of no use here and ignored, as is whatever else is unknown; `fields` is fields.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace deferd::taskqueue_rest {

class Query {
 public:
  // "a=b&c=d", percent-encoded. Fails with Reason::invalid.
  static Result<Query> parse(std::string_view text);

  // The last value of that name; null: not given.
  const std::string* find(std::string_view name) const;

  // Absent: `otherwise`.
  Result<bool> flag(std::string_view name, bool otherwise) const;
  // Must be given, and low <= it <= high.
  Result<std::int32_t> integer(std::string_view name, std::int32_t low, std::int32_t high) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace deferd::taskqueue_rest
