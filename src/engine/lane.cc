#include "engine/lane.h"

#include <algorithm>
#include <iterator>

namespace deferd {

Wall Lane::due_from() const {
  if (!window_.empty()) return window_.begin()->first.eta;
  return disk_due_from();
}

Lane::~Lane() {
  for (const auto& [key, task] : window_) give_back(*task);
}

std::unique_ptr<Task> Lane::take(const Place& place) {
  const auto at = window_.find(key_of(place));
  DEFERD_ASSERT(at != window_.end(), "eta", to_micros(place.eta), "order", place.order);
  std::unique_ptr<Task> task = std::move(at->second);
  window_.erase(at);
  give_back(*task);
  return task;
}

const Task* Lane::find(const Place& place) const {
  const auto at = window_.find(key_of(place));
  return at == window_.end() ? nullptr : at->second.get();
}

void Lane::set_payload(const Place& place, SharedBytes payload) {
  const auto at = window_.find(key_of(place));
  if (at == window_.end() || at->second->payload) return;
  budget_.payload_bytes += payload->size();
  at->second->payload = std::move(payload);
}

void Lane::insert(std::unique_ptr<Task> task) {
  const Key key = key_of(task->place);
  DEFERD_ASSERT(task->place.priority == mark_.priority);
  ++budget_.tasks;
  if (task->payload) {
    if (budget_.payload_bytes + task->payload->size() > budget_.payload_bytes_max) {
      task->payload.reset();
    } else {
      budget_.payload_bytes += task->payload->size();
    }
  }
  const bool is_new = window_.emplace(key, std::move(task)).second;
  DEFERD_ASSERT(is_new, "eta", to_micros(key.eta), "order", key.order);
}

void Lane::stored(std::unique_ptr<Task> task, std::size_t window_max) {
  if (beyond_mark(task->place)) {
    disk_due_from_ = std::min(disk_due_from_, task->place.eta);
    if (scan_open_) {
      task->payload.reset();  // late_ is not under the budget
      const Key key = key_of(task->place);
      late_.emplace(key, std::move(task));
    }
    return;  // a scan will meet it in its turn
  }
  insert(std::move(task));
  shrink(window_max);
}

void Lane::shrink(std::size_t window_max) {
  DEFERD_ASSERT(window_max >= 1);
  while (window_.size() > window_max) {
    const auto last = std::prev(window_.end());
    // From here on, disk only (invariant 1). What lies between the new mark and the old one, and is
    // in hand, will be met by a scan and left out then.
    disk_due_from_ = last->first.eta;
    give_back(*last->second);
    window_.erase(last);
    const Place& place = std::prev(window_.end())->second->place;
    mark_ = place;
    complete_ = false;
  }
}

void Lane::gone(const Place& place) { late_.erase(key_of(place)); }

bool Lane::wants_scan(Wall soon, std::size_t window_max) const {
  if (complete_ || scan_open_) return false;
  if (window_.size() > window_max / 4) return false;
  return disk_due_from() <= soon;
}

Place Lane::begin_scan() {
  DEFERD_ASSERT(!scan_open_);
  DEFERD_ASSERT(!complete_);
  scan_open_ = true;
  scan_from_ = mark_;
  return mark_;
}

void Lane::scan_failed() {
  scan_open_ = false;
  late_.clear();
}

}  // namespace deferd
