// Telling what of the stored tasks is due and what lies ahead, where the counts that are kept
// (due_counts.h) do not: after a restart, and when the present has come to a slot that holds more
// than one millisecond.
#include <algorithm>
#include <limits>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {

namespace {
constexpr std::uint64_t order_max = std::numeric_limits<std::uint64_t>::max();
// A task with this ETA counts as ready from then on.
Wall slot_end(Wall eta) { return Wall(std::chrono::ceil<Millis>(eta.time_since_epoch())); }
}  // namespace

void Queue::count_all(const Now& now) {
  recount_ = std::make_unique<Recount>();
  recount_->after_restart = true;
  recount_->after = Wall(std::chrono::floor<Millis>(now.wall.time_since_epoch()));
  recount_->last = recount_->reach = Wall::max();
  recount_->last_order = counters_.last_order;
  for (std::uint8_t p = 0; p < priority_count; ++p)
    recount_->counted_up_to[p] = {p, recount_->after, order_max};
}

bool Queue::split_counts(const Now& now) {
  if (core_.failed || retry_reads_at_ > now.mono) return true;  // what is known must do
  if (std::ranges::none_of(stats_waiting_, &StatsWaiting::is_blurred)) return true;
  if (recount_ == nullptr) begin_split(now);
  count_more(now);
  return recount_ == nullptr;
}

void Queue::begin_split(const Now& now) {
  const std::uint64_t tasks_wanted = core_.options.due_slots_max / 2;
  constexpr Micros ahead = Seconds(1);
  const DueCounts::Range range = due_counts_.begin_split();
  recount_ = std::make_unique<Recount>();
  recount_->after = range.after;
  recount_->last = range.last;
  // As far as a fair number of tasks is to be expected, but past the present when it is read.
  const Micros share = (range.last - range.after) / std::max<std::uint64_t>(1, range.tasks) *
                       std::min(range.tasks, tasks_wanted);
  recount_->ahead = ahead;
  recount_->reach =
      std::min(range.last, slot_end(std::max(range.after + share, now.wall + recount_->ahead)));
  if (range.tasks <= tasks_wanted) recount_->reach = range.last;
  recount_->last_order = counters_.last_order;
  for (std::uint8_t p = 0; p < priority_count; ++p)
    recount_->counted_up_to[p] = {p, range.after, order_max};

  // What is in somebody's hand the store may show, or not, and also where it stands no more.
  const auto known = [this](const Place& from) { recount_->done.insert(from.order); };
  const auto placed = [this, &known](const Task& task) {
    if (is_aside(task.place) || !recount_->counts(task.place)) return;
    const bool leased = task.progress.lease_token != 0;
    note_due(task.place, leased);
    due_counts_.found(task.place.eta, leased);
    known(task.place);
  };
  for (const Changes* changes : {&committing_, &pending_}) {
    if (changes->generation != record_.generation) continue;
    for (const auto& task : changes->puts) placed(*task);
    for (const auto& move : changes->moves) placed(*move.task), known(move.from);
    for (const auto& end : changes->ends) known(end.place);
  }
  for (const auto& [id, held] : held_) {
    if (held.hold == Hold::pushing) known(held.task->place);
  }
}

void Queue::note_due(const Place& place, bool leased) {
  for (StatsWaiting& waiting : stats_waiting_) {
    const bool was_due = slot_end(place.eta) <= waiting.at;
    if (!waiting.is_blurred || !was_due || place.order > waiting.last_order) continue;
    --(leased ? waiting.stats.leased : waiting.stats.scheduled);
    ++waiting.stats.ready;
  }
}

void Queue::count_more(const Now& now) {
  if (recount_ == nullptr || recount_->reading || dropped_ || retry_reads_at_ > now.mono) return;
  const auto pass_missing_lanes = [this] {
    while (recount_->lane < priority_count && lanes_[recount_->lane] == nullptr) ++recount_->lane;
  };
  pass_missing_lanes();
  if (recount_->lane == priority_count) {
    if (end_recount(now)) return;
    pass_missing_lanes();
  }
  constexpr std::uint32_t places_max = 10'000;
  constexpr std::uint32_t places_split = 1'000;
  const std::uint8_t p = recount_->lane;
  recount_->reading = true;
  core_.read(ScanPlaces{{record_.number, record_.generation},
                        p,
                        recount_->counted_up_to[p],
                        recount_->after_restart ? places_max : places_split},
             [self = shared_from_this(), p, generation = record_.generation](
                 Result<ReadAnswer> answer, const Now& later) {
               if (self->dropped_ || generation != self->record_.generation)
                 return;  // nothing is left to count
               DEFERD_ASSERT(self->recount_ != nullptr);
               self->recount_->reading = false;
               self->core_.touch(*self);  // there may be leases whose end is to be waited for
               if (!answer) {
                 log_error("queue.count_failed",
                           {{"queue", self->name_->queue}, {"error", answer.error().message}});
                 self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
                 return;
               }
               self->due_counts_.fold(later.wall);
               self->count_places(std::get<ScanPlacesAnswer>(*answer), p);
             });
}

void Queue::count_places(const ScanPlacesAnswer& found, std::uint8_t priority) {
  Recount& recount = *recount_;
  bool end = found.end;
  for (const auto& item : found.items) {
    const Place place{priority, item.eta, item.order};
    if (place.eta > recount.reach) {
      end = true;
      break;
    }
    if (recount.done.erase(item.order) > 0 || !recount.counts(place)) continue;
    if (!recount.after_restart) {
      note_due(place, item.leased);
      due_counts_.found(item.eta, item.leased);
      continue;
    }
    due_counts_.remove_ready();
    due_counts_.add(item.eta, item.leased);
    // Whether it was its last is not known before it is read, at its end.
    if (item.leased && item.attempts > 0 &&
        last_leases_.size() < core_.options.leases_in_memory_max)
      last_leases_.insert({item.eta, item.id});
  }
  if (end) {
    recount.counted_up_to[priority] = {priority, recount.reach, order_max};
    ++recount.lane;
  } else {
    recount.counted_up_to[priority] = {priority, found.items.back().eta, found.items.back().order};
  }
}

// False: time has passed what was read, so that reading goes on.
bool Queue::end_recount(const Now& now) {
  Recount& recount = *recount_;
  if (due_counts_.undecided() > 0 && recount.reach < now.wall && recount.reach < recount.last) {
    recount.ahead *= 2;
    recount.reach = std::min(recount.last, slot_end(now.wall + recount.ahead));
    recount.lane = 0;
    return false;
  }
  if (!recount.after_restart) {
    due_counts_.fold(now.wall);
    due_counts_.end_split(recount.reach);
    for (StatsWaiting& waiting : stats_waiting_) waiting.is_blurred = false;
  }
  recount_.reset();
  return true;
}

}  // namespace deferd
