// Leasing as App Engine's QueryAndOwnTasks needs it (GAE-spec 5.12), and its statistics.
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using Payloads = std::vector<std::string>;

EngineDriver::Add pull(const std::string& payload, const std::string& key = {}) {
  EngineDriver::Add add;
  add.payload = payload;
  add.key = key;
  add.target = false;
  return add;
}
Payloads payloads(const std::vector<TaskInfo>& tasks) {
  Payloads found;
  for (const TaskInfo& info : tasks) found.push_back(*info.task.payload);
  return found;
}

ShardOptions small_windows() {
  ShardOptions options;
  options.window_tasks_max = 8;
  return options;
}

// GAE-119
TEST(LeaseByKey, SeesTasksWithoutAKeyBehindAWindowFullOfOthers) {
  EngineDriver driver(small_windows());
  driver.make("q", QueueMode::pull);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(driver.add("q", pull("k" + std::to_string(i), "k")));
    if (i % 25 == 24) ASSERT_TRUE(driver.add("q", pull("none" + std::to_string(i))));
  }
  EXPECT_EQ(payloads(driver.lease("q", 2, Seconds(60), LeaseTasks::By::key)),
            (Payloads{"none24", "none49"}));
  const std::size_t reads = driver.reads;
  EXPECT_EQ(payloads(driver.lease("q", 5, Seconds(60), LeaseTasks::By::key)),
            (Payloads{"none74", "none99"}));
  EXPECT_LE(driver.reads, reads + 2) << "it goes on where the last search ended";
  EXPECT_TRUE(driver.lease("q", 5, Seconds(60), LeaseTasks::By::key).empty());
  ASSERT_TRUE(driver.add("q", pull("late")));
  EXPECT_EQ(payloads(driver.lease("q", 5, Seconds(60), LeaseTasks::By::key)), Payloads{"late"});
  driver.advance(Seconds(60));
  EXPECT_EQ(driver.lease("q", 9, Seconds(60), LeaseTasks::By::key).size(), 5U)
      << "their leases are over";
  EXPECT_EQ(driver.lease("q", 200, Seconds(60), LeaseTasks::By::key, "k").size(), 100U);
}

// GAE-119
TEST(LeaseByKey, OfTheOldestWithoutOneGivesOnlySuch) {
  EngineDriver driver(small_windows());
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  driver.advance(Millis(1));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(driver.add("q", pull("k", "k")));
  ASSERT_TRUE(driver.add("q", pull("b")));
  EXPECT_EQ(payloads(driver.lease("q", 10, Seconds(60), LeaseTasks::By::oldest_key)),
            Payloads{"a"});
  EXPECT_EQ(driver.lease("q", 100, Seconds(60), LeaseTasks::By::oldest_key).size(), 50U);
  EXPECT_EQ(payloads(driver.lease("q", 10, Seconds(60), LeaseTasks::By::oldest_key)),
            Payloads{"b"});
}

// GAE-125
TEST(Exhaustion, EndsATaskWhenItsLastLeaseRunsOut) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& s) { s.retry.max_attempts = 2; });
  EngineDriver::Add named = pull("a");
  named.name = "a";
  ASSERT_TRUE(driver.add("q", named));
  EngineDriver::Add patient = pull("b");
  patient.retry.max_attempts = 3;
  ASSERT_TRUE(driver.add("q", patient));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(driver.lease("q", 10, Seconds(10)).size(), 2U);
    driver.advance(Seconds(10) - Micros(1));
    EXPECT_EQ(driver.stats("q").tasks, 2U);
    driver.advance(Micros(1));
  }
  driver.advance(Millis(10));
  EXPECT_EQ(driver.stats("q").tasks, 1U) << "nobody asked for tasks, and yet it is gone";
  EXPECT_EQ(driver.get("q", std::string("a")).error().reason, Reason::task_gone);
  EXPECT_EQ(driver.add("q", named).error().reason, Reason::task_name_recent);
  EXPECT_EQ(payloads(driver.lease("q", 10, Seconds(10))), Payloads{"b"});
  driver.restart();
  driver.advance(Seconds(11));
  EXPECT_EQ(driver.stats("q").tasks, 0U) << "also after a restart";
}

TEST(Exhaustion, SparesALastLeaseThatIsRenewedOrAcknowledged) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& s) { s.retry.max_attempts = 1; });
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(10));
  driver.advance(Seconds(9));
  const auto renewed = driver.ask<std::vector<Result<TaskInfo>>>(
      RenewLeases{EngineDriver::name("q"), {driver.lease_of(leased[0])}, Seconds(10), {}});
  ASSERT_TRUE((*renewed)[0]);
  driver.advance(Seconds(9));
  EXPECT_EQ(driver.stats("q").tasks, 1U);
  EXPECT_TRUE(driver.ack("q", driver.lease_of(leased[0])));
  EXPECT_EQ(driver.stats("q").completed_total, 1U);
  EXPECT_EQ(driver.stats("q").dropped_total, 0U);
}

// GAE-096
TEST(Stats, TellTheOldestEtaOfAllTasks) {
  EngineDriver driver(small_windows());
  driver.make("q", QueueMode::pull);
  EXPECT_FALSE(driver.stats("q").oldest_eta);
  EngineDriver::Add later = pull("later");
  later.delay = Seconds(100);
  ASSERT_TRUE(driver.add("q", later));
  EXPECT_EQ(driver.stats("q").oldest_eta, driver.now().wall + Seconds(100));
  ASSERT_TRUE(driver.add("q", pull("now")));
  EXPECT_EQ(driver.stats("q").oldest_eta, driver.now().wall);
  const auto leased = driver.lease("q", 1, Seconds(30));
  EXPECT_EQ(driver.stats("q").oldest_eta, driver.now().wall + Seconds(30));
  driver.restart();
  EXPECT_EQ(driver.stats("q").oldest_eta, leased[0].task.place.eta) << "the first question after";
  driver.make("p");
  ASSERT_TRUE(driver.add("p", {}));
  const Wall due = driver.now().wall;
  driver.advance(Seconds(1));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.stats("p").oldest_eta, due) << "what runs stands where it was due";
}

// GAE-098
TEST(Stats, CountLeasedTasksOfTheLastMinuteAndHour) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(driver.add("q", pull("x")));
  EXPECT_EQ(driver.lease("q", 3, Seconds(1000)).size(), 3U);
  EXPECT_EQ(driver.stats("q").leased_minute, 3U);
  driver.advance(Seconds(61));
  EXPECT_EQ(driver.stats("q").leased_minute, 0U);
  EXPECT_EQ(driver.lease("q", 9, Seconds(1000)).size(), 2U);
  EXPECT_EQ(driver.stats("q").leased_hour, 5U);
  EXPECT_EQ(driver.stats("q").kept_for, Seconds(61));
  driver.advance(Seconds(3700));
  EXPECT_EQ(driver.stats("q").leased_hour, 0U);
}

}  // namespace
}  // namespace deferd
