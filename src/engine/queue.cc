#include "engine/queue.h"

#include <algorithm>
#include <limits>

namespace deferd {

namespace {
constexpr std::size_t purges_kept_max = 64;
constexpr Millis keyless_poll(20);

Mono mono_of(Wall at, const Now& now) {
  if (at >= now.wall + duration_max) return Mono::max();
  return now.mono + std::max(Micros(0), at - now.wall);
}

std::shared_ptr<const std::string> shared_target(const QueueSettings& settings) {
  const std::string& target = settings.appengine.target;
  return target.empty() ? nullptr : std::make_shared<const std::string>(target);
}

std::shared_ptr<const HttpTarget> shared_http_target(const QueueSettings& settings) {
  return settings.http_target ? std::make_shared<const HttpTarget>(*settings.http_target) : nullptr;
}
}  // namespace

Queue::Queue(ShardCore& core, QueueRecord record, const Now& now)
    : core_(core),
      name_(std::make_shared<const QueueName>(record.name)),
      project_(core.projects->account(record.name.project)),
      record_(std::move(record)),
      target_(shared_target(record_.settings)),
      http_target_(shared_http_target(record_.settings)),
      bucket_(record_.settings.rate, record_.settings.burst, now.mono),
      end_waits_(core.awaited_tasks),
      due_counts_(core.options.due_slots_max) {
  due_counts_.fold(now.wall);
  stats_since_ = now.mono;
  // No order lies before the queue's making, whatever a clock does later: see id_is_gone().
  counters_.last_order =
      static_cast<std::uint64_t>(std::max<std::int64_t>(1, to_micros(now.wall)) - 1);
}

void Queue::mark_made(const Now& now) {
  pending_.record = true;
  mark_changed(now, true);
}

Queue::Queue(ShardCore& core, const StoredQueue& stored, const Now& now)
    : core_(core),
      name_(std::make_shared<const QueueName>(stored.record.name)),
      project_(core.projects->account(stored.record.name.project)),
      record_(stored.record),
      target_(shared_target(record_.settings)),
      http_target_(shared_http_target(record_.settings)),
      counters_(stored.counters),
      stored_counters_(stored.counters),
      bucket_(record_.settings.rate, record_.settings.burst, now.mono),
      end_waits_(core.awaited_tasks),
      due_counts_(core.options.due_slots_max) {
  due_counts_.fold(now.wall);
  stats_since_ = now.mono;
  due_counts_.add_ready(counters_.tasks);
  project_->take(counters_.bytes);
  // The first looks come within a minute, so that many queues do not look at once. What is over by
  // then is not told.
  if (counters_.outcomes.count > 0)
    keeping_.over_from = now.wall + Seconds(record_.number.value % 60);
  retention_.not_before = now.mono + Seconds(record_.number.value % 60);
  if (counters_.tasks == 0) return;
  for (std::uint8_t p = 0; p < priority_count; ++p) {
    if (counters_.lane_tasks[p] > 0)
      lanes_[p] = Lane::stored_before(p, core_.windows, counters_.due_from);
  }
  count_all(now);
}

QueueInfo Queue::info() const {
  QueueInfo info{.name = record_.name,
                 .settings = record_.settings,
                 .state = record_.state,
                 .created = record_.created,
                 .purged = std::nullopt};
  if (!record_.purges.empty()) info.purged = record_.purges.back().at;
  return info;
}

void Queue::configure(const QueueSettings& settings, const Now& now) {
  DEFERD_ASSERT(settings.mode == record_.settings.mode);
  const bool goes_elsewhere = settings.dead.queue != record_.settings.dead.queue;
  record_.settings = settings;
  if (goes_elsewhere) forward_again();
  pace(now);
  target_ = shared_target(settings);
  http_target_ = shared_http_target(settings);
  pending_.record = true;
  mark_changed(now, true);
  core_.touch(*this);
}

void Queue::set_state(QueueState state, const Now& now) {
  record_.state = state;
  pending_.record = true;
  mark_changed(now, true);
  core_.touch(*this);
}

void Queue::purge(const Now& now) {
  // What the store must forget is one prefix; what memory must forget is everything but attempts
  // that run.
  const std::uint32_t ended = record_.generation++;
  record_.purges.push_back({ended, now.wall});
  // A purge that is forgotten early lends its names the next one's tombstones: later, never
  // earlier.
  if (record_.purges.size() > purges_kept_max) record_.purges.erase(record_.purges.begin());
  activity().dropped_total += counters_.tasks;
  pending_.bytes_ended += counters_.bytes;
  for (auto& lane : lanes_) lane.reset();
  held_.clear();
  leases_.clear();
  lease_workers_.clear();
  key_marks_.clear();
  keyless_ = {};
  last_leases_.clear();
  retention_ = {};
  forwarding_ = {};
  forwarded_.clear();
  recount_.reset();
  for (auto& waiting : stats_waiting_)
    waiting.stats.counted &= !std::exchange(waiting.is_blurred, false);
  tasks_pushing_ = 0;
  due_counts_ = DueCounts(core_.options.due_slots_max);
  due_counts_.fold(now.wall);
  // Outcomes of tasks that had ended stay.
  counters_ = QueueCounters{.outcomes = counters_.outcomes, .last_order = counters_.last_order};
  pending_.puts.clear();
  pending_.moves.clear();
  pending_.ends.clear();
  pending_.stamp.reset();
  pending_.purged.push_back(ended);
  pending_.record = true;
  mark_changed(now, true);
  core_.touch(*this);
}

void Queue::drop(const Now& now) {
  dropped_ = true;
  pending_.bytes_ended += counters_.bytes;
  for (const auto& waiter : waiters_) {
    if (std::exchange(waiter->served, true)) continue;
    core_.reply(std::move(waiter->command.reply),
                Result<std::vector<TaskInfo>>(
                    fail(Reason::queue_missing, "queue " + name_->queue + " was deleted")));
  }
  waiters_.clear();
  for (auto& waiting : std::exchange(stats_waiting_, {})) {
    core_.reply(
        std::move(waiting.reply),
        Result<QueueStats>(fail(Reason::queue_missing, "queue " + name_->queue + " was deleted")));
  }
  std::vector<EndWaits::Resume> resumed;
  end_waits_.take_all(resumed);
  for (auto& resume : resumed) resume(now);
  for (auto& lane : lanes_) lane.reset();
  held_.clear();
  leases_.clear();
  lease_workers_.clear();
  outcomes_in_hand_.clear();
  last_leases_.clear();
  names_in_hand_.clear();
  pending_.puts.clear();
  pending_.moves.clear();
  pending_.ends.clear();
  pending_.names.clear();
  pending_.purged.clear();
  pending_.outcomes.clear();
  pending_.forgotten.clear();
  pending_.history.clear();
  pending_.dropped = true;
  mark_changed(now, true);
  core_.touch(*this);
}

void Queue::pump(const Now& now) {
  if (dropped_ || core_.failed) return;
  due_counts_.fold(now.wall);
  expire(now);
  forget_outcomes(now);
  if (end_waits_.deadline() <= now.mono) {
    std::vector<EndWaits::Resume> over;
    end_waits_.take_over(now.mono, over);
    for (auto& resume : over) resume(now);
  }
  forget_dead(now);
  forward_tasks(now);
  if (record_.settings.mode == QueueMode::push) {
    if (record_.state == QueueState::running) pump_push(now);
  } else {
    drop_exhausted(now);
    serve_waiters(now);
  }
  if (due_counts_.is_splitting()) count_more(now);
  if (!stats_waiting_.empty()) serve_stats(now, false);
}

Mono Queue::wake_at(const Now& now) const {
  if (dropped_ || core_.failed) return Mono::max();
  Mono wake = std::min({work_at(now), end_waits_.deadline(), forwards_at(now)});
  if (const Wall expires = expires_from(); expires != Wall::max())
    wake = std::min(wake, std::max({mono_of(expires, now), expiry_.not_before, retry_reads_at_}));
  if (const Wall over = outcomes_over_from(); over != Wall::max())
    wake = std::min(wake, std::max(mono_of(over, now), retry_reads_at_));
  if (const Wall forgets = forgets_dead_from(); forgets != Wall::max())
    wake =
        std::min(wake, std::max({mono_of(forgets, now), retention_.not_before, retry_reads_at_}));
  return wake;
}

// When there may be something to push, to lease or to drop.
Mono Queue::work_at(const Now& now) const {
  // What waits for a read is woken by its answer.
  const bool runs = record_.state == QueueState::running;
  if (record_.settings.mode == QueueMode::push) {
    const bool full =
        attempts_running_ >= static_cast<std::uint32_t>(record_.settings.concurrency) ||
        core_.attempts_running >= core_.options.attempts_max;
    if (!runs || loading_payloads_ || full) return Mono::max();
    if (const Lane* const unknown = lane_to_scan_first(now)) {
      return unknown->scan_open() ? Mono::max() : std::max(now.mono, retry_reads_at_);
    }
    const Wall due = lanes_due_from();
    if (due == Wall::max()) return Mono::max();
    return std::max({mono_of(due, now), bucket_.ready_at(), retry_reads_at_});
  }
  Mono wake = Mono::max();
  if (!last_leases_.empty())
    wake = std::max(mono_of(last_leases_.begin()->end, now), retry_reads_at_);
  const Wall lanes_due = lanes_due_from();
  for (const auto& waiter : waiters_) {
    if (waiter->deadline > now.mono) wake = std::min(wake, waiter->deadline);
    if (!runs) continue;
    if (retry_reads_at_ > now.mono) wake = std::min(wake, retry_reads_at_);
    const bool by_key = waiter->command.by == LeaseTasks::By::key && !waiter->command.key.empty();
    const Wall due = by_key ? waiter->next_check : lanes_due;
    // What is due already waits for a read, whose answer wakes the queue.
    if (due > now.wall) wake = std::min(wake, mono_of(due, now));
    // Tasks without a key have no index of their own: behind due tasks with keys they are looked
    // for again and again.
    const bool keyless = waiter->command.by == LeaseTasks::By::key && waiter->command.key.empty();
    if (keyless && due <= now.wall) wake = std::min(wake, now.mono + keyless_poll);
  }
  return wake;
}

std::uint64_t Queue::next_order(const Now& now) {
  // Micros since 1970, or one more than the last: unique in the queue's life and in any later queue
  // of its name.
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_micros(now.wall)));
  counters_.last_order = std::max(counters_.last_order + 1, micros);
  return counters_.last_order;
}

Wall Queue::due_now_stamp(const Now& now) {
  if (!pending_.stamp) pending_.stamp = now.wall;
  return *pending_.stamp;
}

std::size_t Queue::window_max() const {
  return core_.windows.tasks > core_.options.window_tasks_shard_max
             ? core_.options.window_tasks_crowded
             : core_.options.window_tasks_max;
}

Lane& Queue::lane(std::uint8_t priority) {
  DEFERD_ASSERT(priority < priority_count);
  std::unique_ptr<Lane>& lane = lanes_[priority];
  if (lane == nullptr) lane = Lane::empty(priority, core_.windows);
  return *lane;
}

void Queue::uncount_free(const Task& task) {
  const bool leased = task.progress.lease_token != 0;
  if (recount_ == nullptr || !recount_->counts(task.place)) {
    due_counts_.remove(task.place.eta, leased);
    return;
  }
  recount_->done.insert(task.place.order);
  if (recount_->after_restart) {
    due_counts_.remove_ready();
  } else {
    due_counts_.remove_undecided(leased);
    note_due(task.place, leased);
  }
}

void Queue::mark_changed(const Now& now, bool durable, std::size_t changes) {
  pending_.generation = record_.generation;
  pending_.counters = true;
  core_.dirty_changes += changes;
  core_.changed(*this, durable, now);
}

RetryPolicy Queue::policy_of(const Task& task) const {
  return task.options ? task.options->retry.over(record_.settings.retry) : record_.settings.retry;
}

Error Queue::store_error() const {
  DEFERD_ASSERT(core_.failed.has_value());
  return *core_.failed;
}

Activity& Queue::activity() {
  if (activity_ == nullptr) activity_ = std::make_unique<Activity>();
  return *activity_;
}

void Queue::leave(const Task& task, const Now& now) {
  DEFERD_ASSERT(counters_.tasks > 0, "queue", name_->queue);
  DEFERD_ASSERT(counters_.bytes >= task.bytes, "queue", name_->queue, "bytes", counters_.bytes);
  std::uint64_t& lane_tasks = counters_.lane_tasks[task.place.priority];
  DEFERD_ASSERT(lane_tasks > 0, "queue", name_->queue, "priority", int{task.place.priority});
  --counters_.tasks;
  --lane_tasks;
  counters_.bytes -= task.bytes;
  pending_.bytes_ended += task.bytes;
  held_.insert_or_assign(task.id, Held{.task = nullptr, .hold = Hold::ending});
  if (!task.name().empty()) {
    // By its name, too, its outcome is found as long as it is kept.
    set_name(task.options->name,
             {task.id, record_.generation,
              now.wall + std::max(record_.settings.tombstone, keep_result_of(task))});
  }
}

void Queue::end_task(const Task& task, const Now& now, bool durable) {
  leave(task, now);
  pending_.ends.push_back({task.id, task.place, task.options});
  mark_changed(now, durable);
}

void Queue::move_task(std::unique_ptr<Task> task, Wall eta, const Now& now, bool durable,
                      bool remember_lease) {
  const Place from = task->place;
  task->place = {from.priority, eta, next_order(now)};
  count_free(*task);
  held_.insert_or_assign(task->id,
                         Held{.task = nullptr, .hold = Hold::moving, .moved = task.get()});
  pending_.moves.push_back({from, std::move(task), remember_lease});
  mark_changed(now, durable);
}

void Queue::take_free(const Task& task) {
  if (!last_leases_.empty()) last_leases_.erase({task.place.eta, task.id});
  Lane& from = lane(task.place.priority);
  if (!from.beyond_mark(task.place)) from.take(task.place);
  leases_.erase(task.id);
}

TaskInfo Queue::info_of(const Task& task, bool pushing, const Now& now) const {
  TaskState state = TaskState::ready;
  if (pushing) {
    state = TaskState::in_flight;
  } else if (task.place.eta > now.wall) {
    state = task.progress.lease_token != 0 ? TaskState::leased : TaskState::scheduled;
  }
  return {task, state};
}

}  // namespace deferd
