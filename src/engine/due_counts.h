// How many tasks of a queue are scheduled, leased and ready, as time passes, without walking over
// them: counts for the milliseconds at which some become due, and one for those that are due
// already.
//
// A task counts as ready from the first whole millisecond at or after its ETA. Bounded in memory: a
// slot is one millisecond as long as there are at most `slots_max` of them; then neighbours beyond
// the nearest are joined, none to hold much more than its share of the tasks. Only while the
// present lies within a joined slot is it not known how many of its tasks are due. Whoever asks
// then has it split (Queue::split_counts()): what was found is told by found(), until end_split().
#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/assert.h"
#include "base/time.h"

namespace deferd {

class DueCounts {
 public:
  // At least 4.
  explicit DueCounts(std::size_t slots_max) : slots_max_(slots_max) {}

  // A task whose slot is not told apart yet counts as scheduled or leased.
  std::uint64_t ready() const { return ready_; }
  std::uint64_t scheduled() const { return scheduled_; }
  std::uint64_t leased() const { return leased_; }
  std::size_t slots() const { return ahead_.size(); }

  // Everything due by now becomes ready. `now` never goes back.
  void fold(Wall now);

  void add(Wall eta, bool leased);
  // Of a task that was added with the same eta and leased.
  void remove(Wall eta, bool leased);

  // For tasks found after a restart, before it is known which of them lie ahead.
  void add_ready(std::uint64_t count) { ready_ += count; }
  void remove_ready() {
    DEFERD_ASSERT(ready_ > 0);
    --ready_;
  }

  // ETAs in (after, last].
  struct Range {
    Wall after{};
    Wall last{};
    std::uint64_t tasks = 0;
  };
  // The slot that the present lies in, when some of its tasks may be due and others not.
  bool is_blurred() const { return !ahead_.empty() && ahead_.begin()->first <= folded_; }
  // Takes the blurred slot apart. Until end_split() its tasks are undecided: each is told once, by
  // found() or, when it went away, by remove_undecided(). Requires is_blurred().
  Range begin_split();
  bool is_splitting() const { return splitting_.has_value(); }
  std::uint64_t undecided() const { return splitting_ ? splitting_->tasks() : 0; }
  void found(Wall eta, bool leased) {
    remove_undecided(leased);
    add(eta, leased);
  }
  void remove_undecided(bool leased);
  // All that are still undecided lie beyond `reached`.
  void end_split(Wall reached);

 private:
  // Tasks that become due in [the slot's key, last].
  struct Slot {
    std::int64_t last = 0;
    std::uint32_t scheduled = 0;
    std::uint32_t leased = 0;

    std::uint64_t tasks() const { return std::uint64_t{scheduled} + leased; }
    void join(const Slot& other);
  };
  using Slots = absl::btree_map<std::int64_t, Slot>;
  static std::int64_t slot_of(Wall eta) {
    return std::chrono::ceil<Millis>(eta.time_since_epoch()).count();
  }
  // The slot that counts what becomes due in this millisecond; end(): none.
  Slots::iterator slot_at(std::int64_t millisecond);
  void make_ready(const Slot& slot);
  void join_far_slots();

  std::size_t slots_max_;
  Slots ahead_;  // disjoint; each ends after folded_
  std::int64_t folded_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t scheduled_ = 0;
  std::uint64_t leased_ = 0;
  std::optional<Slot> splitting_;  // what is undecided of it
};

}  // namespace deferd
