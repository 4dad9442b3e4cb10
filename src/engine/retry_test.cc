// Retries as App Engine's tasks know them: every attempt fails at once, under a clock that is
// moved. (Its retry_limit N is N + 1 attempts; its age counts from the first of them.)
#include <gtest/gtest.h>

#include <vector>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

constexpr RetryPolicy app_engine_default{.max_attempts = -1,
                                         .max_age = Micros(0),
                                         .min_backoff = Millis(100),
                                         .max_backoff = Seconds(3600),
                                         .max_doublings = 16};

RetryPolicy policy(std::int32_t max_attempts, Micros max_age, Micros backoff) {
  return {.max_attempts = max_attempts,
          .max_age = max_age,
          .min_backoff = backoff,
          .max_backoff = backoff,
          .max_doublings = 0};
}

class RetryTest : public testing::Test {
 protected:
  void make(const RetryPolicy& retry) {
    driver_.make("q", QueueMode::push, [&](QueueSettings& settings) { settings.retry = retry; });
  }

  // Fails every attempt at the instant of its start, up to `attempts_max` of them and for at most
  // `span`. When each began, in seconds after the first.
  std::vector<double> fail_all(std::size_t attempts_max = 100, Micros span = Seconds(1000)) {
    std::vector<double> begun;
    std::optional<Wall> first;
    const Wall end = driver_.now().wall + span;
    while (driver_.now().wall < end && begun.size() < attempts_max) {
      if (driver_.running().empty()) {
        driver_.advance(std::min(step_, end - driver_.now().wall));
        continue;
      }
      if (!first) first = driver_.now().wall;
      begun.push_back(static_cast<double>((driver_.now().wall - *first).count()) / 1e6);
      driver_.finish(0, 500);
    }
    return begun;
  }

  EngineDriver driver_;
  Micros step_ = Millis(100);
};

// GAE-160
TEST_F(RetryTest, ByDefaultTheWaitsDoubleToAnHourAndHaveNoEnd) {
  make(app_engine_default);
  ASSERT_TRUE(driver_.add("q", {}));
  const std::vector<double> begun = fail_all(60, std::chrono::hours(60));
  ASSERT_EQ(begun.size(), 60U);
  double wait = 0.1;
  for (std::size_t n = 1; n < begun.size(); ++n) {
    EXPECT_NEAR(begun[n] - begun[n - 1], wait, 1e-6) << "before attempt " << n + 1;
    wait = std::min(wait * 2, 3600.0);
  }
  EXPECT_EQ(driver_.stats("q").tasks, 1U);
}

// GAE-161
TEST_F(RetryTest, AfterItsDoublingsAWaitGrowsEvenly) {
  step_ = Seconds(1);
  RetryPolicy three = app_engine_default;
  three.min_backoff = Seconds(10);
  three.max_backoff = Seconds(300);
  three.max_doublings = 3;
  make(three);
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_all(9, Seconds(2000)),
            (std::vector<double>{0, 10, 30, 70, 150, 310, 550, 850, 1150}));
}

// GAE-162
TEST_F(RetryTest, ARetryLimitIsOneAttemptMoreAndTheNameStaysTaken) {
  make(policy(1, Micros(0), Seconds(1)));
  ASSERT_TRUE(driver_.add("q", {.name = "zero"}));
  EXPECT_EQ(fail_all().size(), 1U);
  make(policy(4, Micros(0), Seconds(1)));
  ASSERT_TRUE(driver_.add("q", {.name = "three"}));
  EXPECT_EQ(fail_all(), (std::vector<double>{0, 1, 2, 3}));
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
  EXPECT_EQ(driver_.add("q", {.name = "three"}).error().reason, Reason::task_name_recent);
}

// GAE-163
TEST_F(RetryTest, AnAgeLimitAloneEndsATaskAtTheFirstFailureBeyondIt) {
  make(policy(-1, Seconds(10), Seconds(4)));
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_all(), (std::vector<double>{0, 4, 8, 12}));
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
}

// GAE-164
TEST_F(RetryTest, WithBothLimitsATaskEndsWhenBothArePassed) {
  make(policy(3, Seconds(10), Seconds(3)));
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_all(), (std::vector<double>{0, 3, 6, 9, 12})) << "the age goes on";
  make(policy(6, Seconds(10), Seconds(3)));
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_all(), (std::vector<double>{0, 3, 6, 9, 12, 15})) << "the attempts go on";
}

// GAE-165
TEST_F(RetryTest, AgeCountsFromTheFirstAttempt) {
  make(policy(-1, Seconds(10), Seconds(4)));
  ASSERT_TRUE(driver_.add("q", {.delay = Seconds(100)}));
  EXPECT_EQ(fail_all(), (std::vector<double>{0, 4, 8, 12}));
}

// GAE-168
TEST_F(RetryTest, APauseDuringABackoffHoldsAndAResumeGoesOn) {
  make(policy(-1, Micros(0), Seconds(10)));
  ASSERT_TRUE(driver_.add("q", {}));
  ASSERT_EQ(fail_all(1).size(), 1U);
  driver_.set_state("q", QueueState::paused);
  driver_.advance(Seconds(60));
  EXPECT_TRUE(driver_.running().empty());
  driver_.set_state("q", QueueState::running);
  EXPECT_EQ(driver_.running().size(), 1U);
}

// GAE-169
TEST_F(RetryTest, RetriesTakeTokensAndARunByHandTakesNone) {
  driver_.make("q", QueueMode::push, [](QueueSettings& settings) {
    settings.rate = {.count = 1000, .period = Seconds(10), .unlimited = false};
    settings.burst = 1;
    settings.retry = policy(-1, Micros(0), Millis(100));
  });
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_all(3, Seconds(100)), (std::vector<double>{0, 10, 20}));
  const auto by_hand = driver_.add("q", {.delay = Seconds(10'000)});
  ASSERT_TRUE(driver_.ask<TaskInfo>(RunTask{driver_.name("q"), by_hand->id, {}}));
  EXPECT_EQ(driver_.running().size(), 1U);
  driver_.finish(0, 200);
  EXPECT_EQ(fail_all(1, Seconds(100)), (std::vector<double>{0}));
}

}  // namespace
}  // namespace deferd
