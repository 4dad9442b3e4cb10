// The checker's judgement of answers: was it possible, for what the caller asked when it did?
#include <algorithm>
#include <type_traits>

#include "sim/checker.h"

namespace deferd::sim {

namespace {
bool is_missing(const Error& error) {
  return error.reason == Reason::task_missing || error.reason == Reason::task_gone;
}
}  // namespace

void Checker::answer(const Answered& answered) {
  const auto at = calls_.find(answered.call);
  if (at == calls_.end())
    return violated(16, "call " + std::to_string(answered.call.value) + " was answered twice");
  Call call = std::move(at->second);
  calls_.erase(at);
  if (!call.applied)
    return violated(16,
                    "call " + std::to_string(call.id.value) + " was answered before it was taken");
  if (std::holds_alternative<LeaseTasks>(call.command) && call.queue != nullptr && !call.must_fail)
    --call.queue->leases_out;
  unmark(call);
  unexhume(call);
  const bool may_have_failed = failed_;
  std::visit(
      [&](const auto& command, const auto& result) {
        // Only the pairs that belong together are judged.
        if constexpr (requires { judge(call, command, result); }) {
          if (!result) {
            const Error& error = result.error();
            if (!check_error(call, error)) return;
            if (error.reason == Reason::store_failed && failed_) {
              // It may be on the disk all the same.
              std::vector<ModelTask*> touched = call.added;
              for (const Call::Mark& mark : call.endings) touched.push_back(mark.task);
              for (const Call::Mark& mark : call.movings) touched.push_back(mark.task);
              if (std::holds_alternative<RetryDead>(call.command)) {
                for (const Call::Mark& mark : call.exhumed) mark.task->grave.may_live = true;
              }
              for (ModelTask* task : touched) {
                task->doubt = true;
                task->unsure_event = event_;
                task->changed_run = std::numeric_limits<std::uint64_t>::max();
                task->is_settled = false;
              }
              return;
            }
            for (ModelTask* task : call.added) {
              if (task->life != Life::asked) continue;
              task->life = Life::refused;
              std::erase(call.queue->tasks, task);
            }
          } else if (call.must_fail) {
            return violated(
                *call.must_fail == Reason::store_failed || *call.must_fail == Reason::stopping ? 18
                                                                                               : 16,
                "call " + std::to_string(call.id.value) + " should have failed with " +
                    std::string(to_string(*call.must_fail)));
          }
          judge(call, command, result);
        } else {
          violated(16,
                   "call " + std::to_string(call.id.value) + " was answered with something else");
        }
      },
      call.command, answered.answer);
  forget_marks(call);
  forget_exhumed(call, may_have_failed);
}

// False after a violation.
bool Checker::check_error(Call& call, const Error& error) {
  const auto wrong = [&] {
    violated(16, "call " + std::to_string(call.id.value) + " failed without a reason: " +
                     std::string(to_string(error.reason)) + " (" + error.message + ")");
    return false;
  };
  if (call.must_fail)
    return error.reason == *call.must_fail || (failed_ && error.reason == Reason::store_failed)
               ? true
               : wrong();
  switch (error.reason) {
    case Reason::store_failed:
      return failed_ || options_.reads_may_fail ? true : wrong();
    case Reason::stopping:
      return stopping_ ? true : wrong();
    case Reason::queue_missing:
      return call.queue != nullptr && call.queue->dropped ? true : wrong();
    case Reason::task_missing:
    case Reason::task_gone:
      return std::holds_alternative<GetTask>(call.command) ||
                     std::holds_alternative<RunTask>(call.command) ||
                     std::holds_alternative<GetDead>(call.command) ||
                     std::holds_alternative<ModifyLease>(call.command)
                 ? true
                 : wrong();
    case Reason::lease_lost:
      return std::holds_alternative<ModifyLease>(call.command) ? true : wrong();
    case Reason::queue_paused: {
      const auto* lease = std::get_if<LeaseTasks>(&call.command);
      const bool asked = (lease != nullptr && lease->refuse_paused) ||
                         std::holds_alternative<ModifyLease>(call.command);
      const bool was_paused = call.queue->state != QueueState::running ||
                              call.queue->running_event > call.applied_event;
      return asked && was_paused ? true : wrong();
    }
    default:
      return wrong();
  }
}

// ---- Queues

void Checker::judge_info(Call& call, const QueueInfo& info) {
  const QueueInfo& expected = call.queues.front();
  if (info.name != expected.name || info.settings != expected.settings ||
      info.state != expected.state || info.created != expected.created) {
    violated(15, "queue " + expected.name.queue +
                     " is told with other settings, state or age than it has");
  }
}

void Checker::judge(Call& call, const ConfigureQueue&,
                    const Result<ConfigureQueue::Answer>& answer) {
  if (!answer) return;
  if (answer->made != !call.before.has_value())
    return violated(15, "a queue was made, or not, against what was told");
  if (answer->queue.settings != call.wanted)
    return violated(15, "a queue was configured with other settings than asked for");
  durable(call);
}

void Checker::judge(Call& call, const DeleteQueue&, const Result<void>& answer) {
  if (!answer) return;
  durable(call);
  if (const auto gone = gone_.find(call.queue->name);
      gone != gone_.end() && gone->second.call == call.id)
    gone->second.is_durable = true;
  ModelQueue& queue = *call.queue;
  queue.dropped_durable = true;
  for (ModelTask* task : std::vector<ModelTask*>(queue.tasks)) {
    finish(*task, EndCause::queue_deleted, call.applied_at.wall, now_.wall, true);
  }
  queue.ended.clear();
}

void Checker::judge(Call& call, const GetQueue&, const Result<QueueInfo>& answer) {
  if (answer) judge_info(call, *answer);
}

void Checker::judge(Call& call, const ListQueues&, const Result<std::vector<QueueInfo>>& answer) {
  if (!answer) return;
  const bool same =
      answer->size() == call.queues.size() &&
      std::ranges::equal(*answer, call.queues, [](const QueueInfo& a, const QueueInfo& b) {
        return a.name == b.name && a.settings == b.settings && a.state == b.state &&
               a.created == b.created;
      });
  if (!same) violated(15, "the list of queues is not that of the queues there are");
}

void Checker::judge(Call& call, const SetQueueState& command, const Result<QueueInfo>& answer) {
  if (!answer) return;
  durable(call);
  ModelQueue& queue = *call.queue;
  if (answer->state != command.state)
    return violated(15, "the state of a queue is told other than it was set");
  const bool is_last =
      queue.versions.back().state == command.state &&
      std::ranges::none_of(queue.versions, [&](const ModelQueue::Version& version) {
        return version.call > call.id && version.state == QueueState::running;
      });
  if (is_last && command.state != QueueState::running && !queue.paused_since) {
    queue.paused_since = now_.wall;
    queue.paused_event = event_;
  }
}

void Checker::judge(Call& call, const PurgeQueue&, const Result<QueueInfo>& answer) {
  if (!answer) return;
  durable(call);
  for (ModelTask* task : call.purged) {
    const bool is_there = task->life == Life::live || task->life == Life::asked;
    if (is_there) finish(*task, EndCause::purged, call.applied_at.wall, now_.wall, true);
    task->grave.gone = task->grave.gone_for_good = true;
  }
  purge_dead(*call.queue, true, call.applied_event);
}

void Checker::judge(Call& call, const GetQueueStats&, const Result<QueueStats>& answer) {
  if (!answer || failed_) return;
  ++marks_.stats;
  const QueueStats& stats = *answer;
  const Recount& count = call.recount;
  judge_oldest(call, stats);
  if (is_violated()) return;
  const struct {
    const char* name;
    std::uint64_t told;
    const Range& range;
    bool always;
  } checks[] = {
      {"tasks", stats.tasks, count.tasks, true},
      {"bytes", stats.bytes, count.bytes, true},
      {"in_flight", stats.in_flight, count.in_flight, true},
      {"scheduled", stats.scheduled, count.scheduled, false},
      {"ready", stats.ready, count.ready, false},
      {"leased", stats.leased, count.leased, false},
  };
  for (const auto& [told, range] :
       {std::pair(stats.dead, count.dead), std::pair(stats.dead_bytes, count.dead_bytes)}) {
    if (range.holds(told) || (call.queue->may_hold_strangers && told > range.low)) continue;
    std::string believed;
    for (const auto& [id, task] : call.queue->by_id) {
      if (is_dead(*task)) believed += "\n  " + describe(*task);
    }
    return violated(27, "queue " + call.queue->name.queue + " tells " + std::to_string(told) +
                            " dead tasks or bytes; a recount gives " + std::to_string(range.low) +
                            " to " + std::to_string(range.high) + believed);
  }
  if (count.dead.low == count.dead.high && stats.dead > 0) ++marks_.dead_counted;
  bool exact = stats.counted;
  for (const auto& check : checks) {
    exact = exact && check.range.low == check.range.high;
    if (call.queue->may_hold_strangers && check.told > check.range.low) continue;
    if ((check.always || stats.counted) && !check.range.holds(check.told)) {
      std::string believed;
      for (const ModelTask* task : call.queue->tasks) believed += "\n  " + describe(*task);
      return violated(14, "queue " + call.queue->name.queue + " tells " +
                              std::to_string(check.told) + " " + check.name + "; a recount gives " +
                              std::to_string(check.range.low) + " to " +
                              std::to_string(check.range.high) + believed);
    }
  }
  if (exact) ++marks_.exact_stats;
  if (call.queue->settings.mode == QueueMode::push &&
      (stats.executed_total != count.executed || stats.failed_total != count.failed)) {
    return violated(14, "queue " + call.queue->name.queue + " tells " +
                            std::to_string(stats.executed_total) + " executed and " +
                            std::to_string(stats.failed_total) + " failed attempts; there were " +
                            std::to_string(count.executed) + " and " +
                            std::to_string(count.failed));
  }
}

// ---- Adding

void Checker::judge(Call& call, const AddTasks& command,
                    const Result<std::vector<Result<Task>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "an add has more or fewer results than tasks");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    ModelTask& task = *call.added[i];
    const Result<Task>& result = (*answer)[i];
    if (result) {
      any = true;
      const Fit fit = call.fits.empty() ? Fit::unknown : call.fits[i];
      if (fit == Fit::too_many || fit == Fit::too_large)
        return violated(13, "added beyond the queue's limits: " + describe(task));
      judge_added(call, task, *result);
    } else {
      judge_refused(call, i, task, result.error());
      if (task.life == Life::asked) {
        task.life = Life::refused;
        std::erase(call.queue->tasks, &task);
      }
    }
    if (is_violated()) return;
  }
  if (!any) return;
  durable(call);
  judge_project_added(call);
  if (is_violated()) return;
  judge_limits(call);
}

// Calls whose names had to be looked up have no exact instant; but what surely lives now was all
// there by the last of them.
void Checker::judge_limits(Call& call) {
  if (call.queue->settings.max_tasks == 0 && call.queue->settings.max_bytes == 0) return;
  std::uint64_t tasks = 0;
  std::uint64_t bytes = 0;
  for (ModelTask* task : call.queue->tasks) {
    if (!sure(*task)) continue;
    ++tasks;
    bytes += task->bytes;
  }
  const auto fits = [&](const QueueSettings& settings) {
    return (settings.max_tasks == 0 || tasks <= settings.max_tasks) &&
           (settings.max_bytes == 0 || bytes <= settings.max_bytes);
  };
  if (!any_since(*call.queue, call.applied_event, fits)) {
    violated(13, "queue " + call.queue->name.queue + " holds " + std::to_string(tasks) +
                     " tasks and " + std::to_string(bytes) +
                     " bytes after an add that its limits forbid");
  }
}

void Checker::judge_added(Call& call, ModelTask& task, const Task& added) {
  ModelQueue& queue = *call.queue;
  const auto bad = [&](int property, const std::string& what) {
    violated(property, what + ": " + describe(task));
  };
  const Wall from = call.applied_at.wall;
  const Wall to = now_.wall;
  if (task.life != Life::asked && task.life != Life::ended) return bad(16, "added twice");
  if (task.given.has_target != (queue.settings.mode == QueueMode::push))
    return bad(16, "added to a queue of the other mode");

  if (added.id.value <= queue.last_id) return bad(15, "added under an id that was given before");
  queue.last_id = added.id.value;
  if (added.place.order != added.id.value) return bad(15, "added with an order that is not its id");
  if (added.created < from || added.created > to) return bad(15, "created at another time");
  if (added.bytes != task.bytes)
    return bad(15, "counted with " + std::to_string(added.bytes) + " bytes");
  if (added.payload == nullptr || *added.payload != *task.given.payload)
    return bad(15, "added with another payload");
  if (added.name() != task.name() || added.key() != task.key())
    return bad(15, "added with another name or key");
  if (added.progress != Progress{}) return bad(15, "added with progress");
  const std::uint8_t priority = added.place.priority;
  const auto same = [&](const QueueSettings& settings) {
    return priority == task.given.priority.value_or(settings.priority);
  };
  if (!any_since(queue, call.applied_event, same)) {
    return bad(15, "added with priority " + std::to_string(priority));
  }
  // Due at what was asked for; or at the latest now.
  const Wall asked_from =
      task.given.delay ? from + *task.given.delay : task.given.eta.value_or(from);
  const Wall asked_to = task.given.delay ? to + *task.given.delay : task.given.eta.value_or(to);
  const Wall eta = added.place.eta;
  if (eta < asked_from && eta > to)
    return bad(2, "added with eta " + std::to_string(to_micros(eta)));
  if (eta > std::max(asked_to, to))
    return bad(15, "added with a later eta " + std::to_string(to_micros(eta)));
  if (asked_from > to && eta < asked_from)
    return bad(2, "added with an earlier eta " + std::to_string(to_micros(eta)));

  if (!judge_name(call, task)) return;
  task.id = added.id;
  task.created = added.created;
  task.priority = priority;
  task.order = added.place.order;
  task.eta_from = task.eta_to = eta;
  queue.by_id[task.id] = &task;
  if (task.life == Life::ended) return;  // purged meanwhile
  task.life = Life::live;
  task.unsure_event = event_;
  changed(task, true);
}

bool Checker::judge_name(Call& call, const ModelTask& task) {
  if (task.name().empty()) return true;
  ModelQueue& queue = *call.queue;
  for (ModelTask* other : queue.by_name.find(task.name())->second) {
    if (other == &task || other->life == Life::asked || other->life == Life::refused) continue;
    if (sure_since(*other, call.applied_event)) {
      violated(10, describe(task) + " takes the name of the live " + describe(*other));
      return false;
    }
    const Micros tombstone =
        std::max(queue.tombstone_min, ended_surely(*other) ? other->keep_result() : Micros(0));
    if (other->life == Life::ended && other->cause != EndCause::lost_in_crash &&
        other->ended_event < call.applied_event && wall_max_ < other->ended_from + tombstone) {
      violated(10, describe(task) + " takes the name of " + describe(*other) +
                       " before its tombstone is over");
      return false;
    }
  }
  return true;
}

// By another task, or by what is left of one; `error` says which.
bool Checker::may_be_taken(const Call& call, const ModelTask& task, const Error& error) const {
  const ModelQueue& queue = *call.queue;
  if (task.name().empty()) return false;
  return std::ranges::any_of(queue.by_name.find(task.name())->second, [&](const ModelTask* other) {
    if (other == &task || other->life == Life::refused) return false;
    const bool is_over = other->life == Life::ended && other->ended_event <= call.applied_event;
    if (error.reason == Reason::task_name_taken) return !is_over || other->grave.revivals > 0;
    return other->life != Life::ended ||
           other->ended_to + std::max(queue.tombstone_max, other->keep_result()) >
               call.applied_at.wall;
  });
}

void Checker::judge_refused(Call& call, std::size_t index, ModelTask& task, const Error& error) {
  ModelQueue& queue = *call.queue;
  const auto bad = [&](int property) {
    violated(property, "add refused without a reason, " + std::string(to_string(error.reason)) +
                           ": " + describe(task));
  };
  const Fit fit = call.fits.empty() ? Fit::unknown : call.fits[index];
  switch (error.reason) {
    case Reason::invalid:
      if (is_valid(task)) bad(16);
      return;
    case Reason::queue_full_tasks:
      ++marks_.full;
      if (!any_since(queue, call.applied_event, [](const auto& s) { return s.max_tasks != 0; }))
        return bad(13);
      if (fit == Fit::fits || fit == Fit::too_large) return bad(13);
      return;
    case Reason::queue_full_bytes:
      ++marks_.full;
      if (!any_since(queue, call.applied_event, [](const auto& s) { return s.max_bytes != 0; }))
        return bad(13);
      if (fit == Fit::fits || fit == Fit::too_many) return bad(13);
      return;
    case Reason::project_full:
      ++marks_.project_full;
      if (!may_be_full(call)) return bad(22);
      return;
    case Reason::task_name_taken:
    case Reason::task_name_recent: {
      const bool taken = error.reason == Reason::task_name_taken;
      ++(taken ? marks_.names_taken : marks_.names_recent);
      if (!may_be_taken(call, task, error)) bad(10);
      return;
    }
    default:
      return bad(16);
  }
}

// ---- Reading

ModelTask* Checker::judge_sighting(Call& call, const TaskInfo& info) {
  ++marks_.sightings;
  const Task& seen = info.task;
  ModelTask* const found = task_of(seen);
  if (found == nullptr) {
    violated(15, "a task was read that was never added, or without its payload");
    return nullptr;
  }
  ModelTask& task = *found;
  drift(task);
  const auto bad = [&](int property, const std::string& what) {
    violated(property, what + ": " + describe(task));
    return nullptr;
  };
  if (failed_) return &task;  // what cannot be committed is in memory all the same
  if (task.queue != call.queue) return bad(15, "read from another queue");
  if (task.life == Life::asked) return bad(15, "read before its add was answered");
  if (task.life == Life::refused) return bad(15, "read though its add was refused");
  // Started by hand again in the run in which its attempt ended: that may have come first, and then
  // the failure decided nothing.
  if (task.forced > 0 && task.end_run == run_ && task.cause == EndCause::dropped) return &task;
  // Told as alive before its retry is answered.
  if (task.grave.revivals > 0 && (task.life == Life::ended || !sure(task))) return &task;
  if (task.life == Life::ended && task.ended_event < call.applied_event) {
    switch (task.cause) {
      case EndCause::acked:
      case EndCause::deleted:
        return bad(6, "read though it was deleted");
      case EndCause::purged:
      case EndCause::queue_deleted:
        return bad(12, "read though it was purged");
      case EndCause::dropped:
        return bad(7, "read though it was dropped");
      default:
        return bad(3, "read though it was completed");
    }
  }
  if (seen.id != task.id) return bad(15, "read under the id #" + std::to_string(seen.id.value));
  if (*seen.payload != *task.given.payload) return bad(15, "read with another payload");
  if (seen.place.priority != task.priority) return bad(15, "read with another priority");
  if (seen.name() != task.name() || seen.key() != task.key())
    return bad(15, "read with another name or key");
  if (seen.created != task.created || seen.bytes != task.bytes)
    return bad(15, "read with another age or size");
  judge_age(task, call.applied_at.wall);
  if (is_violated()) return nullptr;
  if (task.life == Life::live && task.unsure_event < call.applied_event) task.doubt = false;
  if (task.life != Life::live || !still_since(task, call.applied_event)) return &task;

  ++marks_.exact_sightings;
  if (seen.progress.attempts != task.attempts) {
    return bad(7, "read with " + std::to_string(seen.progress.attempts) + " attempts");
  }
  if (seen.place.eta < task.eta_from || seen.place.eta > task.eta_to) {
    return bad(15, "read with eta " + std::to_string(to_micros(seen.place.eta)));
  }
  if (seen.progress.lease_token != task.lease_token)
    return bad(15, "read with another lease token");
  if (seen.progress.deaths != task.deaths)
    return bad(29, "read with " + std::to_string(seen.progress.deaths) + " deaths");
  const bool may_lie_ahead = seen.place.eta > call.applied_at.wall;
  const bool may_be_due = seen.place.eta <= now_.wall;
  const bool fits = task.running > 0                 ? info.state == TaskState::in_flight
                    : info.state == TaskState::ready ? may_be_due
                    : task.lease_token != 0 ? info.state == TaskState::leased && may_lie_ahead
                                            : info.state == TaskState::scheduled && may_lie_ahead;
  if (!fits) return bad(15, "read in state " + std::to_string(static_cast<int>(info.state)));
  task.eta_from = task.eta_to = seen.place.eta;
  task.order = seen.place.order;
  return &task;
}

void Checker::judge_missing(Call& call, const TaskRef& ref, const char* what, const Error& error) {
  if (failed_) return;
  for (ModelTask* task : candidates(*call.queue, ref)) {
    if (sure_since(*task, call.applied_event))
      return violated(1, std::string(what) + " does not find " + describe(*task));
  }
  if (error.reason == Reason::task_missing) judge_gone(call, ref, error);
}

// Missing, though it is known to have ended?
void Checker::judge_gone(Call& call, const TaskRef& ref, const Error& error) {
  ModelQueue& queue = *call.queue;
  const ModelTask* gone = nullptr;
  if (const auto* id = std::get_if<TaskId>(&ref)) {
    const auto at = queue.by_id.find(*id);
    if (at == queue.by_id.end() || at->second->cause == EndCause::lost_in_crash) return;
    if (at->second->life == Life::ended && at->second->ended_event < call.applied_event)
      gone = at->second;
  } else if (const auto at = queue.by_name.find(std::get<std::string>(ref));
             at != queue.by_name.end()) {
    for (const ModelTask* task : at->second) {
      if (task->life == Life::refused) continue;
      if (task->life != Life::ended || task->cause == EndCause::lost_in_crash ||
          task->ended_event > call.applied_event)
        return;
      if (wall_max_ < task->ended_from + queue.tombstone_min) gone = task;
    }
  }
  if (gone != nullptr) violated(15, error.message + ", though it is known: " + describe(*gone));
}

void Checker::judge(Call& call, const GetTask& command, const Result<TaskInfo>& answer) {
  if (!answer) {
    if (is_missing(answer.error())) judge_missing(call, command.task, "get", answer.error());
    return;
  }
  if (meets_stranger(*call.queue, answer->task)) return;
  const ModelTask* const task = judge_sighting(call, *answer);
  if (task == nullptr) return;
  const auto* name = std::get_if<std::string>(&command.task);
  if (name != nullptr ? task->name() != *name : task->id != std::get<TaskId>(command.task)) {
    violated(15, "get finds another task: " + describe(*task));
  }
}

void Checker::judge(Call& call, const ListTasks& command, const Result<ListTasks::Answer>& answer) {
  if (!answer) return;
  if (answer->tasks.size() > command.tasks_max)
    return violated(15, "a page holds more tasks than were asked for");
  TaskId last = command.after;
  std::vector<const ModelTask*> seen;
  for (const TaskInfo& info : answer->tasks) {
    if (info.task.id <= last) return violated(15, "a page is out of order");
    last = info.task.id;
    if (meets_stranger(*call.queue, info.task)) continue;
    if (answer->next && last > *answer->next)
      return violated(15, "a page goes on beyond the mark for the next");
    if (command.state && info.state != *command.state)
      return violated(15, "a page holds a task of another state");
    const ModelTask* const task = judge_sighting(call, info);
    if (task == nullptr) return;
    seen.push_back(task);
  }
  if (answer->next && *answer->next <= command.after)
    return violated(15, "the next page begins where this one did");
  if (failed_ || call.queue->dropped) return;
  std::ranges::sort(seen);
  for (ModelTask* task : call.queue->tasks) {
    const bool in_range = task->id > command.after && (!answer->next || task->id <= *answer->next);
    if (!in_range || !sure_since(*task, call.applied_event)) continue;
    if (command.state) {  // only those that were in that state all the time
      if (!still_since(*task, call.applied_event)) continue;
      const bool ahead = task->eta_from > now_.wall;
      const bool due = task->eta_to <= call.applied_at.wall;
      const bool fits = *command.state == TaskState::in_flight ? task->running > 0
                        : task->running > 0                    ? false
                        : *command.state == TaskState::ready   ? due
                        : *command.state == TaskState::leased  ? ahead && task->lease_token != 0
                                                               : ahead && task->lease_token == 0;
      if (!fits) continue;
    }
    if (!std::ranges::binary_search(seen, task))
      return violated(1, "a list leaves out " + describe(*task));
  }
}

// ---- Deleting, running

void Checker::judge(Call& call, const DeleteTasks& command,
                    const Result<std::vector<Result<void>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.tasks.size())
    return violated(16, "a delete has more or fewer results than tasks");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Result<void>& result = (*answer)[i];
    any |= judge_ended(call, command.tasks[i], result ? nullptr : &result.error());
    if (is_violated()) return;
  }
  if (any) durable(call);
}

bool Checker::judge_ended(Call& call, const TaskRef& ref, const Error* error) {
  if (error != nullptr) {
    if (is_missing(*error)) {
      judge_missing(call, ref, "delete", *error);
    } else {
      violated(16, "a delete fails with " + error->message);
    }
    return false;
  }
  const auto* id = std::get_if<TaskId>(&ref);
  if (id != nullptr && call.queue->may_hold_strangers && by_id(*call.queue, *id) == nullptr) {
    call.queue->loses_strangers = true;
    return true;
  }
  // Whom it can have met. With a name, several tasks may have had it one after another.
  std::vector<ModelTask*> met = candidates(*call.queue, ref);
  std::erase_if(met, [](const ModelTask* task) { return task->life != Life::live; });
  if (met.size() == 1) {
    finish(*met.front(), EndCause::deleted, call.applied_at.wall, now_.wall, true);
    return true;
  }
  for (ModelTask* task : met) task->doubt = true, task->unsure_event = event_;
  if (!met.empty()) return true;
  // It ended while the call was under way: completed, or deleted by another call, in an order
  // that cannot be told.
  bool explained = call.queue->dropped;
  for (const auto& [tag, task] : tasks_) {
    const bool same = std::holds_alternative<TaskId>(ref)
                          ? task->id == std::get<TaskId>(ref)
                          : task->name() == std::get<std::string>(ref);
    const bool explains = same && task->queue == call.queue && task->life == Life::ended &&
                          task->ended_event > call.applied_event;
    if (explains) task->ended_from = Wall{};  // nor is what ended it
    explained = explained || explains;
  }
  if (!explained) violated(6, "deleted what was no more: " + to_text(ref));
  return explained;
}

void Checker::judge(Call& call, const RunTask& command, const Result<TaskInfo>& answer) {
  if (!answer) {
    if (is_missing(answer.error())) judge_missing(call, command.task, "run", answer.error());
    return;
  }
  if (failed_ && call.applied_run > failed_run_)
    return violated(18, "run by hand after a failed commit");
  if (meets_stranger(*call.queue, answer->task)) {
    ++call.queue->strangers.at(answer->task.id).forced;
    return;
  }
  ModelTask* const task = task_of(answer->task);
  if (task == nullptr) return violated(15, "ran a task that was never added");
  if (task->life != Life::live && task->ended_event < call.applied_event)
    return violated(6, "ran by hand: " + describe(*task));
  if (answer->state != TaskState::in_flight)
    return violated(15, "ran by hand, and is not in flight: " + describe(*task));
  ++task->forced;
}

// ---- Leases

void Checker::judge(Call& call, const LeaseTasks& command,
                    const Result<std::vector<TaskInfo>>& answer) {
  if (!answer) return;
  ModelQueue& queue = *call.queue;
  if (answer->size() > command.tasks_max)
    return violated(16, "more tasks were leased than asked for");
  if (options_.answer_within != Nanos::max() &&
      now_.mono - call.called_at > command.wait + options_.answer_within) {
    return violated(17, "a lease call was answered long after its wait");
  }
  const auto may_take = [&](const ModelTask& task) {
    return command.by != LeaseTasks::By::key || task.key() == command.key;
  };
  // Free all the time since the call was taken, due, and committed before.
  const auto waited = [&](ModelTask& task, Wall due_by) {
    return task.is_settled && task.eta_to <= due_by && may_take(task) &&
           still_since(task, call.applied_event) && sure_since(task, call.applied_event);
  };
  if (answer->empty()) {
    if (stopping_ || failed_ || queue.dropped || (command.gone != nullptr && command.gone->load()))
      return;
    const bool ran = queue.state == QueueState::running && queue.running_event < call.applied_event;
    if (command.refuse_paused && queue.state != QueueState::running &&
        queue.running_event < call.applied_event) {
      return violated(12, "nothing was leased from a paused queue, and the caller was not told");
    }
    if (!ran || options_.reads_may_fail) return;
    for (ModelTask* task : queue.tasks) {
      if (waited(*task, call.applied_at.wall))
        return violated(17, "nothing was leased though there was " + describe(*task));
    }
    return;
  }
  durable(call);
  if (stopping_ && call.applied_run > stopping_run_) return violated(18, "leased while stopping");
  std::vector<TaskInfo> granted = *answer;
  std::erase_if(granted, [&](const TaskInfo& info) { return meets_stranger(queue, info.task); });
  if (granted.empty()) return;

  Wall granted_at = Wall::max();
  for (const TaskInfo& info : granted) {
    const ModelTask* const task = task_of(info.task);
    if (task == nullptr)
      return violated(2, "leased a task that was never added, or without its payload");
    granted_at = info.task.place.eta - command.duration;
  }
  // Tasks without a key have no index: those behind a window full of tasks with keys are hidden,
  // and order is by lane.
  const bool keyless = command.by == LeaseTasks::By::key && command.key.empty();
  // Order first, as all of them waited until they were granted together.
  for (ModelTask* other : queue.tasks) {
    const bool among = std::ranges::any_of(
        granted, [&](const TaskInfo& info) { return task_of(info.task) == other; });
    if (among || keyless || command.by == LeaseTasks::By::oldest_key || !waited(*other, granted_at))
      continue;
    for (const TaskInfo& info : granted) {
      const ModelTask& task = *task_of(info.task);
      const bool higher = command.by == LeaseTasks::By::any && other->priority > task.priority;
      const bool before = (command.by == LeaseTasks::By::key || other->priority == task.priority) &&
                          other->eta_to < task.eta_from;
      if (higher || before)
        return violated(11, describe(task) + " was leased before " + describe(*other));
    }
  }
  if (command.by == LeaseTasks::By::oldest_key) {
    const std::string_view key = task_of(granted.front().task)->key();
    for (const TaskInfo& info : granted) {
      if (task_of(info.task)->key() != key)
        return violated(15, "leased by oldest key, and got two keys");
    }
  }
  for (const TaskInfo& info : granted) {
    judge_granted(call, command, info);
    if (is_violated()) return;
  }
}

void Checker::judge_granted(Call& call, const LeaseTasks& command, const TaskInfo& info) {
  ++marks_.leases;
  ModelQueue& queue = *call.queue;
  ModelTask& task = *task_of(info.task);
  const Task& given = info.task;
  const Wall at = given.place.eta - command.duration;
  const auto bad = [&](int property, const std::string& what) {
    violated(property, what + ": " + describe(task));
  };
  if (task.queue != &queue) return bad(15, "leased from another queue");
  if (task.life == Life::asked || task.life == Life::refused)
    return bad(2, "leased before its add was answered");
  if (task.life == Life::ended && task.ended_event < call.applied_event) {
    const bool by_purge = task.cause == EndCause::purged || task.cause == EndCause::queue_deleted;
    return bad(by_purge ? 12 : 6, "leased after its end");
  }
  if (at < call.applied_at.wall || at > now_.wall)
    return bad(15, "leased for another time than asked for");
  if (info.state != TaskState::leased) return bad(15, "leased, and told in another state");
  if (given.id != task.id || given.place.priority != task.priority || given.name() != task.name() ||
      given.key() != task.key() || *given.payload != *task.given.payload) {
    return bad(15, "leased with other fields");
  }
  if (command.by == LeaseTasks::By::key && task.key() != command.key)
    return bad(15, "leased by another key");
  if (queue.paused_since && *queue.paused_since < at)
    return bad(12, "leased while the queue is paused");
  if (task.life == Life::ended) return;  // purged or deleted while the answer was under way
  judge_age(task, call.applied_at.wall);
  if (is_violated()) return;
  if (task.movings == 0) {
    if (task.lease_token != 0 && task.lease_end > at)
      return bad(4, "leased while another lease is live");
    if (task.eta_from > at) return bad(2, "leased before its time");
  }
  const std::uint64_t token = given.progress.lease_token;
  if (token == 0 || token == task.lease_token ||
      std::ranges::find(task.old_tokens, token) != task.old_tokens.end()) {
    return bad(5, "leased with a token that is not new");
  }
  if (given.progress.attempts != task.attempts + 1) {
    return bad(7, "leased as attempt " + std::to_string(given.progress.attempts));
  }
  const auto over = [&](const QueueSettings& settings) {
    const RetryPolicy policy =
        task.given.options ? task.given.options->retry.over(settings.retry) : settings.retry;
    return task.attempts > 0 && exhausted(policy, task.attempts, at - task.first_attempt);
  };
  const auto may_go_on = [&](const QueueSettings& settings) { return !over(settings); };
  const std::uint32_t deaths = task.deaths + (would_be_death(task) ? 1 : 0);
  if (given.progress.deaths != deaths)
    return bad(29, "leased with " + std::to_string(given.progress.deaths) + " deaths");
  const auto harmless = [&](const QueueSettings& s) {
    return s.poison_after == 0 || deaths < static_cast<std::uint32_t>(s.poison_after);
  };
  if (would_be_death(task) && !any_since(queue, call.applied_event, harmless))
    return bad(29, "leased though its workers died of it");
  if (given.progress.lease_is_named != !command.worker.empty())
    return bad(29, "leased, and another holder is noted");
  if (!any_since(queue, call.applied_event, may_go_on))
    return bad(7, "leased after its last attempt");

  if (task.lease_token != 0) task.old_tokens.push_back(task.lease_token);
  task.lease_token = token;
  task.lease_is_named = given.progress.lease_is_named;
  task.deaths = deaths;
  task.lease_end = given.place.eta;
  task.eta_from = task.eta_to = given.place.eta;
  task.order = given.place.order;
  task.attempts = given.progress.attempts;
  if (task.first_attempt == Wall{}) task.first_attempt = at;
  // It may have been granted before what made it doubtful, and be gone by now.
  if (task.unsure_event < call.applied_event) task.doubt = false;
  task.unsure_event = event_;
  changed(task, true);
}

namespace {
bool is_lease_of(const ModelTask& task, const Lease& lease) {
  if (lease.token != 0) return lease.token == task.lease_token;
  return task.lease_token != 0 && lease.end == task.lease_end;
}
}  // namespace

// An ack, a renewal or a release was accepted: the lease was live at some instant since the call
// was taken.
ModelTask* Checker::judge_lease(Call& call, const Lease& lease) {
  const auto* id = std::get_if<TaskId>(&lease.task);
  std::vector<ModelTask*> met;
  if (id != nullptr) {
    if (const auto at = call.queue->by_id.find(*id); at != call.queue->by_id.end())
      met.push_back(at->second);
  } else if (const auto at = call.queue->by_name.find(std::get<std::string>(lease.task));
             at != call.queue->by_name.end()) {
    met = at->second;
  }
  for (ModelTask* task : met) {
    if (task->life == Life::asked || task->life == Life::refused) continue;
    if (task->life == Life::ended && task->ended_event < call.applied_event) continue;
    if (!is_lease_of(*task, lease)) continue;
    if (task->life == Life::live && task->lease_end <= call.applied_at.wall) {
      violated(5, "a lease that was over was accepted: " + describe(*task));
      return nullptr;
    }
    return task;
  }
  violated(5, "a lease token was accepted that fits no task: " + to_text(lease.task));
  return nullptr;
}

void Checker::judge_lease_refused(Call& call, const Lease& lease, const Error& error) {
  ++marks_.refused_acks;
  if (is_missing(error)) return judge_missing(call, lease.task, "a lease call", error);
  if (error.reason == Reason::invalid) {  // twice in one call; whoever was first was judged
    return;
  }
  if (error.reason != Reason::lease_lost)
    return violated(16, "a lease was refused without a reason: " + error.message);
  for (ModelTask* task : candidates(*call.queue, lease.task)) {
    const bool was_live = is_lease_of(*task, lease) && task->lease_end > now_.wall;
    if (was_live && sure_since(*task, call.applied_event) &&
        still_since(*task, call.applied_event)) {
      return violated(5, "a live lease was refused: " + describe(*task));
    }
  }
}

void Checker::judge(Call& call, const AckTasks& command,
                    const Result<std::vector<Result<void>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.leases.size())
    return violated(16, "an ack has more or fewer results than leases");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    if (is_stranger(*call.queue, command.leases[i].task)) {
      any = any || (*answer)[i];
    } else if (!(*answer)[i]) {
      judge_lease_refused(call, command.leases[i], (*answer)[i].error());
    } else {
      ++marks_.acks;
      any = true;
      ModelTask* const task = judge_lease(call, command.leases[i]);
      if (task != nullptr && task->life == Life::live) {
        finish(*task, EndCause::acked, call.applied_at.wall, now_.wall, true);
        task->failed = command.failed;
      }
    }
    if (is_violated()) return;
  }
  if (any) durable(call);
}

void Checker::judge(Call& call, const RenewLeases& command,
                    const Result<std::vector<Result<TaskInfo>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.leases.size())
    return violated(16, "a renewal has more or fewer results than leases");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const Result<TaskInfo>& result = (*answer)[i];
    if (!result) {
      judge_lease_refused(call, command.leases[i], result.error());
    } else {
      any = true;
      ModelTask* const task = judge_lease(call, command.leases[i]);
      if (task == nullptr) return;
      const Wall end = result->task.place.eta;
      const Wall at = end - command.duration;
      if (at < call.applied_at.wall || at > now_.wall)
        return violated(15, "renewed for another time than asked for: " + describe(*task));
      if (task->life == Life::live && task->lease_end <= at)
        return violated(5, "renewed after its end: " + describe(*task));
      if (result->task.progress.lease_token != task->lease_token)
        return violated(5, "renewed with another token: " + describe(*task));
      if (result->state != TaskState::leased)
        return violated(15, "renewed, and told in another state: " + describe(*task));
      if (task->life == Life::live) {
        task->lease_end = task->eta_from = task->eta_to = end;
        task->order = result->task.place.order;
        changed(*task, true);
      }
    }
    if (is_violated()) return;
  }
  if (any) durable(call);
}

void Checker::judge(Call& call, const ReleaseTasks& command,
                    const Result<std::vector<Result<void>>>& answer) {
  if (!answer) return;
  if (answer->size() != command.leases.size())
    return violated(16, "a release has more or fewer results than leases");
  bool any = false;
  for (std::size_t i = 0; i < answer->size(); ++i) {
    if (!(*answer)[i]) {
      judge_lease_refused(call, command.leases[i], (*answer)[i].error());
    } else {
      any = true;
      ModelTask* const task = judge_lease(call, command.leases[i]);
      if (task == nullptr) return;
      if (task->life == Life::live) {
        const RetryOverride none;
        const RetryOverride& own = task->given.options ? task->given.options->retry : none;
        const Wall from = call.applied_at.wall;
        const Wall to = now_.wall;
        bool may_end = false;
        bool may_stay = false;
        bool may_be_harmless = false;
        const bool is_deadly = is_death(command.leases[i]);
        if (is_deadly) ++task->deaths;
        Micros low = command.delay.value_or(Micros::max());
        Micros high = command.delay.value_or(Micros(0));
        static_cast<void>(any_since(*call.queue, call.applied_event, [&](const QueueSettings& s) {
          const RetryPolicy policy = own.over(s.retry);
          const bool is_poison = is_deadly && s.poison_after > 0 &&
                                 task->deaths >= static_cast<std::uint32_t>(s.poison_after);
          may_be_harmless = may_be_harmless || !is_poison;
          task->may_be_poison = task->may_be_poison || is_poison;
          may_end =
              may_end || is_poison || exhausted(policy, task->attempts, to - task->first_attempt);
          may_stay = may_stay ||
                     (!is_poison && !exhausted(policy, task->attempts, from - task->first_attempt));
          if (command.delay) return false;
          low = std::min(low, backoff(policy, task->attempts));
          high = std::max(high, backoff(policy, task->attempts));
          return false;
        }));
        if (!may_stay) {
          ++(may_be_harmless ? marks_.dropped : marks_.poisoned);
          finish(*task, may_be_harmless ? EndCause::dropped : EndCause::poisoned, from, to, true);
          if (may_be_harmless && task->may_be_poison) task->ended_from = Wall{};  // why?
        } else {
          if (may_end) task->doubt = true;
          task->eta_from = from + low;
          task->eta_to = to + high;
          task->order = 0;
          task->old_tokens.push_back(task->lease_token);
          task->lease_token = 0;
          task->lease_is_named = false;
          task->unsure_event = event_;
          changed(*task, true);
        }
      }
    }
    if (is_violated()) return;
  }
  if (any) durable(call);
}

}  // namespace deferd::sim
