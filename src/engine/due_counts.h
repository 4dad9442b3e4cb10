// How many tasks of a queue are scheduled, leased and ready, as time passes, without walking over
// them: a count for every millisecond at which some become due, and one for those that are due
// already.
//
// A task counts as ready from the first whole millisecond at or after its ETA. Costs 16 bytes for
// every distinct millisecond that lies ahead; tasks that are due when added cost nothing.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>

#include "base/assert.h"
#include "base/time.h"

namespace deferd {

class DueCounts {
 public:
  std::uint64_t ready() const { return ready_; }
  std::uint64_t scheduled() const { return scheduled_; }
  std::uint64_t leased() const { return leased_; }

  // Everything due by now becomes ready. `now` never goes back.
  void fold(Wall now) {
    const std::int64_t slot = std::chrono::floor<Millis>(now.time_since_epoch()).count();
    if (slot <= folded_) return;
    folded_ = slot;
    while (!ahead_.empty() && ahead_.begin()->first <= folded_) {
      const Slot& due = ahead_.begin()->second;
      ready_ += due.scheduled + due.leased;
      scheduled_ -= due.scheduled;
      leased_ -= due.leased;
      ahead_.erase(ahead_.begin());
    }
  }

  void add(Wall eta, bool leased) {
    const std::int64_t slot = slot_of(eta);
    if (slot <= folded_) {
      ++ready_;
      return;
    }
    Slot& due = ahead_[slot];
    ++(leased ? due.leased : due.scheduled);
    ++(leased ? leased_ : scheduled_);
  }

  // Of a task that was added with the same eta and leased.
  void remove(Wall eta, bool leased) {
    const std::int64_t slot = slot_of(eta);
    if (slot <= folded_) {
      remove_ready();
      return;
    }
    const auto at = ahead_.find(slot);
    DEFERD_ASSERT(at != ahead_.end(), "eta", to_micros(eta));
    std::uint32_t& count = leased ? at->second.leased : at->second.scheduled;
    DEFERD_ASSERT(count > 0, "eta", to_micros(eta), "leased", leased);
    --count;
    --(leased ? leased_ : scheduled_);
    if (at->second.scheduled == 0 && at->second.leased == 0) ahead_.erase(at);
  }

  // For tasks found after a restart, before it is known which of them lie ahead.
  void add_ready(std::uint64_t count) { ready_ += count; }
  void remove_ready() {
    DEFERD_ASSERT(ready_ > 0);
    --ready_;
  }

 private:
  struct Slot {
    std::uint32_t scheduled = 0;
    std::uint32_t leased = 0;
  };
  static std::int64_t slot_of(Wall eta) {
    return std::chrono::ceil<Millis>(eta.time_since_epoch()).count();
  }

  absl::btree_map<std::int64_t, Slot> ahead_;
  std::int64_t folded_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t scheduled_ = 0;
  std::uint64_t leased_ = 0;
};

}  // namespace deferd
