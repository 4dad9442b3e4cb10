// One priority of one queue: its tasks by (ETA, order), the next few of them in memory.
//
//      window_: tasks in memory      │  on disk only
//   ─────────────────────────────────┼───────────────▶ (eta, order)
//                                  mark_
//
// 1. A task that is stored, and that nobody has in hand, is in window_ if and only if its place is
// not beyond mark_.
// 2. Scans start at mark_, so they never walk over the tombstones of finished tasks.
// 3. window_ holds at most `window_max` tasks, however long the backlog is.
// 4. While a scan is open, tasks stored beyond mark_ are also kept in late_: the scan may not see
// them.
// 5. mark_ goes back when the window overflows. A scan that was open then is of no use and is
// dropped.
//
// "In hand" is the queue's knowledge (engine/queue.h): tasks being pushed, and those whose change
// is not committed yet.
#pragma once

#include <absl/container/btree_map.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "engine/store.h"
#include "model/task.h"

namespace deferd {

// What windows hold in memory, over all queues of a shard. Past payload_bytes_max tasks enter a
// window without their payload, and it is loaded when their turn comes.
struct WindowBudget {
  std::uint64_t payload_bytes_max = 0;
  std::uint64_t payload_bytes = 0;
  std::size_t tasks = 0;
};

class Lane {
 public:
  // What is known of a lane before its first scan: empty for a new queue, or `due_from` as a lower
  // bound.
  static std::unique_ptr<Lane> empty(std::uint8_t priority, WindowBudget& budget) {
    return std::unique_ptr<Lane>(new Lane(priority, budget, true, Wall::max()));
  }
  static std::unique_ptr<Lane> stored_before(std::uint8_t priority, WindowBudget& budget,
                                             Wall due_from) {
    return std::unique_ptr<Lane>(new Lane(priority, budget, false, due_from));
  }
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The first task, or null when the window is empty.
  const Task* head() const { return window_.empty() ? nullptr : window_.begin()->second.get(); }

  // No task of the lane is due before this. Wall::max(): there is none.
  Wall due_from() const;

  // No task that is on disk only is due before this.
  Wall disk_due_from() const {
    return complete_ ? Wall::max() : std::max(mark_.eta, disk_due_from_);
  }

  // The head is known and nothing on disk comes before it. False: a scan must come first.
  bool head_is_first() const { return !window_.empty() || complete_; }

  std::size_t window_tasks() const { return window_.size(); }

  // Takes a task out of the window. Requires that it is there.
  std::unique_ptr<Task> take(const Place& place);

  // The task at this place, if it is in the window.
  const Task* find(const Place& place) const;
  // Gives a task of the window its payload back, also over the budget: its turn has come.
  void set_payload(const Place& place, SharedBytes payload);

  // What lies beyond is on disk only; of no meaning while disk_due_from() is Wall::max().
  const Place& mark() const { return mark_; }
  bool beyond_mark(const Place& place) const { return !complete_ && place > mark_; }

  // Calls visit(const Task&) in order while it returns true.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [key, task] : window_) {
      if (!visit(static_cast<const Task&>(*task))) return;
    }
  }

  // A task of this lane is committed now.
  void stored(std::unique_ptr<Task> task, std::size_t window_max);

  // The change that took the task away from this place is committed now.
  void gone(const Place& place);

  // Whether a scan should be started: the window runs low and what is on disk may be due by `soon`.
  bool wants_scan(Wall soon, std::size_t window_max) const;
  bool scan_open() const { return scan_open_; }
  Place begin_scan();
  // `fresh` says whether a task of the answer is still as the scan saw it, `in_hand` whether
  // somebody has it in hand.
  template <class Fresh, class InHand>
  void end_scan(std::vector<Task> tasks, bool end, std::size_t window_max, Fresh&& fresh,
                InHand&& in_hand);
  void scan_failed();

 private:
  struct Key {
    Wall eta;
    std::uint64_t order;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  static Key key_of(const Place& place) { return {place.eta, place.order}; }

  Lane(std::uint8_t priority, WindowBudget& budget, bool complete, Wall due_from)
      : budget_(budget),
        mark_{priority, Wall::min(), 0},
        complete_(complete),
        disk_due_from_(due_from) {}
  void insert(std::unique_ptr<Task> task);
  void shrink(std::size_t window_max);

  void give_back(const Task& task) {
    --budget_.tasks;
    if (task.payload) budget_.payload_bytes -= task.payload->size();
  }

  WindowBudget& budget_;
  absl::btree_map<Key, std::unique_ptr<Task>> window_;
  Place mark_;
  bool complete_;  // nothing is beyond mark_: as if it were infinite
  Wall
      disk_due_from_;  // a lower bound for what is beyond mark_, from the counters that were loaded

  bool scan_open_ = false;
  Place scan_from_;  // mark_ when the scan began
  absl::btree_map<Key, std::unique_ptr<Task>> late_;
};

template <class Fresh, class InHand>
void Lane::end_scan(std::vector<Task> tasks, bool end, std::size_t window_max, Fresh&& fresh,
                    InHand&& in_hand) {
  DEFERD_ASSERT(scan_open_);
  scan_open_ = false;
  auto late = std::move(late_);
  late_.clear();
  if (complete_ || mark_ != scan_from_) return;  // invariant 5
  const Place reached = tasks.empty() ? mark_ : tasks.back().place;
  DEFERD_ASSERT(end || reached > mark_);
  for (Task& task : tasks) {
    if (fresh(static_cast<const Task&>(task))) insert(std::make_unique<Task>(std::move(task)));
  }
  for (auto& [key, task] : late) {
    const bool within = end || task->place <= reached;
    if (within && !window_.contains(key) && !in_hand(static_cast<const Task&>(*task)))
      insert(std::move(task));
  }
  if (end) {
    complete_ = true;
  } else {
    mark_ = reached;
  }
  shrink(window_max);
}

}  // namespace deferd
