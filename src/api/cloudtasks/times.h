// Instants and durations between our microseconds and protobuf's seconds and nanoseconds.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>

#include "base/time.h"
#include "model/duration_text.h"

namespace deferd::cloudtasks {

inline void write_time(Wall wall, google::protobuf::Timestamp& out) {
  const auto seconds = std::chrono::floor<Seconds>(wall.time_since_epoch());
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>(Nanos(wall.time_since_epoch() - seconds).count()));
}

// Truncated to microseconds; what lies beyond the years 1 to 9999 is cut there.
inline Wall read_time(const google::protobuf::Timestamp& time) {
  constexpr std::int64_t first = -62'135'596'800;
  constexpr std::int64_t last = 253'402'300'799;
  const std::int64_t seconds = std::clamp(time.seconds(), first, last);
  const int nanos = std::clamp(time.nanos(), 0, 999'999'999);
  return wall_from_micros(seconds * 1'000'000 + nanos / 1000);
}

inline void write_duration(Micros duration, google::protobuf::Duration& out) {
  const auto seconds = std::chrono::duration_cast<Seconds>(duration);
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>(Nanos(duration - seconds).count()));
}

// Truncated to microseconds (towards zero, but never to zero from below); at most duration_max
// either way.
inline Micros read_duration(const google::protobuf::Duration& duration) {
  constexpr std::int64_t most = std::chrono::duration_cast<Seconds>(duration_max).count();
  const std::int64_t seconds = std::clamp(duration.seconds(), -most, most);
  const int nanos = std::clamp(duration.nanos(), -999'999'999, 999'999'999);
  const Micros micros =
      std::clamp(Micros(seconds * 1'000'000 + nanos / 1000), -duration_max, duration_max);
  return micros == Micros(0) && nanos < 0 ? Micros(-1) : micros;
}

}  // namespace deferd::cloudtasks
