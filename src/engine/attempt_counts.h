// What monitoring is told of a queue's attempts: exact counts since the server started.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace deferd {

// Attempts by how they ended: an HTTP status, one of status_* (model/task.h), or status_none for a
// lease that was acknowledged. Targets choose their statuses, so only so many are told apart.
struct AttemptCounts {
  static constexpr std::size_t statuses_max = 32;

  struct OfStatus {
    std::int16_t status = 0;
    std::uint64_t count = 0;

    friend bool operator==(const OfStatus&, const OfStatus&) = default;
  };
  std::vector<OfStatus> statuses;  // in the order in which they came up
  std::uint64_t others = 0;        // of those that came up later

  void add(std::int16_t status);
};

// How long after they were due attempts started, in buckets.
struct DelayCounts {
  // The largest delay of each bucket but the last, which has none.
  static constexpr std::array<Micros, 20> bounds = {
      Millis(1),    Millis(2),     Millis(5),     Millis(10),     Millis(20),
      Millis(50),   Millis(100),   Millis(200),   Millis(500),    Seconds(1),
      Seconds(2),   Seconds(5),    Seconds(10),   Seconds(30),    Seconds(60),
      Seconds(300), Seconds(1800), Seconds(3600), Seconds(21600), Seconds(86400)};

  std::array<std::uint64_t, bounds.size() + 1> buckets{};
  Micros sum{0};

  void add(Micros delay);
};

}  // namespace deferd
