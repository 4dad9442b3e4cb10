#include "api/http/credentials.h"

namespace deferd {
namespace {

// The first value of that name, as it was sent: no secret of ours needs an escape.
std::string_view query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name))
      return pair.substr(name.size() + 1);
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace

CredentialsView credentials_of(const HttpRequest& request) {
  CredentialsView found{request.header("authorization"), request.header("x-goog-api-key")};
  for (const std::string_view name : {"key", "access_token", "oauth_token"}) {
    if (found.api_key.empty()) found.api_key = query_value(request.query, name);
  }
  return found;
}

}  // namespace deferd
