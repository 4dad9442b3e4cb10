// Dead letters that live again, and tasks of which workers die.
#include <algorithm>

#include "sim/checker.h"

namespace deferd::sim {

// ---- Retries

void Checker::judge(Call& call, const RetryDead& command,
                    const Result<std::vector<Result<TaskInfo>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "a retry has more or fewer results than tasks");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Result<TaskInfo>& result = (*answer)[i];
    if (result) {
      any = true;
      judge_retried(call, command.tasks[i], *result);
    } else if (std::ranges::count(command.tasks, command.tasks[i]) == 1) {
      judge_not_retried(call, command.tasks[i], result.error());
    }
    if (is_violated()) return;
  }
  if (!any) return;
  durable(call);
  judge_project_added(call);
  if (!is_violated()) judge_limits(call);
}

void Checker::judge_retried(Call& call, const TaskRef& ref, const TaskInfo& info) {
  ++marks_.retried;
  const Task& told = info.task;
  ModelTask* const found = task_of(told);
  if (found == nullptr && is_stranger(told)) return;
  if (found == nullptr) return violated(28, "retried what was never added, or without its payload");
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) { violated(28, what + ": " + describe(task)); };
  if (task.queue != call.queue || !task.is_meant_by(ref) || task.id != told.id)
    return bad("another task was retried");
  if (task.life == Life::asked || task.life == Life::refused)
    return bad("retried before its add was answered");
  if (task.life == Life::live && sure_since(task, call.applied_event))
    return bad("retried though it lives");
  const bool ended_before = task.life == Life::ended && task.ended_event < call.applied_event;
  if (ended_before && death_of(task) == DeathReason::none)
    return bad("retried though it is not dead");
  const bool was_gone = task.life == Life::ended && task.grave.gone;
  if (was_gone && task.grave.unsure_event < call.applied_event)
    return bad("retried though it was dead no more");
  if (told.place.priority != task.priority || told.name() != task.name() ||
      told.key() != task.key() || told.created != task.created || told.bytes != task.bytes ||
      *told.payload != *task.given.payload)
    return bad("retried with other fields");
  const Progress& progress = told.progress;
  if (progress.attempts != 0 || progress.deaths != 0 || progress.lease_token != 0 ||
      progress.first_attempt != Wall{})
    return bad("retried, and what was before is still counted");
  if (told.place.eta < call.applied_at.wall || told.place.eta > now_.wall)
    return bad("retried, and not due at once");
  if (info.state != TaskState::ready) return bad("retried, and told in another state");
  if (progress.death == DeathReason::none) return bad("retried, and it is not known to have died");
  if (was_gone || call.queue->dropped_durable) return;  // it was purged, or is going to be
  if (!judge_name(call, task)) return;
  revive(task, told);
}

void Checker::revive(ModelTask& task, const Task& told) {
  ModelQueue& queue = *task.queue;
  for (auto& [id, attempt] : attempts_) {
    if (attempt.task == &task) attempt.is_of_an_earlier_life = true;
  }
  std::erase(queue.ended, &task);
  if (task.life == Life::ended) queue.tasks.push_back(&task);
  task.life = Life::live;
  task.cause = EndCause::none;
  task.failed = false;
  task.outcome.reset();
  Grave grave;
  grave.endings = task.grave.endings;
  grave.revivals = task.grave.revivals;
  grave.unsure_event = event_;
  task.grave = grave;
  task.doubt = false;
  task.running = task.forced = 0;
  task.attempts = 0;
  task.first_attempt = Wall{};
  task.end_run = 0;
  if (task.lease_token != 0) task.old_tokens.push_back(task.lease_token);
  task.lease_token = 0;
  task.lease_is_named = false;
  task.deaths = 0;
  task.may_be_poison = false;
  task.is_retried = true;
  task.retried_event = event_;
  task.eta_from = task.eta_to = told.place.eta;
  task.order = told.place.order;
  task.unsure_event = event_;
  changed(task, true);
  // Calls under way that met nothing when they were taken may meet it now.
  for (auto& [id, other] : calls_) {
    if (other.queue == &queue && (other.may_end || other.may_move) && refers(other.command, task))
      mark(other, &task, other.may_end, other.may_move);
  }
}

void Checker::judge_not_retried(Call& call, const TaskRef& ref, const Error& error) {
  if (failed_ || call.queue->dropped || call.queue->may_hold_strangers) return;
  const auto refused = [&] {
    violated(28, "a retry is refused without a reason: " + error.message);
  };
  // All that may have counted at some time since the call was taken.
  std::uint64_t tasks = 0;
  std::uint64_t bytes = 0;
  for (const auto& [tag, task] : tasks_) {
    const bool may_count = task->queue == call.queue && task->life != Life::refused &&
                           (task->life != Life::ended || task->grave.revivals > 0 ||
                            task->ended_event > call.applied_event || !task->end_is_durable);
    if (may_count) ++tasks, bytes += task->bytes;
  }
  const auto* id = std::get_if<TaskId>(&ref);
  const ModelTask* const task = id == nullptr ? nullptr : by_id(*call.queue, *id);
  switch (error.reason) {
    case Reason::task_missing:
      return judge_not_dead(call, ref);
    case Reason::task_gone:
      if (!any_since(*call.queue, call.applied_event,
                     [](const QueueSettings& s) { return !s.dead.queue.empty(); }))
        refused();
      return;
    case Reason::queue_full_tasks:
      if (!any_since(*call.queue, call.applied_event, [&](const QueueSettings& s) {
            return s.max_tasks != 0 && tasks >= s.max_tasks;
          }))
        refused();
      return;
    case Reason::queue_full_bytes:
      if (!any_since(*call.queue, call.applied_event, [&](const QueueSettings& s) {
            return s.max_bytes != 0 && (task == nullptr || bytes + task->bytes > s.max_bytes);
          }))
        refused();
      return;
    case Reason::project_full:
      if (limits_.back().second == 0 && limits_.back().first < call.applied_event) refused();
      return;
    case Reason::task_name_taken:
    case Reason::task_name_recent:
      if (task != nullptr && !may_be_taken(call, *task, error)) refused();
      return;
    default:
      return refused();
  }
}

// ---- Poison

bool Checker::is_death(const Lease& lease) {
  if (lease.report == nullptr || !lease.report->usage) return false;
  const ExitCause cause = lease.report->usage->cause;
  return cause == ExitCause::signalled || cause == ExitCause::out_of_memory;
}

bool Checker::may_be_poison(const ModelTask& task) const {
  if (task.may_be_poison) return true;
  const std::uint32_t deaths = task.deaths + (would_be_death(task) ? 1 : 0);
  return std::ranges::any_of(task.queue->log, [&](const auto& entry) {
    const std::int32_t after = entry.second.poison_after;
    return would_be_death(task) && after > 0 && deaths >= static_cast<std::uint32_t>(after);
  });
}

}  // namespace deferd::sim
