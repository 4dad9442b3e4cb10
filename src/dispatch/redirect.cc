#include "dispatch/redirect.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "dispatch/http_override.h"

namespace deferd {
namespace {

// "http:" and the like: letters before the first colon, and no slash or question mark before it.
bool has_scheme(std::string_view text) {
  const std::size_t end = text.find_first_of(":/?");
  return end != std::string_view::npos && end > 0 && text[end] == ':';
}

// RFC 3986, 5.2.4, of an absolute path.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);  // with its slash in front
    path.remove_prefix(end);
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") out.resize(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
      if (path.empty()) out += '/';
    } else {
      out += segment;
    }
  }
  return out;
}

}  // namespace

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::optional<TargetUrl> resolve_location(const TargetUrl& from, std::string_view location) {
  location = location.substr(0, location.find('#'));
  std::string url;
  if (has_scheme(location)) {
    url = location;
  } else if (location.starts_with("//")) {
    url.append(from.tls ? "https:" : "http:").append(location);
  } else {
    const std::string_view path = location.substr(0, location.find('?'));
    const std::string_view query = location.substr(path.size());
    const std::string_view base = std::string_view(from.path).substr(0, from.path.find('?'));
    url.append(from.tls ? "https://" : "http://").append(from.authority());
    if (location.empty()) {
      url.append(from.path);
    } else if (path.empty()) {
      url.append(base).append(query);
    } else if (path.starts_with('/')) {
      url.append(without_dots(path)).append(query);
    } else {
      const std::string_view folder = base.substr(0, base.rfind('/') + 1);
      url.append(without_dots(std::string(folder).append(path))).append(query);
    }
  }
  Result<TargetUrl> to = parse_target_url(url);
  if (!to) return std::nullopt;
  return std::move(*to);
}

void redirect_request(int status, bool same_place, PushRequestView& request) {
  const bool was_post = request.method == HttpMethod::post;
  if ((status == 303 && request.method != HttpMethod::head) ||
      ((status == 301 || status == 302) && was_post)) {
    request.method = HttpMethod::get;
    drop_body(request);
  }
  if (same_place) return;
  std::erase_if(request.headers, [](const auto& header) {
    return equal_ignoring_case(header.first, "authorization") ||
           equal_ignoring_case(header.first, "cookie");
  });
}

}  // namespace deferd
