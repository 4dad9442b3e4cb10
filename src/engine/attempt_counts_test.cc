#include "engine/attempt_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using OfStatus = AttemptCounts::OfStatus;

TEST(AttemptCounts, WhatComesUpTooLateIsCountedTogether) {
  AttemptCounts counts;
  for (std::int16_t round = 0; round < 3; ++round) {
    for (std::int16_t status = 100; status < 600; ++status) counts.add(status);
  }
  ASSERT_EQ(counts.statuses.size(), AttemptCounts::statuses_max);
  for (std::size_t i = 0; i < counts.statuses.size(); ++i)
    EXPECT_EQ(counts.statuses[i], (OfStatus{static_cast<std::int16_t>(100 + i), 3}));
  EXPECT_EQ(counts.others, 3 * (500 - AttemptCounts::statuses_max));
}

TEST(DelayCounts, ABoundIsWithinItsBucket) {
  DelayCounts counts;
  counts.add(Micros(0));
  counts.add(Millis(1));
  counts.add(Millis(1) + Micros(1));
  counts.add(DelayCounts::bounds.back());
  counts.add(DelayCounts::bounds.back() + Micros(1));
  EXPECT_EQ(counts.buckets.front(), 2U);
  EXPECT_EQ(counts.buckets[1], 1U);
  EXPECT_EQ(counts.buckets[DelayCounts::bounds.size() - 1], 1U);
  EXPECT_EQ(counts.buckets.back(), 1U);
  EXPECT_EQ(counts.sum, 2 * Millis(1) + 2 * DelayCounts::bounds.back() + Micros(2));
}

std::uint64_t count(const QueueStats& stats, Micros bound) {
  const auto at = std::ranges::find(DelayCounts::bounds, bound);
  return stats.delays.buckets[static_cast<std::size_t>(at - DelayCounts::bounds.begin())];
}

TEST(AttemptCounts, APushIsCountedByItsStatusAndByHowLateItIs) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    settings.retry.max_attempts = 2;
    settings.retry.min_backoff = settings.retry.max_backoff = Seconds(1);
  });
  driver.set_state("q", QueueState::paused);
  ASSERT_TRUE(driver.add("q", {}));
  driver.advance(Seconds(7));
  driver.set_state("q", QueueState::running);
  driver.finish_all(503);
  driver.advance(Seconds(1));
  driver.finish_all(status_timeout);
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.attempts.statuses, (std::vector<OfStatus>{{503, 1}, {status_timeout, 1}}));
  EXPECT_EQ(stats.attempts.others, 0U);
  EXPECT_EQ(count(stats, Seconds(10)), 1U);
  EXPECT_EQ(count(stats, Millis(1)), 1U);
  EXPECT_EQ(stats.delays.sum, Seconds(7));
  EXPECT_EQ(stats.failed_total, 2U);
}

TEST(AttemptCounts, ALeaseIsAnAttempt) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", {.name = "kept", .target = false}));
  ASSERT_TRUE(driver.add("q", {.name = "lost", .target = false}));
  driver.advance(Seconds(2));
  const auto leased = driver.lease("q", 2, Seconds(10));
  ASSERT_EQ(leased.size(), 2U);
  EXPECT_EQ(count(driver.stats("q"), Seconds(2)), 2U);
  ASSERT_TRUE(driver.ack("q", driver.lease_of(leased[0])));
  driver.advance(Seconds(11));
  EXPECT_EQ(driver.lease("q", 2, Seconds(10)).size(), 1U);  // the other one's end is noticed
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(count(stats, Seconds(1)), 1U);
  EXPECT_EQ(stats.attempts.statuses,
            (std::vector<OfStatus>{{status_none, 1}, {status_lease_expired, 1}}));
  EXPECT_EQ(stats.failed_total, 1U);
}

}  // namespace
}  // namespace deferd
