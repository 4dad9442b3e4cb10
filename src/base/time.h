// The two kinds of time. Wall time says when (ETAs, leases, tombstones; it may jump when an
// operator or NTP sets it); monotonic time says how long (rates, deadlines of attempts). They do
// not convert.
//
// Nothing here reads a clock. Whoever drives the engine hands it a Now (runtime/clock.h).
#pragma once

#include <chrono>
#include <cstdint>

namespace deferd {

using Nanos = std::chrono::nanoseconds;
using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

struct WallClock {
  using duration = Micros;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock, duration>;
  static constexpr bool is_steady = false;
};

struct MonoClock {
  using duration = Nanos;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock, duration>;
  static constexpr bool is_steady = true;
};

// Microseconds since 1970-01-01T00:00:00Z.
using Wall = WallClock::time_point;
// Nanoseconds since an instant that this process chose.
using Mono = MonoClock::time_point;

struct Now {
  Wall wall;
  Mono mono;
};

constexpr std::int64_t to_micros(Wall wall) { return wall.time_since_epoch().count(); }
constexpr Wall wall_from_micros(std::int64_t micros) { return Wall(Micros(micros)); }

}  // namespace deferd
