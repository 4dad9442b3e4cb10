#include "api/cloudtasks/rest/buffer_request.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cloudtasks/rest/json_reader.h"
#include "api/cloudtasks/text.h"
#include "api/http/text.h"
#include "base/text.h"

namespace deferd::cloudtasks::rest {
namespace {

constexpr std::string_view left_out[] = {
    "host",       "content-length",      "expect",           "authorization",
    "connection", "keep-alive",          "proxy-connection", "proxy-authenticate",
    "te",         "proxy-authorization", "trailer",          "transfer-encoding",
    "upgrade",    "x-server-timeout",    "grpc-timeout",     "x-http-method-override",
};
constexpr std::string_view left_out_starts[] = {"x-goog-", "x-google-", "x-cloudtasks-",
                                                "x-appengine-"};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_left_out(std::string_view name, const std::vector<std::string_view>& of_connection) {
  const auto same = [name](std::string_view other) {
    return equal_ignoring_case(name, trimmed(other));
  };
  return std::ranges::any_of(left_out, same) || std::ranges::any_of(of_connection, same) ||
         std::ranges::any_of(left_out_starts, [name](std::string_view start) {
           return starts_ignoring_case(name, start);
         });
}

// Whether the first member of an object is "body": all others need no closer look.
bool may_be_wrapped(std::string_view text) {
  for (const std::string_view part : {"{", "\"body\""}) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.starts_with(part)) return false;
    text.remove_prefix(part.size());
  }
  return true;
}

std::optional<google::api::HttpBody> wrapped(const HttpRequest& http) {
  if (!starts_ignoring_case(http.header("content-type"), "application/json") ||
      !may_be_wrapped(http.body))
    return std::nullopt;
  static const Shape& shape = shape_of(*BufferTaskBody::descriptor());
  BufferTaskBody wrap;
  if (!read_json(http.body, shape, "", wrap)) return std::nullopt;
  if (wrap.body().content_type().empty() && wrap.body().data().empty()) return std::nullopt;
  return std::move(*wrap.mutable_body());
}

}  // namespace

void read_buffered(const HttpRequest& http, BufferTaskRequest& request) {
  auto body = wrapped(http);
  const auto of_connection = cloudtasks::split(http.header("connection"), ',');
  auto& headers = *request.mutable_headers();
  for (const HttpHeader& header : http.headers) {
    if (is_left_out(header.name, of_connection)) continue;
    if (body && equal_ignoring_case(header.name, "content-type")) continue;
    headers[std::string(header.name)] = valid_utf8(header.value);
  }
  if (!body) {
    request.set_body(std::string(http.body));
    return;
  }
  if (!body->content_type().empty()) headers["Content-Type"] = body->content_type();
  request.set_body(std::move(*body->mutable_data()));
}

}  // namespace deferd::cloudtasks::rest
