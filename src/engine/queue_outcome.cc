// What becomes of tasks: every end goes through conclude(), which keeps the outcome of those that
// asked for it and puts the callback of those that have one, in the commit of the end. And how
// outcomes are told, waited for and forgotten.
//
// An outcome is a record of its own, not a state of the task: it is small where the task was big,
// and nothing that looks for tasks meets it. It is shown only when it is in the store and durable,
// so that no power cut takes back what somebody was told.
#include <algorithm>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {

void Queue::conclude(const Task& task, const Ending& ending, const Now& now, bool durable) {
  if (ending.state == OutcomeState::succeeded) {
    ++activity().completed_total;
  } else {
    ++activity().dropped_total;
  }
  if (ending.state == OutcomeState::cancelled) ++activity().cancelled_total;
  const bool keeps = keep_result_of(task) > Micros(0);
  const bool is_dead = ending.reason != DeathReason::none && record_.settings.dead.keep > Micros(0);
  if (keeps || calls_back(task)) {
    const Outcome outcome = outcome_of(task, ending, now);
    if (keeps) keep_outcome(task, outcome, !is_dead);
    if (calls_back(task)) add_callback(task, outcome, now);
    durable = true;
  }
  if (!keeps && !is_dead) forget_history(record_.generation, task.id, task.progress);
  if (!lease_workers_.empty()) lease_workers_.erase(task.id);
  if (is_dead) {
    bury(task, ending.reason, now, durable);
  } else {
    end_task(task, now, durable);
  }
}

Outcome Queue::outcome_of(const Task& task, const Ending& ending, const Now& now) const {
  Outcome outcome{.id = task.id,
                  .name = std::string(task.name()),
                  .state = ending.state,
                  .reason = ending.reason,
                  .created = task.created,
                  .ended = now.wall,
                  .kept_until = now.wall + keep_result_of(task),
                  .attempts = task.progress.attempts,
                  .last_status = task.progress.last_status};
  if (const AttemptReport* const report = ending.report) {
    if (ending.state != OutcomeState::succeeded) outcome.error = report->error;
    outcome.usage = report->usage;
    outcome.result = report->result;
  }
  outcome.worker = worker_of(task, ending.report);
  if (const AttemptResult* const attempt = ending.attempt) {
    outcome.error = attempt->detail.substr(0, attempt_error_bytes_max);
    if (attempt->response != nullptr) outcome.result = *attempt->response;
  }
  return outcome;
}

void Queue::keep_outcome(const Task& task, const Outcome& outcome, bool owns_history) {
  StoredOutcome stored{.queue = record_.number,
                       .id = task.id,
                       .kept_until = outcome.kept_until,
                       .bytes = encode(outcome),
                       .generation = record_.generation};
  if (owns_history) {
    stored.history_first = task.progress.history_first;
    stored.history_end = task.progress.history_end;
  }
  ++counters_.outcomes.count;
  counters_.outcomes.bytes += stored.bytes.size();
  outcomes_in_hand_.insert(task.id);
  pending_.outcomes.push_back(std::move(stored));
}

void Queue::add_callback(const Task& task, const Outcome& outcome, const Now& now) {
  // It was added to a server that makes callbacks, and this one does not.
  if (core_.options.callbacks == nullptr) return;
  NewTask given = core_.options.callbacks->callback_for(*name_, task, outcome);
  const std::string& by = task.options->callback_queue;
  const bool own = record_.settings.mode == QueueMode::push && (by.empty() || by == name_->queue);
  if (own) {
    std::unique_ptr<Task> callback = make_task(std::move(given), now);
    project_->take(callback->bytes);
    ++activity().added_total;
    put_live(std::move(callback), now);
    return;
  }
  TaskOptions options = given.options ? *given.options : TaskOptions{};
  options.callback_queue = by.empty() ? "default" : by;
  given.options = std::make_shared<const TaskOptions>(std::move(options));
  std::unique_ptr<Task> callback = make_task(std::move(given), now);
  callback->progress.own_priority = callback->place.priority;
  callback->place.priority = outgoing_lane;
  ++counters_.outgoing.count;
  counters_.outgoing.bytes += callback->bytes;
  pending_.puts.push_back(std::move(callback));
}

// ---- Telling

// A GetOutcomes under way.
struct Queue::Asking {
  GetOutcomes command;
  Mono deadline;
  std::vector<Result<GetOutcomes::Item>> items;
  std::uint32_t reads = 0;  // under way
};

void Queue::get_outcomes(GetOutcomes command, const Now& now) {
  auto asking = std::make_shared<Asking>();
  asking->deadline = now.mono + command.wait;
  asking->command = std::move(command);
  look_for_outcomes(asking, now);
}

void Queue::look_for_outcomes(const std::shared_ptr<Asking>& asking, const Now& now) {
  find(asking->command.tasks, Seek::lives, now,
       [self = shared_from_this(), asking](Result<std::vector<Found>> found, const Now& later) {
         if (!found) {
           self->core_.reply(std::move(asking->command.reply),
                             Result<std::vector<Result<GetOutcomes::Item>>>(fail(found.error())));
         } else {
           self->outcomes_found(asking, *found, later);
         }
       });
}

void Queue::outcomes_found(const std::shared_ptr<Asking>& asking, const std::vector<Found>& found,
                           const Now& now) {
  if (wait_for_settle(found,
                      [this, asking](const Now& later) { look_for_outcomes(asking, later); }))
    return;
  Asking& ask = *asking;
  ask.items.clear();
  std::vector<TaskId> awaited;
  FindOutcomes read{record_.number, {}};
  std::vector<std::size_t> read_for;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Found& one = found[i];
    if (one.kind == Found::Kind::missing) {
      ask.items.emplace_back(fail(missing_error(one, ask.command.tasks[i], "")));
      if (one.id == TaskId{}) continue;
      read.ids.push_back(one.id);
      read_for.push_back(i);
    } else if (keep_result_of(one.task) == Micros(0)) {
      ask.items.emplace_back(fail(Reason::outcome_not_kept,
                                  "task " + to_string(one.task.id) + " of queue " + name_->queue +
                                      " keeps no result: add tasks with keep_result"));
    } else {
      GetOutcomes::Item item;
      item.pending = info_of(one.task, one.kind == Found::Kind::pushing, now);
      item.pending->task.payload.reset();
      awaited.push_back(one.task.id);
      ask.items.emplace_back(std::move(item));
    }
  }
  if (awaited.size() == ask.items.size() && !awaited.empty() &&
      may_wait(ask.deadline, ask.command.gone, now)) {
    std::optional<Error> error = wait_for_end(
        awaited, ask.deadline, ask.command.gone,
        [this, asking, awaited](const Now& later) { look_for_ended(asking, awaited, later); }, now);
    if (!error) return;
    core_.reply(std::move(ask.command.reply),
                Result<std::vector<Result<GetOutcomes::Item>>>(fail(std::move(*error))));
    return;
  }
  if (read.ids.empty()) {
    core_.reply(std::move(ask.command.reply),
                Result<std::vector<Result<GetOutcomes::Item>>>(std::move(ask.items)));
    return;
  }
  core_.read(std::move(read), [self = shared_from_this(), asking, read_for = std::move(read_for)](
                                  Result<ReadAnswer> answer, const Now& later) {
    Result<std::vector<std::optional<std::string>>> outcomes =
        answer ? std::move(std::get<FindOutcomesAnswer>(*answer).outcomes)
               : Result<std::vector<std::optional<std::string>>>(fail(answer.error()));
    if (outcomes) {
      self->outcomes_read(asking, read_for, *outcomes, later);
    } else {
      self->core_.reply(std::move(asking->command.reply),
                        Result<std::vector<Result<GetOutcomes::Item>>>(fail(outcomes.error())));
    }
  });
}

// Outcomes first, which takes one read: whoever ended has one. Names need not be found again.
void Queue::look_for_ended(const std::shared_ptr<Asking>& asking,
                           const std::vector<TaskId>& awaited, const Now& now) {
  if (asking->deadline <= now.mono || waits_are_over_) return look_for_outcomes(asking, now);
  core_.read(FindOutcomes{record_.number, awaited}, [self = shared_from_this(), asking, awaited](
                                                        Result<ReadAnswer> answer,
                                                        const Now& later) mutable {
    if (answer) {
      self->look_for_others(asking, std::move(awaited),
                            std::move(std::get<FindOutcomesAnswer>(*answer).outcomes), later);
    } else {
      self->core_.reply(std::move(asking->command.reply),
                        Result<std::vector<Result<GetOutcomes::Item>>>(fail(answer.error())));
    }
  });
}

// What those do that have none; one that has ended since is told as it was before.
void Queue::look_for_others(const std::shared_ptr<Asking>& asking, std::vector<TaskId> awaited,
                            std::vector<std::optional<std::string>> stored, const Now& now) {
  std::vector<std::size_t> ended;
  std::vector<std::size_t> others;
  std::vector<TaskRef> refs;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    (stored[i] ? ended : others).push_back(i);
    if (!stored[i]) refs.emplace_back(awaited[i]);
  }
  if (ended.empty()) return look_for_outcomes(asking, now);  // deleted, or purged
  std::vector<std::optional<std::string>> outcomes;
  for (const std::size_t i : ended) outcomes.push_back(std::move(stored[i]));
  if (others.empty()) return outcomes_read(asking, ended, outcomes, now);
  find(std::move(refs), Seek::lives, now,
       [self = shared_from_this(), asking, ended = std::move(ended), others = std::move(others),
        outcomes = std::move(outcomes)](Result<std::vector<Found>> found, const Now& later) {
         for (std::size_t i = 0; found && i < others.size(); ++i) {
           const Found& one = (*found)[i];
           if (one.kind == Found::Kind::missing) continue;
           GetOutcomes::Item item;
           item.pending = self->info_of(one.task, one.kind == Found::Kind::pushing, later);
           item.pending->task.payload.reset();
           asking->items[others[i]] = std::move(item);
         }
         self->outcomes_read(asking, ended, outcomes, later);
       });
}

void Queue::outcomes_read(const std::shared_ptr<Asking>& asking,
                          const std::vector<std::size_t>& read_for,
                          const std::vector<std::optional<std::string>>& stored, const Now& now) {
  Asking& ask = *asking;
  ask.reads = 1;
  for (std::size_t i = 0; i < read_for.size(); ++i) {
    if (!stored[i]) continue;
    Result<Outcome> outcome = decode_outcome(*stored[i]);
    Result<GetOutcomes::Item>& item = ask.items[read_for[i]];
    if (outcome && outcome->kept_until <= now.wall) {
      Found over;
      over.gone = true;
      over.id = outcome->id;
      item = fail(missing_error(over, ask.command.tasks[read_for[i]], ""));
      continue;
    }
    if (!outcome) {
      item = fail(outcome.error());
      continue;
    }
    const TaskId id = outcome->id;
    item = GetOutcomes::Item{};
    item->outcome = std::move(*outcome);
    if (!ask.command.history) continue;
    ++ask.reads;
    read_history(id, [this, asking, index = read_for[i]](Result<std::vector<AttemptRecord>> history,
                                                         const Now&) {
      Result<GetOutcomes::Item>& told = asking->items[index];
      if (history) {
        told->history = std::move(*history);
      } else {
        told = fail(history.error());
      }
      end_outcomes_read(*asking);
    });
  }
  end_outcomes_read(ask);
}

void Queue::end_outcomes_read(Asking& asking) {
  if (--asking.reads > 0) return;
  core_.reply(std::move(asking.command.reply),
              Result<std::vector<Result<GetOutcomes::Item>>>(std::move(asking.items)));
}

// ---- Forgetting

bool Queue::holds_too_many_outcomes() const {
  const std::uint64_t bytes_max = record_.settings.result_bytes_max;
  return bytes_max != 0 && stored_counters_.outcomes.bytes > bytes_max;
}

Wall Queue::outcomes_over_from() const {
  if (keeping_.looking) return Wall::max();
  return holds_too_many_outcomes() ? Wall{} : keeping_.over_from;
}

void Queue::forget_outcomes(const Now& now) {
  if (outcomes_over_from() > now.wall || retry_reads_at_ > now.mono) return;
  constexpr std::uint32_t count_max = 1000;
  keeping_.looking = true;
  keeping_.settled_from = Wall::max();
  core_.read(ScanOutcomes{record_.number, count_max},
             [self = shared_from_this()](Result<ReadAnswer> answer, const Now& later) {
               self->keeping_.looking = false;
               if (self->dropped_ || self->core_.failed) return;
               self->core_.touch(*self);
               if (answer) {
                 self->forget_found(std::get<ScanOutcomesAnswer>(*answer), later);
                 return;
               }
               log_error("queue.forget_failed",
                         {{"queue", self->name_->queue}, {"error", answer.error().message}});
               self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
             });
}

void Queue::forget_found(const ScanOutcomesAnswer& found, const Now& now) {
  const std::uint64_t bytes = stored_counters_.outcomes.bytes;
  std::uint64_t excess = holds_too_many_outcomes() ? bytes - record_.settings.result_bytes_max : 0;
  keeping_.over_from = keeping_.settled_from;
  if (!found.end && !found.items.empty())
    keeping_.over_from = std::min(keeping_.over_from, found.items.back().kept_until);
  std::size_t forgotten = 0;
  for (const auto& item : found.items) {
    if (item.kept_until > now.wall && excess == 0) {
      keeping_.over_from = std::min(keeping_.over_from, item.kept_until);
      break;
    }
    excess -= std::min(excess, item.bytes);
    DEFERD_ASSERT(counters_.outcomes.count > 0, "queue", name_->queue);
    DEFERD_ASSERT(counters_.outcomes.bytes >= item.bytes, "queue", name_->queue);
    --counters_.outcomes.count;
    counters_.outcomes.bytes -= item.bytes;
    pending_.forgotten.push_back({.queue = record_.number,
                                  .id = item.id,
                                  .kept_until = item.kept_until,
                                  .bytes = {},
                                  .generation = item.generation});
    Progress remembered;
    remembered.history_first = item.history_first;
    remembered.history_end = item.history_end;
    forget_history(item.generation, item.id, remembered);
    ++forgotten;
  }
  if (forgotten == 0) return;
  keeping_.looking = true;  // until they are settled, or they would be met again
  mark_changed(now, false, forgotten);
}

}  // namespace deferd
