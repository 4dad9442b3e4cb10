#include "runtime/clock.h"

#include <chrono>

namespace deferd {

Now SystemClock::now() const {
  using std::chrono::duration_cast;
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto mono = std::chrono::steady_clock::now().time_since_epoch();
  return Now{Wall(duration_cast<Micros>(wall)), Mono(duration_cast<Nanos>(mono))};
}

}  // namespace deferd
