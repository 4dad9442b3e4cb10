#include "bench/client/http.h"

#include <charconv>

namespace deferd::bench {
namespace {

// `b` is in lower case; of `a` only letters are folded.
bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] | 0x20) : a[i];
    if (c != b[i]) return false;
  }
  return true;
}

}  // namespace

std::string_view http_header(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const std::size_t line = at + 2;
    at = head.find("\r\n", line);
    const std::string_view header =
        head.substr(line, at == std::string_view::npos ? at : at - line);
    if (header.size() <= name.size() || header[name.size()] != ':') continue;
    if (!same_name(header.substr(0, name.size()), name)) continue;
    const std::string_view value = header.substr(name.size() + 1);
    const std::size_t begin = value.find_first_not_of(" \t");
    return begin == std::string_view::npos ? std::string_view() : value.substr(begin);
  }
  return {};
}

int http_status(std::string_view head) {
  int status = 0;
  const std::size_t space = head.find(' ');
  if (space == std::string_view::npos) return 0;
  std::from_chars(head.data() + space + 1, head.data() + head.size(), status);
  return status;
}

std::optional<HttpMessage> parse_http(std::string_view in) {
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  HttpMessage message{.head = in.substr(0, end)};
  std::size_t length = 0;
  const std::string_view text = http_header(message.head, "content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  if (in.size() - end - 4 < length) return std::nullopt;
  message.body = in.substr(end + 4, length);
  message.bytes = end + 4 + length;
  return message;
}

}  // namespace deferd::bench
