#include "engine/token_bucket.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

constexpr Mono start{Seconds(1000)};

Rate per_second(std::int64_t count) { return Rate{.count = count * 1000}; }

// The most that any pair of takes exceeds burst + rate * span.
double worst_excess(const std::vector<Mono>& takes, double rate, double burst) {
  // For each end the tightest start is the one with the smallest index - rate * time: one pass.
  double lowest = INFINITY;
  double worst = -INFINITY;
  for (std::size_t i = 0; i < takes.size(); ++i) {
    const double allowed = rate * static_cast<double>((takes[i] - start).count()) / 1e9;
    lowest = std::min(lowest, static_cast<double>(i) - allowed);
    worst = std::max(worst, static_cast<double>(i) + 1 - allowed - lowest - burst);
  }
  return worst;
}

// As greedy as a hostile caller, at odd instants; then every pair of takes is checked, not the sum.
TEST(TokenBucket, NoSpanSeesMoreThanBurstPlusRate) {
  Random random(test_seed());
  Mono now = start;
  TokenBucket bucket(per_second(500), 7, now);
  std::vector<Mono> takes;
  while (takes.size() < 20'000) {
    now += Micros(random.between(0, 9'000));
    for (; bucket.ready_at() <= now; takes.push_back(now)) bucket.take(now);
  }
  EXPECT_LE(worst_excess(takes, 500, 7), 1e-6);
}

TEST(TokenBucket, GivesAllThatIsAllowed) {
  TokenBucket bucket(per_second(100), 10, start);
  int takes = 0;
  for (Mono now = start; now < start + Seconds(10); now += Millis(1)) {
    for (; bucket.ready_at() <= now; ++takes) bucket.take(now);
  }
  EXPECT_EQ(takes, 10 + 999) << "burst, then 100 a second for ten seconds";
}

TEST(TokenBucket, FractionsAreExact) {
  TokenBucket bucket(Rate{.count = 250}, 1, start);  // 0.25/s: one task in 4 s
  bucket.take(start);
  EXPECT_EQ(bucket.ready_at(), start + Seconds(4));
  TokenBucket slow(Rate{.count = 1'000, .period = Seconds(60)}, 1, start);
  slow.take(start);
  EXPECT_EQ(slow.ready_at(), start + Seconds(60));
}

TEST(TokenBucket, ZeroStopsAndUnlimitedDoesNot) {
  const TokenBucket stopped(Rate{}, 5, start);
  EXPECT_EQ(stopped.ready_at(), Mono::max());
  TokenBucket open(Rate{.unlimited = true}, 1, start);
  for (int i = 0; i < 1'000'000; ++i) open.take(start);
  EXPECT_LE(open.ready_at(), start);
}

TEST(TokenBucket, FlippingTheRateEarnsNoSecondBurst) {
  Mono now = start;
  TokenBucket bucket(per_second(10), 5, now);
  int takes = 0;
  for (int i = 0; i < 1000; ++i) {
    for (; bucket.ready_at() <= now; ++takes) bucket.take(now);
    bucket.change(i % 2 == 0 ? Rate{} : per_second(1000), 5, now);
    bucket.change(per_second(10), 5, now);
    now += Micros(100);
  }
  EXPECT_LE(takes, 5 + 1) << "0.1 s at 10/s is one token";
}

TEST(TokenBucket, ExtremesDoNotOverflow) {
  TokenBucket bucket(Rate{.count = 1, .period = Seconds(86400)}, 1'000'000,
                     start);  // one in 1,000 days
  for (int i = 0; i < 30; ++i) bucket.take(start);
  EXPECT_GT(bucket.tokens(start), 0);
  bucket.change(per_second(1'000'000), 1, start + Seconds(1));
  EXPECT_LE(bucket.ready_at(), start + Seconds(2));
}

}  // namespace
}  // namespace deferd
