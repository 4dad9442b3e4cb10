// As much HTTP/1.1 as a benchmark needs: messages with Content-Length on a kept-alive connection.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace deferd::bench {

struct HttpMessage {
  std::string_view head;  // start line and headers, without the empty line
  std::string_view body;
  std::size_t bytes = 0;  // of the whole message
};

// The first message of `in`, or nothing while it is incomplete. A message without Content-Length
// has no body; one in chunks is not understood and reads as having none.
std::optional<HttpMessage> parse_http(std::string_view in);

// The value of a header, whatever its case; empty when absent. `name` in lower case.
std::string_view http_header(std::string_view head, std::string_view name);

// The status of a response; 0 when it has none.
int http_status(std::string_view head);

}  // namespace deferd::bench
