// What a queue tells about itself. All of it is kept as it changes, but for the oldest ETA: that
// may need a read, when a window has run dry.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/queue.h"

namespace deferd {

void Queue::get_stats(GetQueueStats command, const Now& now) {
  // As of now, whatever comes in while a read is under way.
  QueueStats as_of_now = stats(now);
  const bool blurred = due_counts_.is_blurred() || due_counts_.is_splitting();
  // Two slots at once: only when reads are slower than time.
  as_of_now.counted &= !(due_counts_.is_blurred() && due_counts_.is_splitting());
  stats_waiting_.push_back(
      {std::move(as_of_now), std::move(command.reply), now.wall, counters_.last_order, blurred});
  serve_stats(now, false);
}

void Queue::serve_stats(const Now& now, bool as_known) {
  const bool heads = look_for_heads(now);
  const bool counts = split_counts(now);
  if (!(heads && counts) && !as_known) return;
  const std::optional<Wall> oldest = oldest_eta();
  for (auto& waiting : std::exchange(stats_waiting_, {})) {
    waiting.stats.oldest_eta = oldest;
    waiting.stats.counted &= !waiting.is_blurred;
    core_.reply(std::move(waiting.reply), Result<QueueStats>(std::move(waiting.stats)));
  }
}

bool Queue::look_for_heads(const Now& now) {
  if (core_.failed || retry_reads_at_ > now.mono) return true;  // what is known must do
  bool all_known = true;
  for (std::uint8_t p = 0; p < priority_count; ++p) {
    Lane* const lane = lanes_[p].get();
    if (lane == nullptr || lane->head_is_first()) continue;
    all_known = false;
    if (!lane->scan_open()) start_scan(*lane, p);
  }
  return all_known;
}

std::optional<TaskLogEntry> Queue::sample(TaskLogEntry::What what, const Task& task,
                                          const Now& now) const {
  const std::optional<double>& ratio = record_.settings.log_sampling;
  if (!ratio || core_.options.task_log == nullptr || !in_sample(*ratio, what, task)) return {};
  TaskLogEntry entry;
  entry.what = what;
  entry.at = now.wall;
  entry.queue = name_;
  entry.task = task;
  entry.max_attempts = policy_of(task).max_attempts;
  return entry;
}

std::optional<Wall> Queue::oldest_eta() const {
  Wall oldest = Wall::max();
  for (const auto& lane : lanes_) {
    if (lane != nullptr && lane->head() != nullptr)
      oldest = std::min(oldest, lane->head()->place.eta);
  }
  // Those in hand: no more than run at once, or than one commit changes.
  if (tasks_pushing_ > 0) {
    for (const auto& [id, held] : held_) {
      if (held.hold == Hold::pushing) oldest = std::min(oldest, held.task->place.eta);
    }
  }
  for (const Changes* changes : {&committing_, &pending_}) {
    if (changes->generation != record_.generation) continue;
    for (const auto& move : changes->moves) {
      if (!is_aside(move.task->place)) oldest = std::min(oldest, move.task->place.eta);
    }
  }
  if (oldest == Wall::max()) return std::nullopt;
  return oldest;
}

QueueStats Queue::stats(const Now& now) {
  due_counts_.fold(now.wall);
  QueueStats stats;
  // After a failed commit memory is ahead of what a restart will find.
  const QueueCounters& counters = core_.failed ? stored_counters_ : counters_;
  stats.tasks = counters.tasks;
  stats.bytes = counters.bytes;
  stats.outcomes = counters.outcomes.count;
  stats.outcome_bytes = counters.outcomes.bytes;
  stats.dead = counters.dead.count;
  stats.dead_bytes = counters.dead.bytes;
  stats.outgoing = counters.outgoing.count;
  for (const Forwarding& lane : forwarding_) {
    if (!lane.refused.empty()) stats.forward_error = lane.refused;
  }
  stats.scheduled = due_counts_.scheduled();
  stats.ready = due_counts_.ready();
  stats.leased = due_counts_.leased();
  stats.in_flight = tasks_pushing_;
  stats.counted = counted() && !core_.failed;
  for (const auto& lane : lanes_) {
    if (lane == nullptr || lane->head() == nullptr) continue;
    const Micros age = now.wall - lane->head()->place.eta;
    if (age >= Micros(0))
      stats.oldest_ready = std::max(stats.oldest_ready.value_or(Micros(0)), age);
  }
  stats.kept_for = std::chrono::duration_cast<Micros>(now.mono - stats_since_);
  if (activity_ != nullptr) {
    const Activity& recent = *activity_;
    stats.executed_minute = recent.executed.last_minute(now.mono);
    stats.executed_hour = recent.executed.last_hour(now.mono);
    stats.leased_minute = recent.leased.last_minute(now.mono);
    stats.leased_hour = recent.leased.last_hour(now.mono);
    stats.failed_minute = recent.failed.last_minute(now.mono);
    stats.failed_hour = recent.failed.last_hour(now.mono);
    stats.executed_total = recent.executed_total;
    stats.failed_total = recent.failed_total;
    stats.added_total = recent.added_total;
    stats.completed_total = recent.completed_total;
    stats.dropped_total = recent.dropped_total;
    stats.cancelled_total = recent.cancelled_total;
    stats.usage = recent.usage;
    stats.dead_total = recent.dead_total;
    stats.poisoned_total = recent.poisoned_total;
    stats.forwarded_total = recent.forwarded_total;
    stats.execution = recent.execution.read(now.mono);
    stats.delay = recent.delay.read(now.mono);
    stats.attempts = recent.attempts;
    stats.delays = recent.delays;
    if (stats.executed_hour > 0) {
      stats.failure_rate =
          static_cast<double>(stats.failed_hour) / static_cast<double>(stats.executed_hour);
    }
  }
  const bool runs = record_.state == QueueState::running && !core_.failed;
  if (runs) {
    // Leases are not paced.
    stats.enforced_rate = record_.settings.mode == QueueMode::pull
                              ? std::numeric_limits<double>::infinity()
                              : rate_in_force();
  }
  stats.tokens = record_.settings.mode == QueueMode::pull ? std::numeric_limits<double>::infinity()
                                                          : bucket_.tokens(now.mono);
  return stats;
}

}  // namespace deferd
