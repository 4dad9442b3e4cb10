// What became of tasks: outcomes told, waited for and kept; tasks cancelled and watched.
#include <algorithm>

#include "sim/checker.h"

namespace deferd::sim {

namespace {
bool is_missing(const Error& error) {
  return error.reason == Reason::task_missing || error.reason == Reason::task_gone;
}
}  // namespace

bool Checker::ended_surely(const ModelTask& task) {
  return task.life == Life::ended && task.ended_from != Wall{} &&
         task.cause != EndCause::lost_in_crash && task.cause != EndCause::purged &&
         task.cause != EndCause::queue_deleted;
}

ModelTask* Checker::by_id(const ModelQueue& queue, TaskId id) const {
  const auto at = queue.by_id.find(id);
  return at == queue.by_id.end() ? nullptr : at->second;
}

void Checker::judge(Call& call, const CancelTasks& command,
                    const Result<std::vector<Result<TaskInfo>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "a cancel has more or fewer results than tasks");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Result<TaskInfo>& result = (*answer)[i];
    if (result) ++marks_.cancelled;
    any |= judge_ended(call, command.tasks[i], result ? nullptr : &result.error());
    if (is_violated()) return;
  }
  if (any) durable(call);
}

// ---- Outcomes

void Checker::judge(Call& call, const GetOutcomes& command,
                    const Result<std::vector<Result<GetOutcomes::Item>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "outcomes were told for more or fewer tasks than were asked for");
  bool all_pending = true;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const TaskRef& ref = command.tasks[i];
    const Result<GetOutcomes::Item>& item = (*answer)[i];
    all_pending = all_pending && item && item->pending;
    if (!item) {
      judge_no_outcome(call, ref, item.error());
    } else if (item->pending) {
      judge_pending(call, ref, *item->pending);
    } else {
      judge_outcome(call, ref, *item);
    }
    if (is_violated()) return;
  }
  judge_wait(call, command.wait, all_pending);
}

void Checker::judge_wait(const Call& call, Micros wait, bool is_over) {
  if (failed_ || stopping_ || call.queue->dropped) return;
  if (is_over && now_.mono < call.applied_at.mono + wait)
    return violated(26, "who waits for an end is answered too soon");
  if (options_.answer_within != Nanos::max() &&
      now_.mono - call.called_at > wait + options_.answer_within)
    violated(26, "who waits for an end is answered long after the wait");
}

void Checker::judge_told(const Call& call, const ModelTask& task) {
  if (options_.told_within == Nanos::max() || failed_ || stopping_) return;
  const Mono since = std::max(task.ended_at, call.applied_at.mono);
  if (now_.mono - since > options_.told_within)
    violated(26, "who waits is told late of the end of " + describe(task));
}

std::pair<OutcomeState, DeathReason> Checker::expected_end(const ModelTask& task) {
  switch (task.cause) {
    case EndCause::deleted:
      return {OutcomeState::cancelled, DeathReason::none};
    case EndCause::dropped:
      return {OutcomeState::failed, DeathReason::attempts};
    case EndCause::poisoned:
      return {OutcomeState::failed, DeathReason::poison};
    case EndCause::acked:
      if (task.failed) return {OutcomeState::failed, DeathReason::failed};
      break;
    default:
      break;
  }
  return {OutcomeState::succeeded, DeathReason::none};
}

void Checker::judge_outcome(Call& call, const TaskRef& ref, const GetOutcomes::Item& item) {
  ++marks_.outcomes;
  const Outcome& told = *item.outcome;
  ModelTask* const found = by_id(*call.queue, told.id);
  if (found == nullptr) return violated(26, "an outcome of a task that was never added");
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) { violated(26, what + ": " + describe(task)); };
  if (failed_) return;
  if (!task.is_meant_by(ref)) return bad("an outcome of another task");
  if (task.keep_result() == Micros(0)) return bad("an outcome that nobody asked for");
  if (task.outcome) {
    if (*task.outcome != told) return bad("an outcome that is not what it was");
  }
  if (told.created != task.created || told.name != task.name())
    return bad("an outcome with another age or name");
  if (told.kept_until != told.ended + task.keep_result())
    return bad("an outcome that is kept for another time than asked for");
  if (told.kept_until <= call.applied_at.wall) return bad("an outcome that is over");
  if (told.ended > wall_max_) return bad("an outcome of an end to come");
  if (item.history.size() > history_max) return bad("more attempts than are remembered");

  if (task.life == Life::live) {
    if (sure_since(task, call.applied_event)) return bad("an outcome of a task that lives");
    finish(task, EndCause::deleted, Wall{}, now_.wall, true);
    task.ended_from = Wall{};  // by what, nobody knows
  }
  if (!task.end_is_durable) std::erase(task.queue->ended, &task);
  task.end_is_durable = true;
  task.outcome = told;
  if (!ended_surely(task)) return;
  judge_told(call, task);
  if (is_violated()) return;
  if (told.ended < task.ended_from || told.ended > task.ended_to)
    return bad("an outcome with another end");
  if (std::pair(told.state, told.reason) != expected_end(task))
    return bad("an outcome that is " + std::string(to_string(told.state)));
}

void Checker::judge_pending(Call& call, const TaskRef& ref, const TaskInfo& info) {
  ++marks_.pending;
  if (failed_) return;
  const ModelTask* const task = by_id(*call.queue, info.task.id);
  if (task == nullptr) return violated(26, "a task is told as pending that was never added");
  if (!task->is_meant_by(ref))
    return violated(26, "another task is told as pending: " + describe(*task));
  if (task->keep_result() == Micros(0))
    return violated(26, "pending, and its outcome will not be kept: " + describe(*task));
  if (task->life == Life::ended && task->ended_event < call.applied_event &&
      task->grave.revivals == 0)
    violated(26, "told as pending though it ended: " + describe(*task));
}

void Checker::judge_no_outcome(Call& call, const TaskRef& ref, const Error& error) {
  if (failed_) return;
  ModelQueue& queue = *call.queue;
  if (error.reason == Reason::outcome_not_kept) {
    const auto met = candidates(queue, ref);
    for (const ModelTask* task : met) {
      if (task->keep_result() > Micros(0) && met.size() == 1 && task->life == Life::live)
        violated(26, "told that its outcome will not be kept: " + describe(*task));
    }
    return;
  }
  if (error.reason == Reason::store_failed && options_.reads_may_fail) return;
  if (!is_missing(error)) return violated(16, "an outcome is refused: " + error.message);
  for (ModelTask* task : candidates(queue, ref)) {
    if (sure_since(*task, call.applied_event))
      return violated(1, "outcomes do not know of " + describe(*task));
  }
  const auto* id = std::get_if<TaskId>(&ref);
  const ModelTask* const task = id == nullptr ? nullptr : by_id(queue, *id);
  if (task == nullptr || task->keep_result() == Micros(0) || queue.results_are_tight) return;
  if (queue.dropped) return;  // while it was asked: its outcomes went with it
  const bool was_told = task->outcome && wall_max_ < task->outcome->kept_until;
  const bool is_kept = ended_surely(*task) && task->ended_event < call.applied_event &&
                       wall_max_ < task->ended_from + task->keep_result();
  if (was_told || is_kept) return violated(26, "no outcome is left of " + describe(*task));
  ++marks_.outcomes_over;
}

void Checker::open_outcomes(const ModelQueue& queue, const StoredQueue& stored,
                            const std::set<TaskId>& outcomes) {
  if (outcomes.size() != stored.counters.outcomes.count)
    return violated(26, "queue " + queue.name.queue + " counts other outcomes than it has");
  for (const TaskId id : outcomes) {
    const ModelTask* const task = by_id(queue, id);
    if (task != nullptr && task->life == Life::live)
      return violated(26, "stored with its outcome, and alive: " + describe(*task));
  }
  if (queue.results_are_tight) return;
  for (const auto& [id, task] : queue.by_id) {
    if (!task->outcome || wall_max_ >= task->outcome->kept_until || outcomes.contains(id)) continue;
    return violated(26, "its outcome is gone after a restart: " + describe(*task));
  }
}

// ---- Watching

void Checker::judge(Call& call, const WatchTasks& command,
                    const Result<std::vector<TaskRef>>& answer) {
  if (!answer || failed_) return;
  for (const TaskRef& ref : *answer) {
    if (std::ranges::find(command.tasks, ref) == command.tasks.end())
      return violated(26, "told of an end that nobody asked for: " + to_text(ref));
    for (ModelTask* task : candidates(*call.queue, ref)) {
      if (sure_since(*task, call.applied_event))
        return violated(26, "told as ended: " + describe(*task));
    }
    const auto* id = std::get_if<TaskId>(&ref);
    const ModelTask* const task = id == nullptr ? nullptr : by_id(*call.queue, *id);
    if (task != nullptr && ended_surely(*task)) judge_told(call, *task);
    if (is_violated()) return;
  }
  if (answer->empty()) {
    for (const TaskRef& ref : command.tasks) {
      const auto* id = std::get_if<TaskId>(&ref);
      const ModelTask* const task = id == nullptr ? nullptr : by_id(*call.queue, *id);
      if (task != nullptr && task->life == Life::ended && task->ended_event < call.applied_event &&
          task->grave.revivals == 0)
        return violated(26, "not told as ended: " + describe(*task));
    }
  }
  judge_wait(call, command.wait, answer->empty());
}

}  // namespace deferd::sim
