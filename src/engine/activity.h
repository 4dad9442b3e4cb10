// What a queue has done lately; made when it first does something, so that an idle queue costs
// nothing.
#pragma once

#include <cstdint>

#include "engine/stats.h"
#include "model/task.h"

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
  AttemptCounts attempts;
  DelayCounts delays;

  void attempt_started(Mono now, Micros late) {
    delay.add(now, late);
    delays.add(late);
  }

  // `status`: as in AttemptCounts.
  void attempt_ended(Mono now, Micros took, std::int16_t status) {
    executed.add(now);
    ++executed_total;
    execution.add(now, took);
    attempts.add(status);
    const bool well = status == status_none || (status >= 200 && status <= 299);
    if (!well && status != status_cancelled) {
      failed.add(now);
      ++failed_total;
    }
  }
};

}  // namespace deferd
