// The time that engines are given: wall time that never goes back and never stands still.
//
// The system's wall clock is followed at once when it is ahead. When an operator or NTP sets it
// back, ours goes on at half speed until the system's has caught up: an ETA that was due stays due,
// a delay of ten seconds takes at most twenty, and an hour's correction is absorbed in two.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace deferd {

class EngineTime {
 public:
  explicit EngineTime(const Now& start) : last_(start) {}

  Now at(const Now& system) {
    const Nanos passed = std::max(Nanos(0), system.mono - last_.mono);
    const Nanos half = passed / 2 + carry_;
    const auto half_micros = std::chrono::duration_cast<Micros>(half);
    const Wall slowed = last_.wall + half_micros;
    if (system.wall >= slowed) {
      last_.wall = std::max(last_.wall, system.wall);
      carry_ = Nanos(0);
    } else {
      last_.wall = slowed;
      carry_ = half - half_micros;
    }
    last_.mono += passed;
    return last_;
  }

 private:
  Now last_;
  Nanos carry_{0};  // what is below a microsecond while slowed down
};

}  // namespace deferd
