// Whatever bytes come in as a URL: what is let through can stand in a request line and a Host
// header, and means the same when it is read again.
#include <cstdlib>

#include "base/assert.h"
#include "model/target_url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const std::string_view given(reinterpret_cast<const char*>(data), size);
  if (check_target_path(given)) {  // then it stands behind any base and is one word of a line
    const Result<TargetUrl> base = parse_base_url("http://h:1/under/");
    DEFERD_ASSERT((base->path + std::string(given)).starts_with("/under/"));
    for (const char c : given) DEFERD_ASSERT(c > 0x20 && c < 0x7f);
  }
  const Result<TargetUrl> target = parse_target_url(given);
  if (!target) {
    DEFERD_ASSERT(!target.error().message.empty());
    return 0;
  }
  DEFERD_ASSERT(target->port != 0);
  DEFERD_ASSERT(!target->host.empty());
  DEFERD_ASSERT(target->path.starts_with('/'));
  for (const std::string& text : {target->authority(), target->path}) {
    for (const char c : text) {
      DEFERD_ASSERT(static_cast<unsigned char>(c) > 0x20);
      DEFERD_ASSERT(static_cast<unsigned char>(c) < 0x7f);
    }
  }
  const std::string written =
      (target->tls ? "https://" : "http://") + target->authority() + target->path;
  if (written.size() > target_url_bytes_max) return 0;  // "/" was added to a URL of full length
  const Result<TargetUrl> again = parse_target_url(written);
  DEFERD_ASSERT(again.has_value());
  DEFERD_ASSERT(*again == *target);
  return 0;
}
