#include "dispatch/request_head.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/header_text.h"
#include "base/text.h"

namespace deferd {
namespace {

constexpr std::array<std::string_view, 12> of_connection = {
    "connection", "content-length",      "expect",
    "host",       "http2-settings",      "keep-alive",
    "te",         "proxy-authorization", "proxy-connection",
    "trailer",    "transfer-encoding",   "upgrade"};

bool always_has_length(HttpMethod method) {
  return method == HttpMethod::post || method == HttpMethod::put || method == HttpMethod::patch;
}

}  // namespace

Result<void> check_request_headers(const PushRequestView& request) {
  for (const auto& [name, value] : request.headers) {
    if (is_header_name(name) && is_header_value(value)) continue;
    return fail(Reason::invalid, "header \"" + std::string(is_header_name(name) ? name : "?") +
                                     "\" cannot be sent as one line");
  }
  return {};
}

std::string_view host_header(const PushRequestView& request) {
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "host")) return value;
  }
  return {};
}

void write_request_head(const HeadFacts& facts, std::string& out) {
  const PushRequestView& request = facts.request;
  const DoorHeaders& door = door_headers(request);
  out.clear();
  out.append(to_string(request.method)).append(" ").append(facts.target.path);
  out.append(" HTTP/1.1\r\n");
  HeaderLines lines(out);
  if (facts.app != nullptr) {
    lines.add("Host", facts.app->host);
  } else {
    lines.add("Host", facts.target.authority());
  }

  bool has_user_agent = false;
  bool has_content_type = false;
  std::string lower;  // reused: names are short
  for (const auto& [name, value] : request.headers) {
    lower.assign(name);
    for (char& c : lower) c = to_lower(c);
    if (std::find(of_connection.begin(), of_connection.end(), lower) != of_connection.end()) {
      continue;
    }
    if (door.drops(lower, facts.options)) continue;
    if (lower == "authorization" && !facts.authorization.empty()) continue;
    has_content_type |= lower == "content-type";
    if (lower == "user-agent" && !std::exchange(has_user_agent, true) && door.adds_user_agent) {
      out.append(name).append(": ").append(value).append(" ").append(door.user_agent);
      out.append("\r\n");
    } else {
      lines.add(name, value);
    }
  }
  if (!has_user_agent) lines.add("User-Agent", door.user_agent);
  if (!has_content_type && !request.body.empty() && !door.content_type.empty()) {
    lines.add("Content-Type", door.content_type);
  }
  if (!facts.authorization.empty()) lines.add("Authorization", facts.authorization);
  door.append(facts, lines);
  if (always_has_length(request.method) || !request.body.empty()) {
    lines.add("Content-Length", request.body.size());
  }
  out.append("\r\n");
}

}  // namespace deferd
