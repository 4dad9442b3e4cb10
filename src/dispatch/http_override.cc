#include "dispatch/http_override.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace deferd {
namespace {

// What a queue may not say of its tasks, as they may not themselves.
bool is_forbidden(std::string_view name) {
  return equal_ignoring_case(name, "host") || equal_ignoring_case(name, "content-length") ||
         equal_ignoring_case(name, "user-agent") || starts_ignoring_case(name, "x-google-") ||
         starts_ignoring_case(name, "x-appengine-") || starts_ignoring_case(name, "x-cloudtasks-");
}

// A URL in the parts that may be overridden, each as it is written.
struct UrlParts {
  std::string_view scheme;
  std::string_view host;
  std::optional<std::string_view> port;
  std::string_view path;
  std::optional<std::string_view> query;

  explicit UrlParts(std::string_view url) {
    url = url.substr(0, url.find('#'));
    if (const std::size_t colon = url.find("://"); colon != std::string_view::npos) {
      scheme = url.substr(0, colon);
      url.remove_prefix(colon + 3);
    }
    const std::string_view authority = url.substr(0, url.find_first_of("/?"));
    url.remove_prefix(authority.size());
    const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
    host = authority.substr(0, authority.find(':', std::min(bracket, authority.size())));
    if (host.size() < authority.size()) port = authority.substr(host.size() + 1);
    path = url.substr(0, url.find('?'));
    if (path.size() < url.size()) query = url.substr(path.size() + 1);
  }
};

}  // namespace

std::string overridden_url(const HttpTarget& target, std::string_view url) {
  UrlParts parts(url);
  const bool always = target.enforce == HttpTarget::Enforce::always;
  const auto replaces = [always](const auto& given, bool has_own) {
    return given && (always || !has_own);
  };
  if (replaces(target.scheme, !parts.scheme.empty()))
    parts.scheme = *target.scheme == HttpTarget::Scheme::https ? "https" : "http";
  if (replaces(target.host, !parts.host.empty())) parts.host = *target.host;
  std::string port;
  if (replaces(target.port, parts.port.has_value())) {
    if (*target.port != 0) port = std::to_string(*target.port);
  } else if (parts.port) {
    port = *parts.port;
  }
  if (replaces(target.path, !parts.path.empty())) parts.path = *target.path;
  if (replaces(target.query, parts.query.has_value())) {
    parts.query.reset();
    if (!target.query->empty()) parts.query = *target.query;
  }

  std::string out(parts.scheme);
  out.append("://").append(parts.host);
  if (!port.empty()) out.append(":").append(port);
  if (!parts.path.empty() && !parts.path.starts_with('/')) out.append("/");
  out.append(parts.path);
  if (parts.query) out.append("?").append(*parts.query);
  return out;
}

void override_request(const HttpTarget& target, PushRequestView& request) {
  if (target.method) {
    request.method = *target.method;
    const bool may_have_body = request.method == HttpMethod::post ||
                               request.method == HttpMethod::put ||
                               request.method == HttpMethod::patch;
    if (!may_have_body) drop_body(request);
  }
  for (const auto& over : target.headers) {
    if (is_forbidden(over.first)) continue;
    std::erase_if(request.headers, [&](const auto& header) {
      return equal_ignoring_case(header.first, over.first);
    });
    request.headers.emplace_back(over);
  }
  if (target.token) request.token = target.token;
}

void drop_body(PushRequestView& request) {
  request.body = {};
  std::erase_if(request.headers, [](const auto& header) {
    constexpr std::string_view of_bodies[] = {"content-type", "content-encoding",
                                              "content-language", "content-location"};
    return std::ranges::any_of(
        of_bodies, [&](std::string_view name) { return equal_ignoring_case(header.first, name); });
  });
}

}  // namespace deferd
