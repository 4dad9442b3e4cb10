// Push: starting attempts within rate and concurrency, and what follows when they end.
#include <algorithm>

#include "engine/queue.h"

namespace deferd {

void Queue::pump_push(const Now& now) {
  while (attempts_running_ < static_cast<std::uint32_t>(record_.settings.concurrency) &&
         core_.attempts_running < core_.options.attempts_max && bucket_.ready_at() <= now.mono) {
    bool blocked = false;
    Lane* const lane = first_due_lane(now, blocked);
    if (lane == nullptr) break;
    const Task& head = *lane->head();
    if (!head.payload) {
      if (retry_reads_at_ > now.mono) break;
      // Its payload is on disk only, and very likely that of those behind it too.
      std::vector<TaskId> ids;
      constexpr std::size_t load_tasks_max = 128;
      lane->visit([&ids](const Task& task) {
        if (!task.payload) ids.push_back(task.id);
        return ids.size() < load_tasks_max;
      });
      load_payloads(ids);
      break;
    }
    bucket_.take(now.mono);
    std::unique_ptr<Task> task = lane->take(head.place);
    uncount_free(*task);
    start_attempt(std::move(task), now, false);
  }
  if (core_.attempts_running >= core_.options.attempts_max) core_.starved.push_back(record_.number);
  scan_lanes(now);
}

void Queue::start_attempt(std::unique_ptr<Task> task, const Now& now, bool forced) {
  DEFERD_ASSERT(task->payload != nullptr);
  if (task->place.eta <= now.wall) activity().delay.add(now.mono, now.wall - task->place.eta);
  Held& held = held_[task->id];
  DEFERD_ASSERT(held.task == nullptr, "task", task->id);
  held.hold = Hold::pushing;
  held.running = 0;
  held.task = std::move(task);
  ++tasks_pushing_;
  start_attempt_again(held, now);
  if (!forced) return;
  core_.effects.attempts.back().key.forced = true;
}

void Queue::start_attempt_again(Held& held, const Now& now) {
  Task& task = *held.task;
  ++held.running;
  ++attempts_running_;
  ++core_.attempts_running;
  const Micros timeout = task.options && task.options->timeout > Micros(0)
                             ? task.options->timeout
                             : record_.settings.timeout;
  core_.effects.attempts.push_back({AttemptKey{record_.number, task.id, now.mono, now.wall, false},
                                    Attempt{name_, target_, task, timeout}});
  Progress& progress = task.progress;
  ++progress.attempts;
  if (progress.first_attempt == Wall{}) progress.first_attempt = now.wall;
  progress.last_attempt = now.wall;
  progress.last_eta = task.place.eta;
}

void Queue::attempt_done(const AttemptKey& key, const AttemptResult& result, const Now& now) {
  DEFERD_ASSERT(attempts_running_ > 0, "queue", name_->queue);
  DEFERD_ASSERT(core_.attempts_running > 0);
  --attempts_running_;
  --core_.attempts_running;
  if (dropped_) return;
  core_.touch(*this);
  due_counts_.fold(now.wall);
  const bool succeeded = result.status >= 200 && result.status <= 299;
  activity().attempt_ended(now.mono, std::chrono::duration_cast<Micros>(now.mono - key.started),
                           !succeeded);

  const auto at = held_.find(key.task);
  // Deleted, purged, or ended by another attempt meanwhile. After a failed commit nothing can be
  // recorded any more: the task runs again after the restart.
  if (at == held_.end() || at->second.hold != Hold::pushing || core_.failed) return;
  Held& held = at->second;
  DEFERD_ASSERT(held.running > 0, "task", key.task);
  --held.running;
  if (succeeded) {
    const std::unique_ptr<Task> task = std::move(held.task);
    --tasks_pushing_;
    ++activity().completed_total;
    end_task(*task, now, false);
    return;
  }
  Progress& progress = held.task->progress;
  progress.last_status = result.status;
  progress.last_response = now.wall;
  if (result.status > 0) {
    ++progress.responses;
    if (result.status < 500 || result.status > 599) ++progress.executions;
  }
  if (held.running > 0) return;  // the other attempt decides
  std::unique_ptr<Task> task = std::move(held.task);
  --tasks_pushing_;
  const RetryPolicy policy = policy_of(*task);
  if (exhausted(policy, progress.attempts, now.wall - progress.first_attempt)) {
    ++activity().dropped_total;
    end_task(*task, now, false);
    return;
  }
  const Wall base = key.forced ? key.started_wall : now.wall;
  const Wall by_backoff = base + backoff(policy, std::max(1U, progress.attempts));
  const Wall eta = std::max({by_backoff, now.wall + result.retry_after, now.wall});
  move_task(std::move(task), eta, now, false, false);
}

void Queue::run_task(RunTask command, const Now& now) {
  find({command.task}, true, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         Result<TaskInfo> answer = fail(Reason::internal, "");
         if (!found || self->core_.failed) {
           answer = fail(found ? self->store_error() : found.error());
         } else if (found->front().kind == Found::Kind::missing) {
           answer = fail(self->missing_error(found->front(), command.task, ""));
         } else {
           Task& task = found->front().task;
           if (found->front().kind == Found::Kind::pushing) {
             self->start_attempt_again(self->held_.at(task.id), later);
             self->core_.effects.attempts.back().key.forced = true;
           } else {
             self->take_free(task);
             self->uncount_free(task);
             self->start_attempt(std::make_unique<Task>(task), later, true);
           }
           answer = self->info_of(*self->held_.at(task.id).task, true, later);
         }
         self->core_.reply(std::move(command.reply), std::move(answer));
       });
}

}  // namespace deferd
