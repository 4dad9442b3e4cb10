// Where time comes from. The only reader of the system's clocks outside of tests and tools.
#pragma once

#include "base/time.h"

namespace deferd {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Now now() const override;
};

// Stands still until it is moved. For tests and the simulator.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Wall start = wall_from_micros(1'800'000'000'000'000))
      : now_{start, Mono(Seconds(1000))} {}

  Now now() const override { return now_; }
  void advance(Nanos by) {
    mono_left_ += by;
    const auto micros = std::chrono::duration_cast<Micros>(mono_left_);
    now_.wall += micros;
    mono_left_ -= micros;
    now_.mono += by;
  }
  // The operator or NTP sets the wall clock; monotonic time does not notice.
  void set_wall(Wall wall) { now_.wall = wall; }

 private:
  Now now_;
  Nanos mono_left_{0};  // what is below a microsecond of wall time
};

}  // namespace deferd
