#include "engine/throttle.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using Change = Throttle::Change;

constexpr double own_rate = 500;

// Ends attempts at a steady rate.
class ThrottleTest : public testing::Test {
 protected:
  // For `seconds`; of each hundred, the first `strained` are. The last change that was told.
  Change end(double per_second, double seconds, Strain strain, int strained) {
    Change last = Change::none;
    const auto count = static_cast<int>(per_second * seconds);
    for (int i = 0; i < count; ++i) {
      const Change change =
          throttle_.attempt_ended(i % 100 < strained ? strain : Strain::none, own_rate, now_);
      if (change != Change::none) last = change;
      now_ += Nanos(static_cast<std::int64_t>(1e9 / per_second));
    }
    return last;
  }

  Throttle throttle_;
  Mono now_{Seconds(1000)};
};

TEST_F(ThrottleTest, LeavesAQueueAloneWhoseTargetsKeepUp) {
  EXPECT_EQ(end(500, 30, Strain::none, 0), Change::none);
  EXPECT_EQ(end(500, 30, Strain::overloaded, 9), Change::none) << "fewer than a tenth";
  EXPECT_EQ(end(500, 30, Strain::failing, 49), Change::none) << "fewer than half";
  EXPECT_TRUE(std::isinf(throttle_.limit()));
}

TEST_F(ThrottleTest, HalvesWhatReallyEndedAndEndsAtOneASecond) {
  EXPECT_EQ(end(200, 1.01, Strain::overloaded, 10), Change::slower);
  EXPECT_NEAR(throttle_.limit(), 100, 2);
  EXPECT_EQ(end(100, 1.02, Strain::failing, 100), Change::slower);
  EXPECT_NEAR(throttle_.limit(), 50, 2);
  EXPECT_EQ(end(50, 60, Strain::overloaded, 100), Change::slower);
  EXPECT_EQ(throttle_.limit(), 1);
  EXPECT_EQ(end(1, 60, Strain::overloaded, 100), Change::none) << "never less";
}

TEST_F(ThrottleTest, LetsGoOnceTheTargetsRecover) {
  end(500, 30, Strain::overloaded, 100);
  EXPECT_EQ(throttle_.limit(), 1);
  const Mono from = now_;
  while (!std::isinf(throttle_.limit()))
    end(throttle_.limit(), 10 / throttle_.limit() + 1, Strain::none, 0);
  EXPECT_LT(now_ - from, Seconds(60));
  EXPECT_EQ(end(500, 10, Strain::none, 0), Change::none);
}

// A target that takes 100 a second and answers 429 to the rest gets between a half and twice that.
TEST_F(ThrottleTest, FindsTheRateThatATargetTakes) {
  constexpr double takes = 100;
  double sent = 0;
  double taken = 0;
  for (int second = 0; second < 300; ++second) {
    const double rate = std::min(own_rate, throttle_.limit());
    const int refused = rate <= takes ? 0 : static_cast<int>(std::ceil(100 * (1 - takes / rate)));
    end(rate, 1.02, Strain::overloaded, refused);
    if (second < 20) continue;
    sent += rate;
    taken += std::min(rate, takes);
  }
  EXPECT_GT(taken / 280, takes * 0.6);
  EXPECT_LT(sent / 280, takes * 1.3);
}

TEST_F(ThrottleTest, FewAttemptsAreNeverJudgedNorIsWhatIsLongAgo) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(throttle_.attempt_ended(Strain::overloaded, own_rate, now_), Change::none);
    now_ += Seconds(8);
  }
}

TEST_F(ThrottleTest, ASlowQueueNeedsNone) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(throttle_.attempt_ended(Strain::overloaded, 1, now_), Change::none);
    now_ += Millis(500);
  }
}

// ---- A queue that has one

ShardOptions throttling(bool on) {
  ShardOptions options;
  options.throttle = on;
  return options;
}

// 20 attempts that end at once with the same strain, for `rounds` seconds; how many began.
std::size_t run(EngineDriver& driver, Strain strain, int rounds) {
  std::size_t begun = 0;
  for (int round = 0; round < rounds * 10; ++round) {
    while (!driver.running().empty()) {
      ++begun;
      driver.finish(0, strain == Strain::none ? 200 : 503, Micros(0), strain);
    }
    driver.advance(Millis(100));
  }
  return begun;
}

void make_queue(EngineDriver& driver) {
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    settings.rate = {.count = 50'000, .period = Seconds(1), .unlimited = false};
    settings.burst = 10;
    settings.retry.min_backoff = settings.retry.max_backoff = Millis(10);
    settings.retry.max_attempts = -1;
  });
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(driver.add("q", {}));
}

// CT-123 (what strains is the dispatcher's to say), CT-122: the queue's settings stay.
TEST(QueueThrottle, SlowsAndShowsIt) {
  EngineDriver driver(throttling(true));
  make_queue(driver);
  EXPECT_EQ(driver.stats("q").enforced_rate, 50);
  run(driver, Strain::overloaded, 20);
  EXPECT_EQ(driver.stats("q").enforced_rate, 1);
  EXPECT_LE(run(driver, Strain::overloaded, 10), 11U);
  const auto info = driver.ask<QueueInfo>(GetQueue{EngineDriver::name("q"), {}});
  EXPECT_EQ(info->settings.rate.per_second(), 50);
  EXPECT_EQ(info->settings.burst, 10);
  // A change of the queue does not free it.
  driver.make("q", QueueMode::push, [](QueueSettings& settings) { settings.burst = 20; });
  EXPECT_LE(run(driver, Strain::overloaded, 10), 11U);
  run(driver, Strain::none, 120);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  EXPECT_GT(driver.stats("q").enforced_rate, 10);
}

TEST(QueueThrottle, IsOffUnlessAskedFor) {
  EngineDriver driver;
  make_queue(driver);
  EXPECT_GT(run(driver, Strain::overloaded, 20), 900U);
  EXPECT_EQ(driver.stats("q").enforced_rate, 50);
}

// CT-122
TEST(QueueThrottle, RetryAfterIsALowerBoundOfTheNextAttempt) {
  EngineDriver driver(throttling(true));
  driver.make("q");
  const auto task = driver.add("q", {});
  ASSERT_EQ(driver.running().size(), 1U);
  const Wall failed = driver.now().wall;
  driver.finish(0, 429, Seconds(7), Strain::overloaded);
  EXPECT_EQ(driver.get("q", task->id)->task.place.eta, failed + Seconds(7));
  EXPECT_EQ(driver.stats("q").enforced_rate, 500) << "one attempt says nothing of a rate";
}

}  // namespace
}  // namespace deferd
