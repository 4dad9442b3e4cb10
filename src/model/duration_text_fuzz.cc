// Any text as a duration and as a rate: neither may crash, and what is accepted is within its
// bounds and reads back the same from its written form.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/duration_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto duration = parse_duration(text)) {
    if (*duration > duration_max || *duration < -duration_max) std::abort();
    const auto again = parse_duration(format_duration(*duration));
    if (!again || *again != *duration) std::abort();
  }
  if (const auto rate = parse_rate(text)) {
    if (rate->per_second() > static_cast<double>(rate_per_second_max)) std::abort();
    const auto again = parse_rate(format_rate(*rate));
    if (!again || *again != *rate) std::abort();
  }
  return 0;
}
