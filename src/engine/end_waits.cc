#include "engine/end_waits.h"

#include <atomic>

namespace deferd {

void EndWaits::add(const std::vector<TaskId>& tasks, Mono deadline, CallerGone gone,
                   Resume resume) {
  const Key key{deadline, next_++};
  for (const TaskId task : tasks) {
    if (by_task_.emplace(task, key).second) ++awaited_;
  }
  waits_.emplace(key, Wait{tasks, std::move(gone), std::move(resume)});
}

EndWaits::Waits::iterator EndWaits::take(Waits::iterator at, std::vector<Resume>& into) {
  for (const TaskId task : at->second.tasks) awaited_ -= by_task_.erase({task, at->first});
  into.push_back(std::move(at->second.resume));
  return waits_.erase(at);
}

void EndWaits::take_ended(TaskId task, std::vector<Resume>& into) {
  while (true) {
    const auto at = by_task_.lower_bound({task, Key{Mono::min(), 0}});
    if (at == by_task_.end() || at->first != task) return;
    take(waits_.find(at->second), into);
  }
}

void EndWaits::take_over(Mono now, std::vector<Resume>& into) {
  auto at = waits_.begin();
  while (at != waits_.end() && at->first.first <= now) at = take(at, into);
}

void EndWaits::take_gone(std::vector<Resume>& into) {
  for (auto at = waits_.begin(); at != waits_.end();) {
    const CallerGone& gone = at->second.gone;
    at = gone != nullptr && gone->load(std::memory_order_relaxed) ? take(at, into) : std::next(at);
  }
}

}  // namespace deferd
