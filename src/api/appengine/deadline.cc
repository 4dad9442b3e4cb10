#include "api/appengine/deadline.h"

#include <algorithm>
#include <charconv>

namespace deferd::appengine {

Millis deadline_of(std::string_view text) {
  constexpr Millis usual = Seconds(60);
  constexpr std::chrono::duration<double> most = std::chrono::hours(1);
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0)) return usual;
  return std::chrono::ceil<Millis>(std::min(std::chrono::duration<double>(seconds), most));
}

Millis wait_before(Millis deadline) {
  constexpr Millis margin_max(100);
  return deadline - std::min(deadline / 10, margin_max);
}

}  // namespace deferd::appengine
