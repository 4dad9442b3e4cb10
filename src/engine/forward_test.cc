// Tasks that go on to another queue: dead letters with DeadLetters::queue, and outgoing ones.
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using std::chrono::hours;

const auto to_graves = [](QueueSettings& settings) {
  settings.retry.max_attempts = 1;
  settings.dead.queue = "graves";
};

std::vector<Task> tasks_of(EngineDriver& driver, const std::string& queue) {
  const auto listed =
      driver.ask<ListTasks::Answer>(ListTasks{driver.name(queue), {}, {}, 1000, {}});
  std::vector<Task> tasks;
  if (listed) {
    for (const TaskInfo& info : listed->tasks) tasks.push_back(info.task);
  }
  return tasks;
}
void die(EngineDriver& driver, const EngineDriver::Add& given = {}) {
  ASSERT_TRUE(driver.add("q", given));
  driver.finish_all(500);
  driver.advance(Millis(2));  // a failure is committed together with others
}

TEST(Forward, ADeadLetterGoesOnAsANewTask) {
  EngineDriver driver;
  driver.make("graves");
  driver.set_state("graves", QueueState::paused);
  driver.make("q", QueueMode::push, to_graves);
  die(driver, {.name = "a", .key = "k", .priority = 2, .payload = "body"});
  const std::vector<Task> there = tasks_of(driver, "graves");
  ASSERT_EQ(there.size(), 1U);
  EXPECT_EQ(*there[0].payload, "body");
  EXPECT_EQ(there[0].key(), "k");
  EXPECT_EQ(there[0].place.priority, 2);
  EXPECT_EQ(there[0].progress, Progress{});
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.dead, 0U);
  EXPECT_EQ(stats.dead_total, 1U);
  EXPECT_EQ(stats.forwarded_total, 1U);
  EXPECT_EQ(stats.forward_error, "");
  driver.advance(hours(1));
  EXPECT_EQ(driver.forwards, 1U);
}

TEST(Forward, ManyGoInPagesAndPausedQueuesSendToo) {
  EngineDriver driver;
  driver.make("graves", QueueMode::pull);
  driver.make("q", QueueMode::pull, to_graves);
  const auto added = driver.ask<std::vector<Result<Task>>>(
      AddTasks{driver.name("q"),
               driver.new_tasks(std::vector<EngineDriver::Add>(250, {.target = false})),
               {}});
  ASSERT_TRUE(added);
  ASSERT_EQ(driver.lease("q", 1000, Seconds(1)).size(), 250U);
  driver.set_state("q", QueueState::paused);
  driver.advance(Seconds(2));
  EXPECT_EQ(driver.stats("graves").tasks, 250U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_LE(driver.forwards, 4U);
}

TEST(Forward, ATargetThatIsMissingIsTriedAgain) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, to_graves);
  die(driver, {.name = "a"});
  die(driver, {.name = "b"});
  EXPECT_EQ(driver.stats("q").dead, 2U);
  EXPECT_NE(driver.stats("q").forward_error.find("graves"), std::string::npos);
  driver.advance(hours(1));
  EXPECT_LE(driver.forwards, 2U + 6 + 60) << "a pause that grows to a minute";
  driver.make("graves");
  driver.advance(Seconds(61));
  EXPECT_EQ(driver.stats("graves").added_total, 2U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").forward_error, "");
}

TEST(Forward, ATargetThatIsFullTakesWhatItHasRoomFor) {
  EngineDriver driver;
  driver.make("graves", QueueMode::push, [](QueueSettings& settings) { settings.max_tasks = 2; });
  driver.set_state("graves", QueueState::paused);
  driver.make("q", QueueMode::push, to_graves);
  for (int i = 0; i < 5; ++i) die(driver);
  EXPECT_EQ(driver.stats("graves").tasks, 2U);
  EXPECT_EQ(driver.stats("q").dead, 3U);
  driver.make("graves", QueueMode::push, [](QueueSettings& settings) { settings.max_tasks = 0; });
  driver.advance(Seconds(61));
  EXPECT_EQ(driver.stats("graves").tasks, 5U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

// The source never hears that the target took it.
TEST(Forward, ARepetitionAfterACrashAddsNothingTwice) {
  EngineDriver driver;
  driver.make("graves");
  driver.set_state("graves", QueueState::paused);
  driver.make("q", QueueMode::push, to_graves);
  driver.lose_forwards = true;
  die(driver, {.name = "a"});
  EXPECT_EQ(driver.stats("graves").tasks, 1U);
  EXPECT_EQ(driver.stats("q").dead, 1U);
  driver.lose_forwards = false;
  driver.restart();
  EXPECT_EQ(driver.forwards, 2U);
  EXPECT_EQ(driver.stats("graves").tasks, 1U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

TEST(Forward, ATaskThatDiesTwiceGoesTwice) {
  EngineDriver driver;
  driver.make("graves");
  driver.set_state("graves", QueueState::paused);
  driver.make("q", QueueMode::push,
              [](QueueSettings& settings) { settings.retry.max_attempts = 1; });
  die(driver, {.name = "a"});
  ASSERT_TRUE(driver.ask<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {"a"}, {}}));
  driver.make("q", QueueMode::push, to_graves);
  driver.finish_all(500);
  driver.advance(Millis(2));
  EXPECT_EQ(driver.stats("graves").tasks, 1U);
}

TEST(Forward, OneThatIsOnItsWayIsNotRetried) {
  EngineDriver driver;
  driver.make("graves");
  driver.make("q", QueueMode::push, to_graves);
  driver.lose_forwards = true;
  die(driver, {.name = "a"});
  const auto retried =
      driver.ask<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {"a"}, {}});
  ASSERT_TRUE(retried);
  EXPECT_EQ(retried->front().error().reason, Reason::task_gone);
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(DeleteDead{driver.name("q"), {"a"}, {}}));
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

TEST(Forward, WhatIsDeadAlreadyGoesWhenTheQueueIsNamed) {
  EngineDriver driver;
  driver.make("graves");
  driver.make("q", QueueMode::push,
              [](QueueSettings& settings) { settings.retry.max_attempts = 1; });
  die(driver, {.name = "a"});
  EXPECT_EQ(driver.stats("q").dead, 1U);
  driver.make("q", QueueMode::push, to_graves);
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("graves").added_total, 1U);
}

TEST(Forward, ToItselfOrNowhereIsRefused) {
  EngineDriver driver;
  const auto configure = [&](const std::function<void(QueueSettings&)>& change) {
    const auto made = driver.ask<ConfigureQueue::Answer>(
        ConfigureQueue{driver.name("q"),
                       [&](const QueueSettings*) -> Result<QueueSettings> {
                         QueueSettings settings = QueueSettings::defaults(QueueMode::push);
                         change(settings);
                         return settings;
                       },
                       {}});
    return made ? std::string() : made.error().field;
  };
  EXPECT_EQ(configure([](QueueSettings& settings) { settings.dead.queue = "q"; }), "dead.queue");
  EXPECT_EQ(configure([](QueueSettings& settings) { settings.dead.queue = "a b"; }), "dead.queue");
  EXPECT_EQ(configure([](QueueSettings& settings) {
              settings.dead.queue = "graves";
              settings.dead.keep = Micros(0);
            }),
            "dead.keep");
  EXPECT_EQ(configure(to_graves), "");
}

}  // namespace
}  // namespace deferd
