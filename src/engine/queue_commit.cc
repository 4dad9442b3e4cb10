// The queue's side of commits and reads: what goes into a batch, what a finished batch changes in
// memory, and how windows are refilled from the store.
#include <algorithm>
#include <limits>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {

void Queue::fill(Batch& batch, const Now& now) {
  DEFERD_ASSERT(!is_committing_);
  is_committing_ = true;
  committing_ = std::move(pending_);
  pending_ = Changes{};
  pending_.generation = record_.generation;
  for (Document& document : committing_.documents) {
    core_.documents.put(document);
    batch.documents.push_back(std::move(document));
  }
  if (committing_.dropped) {
    batch.dropped.push_back(record_.number);
    return;
  }
  const Generation generation{record_.number, record_.generation};
  DEFERD_ASSERT(committing_.generation == record_.generation);
  Wall due_from = lanes_due_from();
  batch.puts.reserve(batch.puts.size() + committing_.puts.size());
  for (const auto& task : committing_.puts) {
    if (!is_aside(task->place)) due_from = std::min(due_from, task->place.eta);
    batch.puts.push_back({generation, *task});
  }
  batch.moves.reserve(batch.moves.size() + committing_.moves.size());
  for (const auto& move : committing_.moves) {
    if (!is_aside(move.task->place)) due_from = std::min(due_from, move.task->place.eta);
    batch.moves.push_back({generation, move.from, *move.task});
  }
  batch.finishes.reserve(batch.finishes.size() + committing_.ends.size());
  for (const auto& end : committing_.ends) {
    batch.finishes.push_back(
        {generation, end.id, end.place, end.options ? end.options->key : std::string()});
  }
  for (auto& [name, entry] : committing_.names) {
    batch.names.push_back({record_.number, name, entry});
    // As many as were added are looked at again, so that sweeping keeps up with any rate.
    if (entry.free_at != Wall{}) batch.sweep_names_max += 2;
  }
  // Of one attempt the last counts: it may be noted and forgotten at once.
  std::ranges::move(committing_.history, std::back_inserter(batch.history));
  // First what is forgotten: a task has one outcome at most (engine/store.h).
  std::ranges::copy(committing_.forgotten, std::back_inserter(batch.outcomes));
  std::ranges::move(committing_.outcomes, std::back_inserter(batch.outcomes));
  for (const std::uint32_t ended : committing_.purged)
    batch.purged.push_back({record_.number, ended});
  if (committing_.record) batch.queues.push_back(record_);
  if (committing_.counters) {
    // Tasks being pushed are on disk where they were: due already.
    counters_.due_from = tasks_pushing_ > 0 ? Wall{} : due_from;
    batch.counters.push_back({record_.number, counters_});
    committing_.stored_counters = counters_;
  }
  if (batch.sweep_names_max > 0) batch.sweep_names_before = now.wall;
}

void Queue::settle_task(std::unique_ptr<Task> task) {
  if (is_aside(task->place)) {
    note_aside(task->place);
    return;
  }
  if (!task->key().empty()) {
    const std::string key(task->key());
    const std::pair at(task->place.eta,
                       task->place.order);  // a key's tasks stand by these, whatever their priority
    if (const auto mark = key_marks_.find(key);
        mark != key_marks_.end() && at < std::pair(mark->second.eta, mark->second.order)) {
      key_marks_.erase(mark);
    }
    for (const auto& waiter : waiters_) {
      if (waiter->command.key == key) {
        waiter->next_check = std::min(waiter->next_check, task->place.eta);
        if (waiter->scan_on && at < std::pair(waiter->scan_on->eta, waiter->scan_on->order))
          waiter->scan_on.reset();
      }
      if (waiter->scanning && waiter->scan_key == key)
        waiter->settled_from = std::min(waiter->settled_from, at);
    }
  } else if (record_.settings.mode == QueueMode::pull) {
    const Place before{task->place.priority, task->place.eta, task->place.order - 1};
    Keyless& keyless = keyless_[before.priority];
    if (keyless.known && (keyless.end || before < keyless.reached)) {
      keyless.end = false;
      keyless.reached = before;
    }
    for (const auto& waiter : waiters_) {
      if (waiter->scanning && waiter->scan_key.empty() && waiter->scan_lane == before.priority)
        waiter->settled_from = std::min(waiter->settled_from, std::pair(before.eta, before.order));
    }
  }
  lane(task->place.priority).stored(std::move(task), window_max());
}

void Queue::left(const Place& place) {
  if (is_aside(place)) {
    note_aside(place);
  } else {
    lane(place.priority).gone(place);
  }
}

void Queue::settle(const Now& now) {
  DEFERD_ASSERT(is_committing_);
  is_committing_ = false;
  if (committing_.counters) stored_counters_ = committing_.stored_counters;
  Changes changes = std::move(committing_);
  committing_ = Changes{};
  if (changes.bytes_ended > 0) project_->give_back(changes.bytes_ended);
  std::vector<EndWaits::Resume> resumed;  // of those who waited for an end
  if (!changes.purged.empty()) end_waits_.take_all(resumed);
  for (const StoredOutcome& outcome : changes.outcomes) {
    outcomes_in_hand_.erase(outcome.id);
    keeping_.over_from = std::min(keeping_.over_from, outcome.kept_until);
    keeping_.settled_from = std::min(keeping_.settled_from, outcome.kept_until);
  }
  if (!changes.forgotten.empty()) {
    keeping_.looking = false;
    ++keeping_.forgotten;
  }
  const bool is_current = !dropped_ && changes.generation == record_.generation;
  if (!followers_.empty()) tell_followers(changes, is_current);
  if (is_current) {
    for (const auto& end : changes.ends) {
      held_.erase(end.id);
      task_changes_.changed(end.id);
      left(end.place);
      if (!end_waits_.empty()) end_waits_.take_ended(end.id, resumed);
    }
    for (auto& move : changes.moves) {
      held_.erase(move.task->id);
      task_changes_.changed(move.task->id);
      left(move.from);
      if (is_aside(move.task->place) && !end_waits_.empty())
        end_waits_.take_ended(move.task->id, resumed);
      if (move.remember_lease && last_leases_.size() < core_.options.leases_in_memory_max) {
        const Task& leased = *move.task;
        if (is_last_lease(leased, leased.place.eta))
          last_leases_.insert({leased.place.eta, leased.id});
      }
      if (move.remember_lease && leases_.size() < core_.options.leases_in_memory_max) {
        Task lease = *move.task;
        lease.payload.reset();
        leases_.insert_or_assign(lease.id, std::move(lease));
      }
      settle_task(std::move(move.task));
    }
    for (auto& task : changes.puts) settle_task(std::move(task));
  }
  for (const auto& [name, entry] : changes.names) {
    const auto in_hand = names_in_hand_.find(name);
    if (in_hand == names_in_hand_.end()) continue;  // the queue was dropped
    if (--in_hand->second.changes == 0) names_in_hand_.erase(in_hand);
    name_changes_.changed(name);
  }
  for (auto& done : changes.done) {
    core_.effects.replies.push_back([done = std::move(done)]() mutable { done(nullptr); });
  }
  std::ranges::move(changes.logged, std::back_inserter(core_.effects.logged));
  for (auto& resume : resumed) resume(now);
  auto parked = std::move(on_settle_);
  on_settle_.clear();
  for (auto& resume : parked) resume(now);
  core_.touch(*this);
}

void Queue::fail_all(const Error& error, const Now& now) {
  for (Changes* changes : {&committing_, &pending_}) {
    for (auto& done : changes->done) {
      core_.effects.replies.push_back([done = std::move(done), error]() mutable { done(&error); });
    }
    changes->done.clear();
  }
  for (const auto& waiter : waiters_) {
    if (std::exchange(waiter->served, true)) continue;
    core_.reply(std::move(waiter->command.reply), Result<std::vector<TaskInfo>>(fail(error)));
  }
  waiters_.clear();
  if (!stats_waiting_.empty()) serve_stats(now, true);
  std::vector<EndWaits::Resume> resumed;
  end_waits_.take_all(resumed);
  for (auto& resume : resumed) resume(now);
  for (auto& resume : std::exchange(on_settle_, {})) resume(now);
}

Lane* Queue::first_due_lane(const Now& now, bool& blocked) {
  blocked = false;
  for (int p = priority_count - 1; p >= 0; --p) {
    Lane* const lane = lanes_[static_cast<std::size_t>(p)].get();
    if (lane == nullptr || lane->due_from() > now.wall) continue;
    if (lane->head_is_first()) return lane;
    // What is due here may be on disk only, and it goes before any lower lane.
    blocked = true;
    if (!lane->scan_open() && retry_reads_at_ <= now.mono)
      start_scan(*lane, static_cast<std::uint8_t>(p));
    return nullptr;
  }
  return nullptr;
}

Wall Queue::lanes_due_from() const {
  Wall due = Wall::max();
  for (const auto& lane : lanes_) {
    if (lane != nullptr) due = std::min(due, lane->due_from());
  }
  return due;
}

const Lane* Queue::lane_to_scan_first(const Now& now) const {
  for (int p = priority_count - 1; p >= 0; --p) {
    const Lane* const lane = lanes_[static_cast<std::size_t>(p)].get();
    if (lane != nullptr && lane->due_from() <= now.wall)
      return lane->head_is_first() ? nullptr : lane;
  }
  return nullptr;
}

void Queue::scan_lanes(const Now& now) {
  if (retry_reads_at_ > now.mono) return;
  constexpr Micros ahead = Seconds(1);  // a window is refilled before it runs dry
  for (std::uint8_t p = 0; p < priority_count; ++p) {
    if (lanes_[p] != nullptr && lanes_[p]->wants_scan(now.wall + ahead, window_max()))
      start_scan(*lanes_[p], p);
  }
}

void Queue::start_scan(Lane& lane, std::uint8_t priority) {
  constexpr std::uint64_t scan_bytes_max = 8 << 20;
  const std::uint64_t read = task_changes_.begin_read();
  const auto tasks_max =
      static_cast<std::uint32_t>(std::max<std::size_t>(1, window_max() - window_max() / 4));
  ScanLane scan{
      {record_.number, record_.generation}, priority, lane.begin_scan(), tasks_max, scan_bytes_max};
  core_.read(std::move(scan),
             [self = shared_from_this(), priority, read, generation = record_.generation](
                 Result<ReadAnswer> answer, const Now& now) {
               const bool obsolete = self->dropped_ || generation != self->record_.generation;
               if (!obsolete) {
                 Lane& scanned = self->lane(priority);
                 if (!answer) {
                   log_error("queue.scan_failed",
                             {{"queue", self->name_->queue}, {"error", answer.error().message}});
                   scanned.scan_failed();
                   self->retry_reads_at_ = now.mono + self->core_.options.read_retry;
                 } else {
                   auto& found = std::get<ScanAnswer>(*answer);
                   scanned.end_scan(
                       std::move(found.tasks), found.end, self->window_max(),
                       [&](const Task& task) { return self->fresh(task, read); },
                       [&](const Task& task) { return self->held_.contains(task.id); });
                 }
                 self->core_.touch(*self);
               }
               self->task_changes_.end_read(read);
             });
}

void Queue::load_payloads(const std::vector<TaskId>& ids) {
  if (loading_payloads_) return;
  loading_payloads_ = true;
  core_.read(
      FindTasks{{record_.number, record_.generation}, ids},
      [self = shared_from_this(), ids, generation = record_.generation](Result<ReadAnswer> answer,
                                                                        const Now& now) {
        self->loading_payloads_ = false;
        if (self->dropped_) return;
        self->core_.touch(*self);
        if (generation != self->record_.generation) return;
        if (!answer) {
          log_error("queue.load_failed",
                    {{"queue", self->name_->queue}, {"error", answer.error().message}});
          self->retry_reads_at_ = now.mono + self->core_.options.read_retry;
          return;
        }
        bool any = false;
        for (auto& task : std::get<FindTasksAnswer>(*answer).tasks) {
          // One that moved or ended meanwhile is not in the window at this place; set_payload()
          // knows.
          if (task && !is_aside(task->place))
            self->lane(task->place.priority).set_payload(task->place, std::move(task->payload));
          any = any || task.has_value();
        }
        // None: all of them moved or ended meanwhile. If one is still in a window, the store does
        // not have what it must have; asking at once again would not end.
        const auto is_missing = [&ids](const Task& task) {
          return task.payload == nullptr && std::ranges::find(ids, task.id) != ids.end();
        };
        bool missing = false;
        for (const auto& lane : self->lanes_) {
          if (any || lane == nullptr) continue;
          lane->visit([&](const Task& task) { return !(missing = missing || is_missing(task)); });
        }
        if (missing) self->retry_reads_at_ = now.mono + self->core_.options.read_retry;
      });
}

void Queue::check() const {
  std::size_t pushing = 0;
  std::uint32_t running = 0;
  for (const auto& [id, held] : held_) {
    if (held.hold != Hold::pushing) continue;
    DEFERD_ASSERT(held.task != nullptr && held.task->id == id, "task", id);
    DEFERD_ASSERT(held.running > 0, "task", id);
    ++pushing;
    running += held.running;
  }
  DEFERD_ASSERT(pushing == tasks_pushing_, "pushing", pushing, "counted", tasks_pushing_);
  // After a failed commit the ends of attempts are not recorded any more.
  DEFERD_ASSERT(running <= attempts_running_ || core_.failed, "running", running, "counted",
                attempts_running_);
  const std::uint64_t free_tasks =
      due_counts_.ready() + due_counts_.scheduled() + due_counts_.leased();
  DEFERD_ASSERT(free_tasks + tasks_pushing_ == counters_.tasks, "free", free_tasks, "pushing",
                tasks_pushing_, "tasks", counters_.tasks);
  std::uint64_t in_lanes = 0;
  for (std::size_t p = 0; p < priority_count; ++p) {
    in_lanes += counters_.lane_tasks[p];
    if (lanes_[p] == nullptr) continue;
    DEFERD_ASSERT(lanes_[p]->window_tasks() <= counters_.lane_tasks[p], "priority", p);
    lanes_[p]->visit([&](const Task& task) {
      DEFERD_ASSERT(!held_.contains(task.id), "task", task.id);
      DEFERD_ASSERT(task.place.priority == p, "task", task.id);
      return true;
    });
  }
  DEFERD_ASSERT(in_lanes == counters_.tasks, "lanes", in_lanes, "tasks", counters_.tasks);
}

}  // namespace deferd
