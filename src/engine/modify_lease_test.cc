// Leases that are known by their ETA (GAE-spec 5.13).
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

EngineDriver::Add pull(const std::string& payload, std::optional<Micros> delay = std::nullopt) {
  EngineDriver::Add add;
  add.payload = payload;
  add.target = false;
  add.delay = delay;
  return add;
}

Result<TaskInfo> modify(EngineDriver& driver, const TaskRef& task, Wall eta, Micros duration) {
  return driver.ask<TaskInfo>(ModifyLease{EngineDriver::name("q"), task, eta, duration, {}});
}

Reason reason(const Result<TaskInfo>& result) {
  return result ? Reason::internal : result.error().reason;
}

// GAE-126
TEST(ModifyLease, ExtendsTheLeaseAndTellsItsEnd) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(10));
  driver.advance(Seconds(9));
  const auto longer = modify(driver, leased[0].task.id, leased[0].task.place.eta, Seconds(30));
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->task.place.eta, driver.now().wall + Seconds(30));
  EXPECT_EQ(longer->task.progress.attempts, 1U);
  EXPECT_EQ(longer->task.progress.lease_token, leased[0].task.progress.lease_token)
      << "it is the same worker's";
  driver.advance(Seconds(20));
  EXPECT_TRUE(driver.lease("q", 1, Seconds(10)).empty());
  const auto again = modify(driver, leased[0].task.id, longer->task.place.eta, Seconds(40));
  ASSERT_TRUE(again) << "with the answer of the first, a second";
  EXPECT_EQ(driver.get("q", leased[0].task.id)->task.place.eta, again->task.place.eta);
  driver.restart();
  EXPECT_EQ(driver.get("q", leased[0].task.id)->task.place.eta, again->task.place.eta);
  EXPECT_TRUE(driver.ack("q", driver.lease_of(*again)));
}

// GAE-127
TEST(ModifyLease, IsRefusedWithAnotherEtaOrTooLate) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  driver.make("push");
  const auto added = driver.add("q", pull("a"));
  const auto leased = driver.lease("q", 1, Seconds(10));
  const Wall eta = leased[0].task.place.eta;
  EXPECT_EQ(reason(modify(driver, added->id, eta + Micros(1), Seconds(1))), Reason::lease_lost);
  EXPECT_EQ(reason(modify(driver, added->id, eta - Micros(1), Seconds(1))), Reason::lease_lost);
  driver.advance(Seconds(10) + Micros(1));
  EXPECT_EQ(reason(modify(driver, added->id, eta, Seconds(1))), Reason::lease_lost) << "it is over";
  ASSERT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
  EXPECT_EQ(reason(modify(driver, added->id, eta, Seconds(1))), Reason::lease_lost)
      << "another has it";
  EXPECT_EQ(reason(modify(driver, TaskId{1}, eta, Seconds(1))), Reason::task_missing);
  EXPECT_EQ(reason(modify(driver, std::string("none"), eta, Seconds(1))), Reason::task_missing);
  driver.set_state("q", QueueState::paused);
  EXPECT_EQ(reason(modify(driver, added->id, eta, Seconds(1))), Reason::queue_paused);
  driver.set_state("q", QueueState::running);
  ASSERT_TRUE(
      driver.ask<std::vector<Result<void>>>(DeleteTasks{EngineDriver::name("q"), {added->id}, {}}));
  EXPECT_EQ(reason(modify(driver, added->id, eta, Seconds(1))), Reason::task_gone);
  EXPECT_EQ(reason(driver.ask<TaskInfo>(
                ModifyLease{EngineDriver::name("push"), added->id, eta, Seconds(1), {}})),
            Reason::queue_mode);
}

TEST(ModifyLease, OfTwoWithOneEtaOneWins) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(10));
  std::vector<Result<TaskInfo>> answers;
  for (int i = 0; i < 2; ++i) {
    ModifyLease command{EngineDriver::name("q"), leased[0].task.id, leased[0].task.place.eta,
                        Seconds(20), [&](Result<TaskInfo> one) { answers.push_back(one); }};
    driver.shard().apply(Command(std::move(command)), driver.now());
  }
  driver.settle();
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_TRUE(answers[0]);
  EXPECT_EQ(reason(answers[1]), Reason::lease_lost);
}

// GAE-128
TEST(ModifyLease, OfZeroGivesTheTaskBackAtOnce) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(10));
  const auto back = modify(driver, leased[0].task.id, leased[0].task.place.eta, Micros(0));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->task.place.eta, driver.now().wall);
  EXPECT_EQ(back->task.progress.attempts, 1U);
  EXPECT_EQ(back->state, TaskState::ready);
  const auto again = driver.lease("q", 1, Seconds(10));
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].task.progress.attempts, 2U);
  EXPECT_EQ(driver.ack("q", driver.lease_of(leased[0])).error().reason, Reason::lease_lost);
}

TEST(ModifyLease, OfADelayedTaskMovesIt) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  const auto added = driver.add("q", pull("a", Seconds(60)));
  const auto held = modify(driver, added->id, added->place.eta, Seconds(600));
  ASSERT_TRUE(held);
  EXPECT_EQ(held->state, TaskState::leased);
  EXPECT_EQ(held->task.progress.attempts, 0U);
  EXPECT_NE(held->task.progress.lease_token, 0U);
  driver.advance(Seconds(100));
  EXPECT_TRUE(driver.lease("q", 1, Seconds(10)).empty());
  driver.advance(Seconds(500));
  EXPECT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
  const auto other = driver.add("q", pull("b", Seconds(60)));
  const auto now = modify(driver, other->id, other->place.eta, Micros(0));
  ASSERT_TRUE(now);
  EXPECT_EQ(now->task.progress.lease_token, 0U);
  EXPECT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
  EXPECT_EQ(driver.stats("q").executed_total, 1U) << "a task that is only held was not attempted";
}

TEST(Lease, OfAPausedQueueIsRefusedIfAskedFor) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  driver.set_state("q", QueueState::paused);
  LeaseTasks command;
  command.queue = EngineDriver::name("q");
  EXPECT_TRUE(driver.lease("q", 1, Seconds(10)).empty());
  command.refuse_paused = true;
  const auto refused = driver.ask<std::vector<TaskInfo>>(std::move(command));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::queue_paused);
}

}  // namespace
}  // namespace deferd
