// Any bytes as a stored payload: decoding may fail but not crash, and what decodes means the same
// after it was encoded again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/push_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto request = decode_push_request(bytes);
  if (!request) return 0;
  const auto again = decode_push_request(encode(*request));
  if (!again || *again != *request) std::abort();
  const auto view = decode_push_request_view(bytes);  // notes and all, without copies
  if (!view || encode(*view) != encode(*request)) std::abort();
  return 0;
}
