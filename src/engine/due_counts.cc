#include "engine/due_counts.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace deferd {

void DueCounts::Slot::join(const Slot& other) {
  last = std::max(last, other.last);
  scheduled += other.scheduled;
  leased += other.leased;
}

DueCounts::Slots::iterator DueCounts::slot_at(std::int64_t millisecond) {
  const auto behind = ahead_.upper_bound(millisecond);
  if (behind == ahead_.begin()) return ahead_.end();
  const auto at = std::prev(behind);
  return at->second.last >= millisecond ? at : ahead_.end();
}

void DueCounts::make_ready(const Slot& slot) {
  ready_ += slot.tasks();
  scheduled_ -= slot.scheduled;
  leased_ -= slot.leased;
}

void DueCounts::fold(Wall now) {
  const std::int64_t slot = std::chrono::floor<Millis>(now.time_since_epoch()).count();
  if (slot <= folded_) return;
  folded_ = slot;
  while (!ahead_.empty() && ahead_.begin()->second.last <= folded_) {
    make_ready(ahead_.begin()->second);
    ahead_.erase(ahead_.begin());
  }
}

void DueCounts::add(Wall eta, bool leased) {
  const std::int64_t millisecond = slot_of(eta);
  auto at = slot_at(millisecond);
  if (at == ahead_.end()) {
    if (millisecond <= folded_) {
      ++ready_;
      return;
    }
    at = ahead_.emplace(millisecond, Slot{.last = millisecond}).first;
  }
  ++(leased ? at->second.leased : at->second.scheduled);
  ++(leased ? leased_ : scheduled_);
  if (ahead_.size() > slots_max_) join_far_slots();
}

void DueCounts::remove(Wall eta, bool leased) {
  const std::int64_t millisecond = slot_of(eta);
  const auto at = slot_at(millisecond);
  if (at == ahead_.end()) {
    DEFERD_ASSERT(millisecond <= folded_, "eta", to_micros(eta));
    remove_ready();
    return;
  }
  std::uint32_t& count = leased ? at->second.leased : at->second.scheduled;
  DEFERD_ASSERT(count > 0, "eta", to_micros(eta), "leased", leased);
  --count;
  --(leased ? leased_ : scheduled_);
  if (at->second.tasks() == 0) ahead_.erase(at);
}

void DueCounts::join_far_slots() {
  // The nearest stay exact: they are asked for next. Of the others neighbours are joined as long as
  // they hold less than a limit together; as any two in a row pass it, half of the slots remain.
  const std::size_t near_max = slots_max_ / 4;
  const std::uint64_t share_max = 1 + 4 * (scheduled_ + leased_) / slots_max_;
  std::vector<std::pair<std::int64_t, Slot>> joined;
  joined.reserve(slots_max_);
  for (const auto& [first, slot] : ahead_) {
    const bool joins =
        joined.size() > near_max && joined.back().second.tasks() + slot.tasks() <= share_max;
    if (joins) {
      joined.back().second.join(slot);
    } else {
      joined.emplace_back(first, slot);
    }
  }
  ahead_ = Slots(joined.begin(), joined.end());
}

DueCounts::Range DueCounts::begin_split() {
  DEFERD_ASSERT(!splitting_.has_value());
  DEFERD_ASSERT(is_blurred());
  const auto [first, slot] = *ahead_.begin();
  ahead_.erase(ahead_.begin());
  splitting_ = slot;
  return {Wall(Millis(first - 1)), Wall(Millis(slot.last)), slot.tasks()};
}

void DueCounts::remove_undecided(bool leased) {
  DEFERD_ASSERT(splitting_.has_value());
  std::uint32_t& count = leased ? splitting_->leased : splitting_->scheduled;
  DEFERD_ASSERT(count > 0, "leased", leased);
  --count;
  --(leased ? leased_ : scheduled_);
}

void DueCounts::end_split(Wall reached) {
  DEFERD_ASSERT(splitting_.has_value());
  Slot rest = *std::exchange(splitting_, std::nullopt);
  if (rest.tasks() == 0) return;
  if (rest.last <= folded_) {
    make_ready(rest);
    return;
  }
  const std::int64_t first = slot_of(reached) + 1;
  DEFERD_ASSERT(first <= rest.last);
  // What was added meanwhile joins it again.
  auto at = ahead_.lower_bound(first);
  if (at != ahead_.begin() && std::prev(at)->second.last >= first) --at;
  std::int64_t from = first;
  while (at != ahead_.end() && at->first <= rest.last) {
    from = std::min(from, at->first);
    rest.join(at->second);
    at = ahead_.erase(at);
  }
  ahead_.emplace(from, rest);
  if (ahead_.size() > slots_max_) join_far_slots();
}

}  // namespace deferd
