// Tasks of which their workers die (QueueSettings::poison_after).
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

std::vector<TaskInfo> lease_as(EngineDriver& driver, const std::string& worker,
                               Micros duration = Seconds(10)) {
  LeaseTasks command;
  command.queue = driver.name("q");
  command.duration = duration;
  command.worker = worker;
  const auto granted = driver.ask<std::vector<TaskInfo>>(std::move(command));
  EXPECT_TRUE(granted);
  return granted ? *granted : std::vector<TaskInfo>();
}
void release(EngineDriver& driver, const TaskInfo& held, std::optional<ExitCause> cause) {
  Lease lease = driver.lease_of(held);
  if (cause) {
    lease.report = std::make_shared<AttemptReport>();
    lease.report->usage = AttemptUsage{.cause = *cause};
  }
  const auto released =
      driver.ask<std::vector<Result<void>>>(ReleaseTasks{driver.name("q"), {lease}, Micros(0), {}});
  ASSERT_TRUE(released && released->front());
}
std::optional<Task> the_dead(EngineDriver& driver) {
  ListDead command;
  command.queue = driver.name("q");
  const auto listed = driver.ask<ListDead::Answer>(std::move(command));
  EXPECT_TRUE(listed);
  if (!listed || listed->tasks.empty()) return std::nullopt;
  return listed->tasks.front();
}

TEST(Poison, NamedLeasesThatExpireCount) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", {.target = false}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(the_dead(driver)) << i;
    ASSERT_EQ(lease_as(driver, "host/1").size(), 1U) << i;
    driver.advance(Seconds(11));
  }
  // Nobody asks for tasks any more.
  const auto dead = the_dead(driver);
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->progress.death, DeathReason::poison);
  EXPECT_EQ(dead->progress.deaths, 3U);
  EXPECT_EQ(dead->progress.last_status, status_lease_expired);
  EXPECT_EQ(driver.stats("q").poisoned_total, 1U);
  EXPECT_EQ(driver.stats("q").dead_total, 1U);
}

TEST(Poison, TheLeaseOfNobodyNeverCounts) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", {.target = false}));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(lease_as(driver, "").size(), 1U) << i;
    driver.advance(Seconds(11));
  }
  EXPECT_FALSE(the_dead(driver));
  // Nor do those in between.
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(lease_as(driver, "host/1").size(), 1U);
    driver.advance(Seconds(11));
    ASSERT_EQ(lease_as(driver, "").size(), 1U);
    driver.advance(Seconds(11));
  }
  EXPECT_FALSE(the_dead(driver));
  ASSERT_EQ(lease_as(driver, "host/2").size(), 1U);
  driver.advance(Seconds(11));
  EXPECT_TRUE(the_dead(driver));
}

TEST(Poison, ReportsCountWhoeverReports) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& settings) { settings.poison_after = 2; });
  ASSERT_TRUE(driver.add("q", {.target = false}));
  for (const std::optional<ExitCause> harmless :
       {std::optional<ExitCause>(), std::optional(ExitCause::exited),
        std::optional(ExitCause::cpu_time), std::optional(ExitCause::wall_time),
        std::optional(ExitCause::output), std::optional(ExitCause::killed),
        std::optional(ExitCause::not_started), std::optional(ExitCause::signalled)}) {
    const auto held = lease_as(driver, "host/1");
    ASSERT_EQ(held.size(), 1U);
    release(driver, held[0], harmless);
    EXPECT_FALSE(the_dead(driver));
  }
  const auto held = lease_as(driver, "");
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].task.progress.deaths, 1U);
  release(driver, held[0], ExitCause::out_of_memory);
  const auto dead = the_dead(driver);
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->progress.death, DeathReason::poison);
  EXPECT_EQ(dead->progress.last_status, status_released);
}

TEST(Poison, ARenewedLeaseIsStillNamedAndSurvivesARestart) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& settings) { settings.poison_after = 1; });
  ASSERT_TRUE(driver.add("q", {.target = false}));
  const auto held = lease_as(driver, "host/1");
  ASSERT_EQ(held.size(), 1U);
  driver.advance(Seconds(9));
  ASSERT_TRUE(driver.ask<std::vector<Result<TaskInfo>>>(
      RenewLeases{driver.name("q"), {driver.lease_of(held[0])}, Seconds(10), {}}));
  driver.restart();
  driver.advance(Seconds(9));
  EXPECT_FALSE(the_dead(driver));
  driver.advance(Seconds(2));
  EXPECT_TRUE(the_dead(driver)) << "though nobody asks";
}

TEST(Poison, ZeroIsNever) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& settings) { settings.poison_after = 0; });
  ASSERT_TRUE(driver.add("q", {.target = false}));
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(lease_as(driver, "host/1").size(), 1U);
    driver.advance(Seconds(11));
  }
  EXPECT_FALSE(the_dead(driver));
}

TEST(Poison, RetriedItsWorkersMayDieOfItAgain) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& settings) { settings.poison_after = 2; });
  const auto added = driver.add("q", {.target = false});
  ASSERT_TRUE(added);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 2; ++i) {
      ASSERT_FALSE(the_dead(driver));
      ASSERT_EQ(lease_as(driver, "host/1").size(), 1U);
      driver.advance(Seconds(11));
    }
    ASSERT_TRUE(the_dead(driver));
    ASSERT_TRUE(
        driver.ask<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {added->id}, {}}));
  }
}

}  // namespace
}  // namespace deferd
