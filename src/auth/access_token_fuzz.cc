// Whatever a token server answers: what is taken for a token is one word of a header, with a life
// that a cache can reckon with; and no account or scope leaves its place in the path.
#include <algorithm>

#include "auth/oauth_tokens.h"
#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const std::string_view given(reinterpret_cast<const char*>(data), size);
  if (const Result<AccessToken> token = parse_access_token(given)) {
    DEFERD_ASSERT(!token->text.empty());
    for (const char c : token->text) DEFERD_ASSERT(c > 0x20 && c < 0x7f);
    DEFERD_ASSERT(token->life > Seconds(0) && token->life <= std::chrono::hours(24));
  }
  const std::string path = metadata_path(given, given);
  DEFERD_ASSERT(std::ranges::count(path, '/') == 6);
  DEFERD_ASSERT(std::ranges::count(path, '?') == 1);
  for (const char c : path) DEFERD_ASSERT(c > 0x20 && c < 0x7f);
  return 0;
}
