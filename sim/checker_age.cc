// How old tasks may grow (task_ttl). When the engine drops one it tells nobody, so that from its
// time on a task is in doubt; met a good while later, it should be no more.
#include <algorithm>

#include "sim/checker.h"

namespace deferd::sim {

bool Checker::may_be_too_old(const ModelTask& task) const {
  const Micros ttl = task.queue->settings.task_ttl;
  return ttl > Micros(0) && !task.is_recurring() && !task.is_retried &&
         task.created + ttl <= now_.wall;
}

void Checker::note_disturbance(const Now& now) {
  const Nanos offset_before = now_.wall.time_since_epoch() - now_.mono.time_since_epoch();
  const Nanos offset = now.wall.time_since_epoch() - now.mono.time_since_epoch();
  if (offset > offset_before + Millis(1)) undisturbed_since_ = now.mono;
}

void Checker::judge_age(const ModelTask& task, Wall seen) {
  // A look a second, the reads and commits that it waits for; after a restart its tasks are counted
  // first.
  const Nanos late_max = options_.answer_within;
  if (late_max == Nanos::max() || failed_ || task.is_recurring() || task.is_retried) return;
  if (now_.mono - undisturbed_since_ <= late_max) return;
  // A clock that was set back between two processes: the young behind an older id wait for it.
  for (const auto& [id, other] : task.queue->by_id) {
    if (id >= task.id) break;
    if (other->created > task.created) return;
  }
  Micros ttl{0};
  for (const auto& [event, settings] : task.queue->log) {
    if (settings.task_ttl == Micros(0)) return;
    ttl = std::max(ttl, settings.task_ttl);
  }
  if (seen - task.created <= ttl + late_max) return;
  violated(25, "met " + std::to_string((seen - task.created).count()) +
                   " us after its add, with a task_ttl of " + std::to_string(ttl.count()) +
                   " us: " + describe(task));
}

}  // namespace deferd::sim
