// What a queue says of its HTTP tasks beyond what each says for itself: parts of the URL, the
// method, headers, a token. Applied when a task is pushed, so that a change reaches tasks that were
// added before it (CT-spec 9.11). What is absent leaves the task's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/push_request.h"
#include "model/push_token.h"

namespace deferd {

struct HttpTarget {
  enum class Scheme : std::uint8_t { http, https };
  enum class Enforce : std::uint8_t {
    always,
    if_not_exists,  // only what the task's URL has not; of the URL's parts alone
  };

  std::optional<Scheme> scheme;
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;  // 0 removes the port
  std::optional<std::string> path;    // "" removes the path
  std::optional<std::string> query;   // "" removes the query
  Enforce enforce = Enforce::always;
  std::optional<HttpMethod> method;
  // Each replaces the task's header of that name (any case), or is added.
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<PushToken> token;

  friend bool operator==(const HttpTarget&, const HttpTarget&) = default;
};

std::string encode(const HttpTarget& target);
// Any bytes: damaged ones fail with Reason::internal.
Result<HttpTarget> decode_http_target(std::string_view bytes);

}  // namespace deferd
