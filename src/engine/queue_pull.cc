// Pull: leases granted. A grant is a move of the task to the end of its lease, with a new token; a
// late worker's token no longer fits. Nothing is written when a lease runs out: the task is simply
// due again. What holders do with their leases: queue_lease.cc.
#include <algorithm>

#include "engine/queue.h"

namespace deferd {

void Queue::lease_tasks(LeaseTasks command, const Now& now) {
  auto waiter = std::make_shared<Waiter>();
  waiter->deadline = now.mono + command.wait;
  waiter->command = std::move(command);
  waiters_.push_back(std::move(waiter));
  core_.touch(*this);
}

void Queue::end_waits(const Now& now) {
  waits_are_over_ = true;
  std::vector<EndWaits::Resume> resumed;
  end_waits_.take_all(resumed);
  for (auto& resume : resumed) resume(now);
  if (!stats_waiting_.empty()) serve_stats(now, true);
  for (const auto& waiter : waiters_) {
    if (std::exchange(waiter->served, true)) continue;
    core_.reply(std::move(waiter->command.reply),
                Result<std::vector<TaskInfo>>(std::vector<TaskInfo>()));
  }
  waiters_.clear();
}

void Queue::serve_waiters(const Now& now) {
  const bool runs = record_.state == QueueState::running;
  bool any_tried = false;  // when one who takes any task got none, the others need not ask
  Served any_outcome = Served::nothing;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    const std::shared_ptr<Waiter> waiter = *at;
    if (waiter->served) {  // by the answer of a scan
      at = waiters_.erase(at);
      continue;
    }
    const bool gone =
        waiter->command.gone != nullptr && waiter->command.gone->load(std::memory_order_relaxed);
    Served outcome = Served::nothing;
    if (runs && !gone) {
      switch (waiter->command.by) {
        case LeaseTasks::By::any:
          outcome = any_tried ? any_outcome : serve_any(*waiter, now);
          any_tried = outcome != Served::granted;
          any_outcome = outcome;
          break;
        case LeaseTasks::By::key:
          outcome = serve_key(waiter, waiter->command.key, now);
          break;
        case LeaseTasks::By::oldest_key:
          outcome = serve_oldest_key(waiter, now);
          break;
      }
    }
    if (!runs && waiter->command.refuse_paused) {
      waiter->served = true;
      core_.reply(std::move(waiter->command.reply),
                  Result<std::vector<TaskInfo>>(fail(paused_error())));
    }
    const bool over =
        !waiter->served && (gone || (outcome == Served::nothing && waiter->deadline <= now.mono));
    if (over) {
      waiter->served = true;
      core_.reply(std::move(waiter->command.reply),
                  Result<std::vector<TaskInfo>>(std::vector<TaskInfo>()));
    }
    at = waiter->served ? waiters_.erase(at) : std::next(at);
  }
  if (runs && !waiters_.empty()) scan_lanes(now);
}

Queue::Served Queue::serve_any(Waiter& waiter, const Now& now) {
  std::optional<std::uint8_t> hidden;
  return serve_window(waiter, false, now, hidden);
}

Queue::Served Queue::serve_window(Waiter& waiter, bool only_without_key, const Now& now,
                                  std::optional<std::uint8_t>& hidden) {
  while (true) {
    std::vector<Place> places;
    const bool blocked = gather(waiter, only_without_key, now, places, hidden);
    if (places.empty()) return blocked ? Served::blocked : Served::nothing;
    std::vector<std::unique_ptr<Task>> tasks;
    tasks.reserve(places.size());
    for (const Place& place : places) tasks.push_back(lane(place.priority).take(place));
    scan_lanes(now);
    if (grant(waiter, std::move(tasks), now)) return Served::granted;
    // All of them had been tried too often and were dropped: look at those behind them.
  }
}

// The next due tasks, highest priority first. True: there may be more that only a read can tell.
bool Queue::gather(const Waiter& waiter, bool only_without_key, const Now& now,
                   std::vector<Place>& places, std::optional<std::uint8_t>& hidden) {
  std::uint64_t bytes = 0;
  for (int p = priority_count - 1; p >= 0; --p) {
    Lane* const lane = lanes_[static_cast<std::size_t>(p)].get();
    if (lane == nullptr || lane->due_from() > now.wall) continue;
    std::vector<TaskId> to_load;
    bool full = false;
    bool past_due = false;
    lane->visit([&](const Task& task) {
      past_due = task.place.eta > now.wall;
      if (past_due) return false;
      if (only_without_key && !task.key().empty()) return true;
      constexpr std::size_t load_tasks_max = 1000;
      if (!task.payload) {
        to_load.push_back(task.id);
        return to_load.size() < std::min<std::size_t>(load_tasks_max, waiter.command.tasks_max);
      }
      if (!to_load.empty()) return false;  // those before it come first
      bytes += task.payload->size();
      full = places.size() == waiter.command.tasks_max ||
             (!places.empty() && bytes > core_.options.lease_bytes_max);
      if (!full) places.push_back(task.place);
      return !full;
    });
    if (!to_load.empty()) {
      if (retry_reads_at_ <= now.mono) load_payloads(to_load);
      return true;
    }
    if (full) return false;
    if (!past_due && lane->disk_due_from() <= now.wall) {
      // A window full of due tasks with keys hides those without one, and has no room for them.
      if (only_without_key && lane->window_tasks() >= window_max()) {
        const Keyless& keyless = keyless_[static_cast<std::size_t>(p)];
        const bool none_due = keyless.known && lane->mark() >= keyless.from &&
                              (keyless.end || keyless.reached.eta > now.wall);
        if (none_due) continue;
        if (places.empty()) hidden = static_cast<std::uint8_t>(p);
        return true;
      }
      if (!lane->scan_open() && retry_reads_at_ <= now.mono)
        start_scan(*lane, static_cast<std::uint8_t>(p));
      return true;  // what is on disk here goes before any lower lane
    }
  }
  return false;
}

bool Queue::dropped_before_lease(Task& task, const Now& now) {
  const bool worker_died = task.progress.lease_is_named;
  if (task.progress.lease_token != 0)
    end_lease(task, status_lease_expired, task.place.eta, nullptr, now);
  leases_.erase(task.id);
  if (!last_leases_.empty()) last_leases_.erase({task.place.eta, task.id});
  const DeathReason death = death_after_lease(task, worker_died, now);
  if (death == DeathReason::none) return false;
  conclude(task, {.state = OutcomeState::failed, .reason = death}, now, false);
  return true;
}

bool Queue::grant(Waiter& waiter, std::vector<std::unique_ptr<Task>> tasks, const Now& now) {
  std::vector<TaskInfo> granted;
  granted.reserve(tasks.size());
  std::shared_ptr<const std::string> worker;  // null: nobody says
  if (!waiter.command.worker.empty())
    worker = std::make_shared<const std::string>(waiter.command.worker);
  for (std::unique_ptr<Task>& task : tasks) {
    uncount_free(*task);
    if (dropped_before_lease(*task, now)) continue;
    activity().attempt_started(now.mono, now.wall - task->place.eta);
    Progress& progress = task->progress;
    ++progress.attempts;
    if (progress.first_attempt == Wall{}) progress.first_attempt = now.wall;
    progress.last_attempt = now.wall;
    progress.last_eta = task->place.eta;
    while (progress.lease_token == 0) progress.lease_token = core_.random.next();
    progress.lease_is_named = worker != nullptr;
    if (worker != nullptr && lease_workers_.size() < core_.options.leases_in_memory_max)
      lease_workers_.insert_or_assign(task->id, worker);
    SharedBytes payload = std::move(task->payload);
    task->payload.reset();  // the answer carries it; if the lease runs out, it is loaded again
    move_task(std::move(task), now.wall + waiter.command.duration, now, true, true);
    granted.push_back({*pending_.moves.back().task, TaskState::leased});
    granted.back().task.payload = std::move(payload);
  }
  if (granted.empty()) return false;
  activity().leased.add(now.mono, granted.size());
  waiter.served = true;
  pending_.done.push_back([reply = std::move(waiter.command.reply),
                           granted = std::move(granted)](const Error* error) mutable {
    using Leased = Result<std::vector<TaskInfo>>;
    reply(error == nullptr ? Leased(std::move(granted)) : Leased(fail(*error)));
  });
  return true;
}

Queue::Served Queue::serve_key(const std::shared_ptr<Waiter>& waiter, const std::string& key,
                               const Now& now) {
  if (key.empty()) return serve_without_key(waiter, now);
  if (waiter->scanning) return Served::blocked;
  if (waiter->next_check > now.wall) return Served::nothing;
  if (retry_reads_at_ > now.mono) return Served::blocked;
  constexpr std::size_t key_marks_max = 10'000;
  if (key_marks_.size() > key_marks_max) key_marks_.clear();
  Place after{0, Wall::min(), 0};
  if (const auto mark = key_marks_.find(key); mark != key_marks_.end()) after = mark->second;
  const bool from_mark = !waiter->scan_on || *waiter->scan_on == after;
  if (!from_mark) after = *waiter->scan_on;
  start_key_scan(waiter, key, after);
  waiter->scan_from_mark = from_mark;
  return Served::blocked;
}

void Queue::start_key_scan(const std::shared_ptr<Waiter>& waiter, const std::string& key,
                           const Place& after) {
  const std::uint64_t read = task_changes_.begin_read();
  waiter->scanning = true;
  waiter->scan_key = key;
  waiter->scan_from_mark = true;
  waiter->settled_from = {Wall::max(), 0};
  waiter->next_check = Wall::max();  // what is stored from here on lowers it
  ScanKey scan{{record_.number, record_.generation},
               key,
               after,
               waiter->command.tasks_max,
               core_.options.lease_bytes_max};
  core_.read(std::move(scan),
             [self = shared_from_this(), waiter, key, read, generation = record_.generation](
                 Result<ReadAnswer> answer, const Now& later) {
               self->key_scanned(*waiter, key, read, generation, std::move(answer), later);
               self->task_changes_.end_read(read);
             });
}

void Queue::key_scanned(Waiter& waiter, const std::string& key, std::uint64_t read,
                        std::uint32_t generation, Result<ReadAnswer> answer, const Now& now) {
  waiter.scanning = false;
  if (dropped_ || waiter.served || core_.failed) return;
  core_.touch(*this);
  if (generation != record_.generation) {
    waiter.next_check = Wall::min();
    return;
  }
  if (!answer) {
    retry_reads_at_ = now.mono + core_.options.read_retry;
    waiter.next_check = Wall::min();
    return;
  }
  auto& found = std::get<ScanAnswer>(*answer);
  std::vector<std::unique_ptr<Task>> tasks;
  // Nothing that lives was left behind so far.
  bool in_a_row = record_.state == QueueState::running && waiter.scan_from_mark;
  Wall next_check = found.end ? Wall::max() : Wall::min();
  waiter.scan_on.reset();
  if (!found.end && !found.tasks.empty()) {
    const Place& last = found.tasks.back().place;
    if (std::pair(last.eta, last.order) < waiter.settled_from) waiter.scan_on = last;
  }
  for (Task& task : found.tasks) {
    if (is_aside(task.place)) {  // the mark passes over it: alive again, it stands elsewhere
      if (in_a_row && std::pair(task.place.eta, task.place.order) < waiter.settled_from)
        key_marks_.insert_or_assign(key, task.place);
      continue;
    }
    const bool live = fresh(task, read);
    if (live && task.place.eta > now.wall) {
      next_check = task.place.eta;
      waiter.scan_on.reset();
      break;
    }
    if (live && record_.state == QueueState::running) {
      take_free(task);
      tasks.push_back(std::make_unique<Task>(std::move(task)));
      const Place& place = tasks.back()->place;
      if (in_a_row && std::pair(place.eta, place.order) < waiter.settled_from)
        key_marks_.insert_or_assign(key, place);
    } else {
      in_a_row = false;
      if (live) waiter.scan_on.reset();  // the queue is paused
    }
  }
  waiter.next_check = std::min(waiter.next_check, next_check);
  if (!tasks.empty()) grant(waiter, std::move(tasks), now);
}

// Tasks without a key have no index of their own: from the windows, and behind a window that is
// full of others by a scan of the lane that passes over those.
Queue::Served Queue::serve_without_key(const std::shared_ptr<Waiter>& waiter, const Now& now) {
  if (waiter->scanning) return Served::blocked;
  std::optional<std::uint8_t> hidden;
  const Served outcome = serve_window(*waiter, true, now, hidden);
  if (outcome != Served::blocked || !hidden || retry_reads_at_ > now.mono) return outcome;
  start_keyless_scan(waiter, *hidden);
  return Served::blocked;
}

void Queue::start_keyless_scan(const std::shared_ptr<Waiter>& waiter, std::uint8_t priority) {
  const Lane& scanned = lane(priority);
  const Place from = scanned.mark();
  const Keyless& keyless = keyless_[priority];
  const bool goes_on = keyless.known && from >= keyless.from && keyless.reached > from;
  const std::uint64_t read = task_changes_.begin_read();
  waiter->scanning = true;
  waiter->scan_key.clear();
  waiter->scan_lane = priority;
  waiter->settled_from = {Wall::max(), 0};
  ScanLane scan{{record_.number, record_.generation}, priority,
                goes_on ? keyless.reached : from,     waiter->command.tasks_max,
                core_.options.lease_bytes_max,        true};
  core_.read(std::move(scan), [self = shared_from_this(), waiter, from, read,
                               generation = record_.generation](Result<ReadAnswer> answer,
                                                                const Now& later) {
    waiter->scanning = false;
    const bool obsolete = self->dropped_ || waiter->served || self->core_.failed;
    if (!obsolete) self->core_.touch(*self);
    if (!obsolete && !answer) {
      self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
    } else if (!obsolete && generation == self->record_.generation) {
      self->keyless_scanned(*waiter, from, read, std::get<ScanAnswer>(std::move(*answer)), later);
    }
    self->task_changes_.end_read(read);
  });
}

void Queue::keyless_scanned(Waiter& waiter, const Place& from, std::uint64_t read, ScanAnswer found,
                            const Now& now) {
  Keyless known{true, found.end, from, found.reached};
  const auto not_beyond = [&known](const Place& before) {
    if (!known.end && before >= known.reached) return;
    known.end = false;
    known.reached = before;
  };
  std::vector<std::unique_ptr<Task>> tasks;
  for (Task& task : found.tasks) {
    if (!fresh(task, read)) continue;  // in hand: it is noticed when it comes back
    if (task.place.eta > now.wall || record_.state != QueueState::running) {
      not_beyond({task.place.priority, task.place.eta, task.place.order - 1});
      break;
    }
    take_free(task);
    tasks.push_back(std::make_unique<Task>(std::move(task)));
  }
  if (waiter.settled_from.first != Wall::max())
    not_beyond({from.priority, waiter.settled_from.first, waiter.settled_from.second});
  if (lane(from.priority).mark() >= from) keyless_[from.priority] = known;
  if (!tasks.empty()) grant(waiter, std::move(tasks), now);
}

void Queue::drop_exhausted(const Now& now) {
  if (last_leases_.empty() || last_leases_.begin()->end > now.wall || retry_reads_at_ > now.mono)
    return;
  constexpr std::size_t tasks_max = 1000;
  std::vector<TaskRef> refs;
  std::vector<LastLease> leases;
  while (!last_leases_.empty() && last_leases_.begin()->end <= now.wall &&
         leases.size() < tasks_max) {
    leases.push_back(*last_leases_.begin());
    refs.emplace_back(leases.back().task);
    last_leases_.erase(last_leases_.begin());
  }
  find(std::move(refs), Seek::headers, now,
       [self = shared_from_this(), leases = std::move(leases)](Result<std::vector<Found>> found,
                                                               const Now& later) {
         if (self->dropped_ || self->core_.failed) return;
         if (!found) {
           self->last_leases_.insert(leases.begin(), leases.end());
           self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
           self->core_.touch(*self);
           return;
         }
         self->due_counts_.fold(later.wall);
         for (std::size_t i = 0; i < leases.size(); ++i) {
           Task& task = (*found)[i].task;
           const bool is_over = (*found)[i].kind == Found::Kind::free &&
                                task.progress.lease_token != 0 && task.place.eta == leases[i].end &&
                                task.place.eta <= later.wall;
           if (!is_over || !self->is_last_lease(task, later.wall)) continue;
           const bool worker_died = task.progress.lease_is_named;
           self->take_free(task);
           self->uncount_free(task);
           self->end_lease(task, status_lease_expired, task.place.eta, nullptr, later);
           const DeathReason death = self->death_after_lease(task, worker_died, later);
           self->conclude(task, {.state = OutcomeState::failed, .reason = death}, later, false);
         }
       });
}

Queue::Served Queue::serve_oldest_key(const std::shared_ptr<Waiter>& waiter, const Now& now) {
  if (waiter->scanning) return Served::blocked;
  const Task* oldest = nullptr;
  for (std::uint8_t p = 0; p < priority_count; ++p) {
    Lane* const lane = lanes_[p].get();
    if (lane == nullptr || lane->due_from() > now.wall) continue;
    if (!lane->head_is_first()) {
      if (!lane->scan_open() && retry_reads_at_ <= now.mono) start_scan(*lane, p);
      return Served::blocked;
    }
    const Place& place = lane->head()->place;
    if (oldest == nullptr ||
        std::pair(place.eta, place.order) < std::pair(oldest->place.eta, oldest->place.order)) {
      oldest = lane->head();
    }
  }
  if (oldest == nullptr) return Served::nothing;
  if (oldest->key().empty()) {
    const Served outcome = serve_without_key(waiter, now);
    // Nothing: it had been tried too often and was dropped, so another is the oldest now.
    return outcome == Served::nothing ? serve_oldest_key(waiter, now) : outcome;
  }
  if (retry_reads_at_ > now.mono) return Served::blocked;
  // Nothing that is free comes before it.
  start_key_scan(waiter, std::string(oldest->key()),
                 {0, oldest->place.eta, oldest->place.order - 1});
  return Served::blocked;
}

}  // namespace deferd
