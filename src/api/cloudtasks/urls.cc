#include "api/cloudtasks/urls.h"

#include <algorithm>

#include "base/text.h"
#include "model/target_url.h"

namespace deferd::cloudtasks {
namespace {

constexpr std::size_t url_chars_max = 2083;

// `ends`: what would end the part of a URL that this is.
std::string encoded(std::string_view url, std::string_view ends = "") {
  constexpr std::string_view hex = "0123456789ABCDEF";
  constexpr std::string_view never = " \"<>\\^`{|}";
  std::string out;
  for (const char c : url) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && never.find(c) == std::string_view::npos &&
        ends.find(c) == std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    out.push_back('%');
    out.push_back(hex[byte >> 4]);
    out.push_back(hex[byte & 15]);
  }
  return out;
}

}  // namespace

Outcome<std::string> checked_url(std::string_view url) {
  if (url.empty()) return refuse_argument("HttpRequest.url is required.");
  if (!starts_ignoring_case(url, "http://") && !starts_ignoring_case(url, "https://"))
    return refuse_argument("HttpTarget.url must start with 'http://' or 'https://'.");
  if (url.size() > url_chars_max)  // encoding makes it no shorter
    return refuse_argument("HttpRequest.url must be at most 2083 characters long.");
  std::string sent = encoded(url);
  if (sent.size() > url_chars_max) {
    return refuse_argument("HttpRequest.url must be at most 2083 characters long; it is " +
                           std::to_string(sent.size()) + " after encoding.");
  }
  // A `%` that begins no escape is let in, as the service does; its attempts fail.
  std::string without_escapes = sent;
  std::ranges::replace(without_escapes, '%', 'x');
  if (auto ok = parse_target_url(without_escapes); !ok)
    return refuse_argument("HttpRequest.url is invalid: " + ok.error().message);
  return sent;
}

Outcome<void> check_host(std::string_view host) {
  if (host.empty()) return refuse_argument("HttpTarget.uriOverride.host cannot be empty.");
  const std::string url = "http://" + std::string(host);
  const auto parsed = parse_target_url(url);
  if (!parsed)
    return refuse_argument("HttpTarget.uriOverride.host is invalid: " + parsed.error().message);
  // A port, a path or a query are parts of their own.
  const bool alone = host.starts_with('[') ? host.ends_with(']')
                                           : host.find_first_of(":/?#") == std::string_view::npos;
  if (!alone) return refuse_argument("HttpTarget.uriOverride.host must be a host alone.");
  return {};
}

Outcome<std::string> checked_path(std::string_view path) {
  std::string sent = encoded(path, "?#");
  const std::string url = "http://h" + std::string(sent.starts_with('/') ? "" : "/") + sent;
  if (auto ok = parse_target_url(url); !ok) {
    return refuse_argument("HttpTarget.uriOverride.pathOverride.path is invalid: " +
                           ok.error().message);
  }
  return sent;
}

Outcome<std::string> checked_query(std::string_view query) {
  std::string sent = encoded(query, "#");
  if (auto ok = parse_target_url("http://h/?" + sent); !ok) {
    return refuse_argument("HttpTarget.uriOverride.queryOverride.queryParams is invalid: " +
                           ok.error().message);
  }
  return sent;
}

Outcome<std::string> checked_relative_uri(std::string_view uri) {
  if (uri.empty()) return "/";
  if (!uri.starts_with('/'))
    return refuse_argument("AppEngineHttpRequest.relativeUri must begin with '/'.");
  if (uri.size() > url_chars_max) {
    return refuse_argument(
        "AppEngineHttpRequest.relativeUri must be at most 2083 characters long.");
  }
  if (auto ok = check_target_path(uri); !ok)
    return refuse_argument("AppEngineHttpRequest.relativeUri is invalid: " + ok.error().message);
  return std::string(uri);
}

}  // namespace deferd::cloudtasks
