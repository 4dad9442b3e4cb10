// Push: starting attempts within rate and concurrency, and what follows when they end.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {
namespace {

// Attempts a second; infinity: unlimited.
double own_rate(const QueueSettings& settings) {
  return settings.rate.unlimited ? std::numeric_limits<double>::infinity()
                                 : settings.rate.per_second();
}

}  // namespace

void Queue::pump_push(const Now& now) {
  while (attempts_running_ < static_cast<std::uint32_t>(record_.settings.concurrency) &&
         core_.attempts_running < core_.options.attempts_max && bucket_.ready_at() <= now.mono) {
    bool blocked = false;
    Lane* const lane = first_due_lane(now, blocked);
    if (lane == nullptr) break;
    const Task& head = *lane->head();
    if (is_recurring(head) && skipped(*lane, now)) continue;
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
  // One that is run by hand may not be due yet.
  if (task->place.eta <= now.wall) activity().attempt_started(now.mono, now.wall - task->place.eta);
  Held& held = held_[task->id];
  DEFERD_ASSERT(held.task == nullptr, "task", task->id);
  held = Held{};
  held.early = forced && is_recurring(*task) && run_due(*task) > now.wall;
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
  core_.effects.attempts.push_back(
      {AttemptKey{record_.number, task.id, now.mono, now.wall, task.place.order, false},
       Attempt{name_, target_, http_target_, task, timeout}});
  Progress& progress = task.progress;
  ++progress.attempts;
  if (progress.first_attempt == Wall{}) progress.first_attempt = now.wall;
  progress.last_attempt = now.wall;
  progress.last_eta = task.place.eta;
  if (auto entry = sample(TaskLogEntry::What::dispatched, task, now))
    core_.effects.logged.push_back(std::move(*entry));
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
  const auto took = std::chrono::duration_cast<Micros>(now.mono - key.started);
  activity().attempt_ended(now.mono, took, result.status);

  throttle(result.strain, now);

  const auto at = held_.find(key.task);
  // Deleted, purged, or ended by another attempt meanwhile. After a failed commit nothing can be
  // recorded any more: the task runs again after the restart.
  if (at == held_.end() || at->second.hold != Hold::pushing || core_.failed) return;
  Held& held = at->second;
  // It died of its age meanwhile, was retried, and is pushed anew.
  if (held.task->place.order != key.order) return;
  DEFERD_ASSERT(held.running > 0, "task", key.task);
  --held.running;
  const bool logged = log_answer(*held.task, key, result, now);
  if (is_recurring(*held.task)) {
    Progress& progress = held.task->progress;
    progress.last_status = result.status;
    progress.last_response = now.wall;
    held.succeeded = held.succeeded || succeeded;
    // All attempts of one run end before the next one begins.
    if (held.running > 0) return;
    if (held.succeeded || held.early) {
      const bool early = held.early;
      std::unique_ptr<Task> task = std::move(held.task);
      --tasks_pushing_;
      end_run(std::move(task), early, now);
      return;
    }
  }
  if (succeeded) {
    const std::unique_ptr<Task> task = std::move(held.task);
    --tasks_pushing_;
    task->progress.last_status = result.status;
    conclude(*task, {.state = OutcomeState::succeeded, .attempt = &result}, now, false);
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
  remember_attempt(*task, {.attempt = progress.attempts,
                           .started = key.started_wall,
                           .took = took,
                           .status = result.status,
                           .error = result.detail.substr(0, attempt_error_bytes_max),
                           .worker = {},
                           .log = {},
                           .usage = {}});
  const RetryPolicy policy = policy_of(*task);
  if (exhausted(policy, progress.attempts, now.wall - progress.first_attempt)) {
    if (is_recurring(*task)) {
      end_run(std::move(task), false, now);
      return;
    }
    conclude(*task,
             {.state = OutcomeState::failed, .reason = DeathReason::attempts, .attempt = &result},
             now, false);
    return;
  }
  if (is_recurring(*task)) task->progress.run_due = run_due(*task);
  const Wall base = key.forced ? key.started_wall : now.wall;
  const Wall by_backoff = base + backoff(policy, std::max(1U, progress.attempts));
  const Micros asked = retry_after_in_force(policy, result.retry_after);
  const Wall eta = std::max({by_backoff, now.wall + asked, now.wall});
  if (logged) core_.effects.logged.back().retry_at = eta;
  move_task(std::move(task), eta, now, false, false);
}

bool Queue::log_answer(const Task& task, const AttemptKey& key, const AttemptResult& result,
                       const Now& now) {
  auto entry = sample(TaskLogEntry::What::answered, task, now);
  if (!entry) return false;
  entry->status = result.status;
  entry->took = std::chrono::duration_cast<Micros>(now.mono - key.started);
  if (result.status > 0) ++entry->task.progress.responses;
  core_.effects.logged.push_back(std::move(*entry));
  return true;
}

// ---- Throttling

double Queue::rate_in_force() const {
  const double own = own_rate(record_.settings);
  return throttle_ ? std::min(own, throttle_->limit()) : own;
}

void Queue::pace(const Now& now) {
  const QueueSettings& settings = record_.settings;
  const double own = own_rate(settings);
  const double in_force = rate_in_force();
  if (in_force >= own) {
    bucket_.change(settings.rate, settings.burst, now.mono);
    return;
  }
  const Rate rate{.count = std::llround(in_force * 1000), .period = Seconds(1), .unlimited = false};
  const auto burst = static_cast<std::int64_t>(in_force / own * settings.burst);
  bucket_.change(rate, std::max<std::int64_t>(1, burst), now.mono);
}

void Queue::throttle(Strain strain, const Now& now) {
  if (!core_.options.throttle) return;
  if (throttle_ == nullptr) {
    if (strain == Strain::none) return;
    throttle_ = std::make_unique<Throttle>();
  }
  const Throttle::Change change =
      throttle_->attempt_ended(strain, own_rate(record_.settings), now.mono);
  if (change == Throttle::Change::none) return;
  pace(now);
  if (change == Throttle::Change::slower) {
    log_warn("queue.throttled", {{"queue", name_->path()}, {"per_second", throttle_->limit()}});
  } else if (change == Throttle::Change::over) {
    log_info("queue.throttle_over", {{"queue", name_->path()}});
  }
}

// ---- Recurring tasks (engine/recurrences.h)

bool Queue::skipped(Lane& lane, const Now& now) {
  const Task& head = *lane.head();
  if (head.progress.run_due != Wall{}) return false;  // its run has begun
  const Recurrences* const recurrences = core_.options.recurrences;
  const Wall due = head.place.eta;
  if (recurrences != nullptr && !recurrences->skips(head.options->recurrence, due, now.wall))
    return false;
  std::unique_ptr<Task> task = lane.take(head.place);
  uncount_free(*task);
  move_on(std::move(task), due, now);
  return true;
}

void Queue::end_run(std::unique_ptr<Task> task, bool early, const Now& now) {
  const Wall due = run_due(*task);
  Progress& progress = task->progress;
  progress.attempts = progress.responses = progress.executions = 0;
  progress.first_attempt = Wall{};
  progress.run_due = Wall{};
  if (early) {  // its run is still to come
    move_task(std::move(task), due, now, true, false);
  } else {
    move_on(std::move(task), due, now);
  }
}

void Queue::move_on(std::unique_ptr<Task> task, Wall due, const Now& now) {
  const Recurrences* const recurrences = core_.options.recurrences;
  if (recurrences == nullptr) {
    // It was added to a server that knew recurring tasks. This one does not, and loses none.
    constexpr Micros later = std::chrono::hours(1);
    move_task(std::move(task), now.wall + later, now, true, false);
    return;
  }
  const Wall next = recurrences->next(task->options->recurrence, due, now.wall);
  DEFERD_ASSERT(next > now.wall, "next", to_micros(next), "ended", to_micros(now.wall));
  if (next == Wall::max()) {
    conclude(*task, {.state = OutcomeState::succeeded}, now, true);
  } else {
    move_task(std::move(task), next, now, true, false);
  }
}

void Queue::run_task(RunTask command, const Now& now) {
  find({command.task}, Seek::payloads, now,
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
