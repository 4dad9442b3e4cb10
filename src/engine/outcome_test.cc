// What is counted, kept and told of a task that ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

class OutcomeTest : public testing::Test {
 protected:
  EngineDriver driver;

  Task add(const std::string& queue, const EngineDriver::Add& given) {
    auto added = driver.add(queue, given);
    EXPECT_TRUE(added);
    return added ? *added : Task{};
  }
};

TEST_F(OutcomeTest, A_failed_ack_ends_its_task_for_good) {
  driver.make("q", QueueMode::pull);
  const Task task = add("q", {.target = false});
  const auto leased = driver.lease("q", 1, Seconds(60));
  ASSERT_EQ(leased.size(), 1U);
  AckTasks fail{.queue = EngineDriver::name("q"),
                .leases = {driver.lease_of(leased[0])},
                .failed = true,
                .reply = {}};
  const auto failed = driver.ask<std::vector<Result<void>>>(std::move(fail));
  ASSERT_TRUE(failed);
  EXPECT_TRUE(failed->front());
  EXPECT_FALSE(driver.get("q", task.id));
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.tasks, 0U);
  EXPECT_EQ(stats.dropped_total, 1U);
  EXPECT_EQ(stats.failed_total, 1U);
  EXPECT_EQ(stats.completed_total, 0U);
}

TEST_F(OutcomeTest, Deleted_tasks_are_counted_as_cancelled) {
  driver.make("q");
  const Task task = add("q", {.delay = Seconds(60)});
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(
      DeleteTasks{EngineDriver::name("q"), {task.id}, {}, {}}));
  EXPECT_EQ(driver.stats("q").cancelled_total, 1U);
  EXPECT_EQ(driver.stats("q").dropped_total, 1U);
}

}  // namespace
}  // namespace deferd
