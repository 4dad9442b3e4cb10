// What a queue has done lately; made when it first does something, so that an idle queue costs
// nothing.
#pragma once

#include <cstdint>

#include "engine/stats.h"

namespace deferd {

struct Activity {
  RecentCounter executed;
  RecentCounter failed;
  RecentCounter leased;
  std::uint64_t executed_total = 0;
  std::uint64_t failed_total = 0;
  std::uint64_t added_total = 0;
  std::uint64_t completed_total = 0;
  std::uint64_t dropped_total = 0;
  std::uint64_t cancelled_total = 0;
  UsageTotals usage;
  std::uint64_t dead_total = 0;
  std::uint64_t poisoned_total = 0;
  std::uint64_t forwarded_total = 0;
  DurationHistogram execution;
  DurationHistogram delay;

  void attempt_ended(Mono now, Micros took, bool failed_attempt) {
    executed.add(now);
    ++executed_total;
    execution.add(now, took);
    if (failed_attempt) {
      failed.add(now);
      ++failed_total;
    }
  }
};

}  // namespace deferd
