// The head of an HTTP/1 request, parsed and checked: Beast's grammar, and on top of it what makes
// the framing of a request unambiguous (no Transfer-Encoding but `chunked`, not together with
// Content-Length, one Host, no folded lines), so that a proxy in front and we never disagree where
// a request ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/http.h"

namespace deferd {

// Views into the text that was parsed. Reused from request to request, so that its vector is
// allocated once.
struct RequestHead {
  std::string_view method;
  std::string_view target;
  std::vector<HttpHeader> headers;
  int version = 11;                  // 10 or 11
  std::uint64_t content_length = 0;  // 0 when chunked
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;
};

constexpr std::size_t request_headers_max = 200;

// What is answered to a request that never reaches a door.
struct HttpRefusal {
  int status = 0;  // 0: none
  std::string_view word;
  std::string message;

  explicit operator bool() const { return status != 0; }
};

// `text` is a whole head: it ends with the first empty line.
[[nodiscard]] HttpRefusal parse_request_head(std::string_view text, RequestHead& head);

// Path and query of a request target: "/path?query", or the absolute form of a proxy's request.
void split_target(std::string_view target, std::string_view& path, std::string_view& query);

// A body in chunks. Fed with bytes, it takes what it understands.
class ChunkedBody {
 public:
  // `head` is the text of the head that announced it.
  explicit ChunkedBody(std::string_view head, std::uint64_t body_bytes_max);
  ~ChunkedBody();

  // How many bytes of `input` were used up. Sets `refusal` when the body is malformed (400) or
  // passes its limit (413).
  std::size_t take(std::string_view input, HttpRefusal& refusal);
  bool done() const;
  const std::string& body() const { return body_; }

 private:
  class Parser;

  std::string body_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace deferd
