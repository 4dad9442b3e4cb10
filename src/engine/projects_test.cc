// What a project may hold, and names of queues that were deleted.
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

void limit(EngineDriver& driver, std::uint64_t bytes_max) {
  ASSERT_TRUE(driver.ask<void>(SetProjectLimit{"p", bytes_max, {}}));
}
GetProjectUse::Answer use(EngineDriver& driver) {
  return *driver.ask<GetProjectUse::Answer>(GetProjectUse{"p", {}});
}
EngineDriver::Add of_bytes(std::size_t bytes) {
  EngineDriver::Add add;
  add.payload = std::string(bytes - task_overhead_bytes, 'x');
  add.target = false;
  return add;
}

// GAE-184
TEST(ProjectLimit, HoldsOverAllQueuesAndSurvivesRestarts) {
  EngineDriver driver;
  driver.make("a", QueueMode::pull);
  driver.make("b", QueueMode::pull);
  ASSERT_TRUE(driver.add("a", of_bytes(300)));
  limit(driver, 1000);
  ASSERT_TRUE(driver.add("b", of_bytes(700)));
  EXPECT_EQ(driver.add("b", of_bytes(100)).error().reason, Reason::project_full);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(use(driver).bytes, 1000U);
    EXPECT_EQ(use(driver).bytes_max, 1000U);
    EXPECT_EQ(driver.add("a", of_bytes(100)).error().reason, Reason::project_full);
    driver.restart();
  }
  const auto leased = driver.lease("a", 1, Seconds(10));
  ASSERT_TRUE(driver.ack("a", driver.lease_of(leased[0])));
  EXPECT_EQ(use(driver).bytes, 700U);
  ASSERT_TRUE(driver.add("a", of_bytes(300)));
  EXPECT_EQ(driver.add("a", of_bytes(100)).error().reason, Reason::project_full);
  limit(driver, 500);
  EXPECT_EQ(driver.add("a", of_bytes(100)).error().reason, Reason::project_full);
  limit(driver, 0);
  EXPECT_TRUE(driver.add("a", of_bytes(100)));
  driver.restart();
  EXPECT_EQ(use(driver).bytes, 1100U);
  EXPECT_EQ(use(driver).bytes_max, 0U);
}

// GAE-068
TEST(ProjectLimit, IsGivenBackByPurgeAndDeletion) {
  EngineDriver driver;
  driver.make("a", QueueMode::pull);
  driver.make("b", QueueMode::pull);
  limit(driver, 1000);
  ASSERT_TRUE(driver.add("a", of_bytes(500)));
  ASSERT_TRUE(driver.add("b", of_bytes(500)));
  EXPECT_FALSE(driver.add("b", of_bytes(100)));
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{EngineDriver::name("a"), {}}));
  EXPECT_EQ(use(driver).bytes, 500U);
  EXPECT_TRUE(driver.add("a", of_bytes(400)));
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{EngineDriver::name("b"), {}}));
  EXPECT_EQ(use(driver).bytes, 400U);
  EXPECT_TRUE(driver.add("a", of_bytes(600)));
  EXPECT_FALSE(driver.add("a", of_bytes(100)));
}

// GAE-105
TEST(DeleteQueue, LeavesItsNameTakenForAWhile) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", of_bytes(100)));
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{EngineDriver::name("q"), {}, Seconds(60)}));
  const auto make = [&] {
    return driver.ask<ConfigureQueue::Answer>(
        ConfigureQueue{EngineDriver::name("q"),
                       [](const QueueSettings*) -> Result<QueueSettings> {
                         return QueueSettings::defaults(QueueMode::pull);
                       },
                       {}});
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(driver.add("q", of_bytes(100)).error().reason, Reason::queue_gone);
    EXPECT_EQ(make().error().reason, Reason::queue_gone);
    EXPECT_EQ(driver.ask<QueueInfo>(GetQueue{EngineDriver::name("q"), {}}).error().reason,
              Reason::queue_gone);
    driver.advance(Seconds(20));
    driver.restart();
  }
  driver.advance(Seconds(20));
  EXPECT_EQ(driver.add("q", of_bytes(100)).error().reason, Reason::queue_missing);
  ASSERT_TRUE(make());
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  driver.restart();
  EXPECT_TRUE(driver.add("q", of_bytes(100)));
}

TEST(DeleteQueue, ForgetsNamesThatAreFreeAgain) {
  EngineDriver driver;
  driver.make("other", QueueMode::pull);
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{EngineDriver::name("q"), {}, Seconds(1)}));
  EXPECT_EQ(driver.store().load()->gone.size(), 1U);
  driver.advance(Seconds(120));
  ASSERT_TRUE(driver.add("other", of_bytes(100)));
  ASSERT_TRUE(driver.add("other", of_bytes(100)));
  EXPECT_EQ(driver.store().load()->gone.size(), 0U);
}

TEST(AppEngineTarget, GoesOutWithEachAttempt) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.appengine.target = "v1.worker"; });
  driver.make("plain");
  ASSERT_TRUE(driver.add("q", {}));
  ASSERT_TRUE(driver.add("plain", {}));
  ASSERT_EQ(driver.running().size(), 2U);
  ASSERT_NE(driver.running()[0].attempt.target, nullptr);
  EXPECT_EQ(*driver.running()[0].attempt.target, "v1.worker");
  EXPECT_EQ(driver.running()[1].attempt.target, nullptr);
  driver.restart();
  driver.advance(Millis(1));
  ASSERT_EQ(driver.running().size(), 2U);
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.appengine.target = "other"; });
  ASSERT_TRUE(driver.add("q", {}));
  EXPECT_EQ(*driver.running().back().attempt.target, "other");
}

}  // namespace
}  // namespace deferd
