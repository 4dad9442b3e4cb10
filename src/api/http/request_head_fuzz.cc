// Any bytes as a request head and as a chunked body: neither may crash, and a body never passes its
// limit.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/http/request_head.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequestHead head;
  if (!parse_request_head(text, head)) {
    std::string_view path, query;
    split_target(head.target, path, query);
  }
  constexpr std::uint64_t body_bytes_max = 64;
  ChunkedBody body("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                   body_bytes_max);
  HttpRefusal refusal;
  if (body.take(text, refusal) > size) std::abort();
  if (body.body().size() > body_bytes_max) std::abort();
  return 0;
}
