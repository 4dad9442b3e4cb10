#include "engine/stats.h"

#include <algorithm>
#include <bit>

namespace deferd {
namespace {
std::int64_t whole_seconds(Mono now) {
  return std::chrono::floor<Seconds>(now.time_since_epoch()).count();
}
}  // namespace

template <std::size_t size>
void RecentCounter::Ring<size>::add(std::int64_t slot, std::uint64_t count) {
  const auto n = static_cast<std::int64_t>(size);
  // Slots between the newest and this one saw nothing.
  for (std::int64_t i = std::max(latest + 1, slot - n + 1); i <= slot; ++i)
    slots[static_cast<std::size_t>(i % n)] = 0;
  latest = std::max(latest, slot);
  slots[static_cast<std::size_t>(slot % n)] += static_cast<std::uint32_t>(count);
}

template <std::size_t size>
std::uint64_t RecentCounter::Ring<size>::sum(std::int64_t slot) const {
  const auto n = static_cast<std::int64_t>(size);
  std::uint64_t total = 0;
  for (std::int64_t i = slot - n + 1; i <= latest; ++i) {
    if (i > latest - n) total += slots[static_cast<std::size_t>((i + n) % n)];
  }
  return total;
}

void RecentCounter::add(Mono now, std::uint64_t count) {
  const std::int64_t second = whole_seconds(now);
  seconds_.add(second, count);
  minutes_.add(second / 60, count);
}

std::uint64_t RecentCounter::last_minute(Mono now) const {
  return seconds_.sum(whole_seconds(now));
}
std::uint64_t RecentCounter::last_hour(Mono now) const {
  return minutes_.sum(whole_seconds(now) / 60);
}

namespace {
constexpr int sub_bits = 4;  // 16 buckets an octave

// Values below 16 us have a bucket each; above, the top five bits choose.
std::size_t bucket_of(std::uint64_t micros) {
  if (micros < (1U << sub_bits)) return micros;
  const int octave = std::bit_width(micros) - 1;  // >= 4
  const std::uint64_t sub = (micros >> (octave - sub_bits)) & ((1U << sub_bits) - 1);
  return static_cast<std::size_t>(octave - sub_bits + 1) * (1U << sub_bits) + sub;
}

// The largest value of a bucket.
std::uint64_t bucket_top(std::size_t bucket) {
  if (bucket < (1U << sub_bits)) return bucket;
  const std::size_t octave = bucket / (1U << sub_bits) + sub_bits - 1;
  const std::uint64_t sub = bucket % (1U << sub_bits);
  return ((((1U << sub_bits) + sub + 1) << (octave - sub_bits))) - 1;
}
}  // namespace

void DurationHistogram::turn(Mono now) {
  const std::int64_t half_hour = whole_seconds(now) / 1800;
  if (half_hour == half_hour_) return;
  if (half_hour == half_hour_ + 1) {
    older_ = std::move(newer_);
  } else {
    older_.reset();
  }
  newer_ = std::make_unique<Half>();
  half_hour_ = half_hour;
}

void DurationHistogram::add(Mono now, Micros duration) {
  turn(now);
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
  const std::size_t bucket = std::min(bucket_of(micros), newer_->buckets.size() - 1);
  ++newer_->buckets[bucket];
  ++newer_->count;
  newer_->micros += micros;
}

DurationStats DurationHistogram::read(Mono now) const {
  const std::int64_t age = whole_seconds(now) / 1800 - half_hour_;
  const Half* const newer = age <= 1 ? newer_.get() : nullptr;
  const Half* const older = age == 0 ? older_.get() : nullptr;
  DurationStats stats;
  std::uint64_t micros = 0;
  for (const Half* half : {newer, older}) {
    if (half == nullptr) continue;
    stats.count += half->count;
    micros += half->micros;
  }
  if (stats.count == 0) return stats;
  stats.mean = Micros(static_cast<std::int64_t>(micros / stats.count));
  const struct {
    std::uint64_t percent;
    Micros* value;
  } wanted[] = {{50, &stats.p50}, {95, &stats.p95}, {99, &stats.p99}};
  std::uint64_t seen = 0;
  std::size_t next = 0;
  for (std::size_t bucket = 0; bucket < std::size(newer_->buckets) && next < std::size(wanted);
       ++bucket) {
    if (newer != nullptr) seen += newer->buckets[bucket];
    if (older != nullptr) seen += older->buckets[bucket];
    while (next < std::size(wanted) && seen * 100 >= stats.count * wanted[next].percent) {
      *wanted[next].value = Micros(static_cast<std::int64_t>(bucket_top(bucket)));
      ++next;
    }
  }
  return stats;
}

}  // namespace deferd
