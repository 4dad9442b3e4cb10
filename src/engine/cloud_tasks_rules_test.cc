// Cloud Tasks' rules of retries, rates, states and runs by hand, as its documents state them: under
// a clock that is moved, statement by statement. (That an attempt starts in time, in order and not
// too often, whatever happens, is the simulator's.)
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using std::chrono::hours;
using Payloads = std::vector<std::string>;

class CloudTasksRules : public testing::Test {
 protected:
  void make(const std::function<void(QueueSettings&)>& change = [](QueueSettings&) {}) {
    driver_.make("q", QueueMode::push, change);
  }
  void make(const RetryPolicy& retry) {
    make([&](QueueSettings& settings) { settings.retry = retry; });
  }
  // The next wait of the one task that there is, which fails at once.
  Micros fail_once() {
    EXPECT_EQ(driver_.running().size(), 1U);
    const TaskId id = driver_.running()[0].key.task;
    driver_.finish(0, 500);
    const auto task = driver_.get("q", id);
    EXPECT_TRUE(task) << "no further attempt";
    if (!task) return Micros(-1);
    const Micros wait = task->task.place.eta - driver_.now().wall;
    driver_.advance(wait);
    return wait;
  }
  std::vector<double> waits(std::size_t count) {
    EXPECT_TRUE(driver_.add("q", {}));
    std::vector<double> seconds;
    while (seconds.size() < count)
      seconds.push_back(static_cast<double>(fail_once().count()) / 1e6);
    return seconds;
  }
  Result<TaskInfo> run(const TaskRef& task) {
    return driver_.ask<TaskInfo>(RunTask{EngineDriver::name("q"), task, {}});
  }

  EngineDriver driver_;
};

// ---- Retries

// CT-130
TEST_F(CloudTasksRules, TheWaitDoublesAsOftenAsSaidAndThenGrowsEvenlyUpToTheMaximum) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(10),
        .max_backoff = Seconds(300),
        .max_doublings = 3});
  EXPECT_EQ(waits(8), (std::vector<double>{10, 20, 40, 80, 160, 240, 300, 300}));
}

// CT-131
TEST_F(CloudTasksRules, WithoutDoublingsTheWaitGrowsEvenly) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(10),
        .max_backoff = Seconds(300),
        .max_doublings = 0});
  EXPECT_EQ(waits(4), (std::vector<double>{10, 20, 30, 40}));
}

// CT-132
TEST_F(CloudTasksRules, ByDefaultTheWaitDoublesFromATenthOfASecondToAnHour) {
  make();
  const std::vector<double> seconds = waits(20);
  double expected = 0.1;
  for (std::size_t i = 0; i < seconds.size(); ++i, expected *= 2)
    EXPECT_NEAR(seconds[i], std::min(expected, 3600.0), 1e-9) << i;
  EXPECT_EQ(seconds[16], 3600.0);
}

// CT-133
TEST_F(CloudTasksRules, HoweverManyFailuresAndDoublingsTheWaitDoesNotOverflow) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(1),
        .max_backoff = Seconds(7),
        .max_doublings = std::numeric_limits<std::int32_t>::max()});
  const std::vector<double> seconds = waits(5000);
  EXPECT_EQ(std::count(seconds.begin(), seconds.end(), 7.0), 5000 - 3);
}

// CT-134
TEST_F(CloudTasksRules, TheWaitCountsFromTheFailure) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(4),
        .max_backoff = Seconds(4),
        .max_doublings = 0});
  const auto task = driver_.add("q", {});
  const Wall dispatched = driver_.now().wall;
  driver_.advance(Seconds(5));
  driver_.finish(0, 500);
  EXPECT_EQ(driver_.get("q", task->id)->task.place.eta, dispatched + Seconds(9));
}

// CT-135
TEST_F(CloudTasksRules, AfterTheLastAttemptTheTaskIsGoneAndItsNameTaken) {
  make([](QueueSettings& settings) { settings.retry.max_attempts = 3; });
  ASSERT_TRUE(driver_.add("q", {.name = "a"}));
  fail_once();
  fail_once();
  ASSERT_EQ(driver_.running().size(), 1U);
  driver_.finish(0, 500);
  EXPECT_EQ(driver_.get("q", "a").error().reason, Reason::task_gone);
  EXPECT_EQ(driver_.add("q", {.name = "a"}).error().reason, Reason::task_name_recent);
}

// CT-136
TEST_F(CloudTasksRules, WithoutALimitOfAttemptsTheirTimeDecides) {
  make({.max_attempts = -1,
        .max_age = Seconds(10),
        .min_backoff = Seconds(1),
        .max_backoff = Seconds(1),
        .max_doublings = 0});
  ASSERT_TRUE(driver_.add("q", {}));
  const Wall first = driver_.now().wall;
  while (driver_.stats("q").tasks > 0) {
    ASSERT_LE(driver_.now().wall, first + Seconds(10));
    driver_.finish_all(500);
    if (driver_.stats("q").tasks > 0) driver_.advance(Seconds(1));
  }
  EXPECT_EQ(driver_.now().wall, first + Seconds(10));
}

// CT-137
TEST_F(CloudTasksRules, WithBothLimitsBothMustBeReached) {
  make({.max_attempts = 2,
        .max_age = Seconds(60),
        .min_backoff = Seconds(10),
        .max_backoff = Seconds(10),
        .max_doublings = 0});
  ASSERT_TRUE(driver_.add("q", {}));
  const Wall first = driver_.now().wall;
  int attempts = 0;
  while (driver_.stats("q").tasks > 0) {
    attempts += static_cast<int>(driver_.running().size());
    driver_.finish_all(500);
    if (driver_.stats("q").tasks > 0) driver_.advance(Seconds(10));
  }
  EXPECT_EQ(attempts, 7);
  EXPECT_EQ(driver_.now().wall, first + Seconds(60));
}

// CT-138
TEST_F(CloudTasksRules, WithoutAnyLimitATaskIsTriedUntilItsTtl) {
  make([](QueueSettings& settings) {
    settings.retry = {
        .max_attempts = -1, .min_backoff = hours(1), .max_backoff = hours(1), .max_doublings = 0};
    settings.task_ttl = hours(24 * 31);
  });
  ASSERT_TRUE(driver_.add("q", {}));
  for (int hour = 1; hour < 24 * 31; ++hour) {
    ASSERT_EQ(driver_.running().size(), 1U) << hour;
    driver_.finish(0, 500);
    driver_.advance(hours(1));
  }
  driver_.finish_all(500);
  driver_.advance(hours(1) + Seconds(2));
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
}

// CT-140
TEST_F(CloudTasksRules, AChangeOfTheRetriesIsInForceForTheNextWaitOfStoredTasks) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(10),
        .max_backoff = Seconds(10),
        .max_doublings = 0});
  ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(fail_once(), Seconds(10));
  make({.max_attempts = -1,
        .min_backoff = Seconds(3),
        .max_backoff = Seconds(3),
        .max_doublings = 0});
  EXPECT_EQ(fail_once(), Seconds(3));
}

// CT-141
TEST_F(CloudTasksRules, WhatATaskSaysOfItsRetriesBeatsTheQueue) {
  make({.max_attempts = 2, .min_backoff = Seconds(10), .max_backoff = Seconds(10)});
  ASSERT_TRUE(driver_.add(
      "q", {.retry = {.max_attempts = 3, .min_backoff = Seconds(1), .max_backoff = Seconds(1)}}));
  EXPECT_EQ(fail_once(), Seconds(1));
  EXPECT_EQ(fail_once(), Seconds(1));
  driver_.finish(0, 500);
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
}

// ---- Rates

// CT-150
TEST_F(CloudTasksRules, NoMoreStartThanTheBurstAndTheRate) {
  make([](QueueSettings& settings) {
    settings.rate = Rate{.count = 5000};
    settings.burst = 7;
  });
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(driver_.add("q", {}));
  int starts = 0;
  for (int i = 0; i < 2000; ++i) {
    starts += static_cast<int>(driver_.running().size());
    driver_.finish_all(200);
    driver_.advance(Millis(10));
  }
  EXPECT_LE(starts, 7 + 100);
  EXPECT_GE(starts, 7 + 99);
}

// CT-151
TEST_F(CloudTasksRules, ARateBelowOneASecondIsKept) {
  make([](QueueSettings& settings) {
    settings.rate = Rate{.count = 250};
    settings.burst = 10;
  });
  for (int i = 0; i < 13; ++i) ASSERT_TRUE(driver_.add("q", {}));
  ASSERT_EQ(driver_.running().size(), 10U);
  driver_.finish_all(200);
  for (int i = 0; i < 3; ++i) {
    driver_.advance(Seconds(4) - Micros(1));
    EXPECT_EQ(driver_.running().size(), 0U);
    driver_.advance(Micros(1));
    EXPECT_EQ(driver_.running().size(), 1U);
    driver_.finish_all(200);
  }
}

// CT-152
TEST_F(CloudTasksRules, RetriesTakeTokens) {
  make([](QueueSettings& settings) {
    settings.rate = Rate{.count = 1000};
    settings.burst = 1;
    settings.retry = {.max_attempts = -1, .min_backoff = Micros(0), .max_backoff = Micros(0)};
  });
  ASSERT_TRUE(driver_.add("q", {}));
  driver_.finish(0, 500);
  EXPECT_EQ(driver_.running().size(), 0U) << "due, and no token for it";
  driver_.advance(Seconds(1));
  EXPECT_EQ(driver_.running().size(), 1U);
}

// CT-153, CT-154
TEST_F(CloudTasksRules, NoMoreRunAtOnceThanAllowedAndALowerLimitCutsNothingOff) {
  make([](QueueSettings& settings) { settings.concurrency = 5; });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(driver_.running().size(), 5U);
  make([](QueueSettings& settings) { settings.concurrency = 2; });
  EXPECT_EQ(driver_.running().size(), 5U) << "those that run go on";
  driver_.finish(0, 200);
  driver_.finish(0, 200);
  driver_.finish(0, 200);
  EXPECT_EQ(driver_.running().size(), 2U);
  driver_.finish(0, 200);
  EXPECT_EQ(driver_.running().size(), 2U);
  EXPECT_EQ(driver_.stats("q").in_flight, 2U);
}

// CT-154
TEST_F(CloudTasksRules, ALowerRateIsInForceAtOnce) {
  make();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(driver_.add("q", {}));
  EXPECT_EQ(driver_.running().size(), 100U) << "the burst";
  driver_.finish_all(200);
  make([](QueueSettings& settings) {
    settings.rate = Rate{.count = 1000};
    settings.burst = 1;
  });
  int starts = 0;
  for (int i = 0; i < 10; ++i) {
    driver_.advance(Seconds(1));
    starts += static_cast<int>(driver_.running().size());
    driver_.finish_all(200);
  }
  EXPECT_LE(starts, 11);
}

// ---- States

// CT-037, CT-038
TEST_F(CloudTasksRules, AQueueThatDoesNotRunTakesTasksAndStartsThemWhenItIsResumed) {
  make();
  for (const QueueState state : {QueueState::paused, QueueState::disabled}) {
    driver_.set_state("q", state);
    ASSERT_TRUE(driver_.add("q", {}));
    driver_.advance(hours(1));
    EXPECT_EQ(driver_.running().size(), 0U);
    driver_.set_state("q", QueueState::running);
    EXPECT_EQ(driver_.running().size(), 1U);
    driver_.finish_all(200);
  }
}

// CT-024
TEST_F(CloudTasksRules, OutcomesOfADeletedQueueAreDroppedAndNothingComesBack) {
  make();
  ASSERT_TRUE(driver_.add("q", {.payload = "a"}));
  ASSERT_TRUE(driver_.add("q", {.payload = "b"}));
  ASSERT_EQ(driver_.running().size(), 2U);
  ASSERT_TRUE(driver_.ask<void>(DeleteQueue{EngineDriver::name("q"), {}}));
  driver_.finish(0, 500);
  make();
  driver_.finish(0, 500);
  driver_.advance(hours(2));
  EXPECT_EQ(driver_.running().size(), 0U);
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
  driver_.restart();
  EXPECT_EQ(driver_.stats("q").tasks, 0U);
}

// ---- RunTask

// CT-160, CT-164
TEST_F(CloudTasksRules, ARunByHandAsksNeitherForTimeNorStateNorTokenNorSlotAndTakesNoToken) {
  make([](QueueSettings& settings) {
    settings.rate = Rate{.count = 1000};
    settings.burst = 1;
    settings.concurrency = 1;
  });
  ASSERT_TRUE(driver_.add("q", {.payload = "takes the token and the slot"}));
  const auto far = driver_.add("q", {.name = "far", .delay = hours(24), .payload = "far"});
  driver_.advance(Seconds(1) - Micros(1));
  driver_.set_state("q", QueueState::paused);
  const auto ran = run("far");
  ASSERT_TRUE(ran);
  EXPECT_EQ(ran->task.progress.attempts, 1U);
  EXPECT_EQ(driver_.running_payloads().back(), "far");
  driver_.finish_all(200);
  EXPECT_EQ(run("far").error().reason, Reason::task_gone);
  driver_.set_state("q", QueueState::running);
  ASSERT_TRUE(driver_.add("q", {}));
  driver_.advance(Micros(1));
  EXPECT_EQ(driver_.running().size(), 1U) << "the token of this second is still there";
}

// CT-162
TEST_F(CloudTasksRules, AFailedRunByHandIsRetriedFromTheInstantOfTheCall) {
  make({.max_attempts = -1,
        .min_backoff = Seconds(30),
        .max_backoff = Seconds(30),
        .max_doublings = 0});
  ASSERT_TRUE(driver_.add("q", {.name = "a", .delay = hours(24)}));
  const Wall called = driver_.now().wall;
  ASSERT_TRUE(run("a"));
  driver_.advance(Seconds(5));
  driver_.finish(0, 500);
  EXPECT_EQ(driver_.get("q", "a")->task.place.eta, called + Seconds(30));
  ASSERT_TRUE(run("a"));
  driver_.finish(0, 200);
  EXPECT_FALSE(driver_.get("q", "a"));
}

// CT-163
TEST_F(CloudTasksRules, ARunByHandDuringAnAttemptIsASecondOneBesideIt) {
  make();
  ASSERT_TRUE(driver_.add("q", {.name = "a", .payload = "a"}));
  ASSERT_TRUE(run("a"));
  EXPECT_EQ(driver_.running_payloads(), (Payloads{"a", "a"}));
  driver_.finish(0, 500);
  EXPECT_TRUE(driver_.get("q", "a"));
  driver_.finish(0, 200);
  EXPECT_FALSE(driver_.get("q", "a"));
}

// ---- Pull

// CT-229
TEST(CloudTasksPullRules, ATaskLeasedAsOftenAsItMayBeIsDroppedOneWithoutLimitNever) {
  EngineDriver driver;
  for (const std::int32_t attempts : {2, -1}) {
    driver.make("q", QueueMode::pull,
                [&](QueueSettings& settings) { settings.retry.max_attempts = attempts; });
    ASSERT_TRUE(driver.add("q", {.target = false}));
    for (int lease = 0; lease < 2; ++lease) {
      ASSERT_EQ(driver.lease("q", 1, Seconds(1)).size(), 1U);
      driver.advance(Seconds(1));
    }
    EXPECT_EQ(driver.lease("q", 1, Seconds(1)).size(), attempts == 2 ? 0U : 1U);
    EXPECT_EQ(driver.stats("q").tasks, attempts == 2 ? 0U : 1U);
  }
}

}  // namespace
}  // namespace deferd
