#include "engine/stats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

TEST(RecentCounter, CountsTheLastSixtySecondsAndMinutes) {
  Random random(test_seed());
  RecentCounter counter;
  std::deque<std::int64_t> events;  // in seconds
  std::int64_t second = 100'000;
  for (int i = 0; i < 3'000; ++i) {
    second += random.between(0, 40);
    if (random.chance(1)) second += random.between(60, 8'000);
    counter.add(Mono(Seconds(second)));
    events.push_back(second);
    const auto since = [&](std::int64_t from) {
      return static_cast<std::uint64_t>(
          std::ranges::count_if(events, [from](std::int64_t at) { return at >= from; }));
    };
    ASSERT_EQ(counter.last_minute(Mono(Seconds(second))), since(second - 59));
    ASSERT_EQ(counter.last_hour(Mono(Seconds(second))), since((second / 60 - 59) * 60));
    const std::int64_t later = second + random.between(0, 100);
    ASSERT_EQ(counter.last_minute(Mono(Seconds(later))), since(later - 59));
  }
}

TEST(DurationHistogram, PercentilesAreWithinABucketOfTheTruth) {
  Random random(test_seed());
  DurationHistogram histogram;
  std::vector<std::int64_t> values;
  const Mono now(Seconds(1800 * 7 + 5));
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(random.between(0, std::int64_t{1} << random.between(1, 33)));
    histogram.add(now, Micros(values.back()));
  }
  std::ranges::sort(values);
  const DurationStats stats = histogram.read(now);
  EXPECT_EQ(stats.count, 10'000U);
  const struct {
    Micros found;
    std::size_t rank;
  } cases[] = {{stats.p50, 4999}, {stats.p95, 9499}, {stats.p99, 9899}};
  for (const auto& [found, rank] : cases) {
    EXPECT_GE(found.count(), values[rank]);
    EXPECT_LE(static_cast<double>(found.count()), static_cast<double>(values[rank]) * 1.0626 + 1);
  }
}

TEST(DurationHistogram, ForgetsAfterAnHourAtMost) {
  DurationHistogram histogram;
  histogram.add(Mono(Seconds(1800)), Seconds(1));
  EXPECT_EQ(histogram.read(Mono(Seconds(3599))).count, 1U);
  EXPECT_EQ(histogram.read(Mono(Seconds(3600))).count, 1U);
  EXPECT_EQ(histogram.read(Mono(Seconds(5400))).count, 0U);
}

}  // namespace
}  // namespace deferd
