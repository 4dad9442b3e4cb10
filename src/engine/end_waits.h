// Callers that wait for one of some tasks to end, of one queue: found by task and by deadline.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/callback.h"
#include "base/time.h"
#include "engine/commands.h"
#include "model/names.h"

namespace deferd {

class EndWaits {
 public:
  using Resume = Callback<void(const Now&)>;

  // `awaited`: how many tasks are waited for, over all queues of a shard.
  explicit EndWaits(std::size_t& awaited) : awaited_(awaited) {}
  ~EndWaits() { awaited_ -= by_task_.size(); }
  EndWaits(const EndWaits&) = delete;
  EndWaits& operator=(const EndWaits&) = delete;

  // `resume` is for whoever takes it out again.
  void add(const std::vector<TaskId>& tasks, Mono deadline, CallerGone gone, Resume resume);

  bool empty() const { return waits_.empty(); }
  Mono deadline() const { return waits_.empty() ? Mono::max() : waits_.begin()->first.first; }

  void take_ended(TaskId task, std::vector<Resume>& into);
  void take_over(Mono now, std::vector<Resume>& into);
  void take_gone(std::vector<Resume>& into);  // whose callers went away
  void take_all(std::vector<Resume>& into) { take_over(Mono::max(), into); }

 private:
  using Key = std::pair<Mono, std::uint64_t>;  // the deadline, and a number of its own
  struct Wait {
    std::vector<TaskId> tasks;
    CallerGone gone;
    Resume resume;
  };
  using Waits = absl::btree_map<Key, Wait>;
  // The wait that follows.
  Waits::iterator take(Waits::iterator at, std::vector<Resume>& into);

  std::size_t& awaited_;
  std::uint64_t next_ = 0;
  Waits waits_;
  absl::btree_set<std::pair<TaskId, Key>> by_task_;
};

}  // namespace deferd
