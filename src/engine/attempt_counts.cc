#include "engine/attempt_counts.h"

#include <algorithm>

namespace deferd {

void AttemptCounts::add(std::int16_t status) {
  const auto found = std::ranges::find(statuses, status, &OfStatus::status);
  if (found != statuses.end()) {
    ++found->count;
  } else if (statuses.size() < statuses_max) {
    statuses.push_back({status, 1});
  } else {
    ++others;
  }
}

void DelayCounts::add(Micros delay) {
  const auto bucket = std::ranges::lower_bound(bounds, delay);
  ++buckets[static_cast<std::size_t>(bucket - bounds.begin())];
  sum += delay;
}

}  // namespace deferd
