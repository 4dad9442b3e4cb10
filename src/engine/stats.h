// What a queue tells about itself: kept as it changes, O(1) to update and to read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "engine/attempt_counts.h"
#include "model/outcome.h"

namespace deferd {

// Of one kind of duration over the last half to whole hour. Percentiles are upper bounds of buckets
// 1/16 of an octave wide: at most 4.5 % above the true value.
struct DurationStats {
  std::uint64_t count = 0;
  Micros mean{0};
  Micros p50{0};
  Micros p95{0};
  Micros p99{0};
};

struct UsageTotals {
  Micros cpu{0};
  Micros wall{0};
  std::uint64_t memory_peak_max = 0;  // the highest of one attempt, in bytes
  std::array<std::uint64_t, exit_cause_count> causes{};
};

struct QueueStats {
  // Live tasks; exact, also after a restart. `counted` is false while scheduled, ready and leased
  // are still being counted after one, and when the store could not be asked for what it takes to
  // tell them apart (tasks, bytes and in_flight are right at once).
  std::uint64_t tasks = 0;
  std::uint64_t bytes = 0;
  std::uint64_t scheduled = 0;
  std::uint64_t ready = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t leased = 0;
  bool counted = true;

  // The smallest ETA of all tasks: those in flight where they were due, those leased at the end of
  // their lease. Absent: there is no task, or it cannot be read now.
  std::optional<Wall> oldest_eta;

  std::optional<Micros>
      oldest_ready;  // how long the task that is due longest has been due; absent: none is

  // Attempts that ended (pushes answered or failed; leases acknowledged, released or expired).
  // Since the server started.
  std::uint64_t executed_minute = 0;  // in the last 60 s
  std::uint64_t executed_hour = 0;    // in the last 60 min
  std::uint64_t leased_minute = 0;    // tasks that were leased
  std::uint64_t leased_hour = 0;
  Micros kept_for{0};  // how long this queue's attempts and leases have been counted
  std::uint64_t failed_minute = 0;
  std::uint64_t failed_hour = 0;
  std::uint64_t executed_total = 0;
  std::uint64_t failed_total = 0;
  std::uint64_t added_total = 0;
  std::uint64_t completed_total = 0;  // tasks that ended well
  std::uint64_t dropped_total = 0;    // tasks that ended for good without success
  std::uint64_t cancelled_total = 0;  // ... of them, by callers
  std::uint64_t dead_total = 0;       // ... or that became dead letters
  std::uint64_t poisoned_total = 0;   // ... of those, since their workers died
  std::uint64_t forwarded_total = 0;  // tasks that went on to another queue
  double failure_rate = 0;            // of the attempts of the last hour; 0 when there was none

  DurationStats execution;  // how long attempts took
  DurationStats delay;      // from due to dispatched or leased
  AttemptCounts attempts;   // those that ended, by how they did
  DelayCounts delays;       // those that started; `delay` of all time

  // What is kept now beside live tasks.
  std::uint64_t dead = 0;
  std::uint64_t dead_bytes = 0;
  std::uint64_t outgoing = 0;  // on their way to another queue, dead ones not counted
  std::string forward_error;   // why another queue takes no tasks of this one; empty: it does
  std::uint64_t outcomes = 0;
  std::uint64_t outcome_bytes = 0;

  // What workers reported of their attempts, since the server started.
  UsageTotals usage;

  double enforced_rate = 0;  // a second; infinity: unlimited; 0: stopped, paused or disabled
  double tokens = 0;         // in the bucket now
};

// Counts of the last minute and the last hour: a ring of seconds and a ring of minutes.
class RecentCounter {
 public:
  void add(Mono now, std::uint64_t count = 1);
  std::uint64_t last_minute(Mono now) const;
  std::uint64_t last_hour(Mono now) const;

 private:
  template <std::size_t size>
  struct Ring {
    std::array<std::uint32_t, size> slots{};
    std::int64_t latest = 0;  // the newest slot's number, counted from the epoch of the clock

    void add(std::int64_t slot, std::uint64_t count);
    std::uint64_t sum(std::int64_t slot) const;
  };
  Ring<60> seconds_;
  Ring<60> minutes_;
};

// Durations in buckets, 16 an octave, from a microsecond to 12 days; two halves, of which the older
// is forgotten every half hour.
class DurationHistogram {
 public:
  void add(Mono now, Micros duration);
  DurationStats read(Mono now) const;

 private:
  static constexpr int buckets_per_octave = 16;
  static constexpr int octaves = 40;
  struct Half {
    std::array<std::uint32_t, buckets_per_octave * octaves> buckets{};
    std::uint64_t count = 0;
    std::uint64_t micros = 0;
  };
  void turn(Mono now);

  std::unique_ptr<Half> newer_ = std::make_unique<Half>();
  std::unique_ptr<Half> older_;
  std::int64_t half_hour_ = 0;
};

}  // namespace deferd
