// Dead letters: tasks that ended without success and are kept (QueueSettings::dead). They stand in
// a lane of their own, in the order of their deaths, where nothing is ever due: on disk only, found
// by the reads that find all tasks, and left out by whoever looks for live ones.
//
// Retention keeps two marks (Retention): up to which place all went away, and when the oldest of
// the rest died. So a queue whose dead letters are neither too old nor too many is not looked at.
#include <algorithm>
#include <limits>
#include <map>

#include "base/log.h"
#include "engine/queue.h"
#include "model/outcome.h"

namespace deferd {

bool DeadFilter::takes(const Task& task) const {
  const Wall died = task.place.eta;
  return (!reason || *reason == task.progress.death) &&
         (!last_status || *last_status == task.progress.last_status) &&
         (!key || *key == task.key()) && (!name || *name == task.name()) &&
         (!since || died >= *since) && (!until || died < *until);
}

void Queue::bury(const Task& task, DeathReason reason, const Now& now, bool durable) {
  leave(task, now);
  auto dead = std::make_unique<Task>(task);
  dead->place = {dead_lane, now.wall, next_order(now)};
  dead->progress.death = reason;
  dead->progress.own_priority = task.place.priority;
  dead->progress.lease_token = 0;
  dead->progress.lease_is_named = false;
  if (counters_.dead.count == 0) retention_.died = now.wall;
  ++counters_.dead.count;
  counters_.dead.bytes += task.bytes;
  ++activity().dead_total;
  if (reason == DeathReason::poison) ++activity().poisoned_total;
  pending_.moves.push_back({task.place, std::move(dead), false});
  mark_changed(now, durable);
}

void Queue::end_aside(const Task& task, const Now& now, bool durable) {
  DEFERD_ASSERT(is_aside(task.place), "task", task.id);
  QueueCounters::Kept& kept =
      task.place.priority == dead_lane ? counters_.dead : counters_.outgoing;
  DEFERD_ASSERT(kept.count > 0, "queue", name_->queue);
  DEFERD_ASSERT(kept.bytes >= task.bytes, "queue", name_->queue, "bytes", kept.bytes);
  --kept.count;
  kept.bytes -= task.bytes;
  forget_history(record_.generation, task.id, task.progress);
  pending_.ends.push_back({task.id, task.place, task.options});
  held_.insert_or_assign(task.id, Held{nullptr, Hold::ending});
  mark_changed(now, durable);
}

// ---- For callers

Error Queue::not_dead_error(const TaskRef& ref) const {
  const auto* name = std::get_if<std::string>(&ref);
  return Error{Reason::task_missing,
               "no dead task " + (name != nullptr ? *name : to_string(std::get<TaskId>(ref))) +
                   " in queue " + name_->queue,
               "", std::nullopt};
}

void Queue::list_dead(ListDead command, const Now&) {
  constexpr std::uint64_t page_bytes_max = 8 << 20;
  Place after = command.after;
  after.priority = dead_lane;
  if (command.filter.since && after.eta < *command.filter.since)
    after = {dead_lane, *command.filter.since - Micros(1),
             std::numeric_limits<std::uint64_t>::max()};
  const std::uint64_t read = task_changes_.begin_read();
  ScanLane scan{
      {record_.number, record_.generation}, dead_lane, after, batch_tasks_max, page_bytes_max};
  if (command.filter == DeadFilter{}) scan.tasks_max = command.tasks_max;
  core_.read(std::move(scan), [self = shared_from_this(), read, command = std::move(command)](
                                  Result<ReadAnswer> answer, const Now&) mutable {
    using Listed = Result<ListDead::Answer>;
    if (!answer) {
      self->task_changes_.end_read(read);
      self->core_.reply(std::move(command.reply), Listed(fail(answer.error())));
      return;
    }
    auto& page = std::get<ScanAnswer>(*answer);
    ListDead::Answer list;
    bool more = !page.end;
    for (Task& task : page.tasks) {
      if (command.filter.until && task.place.eta >= *command.filter.until) {
        list.next.reset();
        more = false;
        break;
      }
      if (list.tasks.size() == command.tasks_max) {
        more = true;
        break;
      }
      list.next = task.place;
      // On its way in or out, as far as it is not known to be in the store.
      const bool stays = self->core_.failed || self->fresh(task, read);
      if (stays && command.filter.takes(task)) list.tasks.push_back(std::move(task));
    }
    if (!more) list.next.reset();
    self->task_changes_.end_read(read);
    self->core_.reply(std::move(command.reply), Listed(std::move(list)));
  });
}

void Queue::get_dead(GetDead command, const Now& now) {
  find({command.task}, Seek::dead, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         if (found && found->front().kind == Found::Kind::dead) {
           self->tell_story(self->info_of(found->front().task, false, later),
                            std::move(command.reply));
           return;
         }
         self->core_.reply(
             std::move(command.reply),
             Result<TaskInfo>(fail(found ? self->not_dead_error(command.task) : found.error())));
       });
}

void Queue::delete_dead(DeleteDead command, const Now& now) {
  find(command.tasks, Seek::dead, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         using Answer = Result<std::vector<Result<void>>>;
         if (!found || self->core_.failed) {
           self->core_.reply(std::move(command.reply),
                             Answer(fail(found ? self->store_error() : found.error())));
           return;
         }
         std::vector<Result<void>> results;
         bool any = false;
         for (std::size_t i = 0; i < found->size(); ++i) {
           const Found& one = (*found)[i];
           if (one.kind == Found::Kind::missing || self->held_.contains(one.task.id)) {
             results.emplace_back(fail(self->not_dead_error(command.tasks[i])));
             continue;
           }
           self->end_aside(one.task, later, true);
           results.emplace_back();
           any = true;
         }
         self->answer_changed(std::move(command.reply), std::move(results), any);
       });
}

// A RetryDead under way: tasks first, then the names that they want back and the outcomes that are
// none any more. All of it is as it was found when nothing changed while those were read; else all
// is asked again.
struct Queue::Retrying {
  RetryDead command;
  std::vector<Found> found;
  std::uint32_t generation = 0;
  std::uint64_t task_read = 0;
  std::uint64_t name_read = 0;
  std::uint64_t forgotten = 0;  // Keeping::forgotten when the reads began
  std::vector<std::string> names;
  std::vector<TaskId> kept;  // those that keep their outcome
  std::map<std::string, std::optional<NameEntry>, std::less<>> stored_names;
  std::map<TaskId, std::string> outcomes;
  std::size_t reads = 0;  // under way
  std::optional<Error> error;
};

void Queue::retry_dead(RetryDead command, const Now& now) {
  find(command.tasks, Seek::dead, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         if (!found || self->core_.failed) {
           self->core_.reply(std::move(command.reply),
                             Result<std::vector<Result<TaskInfo>>>(
                                 fail(found ? self->store_error() : found.error())));
           return;
         }
         auto retrying = std::make_shared<Retrying>();
         retrying->command = std::move(command);
         retrying->found = std::move(*found);
         self->retry_found(retrying, later);
       });
}

void Queue::retry_found(const std::shared_ptr<Retrying>& retrying, const Now& now) {
  Retrying& retry = *retrying;
  for (const Found& one : retry.found) {
    if (one.kind != Found::Kind::dead) continue;
    if (!one.task.name().empty() && !names_in_hand_.contains(one.task.options->name))
      retry.names.push_back(one.task.options->name);
    if (keep_result_of(one.task) > Micros(0)) retry.kept.push_back(one.task.id);
  }
  retry.generation = record_.generation;
  retry.task_read = task_changes_.begin_read();
  retry.name_read = name_changes_.begin_read();
  retry.forgotten = keeping_.forgotten;
  retry.reads = 1;
  const auto answered = [this, retrying](Result<ReadAnswer>& answer, const Now& later) {
    if (!answer) retrying->error = answer.error();
    retry_read(retrying, later);
  };
  if (!retry.names.empty()) {
    ++retry.reads;
    core_.read(FindNames{record_.number, retry.names},
               [self = shared_from_this(), retrying, answered](Result<ReadAnswer> answer,
                                                               const Now& later) {
                 if (answer) {
                   auto& entries = std::get<FindNamesAnswer>(*answer).entries;
                   for (std::size_t i = 0; i < entries.size(); ++i)
                     retrying->stored_names.emplace(retrying->names[i], entries[i]);
                 }
                 answered(answer, later);
               });
  }
  if (!retry.kept.empty()) {
    ++retry.reads;
    core_.read(FindOutcomes{record_.number, retry.kept},
               [self = shared_from_this(), retrying, answered](Result<ReadAnswer> answer,
                                                               const Now& later) {
                 if (answer) {
                   auto& outcomes = std::get<FindOutcomesAnswer>(*answer).outcomes;
                   for (std::size_t i = 0; i < outcomes.size(); ++i) {
                     if (outcomes[i]) retrying->outcomes.emplace(retrying->kept[i], *outcomes[i]);
                   }
                 }
                 answered(answer, later);
               });
  }
  retry_read(retrying, now);
}

void Queue::retry_read(const std::shared_ptr<Retrying>& retrying, const Now& now) {
  Retrying& retry = *retrying;
  if (--retry.reads > 0) return;
  // Outcomes that are being forgotten, or were since they were read, are counted out by whoever
  // forgets them.
  const bool forgets = keeping_.looking || keeping_.forgotten != retry.forgotten;
  bool is_stale =
      dropped_ || retry.generation != record_.generation || (!retry.outcomes.empty() && forgets);
  for (const Found& one : retry.found) {
    is_stale = is_stale || (one.kind == Found::Kind::dead && !fresh(one.task, retry.task_read));
  }
  for (const std::string& name : retry.names) {
    is_stale = is_stale || (name_changes_.changed_since(name, retry.name_read) &&
                            !names_in_hand_.contains(name));
  }
  task_changes_.end_read(retry.task_read);
  name_changes_.end_read(retry.name_read);
  if (retry.error || core_.failed) {
    core_.reply(std::move(retry.command.reply),
                Result<std::vector<Result<TaskInfo>>>(
                    fail(retry.error ? std::move(*retry.error) : store_error())));
  } else if (is_stale && !(pending_.forgotten.empty() && committing_.forgotten.empty())) {
    core_.hurry = true;
    on_settle_.push_back([self = shared_from_this(), retrying](const Now& later) {
      self->retry_dead(std::move(retrying->command), later);
    });
  } else if (is_stale) {
    retry_dead(std::move(retry.command), now);
  } else {
    revive(retry, now);
  }
}

// The outcome of its death is none any more.
void Queue::forget_outcome(const Task& task, const std::string& bytes) {
  const Result<Outcome> outcome = decode_outcome(bytes);
  if (!outcome) return;  // whoever forgets the oldest will meet it
  DEFERD_ASSERT(counters_.outcomes.count > 0, "queue", name_->queue);
  DEFERD_ASSERT(counters_.outcomes.bytes >= bytes.size(), "queue", name_->queue);
  --counters_.outcomes.count;
  counters_.outcomes.bytes -= bytes.size();
  pending_.forgotten.push_back({.queue = record_.number,
                                .id = task.id,
                                .kept_until = outcome->kept_until,
                                .bytes = {},
                                .generation = record_.generation});
  keeping_.looking = true;  // until it is settled
}

void Queue::revive(Retrying& retry, const Now& now) {
  const std::vector<Found>& found = retry.found;
  due_counts_.fold(now.wall);
  std::vector<Result<TaskInfo>> results;
  bool any = false;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Task& dead = found[i].task;
    if (found[i].kind == Found::Kind::missing || held_.contains(dead.id)) {
      results.emplace_back(fail(not_dead_error(retry.command.tasks[i])));
      continue;
    }
    if (forwarded_.contains(dead.id)) {
      results.emplace_back(fail(Error{
          Reason::task_gone,
          "task " + to_string(dead.id) + " is on its way to queue " + record_.settings.dead.queue,
          "", std::nullopt}));
      continue;
    }
    std::optional<Error> error;
    if (!dead.name().empty()) {
      const auto at = retry.stored_names.find(dead.options->name);
      error =
          name_of_another(dead, at == retry.stored_names.end() ? std::nullopt : at->second, now);
    }
    if (!error) error = limit_error(dead.bytes);
    if (!error && !project_->reserve(dead.bytes)) error = project_error(dead.bytes);
    if (error) {
      results.emplace_back(fail(std::move(*error)));
      continue;
    }
    auto task = std::make_unique<Task>(dead);
    task->place = {dead.progress.own_priority, now.wall, next_order(now)};
    task->progress = Progress{.history_first = dead.progress.history_first,
                              .history_end = dead.progress.history_end,
                              .death = dead.progress.death};
    --counters_.dead.count;
    counters_.dead.bytes -= dead.bytes;
    if (counters_.tasks == 0) expiry_.created = now.wall;
    ++counters_.tasks;
    ++counters_.lane_tasks[task->place.priority];
    counters_.bytes += dead.bytes;
    count_free(*task);
    if (!dead.name().empty()) set_name(dead.options->name, {dead.id, record_.generation, Wall{}});
    results.emplace_back(info_of(*task, false, now));
    if (const auto outcome = retry.outcomes.find(dead.id); outcome != retry.outcomes.end())
      forget_outcome(dead, outcome->second);
    held_.insert_or_assign(dead.id,
                           Held{.task = nullptr, .hold = Hold::moving, .moved = task.get()});
    pending_.moves.push_back({dead.place, std::move(task), false});
    mark_changed(now, true);
    any = true;
  }
  answer_changed(std::move(retry.command.reply), std::move(results), any);
}

// Whether the name went on to another task; its own tombstone does not count.
std::optional<Error> Queue::name_of_another(const Task& task,
                                            const std::optional<NameEntry>& stored,
                                            const Now& now) const {
  std::optional<NameEntry> entry = stored;
  if (const auto in_hand = names_in_hand_.find(task.options->name); in_hand != names_in_hand_.end())
    entry = in_hand->second.entry;
  if (!entry || entry->id == task.id) return std::nullopt;
  return name_error(task.options->name, entry, now);
}

// ---- Retention

Wall Queue::forgets_dead_from() const {
  const DeadLetters& dead = record_.settings.dead;
  if (counters_.dead.count == 0 || retention_.looking) return Wall::max();
  if (dead.bytes_max != 0 && counters_.dead.bytes > dead.bytes_max) return Wall{};
  return retention_.died + dead.keep;
}

void Queue::forget_dead(const Now& now) {
  if (forgets_dead_from() > now.wall || std::max(retention_.not_before, retry_reads_at_) > now.mono)
    return;
  constexpr std::uint32_t tasks_max = 100;
  constexpr std::uint64_t bytes_max = 1 << 20;
  // What is not committed yet is not read.
  Wall unseen_from = now.wall;
  for (const Changes* changes : {&committing_, &pending_}) {
    for (const auto& move : changes->moves) {
      if (move.task->place.priority == dead_lane)
        unseen_from = std::min(unseen_from, move.task->place.eta);
    }
  }
  retention_.looking = true;
  const std::uint64_t read = task_changes_.begin_read();
  core_.read(
      ScanLane{
          {record_.number, record_.generation}, dead_lane, retention_.after, tasks_max, bytes_max},
      [self = shared_from_this(), unseen_from, read, generation = record_.generation](
          Result<ReadAnswer> answer, const Now& later) {
        self->core_.touch(*self);
        const bool obsolete = self->dropped_ || generation != self->record_.generation;
        if (!obsolete) self->retention_.looking = false;
        if (!obsolete && !answer) {
          log_error("queue.forget_dead_failed",
                    {{"queue", self->name_->queue}, {"error", answer.error().message}});
          self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
        } else if (!obsolete && !self->core_.failed) {
          self->forget_dead_found(std::get<ScanAnswer>(*answer), unseen_from, read, later);
        }
        self->task_changes_.end_read(read);
      });
}

void Queue::forget_dead_found(const ScanAnswer& found, Wall unseen_from, std::uint64_t read,
                              const Now& now) {
  constexpr Micros pause = Seconds(1);  // between two looks, when the first left nothing to do
  const DeadLetters& dead = record_.settings.dead;
  bool more = !found.end;
  retention_.died = found.end ? unseen_from : found.tasks.back().place.eta;
  for (const Task& task : found.tasks) {
    const bool is_over = dead.bytes_max != 0 && counters_.dead.bytes > dead.bytes_max;
    const bool is_old = task.place.eta + dead.keep <= now.wall;
    // One on its way in or out is looked at again.
    if (!fresh(task, read) || (!is_over && !is_old)) {
      retention_.died = task.place.eta;
      more = false;
      break;
    }
    retention_.after = task.place;
    end_aside(task, now, false);
  }
  if (!more) retention_.not_before = now.mono + pause;
}

}  // namespace deferd
