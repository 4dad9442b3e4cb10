#include "dispatch/request_head.h"

#include <algorithm>
#include <array>

#include "dispatch/door_headers.h"

namespace deferd {
namespace {

constexpr std::array<std::string_view, 12> of_connection = {
    "connection", "content-length",      "expect",
    "host",       "http2-settings",      "keep-alive",
    "te",         "proxy-authorization", "proxy-connection",
    "trailer",    "transfer-encoding",   "upgrade"};

// RFC 9110: tchar.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
  });
}

bool is_one_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool always_has_length(HttpMethod method) {
  return method == HttpMethod::post || method == HttpMethod::put || method == HttpMethod::patch;
}

}  // namespace

Result<void> check_request_headers(const PushRequestView& request) {
  for (const auto& [name, value] : request.headers) {
    if (is_token(name) && is_one_line(value)) continue;
    return fail(Reason::invalid, "header \"" + std::string(is_token(name) ? name : "?") +
                                     "\" cannot be sent as one line");
  }
  return {};
}

void write_request_head(const Attempt& attempt, const PushRequestView& request,
                        const TargetUrl& target, std::string& out) {
  const DoorHeaders& door = door_headers(request.door);
  out.clear();
  out.append(to_string(request.method)).append(" ").append(target.path).append(" HTTP/1.1\r\n");
  HeaderLines lines(out);
  lines.add("Host", target.authority());

  bool has_user_agent = false;
  std::string lower;  // reused: names are short
  for (const auto& [name, value] : request.headers) {
    lower.assign(name);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (std::find(of_connection.begin(), of_connection.end(), lower) != of_connection.end()) {
      continue;
    }
    if (door.drops(lower)) continue;
    has_user_agent |= lower == "user-agent";
    lines.add(name, value);
  }
  if (!has_user_agent) lines.add("User-Agent", door.user_agent);
  door.append(attempt, lines);
  if (always_has_length(request.method) || !request.body.empty()) {
    lines.add("Content-Length", request.body.size());
  }
  out.append("\r\n");
}

}  // namespace deferd
