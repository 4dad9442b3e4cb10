// Dead letters: which tasks are dead, why, since when, and what is told of them.
//
// A task is dead for sure when the history tells its end and the reason, or when it was seen dead
// (in an answer, or on the disk), and nothing that may have ended its dead letter was asked since.
#include <algorithm>
#include <set>

#include "sim/checker.h"

namespace deferd::sim {

std::optional<DeathReason> Checker::death_of(const ModelTask& task) const {
  if (task.life == Life::asked || task.life == Life::refused) return DeathReason::none;
  if (task.life == Life::live) return std::nullopt;
  if (task.grave.seen != DeathReason::none) return task.grave.seen;
  if (task.outcome) return task.outcome->reason;
  // What began by hand in the very run of its last end may have begun before it.
  if (!ended_surely(task) || task.end_run == run_) return std::nullopt;
  if (task.cause == EndCause::dropped) return DeathReason::attempts;
  if (task.cause == EndCause::poisoned) return DeathReason::poison;
  return task.cause == EndCause::acked && task.failed ? DeathReason::failed : DeathReason::none;
}

std::pair<Wall, Wall> Checker::died_between(const ModelTask& task) const {
  if (task.grave.seen != DeathReason::none) return {task.grave.died, task.grave.died};
  if (task.outcome) return {task.outcome->ended, task.outcome->ended};
  return {task.ended_from, task.ended_to};
}

bool Checker::is_dead(const ModelTask& task) const {
  const Grave& grave = task.grave;
  return !task.queue->dead_are_tight && !grave.gone && !grave.doubt && grave.endings == 0 &&
         death_of(task).value_or(DeathReason::none) != DeathReason::none;
}

bool Checker::was_dead(const ModelTask& task, const Call& call) const {
  const Grave& grave = task.grave;
  if (!is_dead(task) || grave.unsure_event >= call.applied_event) return false;
  if (grave.settled_event != 0 && grave.settled_event < call.applied_event) return true;
  return options_.settle_within != Nanos::max() &&
         call.applied_at.mono - task.changed_at > options_.settle_within;
}

void Checker::count_dead(ModelQueue& queue, Recount& count) {
  for (const auto& [id, task] : queue.by_id) {
    const bool may_be_dead = task->life == Life::live
                                 ? !sure(*task) || task->forced > 0
                                 : !task->grave.gone && death_of(*task) != DeathReason::none;
    if (may_be_dead) ++count.dead.high, count.dead_bytes.high += task->bytes;
    if (is_dead(*task)) ++count.dead.low, count.dead_bytes.low += task->bytes;
  }
}

// ---- Calls that end dead letters

void Checker::exhume(Call& call, ModelTask* task) {
  ++task->grave.endings;
  if (std::holds_alternative<RetryDead>(call.command)) {
    ++task->grave.revivals;
    ++task->lives_max;
    bytes_asked_ += task->bytes;
  }
  call.exhumed.push_back({task, event_, task->grave.unsure_event});
  task->grave.unsure_event = event_;
}

void Checker::exhume(Call& call, const std::vector<TaskRef>& refs) {
  for (const TaskRef& ref : refs) {
    if (const auto* name = std::get_if<std::string>(&ref)) {
      const auto at = call.queue->by_name.find(*name);
      if (at == call.queue->by_name.end()) continue;
      for (ModelTask* task : at->second) exhume(call, task);
    } else if (ModelTask* const task = by_id(*call.queue, std::get<TaskId>(ref))) {
      exhume(call, task);
    }
  }
}

void Checker::unexhume(const Call& call) {
  for (auto mark = call.exhumed.rbegin(); mark != call.exhumed.rend(); ++mark) {
    Grave& grave = mark->task->grave;
    if (grave.endings > 0) --grave.endings;
    if (std::holds_alternative<RetryDead>(call.command) && grave.revivals > 0) --grave.revivals;
    if (grave.unsure_event == mark->at) grave.unsure_event = mark->before;
  }
}

void Checker::forget_exhumed(const Call& call, bool failed) {
  for (const Call::Mark& mark : call.exhumed) {
    mark.task->grave.unsure_event = event_;
    mark.task->grave.doubt = mark.task->grave.doubt || failed;
  }
}

void Checker::purge_dead(ModelQueue& queue, bool for_good, EventNumber before) {
  for (const auto& [id, task] : queue.by_id) {
    if (task->life != Life::ended || task->ended_event >= before) continue;
    if (!task->grave.gone) task->grave.unsure_event = event_;
    task->grave.gone = true;
    task->grave.gone_for_good = task->grave.gone_for_good || for_good;
  }
}

void Checker::judge(Call& call, const DeleteDead& command,
                    const Result<std::vector<Result<void>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "a deletion of dead letters has more or fewer results than tasks");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const TaskRef& ref = command.tasks[i];
    const Result<void>& result = (*answer)[i];
    if (!result) {
      if (result.error().reason != Reason::task_missing)
        return violated(16, "a dead letter was not deleted: " + result.error().message);
      if (std::ranges::count(command.tasks, ref) == 1) judge_not_dead(call, ref);
      if (is_violated()) return;
      continue;
    }
    any = true;
    ++marks_.dead_deleted;
    const auto* id = std::get_if<TaskId>(&ref);
    if (id == nullptr) {  // which of its name is not told
      for (const Call::Mark& mark : call.exhumed) {
        if (mark.task->is_meant_by(ref)) mark.task->grave.doubt = true;
      }
      continue;
    }
    ModelTask* const task = by_id(*call.queue, *id);
    if (task == nullptr && call.queue->may_hold_strangers) continue;
    if (task == nullptr) return violated(27, "deleted a dead letter that nobody added");
    if (task->life == Life::live && sure_since(*task, call.applied_event))
      return violated(27, "deleted as dead: " + describe(*task));
    if (task->life == Life::ended && task->ended_event < call.applied_event &&
        death_of(*task) == DeathReason::none)
      return violated(27, "deleted as dead: " + describe(*task));
    if (task->life == Life::live) {
      finish(*task, EndCause::dropped, Wall{}, now_.wall, true);
      task->ended_from = Wall{};  // why, nobody knows
    }
    if (!task->end_is_durable) std::erase(task->queue->ended, task);
    task->end_is_durable = true;
    task->grave.gone = task->grave.gone_for_good = true;
  }
  if (any) durable(call);
}

// That it is dead is known, but not what led to it.
void Checker::note_death(ModelTask& task, DeathReason reason) {
  task.cause = reason == DeathReason::failed   ? EndCause::acked
               : reason == DeathReason::poison ? EndCause::poisoned
                                               : EndCause::dropped;
  task.failed = reason == DeathReason::failed;
  task.ended_from = Wall{};
}

// ---- What is told

void Checker::judge_not_dead(Call& call, const TaskRef& ref) {
  if (failed_ || call.queue->dropped) return;
  const auto* id = std::get_if<TaskId>(&ref);
  const ModelTask* const task = id == nullptr ? nullptr : by_id(*call.queue, *id);
  if (task == nullptr) return;
  if (was_dead(*task, call)) violated(27, "told as not dead: " + describe(*task));
}

ModelTask* Checker::judge_dead(Call& call, const Task& told) {
  ++marks_.dead;
  ModelTask* const found = task_of(told);
  if (found == nullptr) {
    violated(27, "a dead task is told that was never added, or without its payload");
    return nullptr;
  }
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) {
    violated(27, what + ": " + describe(task));
    return nullptr;
  };
  const DeathReason reason = told.progress.death;
  if (task.queue != call.queue) return bad("dead in another queue");
  if (task.life == Life::asked || task.life == Life::refused)
    return bad("dead before its add was answered");
  if (told.id != task.id || *told.payload != *task.given.payload || told.name() != task.name() ||
      told.key() != task.key() || told.bytes != task.bytes || told.created != task.created ||
      told.progress.own_priority != task.priority)
    return bad("dead with other fields");
  if (told.place.priority != dead_lane || told.progress.lease_token != 0 ||
      reason == DeathReason::none)
    return bad("told as dead, and does not stand so");
  if (told.place.eta > wall_max_) return bad("dead of an end to come");
  if (task.is_recurring()) return bad("a recurring task is dead");
  if (task.life == Life::live) {
    if (sure_since(task, call.applied_event)) return bad("told as dead");
    if (task.endings > 0 || task.grave.endings > 0) return &task;
    if (task.retried_event > call.applied_event) return &task;  // told as it was before
    if (reason == DeathReason::poison && !may_be_poison(task))
      violated(29, "dead of poison, after " + std::to_string(task.deaths) +
                       " deaths: " + describe(task));
    finish(task, EndCause::dropped, Wall{}, now_.wall, false);
    changed(task, false);
    task.is_settled = true;
    task.grave.settled_event = event_;
    note_death(task, reason);
    task.grave.seen = reason;
    task.grave.died = told.place.eta;
    task.grave.order = told.place.order;
    return &task;
  }
  if (task.grave.gone && task.grave.unsure_event < call.applied_event)
    return bad("dead, and was dead no more");
  const std::optional<DeathReason> death = death_of(task);
  if (death && *death != reason)
    return bad("dead for reason " + std::string(to_string(reason)) + " instead of " +
               std::string(to_string(*death)));
  if (death) {
    const auto [from, to] = died_between(task);
    if (told.place.eta < from || told.place.eta > to) return bad("died at another time");
    if (ended_surely(task) && told.progress.attempts != task.attempts)
      return bad("dead after " + std::to_string(told.progress.attempts) + " attempts");
  }
  if (task.grave.order != 0 && task.grave.order != told.place.order) return bad("died twice");
  task.grave.died = told.place.eta;
  task.grave.order = told.place.order;
  return &task;
}

void Checker::judge(Call& call, const GetDead& command, const Result<TaskInfo>& answer) {
  if (!answer) {
    if (answer.error().reason == Reason::task_missing) judge_not_dead(call, command.task);
    return;
  }
  if (failed_ || meets_stranger(*call.queue, answer->task)) return;
  const ModelTask* const task = judge_dead(call, answer->task);
  if (task == nullptr) return;
  if (!task->is_meant_by(command.task))
    violated(27, "another task is told as dead: " + describe(*task));
}

void Checker::judge(Call& call, const ListDead& command, const Result<ListDead::Answer>& answer) {
  if (!answer || failed_) return;
  if (answer->tasks.size() > command.tasks_max)
    return violated(27, "a page of the dead holds more tasks than were asked for");
  Place last = command.after;
  std::set<const ModelTask*> told;
  for (const Task& task : answer->tasks) {
    if (task.place <= last) return violated(27, "a page of the dead is out of order");
    last = task.place;
    if (answer->next && last > *answer->next)
      return violated(27, "a page of the dead goes on beyond the mark for the next");
    if (meets_stranger(*call.queue, task)) continue;
    const ModelTask* const model = judge_dead(call, task);
    if (model == nullptr) return;
    if (!command.filter.takes(task))
      return violated(27, "told as dead, and not asked for: " + describe(*model));
    if (!told.insert(model).second) return violated(27, "dead twice: " + describe(*model));
  }
  if (answer->next && *answer->next <= command.after)
    return violated(27, "the next page of the dead begins where this one did");
  if (call.queue->dropped || command.filter.last_status) return;
  const DeadFilter& filter = command.filter;
  for (const auto& [id, task] : call.queue->by_id) {
    if (!was_dead(*task, call) || told.contains(task)) continue;
    const auto [from, to] = died_between(*task);
    const Place place{dead_lane, task->grave.died, task->grave.order};
    const bool in_range =
        place.order != 0 ? place > command.after && (!answer->next || place <= *answer->next)
                         : from > command.after.eta && (!answer->next || to < answer->next->eta);
    const bool is_asked_for = (!filter.reason || filter.reason == death_of(*task)) &&
                              (!filter.key || *filter.key == task->key()) &&
                              (!filter.name || *filter.name == task->name()) &&
                              (!filter.since || from >= *filter.since) &&
                              (!filter.until || to < *filter.until);
    if (in_range && is_asked_for)
      return violated(27, "a list of the dead leaves out " + describe(*task));
  }
}

// ---- Restarts

void Checker::open_dead(ModelQueue& queue, const StoredQueue& stored,
                        const std::vector<Task>& dead) {
  std::uint64_t bytes = 0;
  for (const Task& task : dead) bytes += task.bytes;
  if (stored.counters.dead.count != dead.size() || stored.counters.dead.bytes != bytes)
    return violated(27, "queue " + queue.name.queue + " counts other dead letters than it has");
  std::set<ModelTask*> found;
  for (const Task& task : dead) {
    if (meets_stranger(queue, task)) continue;
    ModelTask* const known = task_of(task);
    if (known == nullptr || known->queue != &queue)
      return violated(27, "the disk holds a dead task that was never added");
    if (known->life != Life::ended) return violated(27, "dead on the disk: " + describe(*known));
    if (known->grave.gone_for_good)
      return violated(27, "dead on the disk, and was dead no more: " + describe(*known));
    const bool is_known = known->end_is_durable || known->is_on_disk;
    const std::optional<DeathReason> death = death_of(*known);
    if (is_known && death && *death != task.progress.death)
      return violated(27, "dead on the disk for another reason: " + describe(*known));
    found.insert(known);
  }
  for (const auto& [id, task] : queue.by_id) {
    const bool must_be_dead =
        is_dead(*task) && (task->end_is_durable || task->is_on_disk) && !found.contains(task);
    if (must_be_dead) return violated(27, "its dead letter is gone: " + describe(*task));
    if (task->life == Life::ended) task->grave.gone = true;
    task->grave.doubt = false;
  }
  for (const Task& task : dead) {
    if (is_stranger(task)) continue;
    ModelTask& known = *task_of(task);
    if (death_of(known) != task.progress.death) note_death(known, task.progress.death);
    known.grave = {.seen = task.progress.death,
                   .died = task.place.eta,
                   .order = task.place.order,
                   .gone = false,
                   .gone_for_good = false,
                   .doubt = false,
                   .endings = 0,
                   .unsure_event = event_,
                   .settled_event = event_};
  }
}

}  // namespace deferd::sim
