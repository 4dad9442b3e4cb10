// Lists by ETA and by key (GAE-spec 5.11), and what is told of tasks that ended.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "base/testing/seed.h"
#include "engine/testing/driver.h"

namespace deferd {
namespace {

using Payloads = std::vector<std::string>;

Result<std::vector<TaskInfo>> list(EngineDriver& driver, Wall eta, std::uint64_t order,
                                   std::uint32_t tasks_max,
                                   std::optional<std::string> key = std::nullopt) {
  return driver.ask<std::vector<TaskInfo>>(
      ListTasksByEta{EngineDriver::name("q"), eta, order, std::move(key), tasks_max, {}});
}

Payloads payloads(const Result<std::vector<TaskInfo>>& tasks) {
  Payloads found;
  if (!tasks) return {"failed"};
  for (const TaskInfo& info : *tasks) found.push_back(*info.task.payload);
  return found;
}

EngineDriver::Add task(const std::string& payload, Micros delay, int priority = 5,
                       const std::string& key = {}) {
  EngineDriver::Add add;
  add.payload = payload;
  add.delay = delay;
  add.priority = static_cast<std::uint8_t>(priority);
  add.key = key;
  add.target = false;
  return add;
}

// GAE-108
TEST(ListByEta, MergesPrioritiesFromAnInclusiveStart) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", task("c", Seconds(3), 9)));
  ASSERT_TRUE(driver.add("q", task("a", Seconds(1), 0)));
  const auto b = driver.add("q", task("b", Seconds(2), 5));
  ASSERT_TRUE(driver.add("q", task("d", Seconds(4), 5)));
  EXPECT_EQ(payloads(list(driver, Wall::min(), 0, 10)), (Payloads{"a", "b", "c", "d"}));
  EXPECT_EQ(payloads(list(driver, Wall{}, 0, 2)), (Payloads{"a", "b"}));
  EXPECT_EQ(payloads(list(driver, b->place.eta, 0, 10)), (Payloads{"b", "c", "d"}));
  EXPECT_EQ(payloads(list(driver, b->place.eta, b->place.order, 10)), (Payloads{"b", "c", "d"}));
  EXPECT_EQ(payloads(list(driver, b->place.eta, b->place.order + 1, 10)), (Payloads{"c", "d"}));
  EXPECT_EQ(payloads(list(driver, b->place.eta + Micros(1), 0, 1)), (Payloads{"c"}));
  EXPECT_EQ(payloads(list(driver, driver.now().wall + Seconds(5), 0, 10)), Payloads{});
}

// GAE-108
TEST(ListByEta, PagesOverEqualEtasLoseAndRepeatNone) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  constexpr std::size_t tasks = 1200;
  std::vector<EngineDriver::Add> adds;
  for (std::size_t i = 0; i < tasks; ++i) adds.push_back(task(std::to_string(i), Seconds(60)));
  ASSERT_TRUE(driver.ask<std::vector<Result<Task>>>(
      AddTasks{EngineDriver::name("q"), driver.new_tasks(adds), {}}));
  Payloads met;
  Wall eta = Wall::min();
  std::uint64_t order = 0;
  while (true) {
    const auto page = list(driver, eta, order, 101);
    ASSERT_TRUE(page);
    // The last row again, which is dropped.
    for (std::size_t i = met.empty() ? 0 : 1; i < page->size(); ++i)
      met.push_back(*(*page)[i].task.payload);
    if (page->size() < 101) break;
    eta = page->back().task.place.eta;
    order = page->back().task.place.order;
  }
  ASSERT_EQ(met.size(), tasks);
  for (std::size_t i = 0; i < tasks; ++i) ASSERT_EQ(met[i], std::to_string(i));
}

TEST(ListByEta, ByKeyRunsOnIntoTheNextKeys) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", task("none", Seconds(1))));
  ASSERT_TRUE(driver.add("q", task("b2", Seconds(2), 5, "b")));
  ASSERT_TRUE(driver.add("q", task("b1", Seconds(1), 0, "b")));
  ASSERT_TRUE(driver.add("q", task("aa", Seconds(9), 5, "aa")));
  ASSERT_TRUE(driver.add("q", task("c", Seconds(1), 5, "c")));
  EXPECT_EQ(payloads(list(driver, Wall::min(), 0, 10, "")), (Payloads{"aa", "b1", "b2", "c"}));
  EXPECT_EQ(payloads(list(driver, Wall::min(), 0, 10, "ab")), (Payloads{"b1", "b2", "c"}));
  EXPECT_EQ(payloads(list(driver, driver.now().wall + Seconds(2), 0, 10, "b")),
            (Payloads{"b2", "c"}));
  EXPECT_EQ(payloads(list(driver, Wall::min(), 0, 2, "b")), (Payloads{"b1", "b2"}));
  EXPECT_EQ(payloads(list(driver, Wall::min(), 0, 10, "d")), Payloads{});
}

TEST(ListByEta, ShowsWhatIsLeasedAtItsEndAndWhatRunsWhereItWasDue) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", task("leased", Seconds(0))));
  ASSERT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
  ASSERT_TRUE(driver.add("q", task("waits", Seconds(5))));
  const auto pulled = list(driver, Wall::min(), 0, 10);
  EXPECT_EQ(payloads(pulled), (Payloads{"waits", "leased"}));
  EXPECT_EQ(pulled->back().state, TaskState::leased);

  EngineDriver pushes;
  pushes.make("q");
  ASSERT_TRUE(pushes.add("q", {.payload = "runs"}));
  ASSERT_EQ(pushes.running().size(), 1U);
  const auto pushed = list(pushes, Wall::min(), 0, 10);
  EXPECT_EQ(payloads(pushed), Payloads{"runs"});
  EXPECT_EQ(pushed->front().state, TaskState::in_flight);
}

TEST(ListByEta, AgreesWithARecountWhileTasksComeMoveAndGo) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 5; ++i) {
      const std::string key = random.chance(50) ? "k" + std::to_string(random.below(12)) : "";
      ASSERT_TRUE(driver.add("q", task("t", Millis(static_cast<std::int64_t>(random.below(50))),
                                       static_cast<int>(random.below(3)), key)));
    }
    const auto leased = driver.lease("q", 3, Millis(random.between(1, 30)));
    if (!leased.empty() && random.chance(50))
      ASSERT_TRUE(driver.ack("q", driver.lease_of(leased[0])));
    driver.advance(Millis(random.between(0, 9)));
    if (random.chance(5)) driver.restart();

    std::vector<TaskInfo> all;
    TaskId after{};
    while (true) {
      const auto page =
          driver.ask<ListTasks::Answer>(ListTasks{EngineDriver::name("q"), {}, after, 1000, {}});
      ASSERT_TRUE(page);
      for (const TaskInfo& info : page->tasks) all.push_back(info);
      if (!page->next) break;
      after = *page->next;
    }
    const bool by_key = random.chance(50);
    const auto at = [&](const TaskInfo& info) {
      return std::tuple(by_key ? std::string(info.task.key()) : std::string(), info.task.place.eta,
                        info.task.place.order);
    };
    std::erase_if(all, [&](const TaskInfo& info) { return by_key && info.task.key().empty(); });
    std::ranges::sort(all, {}, at);
    const auto told = list(driver, Wall::min(), 0, static_cast<std::uint32_t>(all.size()) + 1,
                           by_key ? std::optional<std::string>("") : std::nullopt);
    ASSERT_TRUE(told);
    ASSERT_EQ(told->size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ((*told)[i].task.id, all[i].task.id);
  }
}

TEST(ListByEta, RefusesAnAnswerThatIsTooLarge) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  for (int i = 0; i < 70; ++i)
    ASSERT_TRUE(driver.add("q", task(std::string(1 << 20, 'x'), Seconds(i))));
  EXPECT_EQ(list(driver, Wall::min(), 0, 60)->size(), 60U);
  const auto large = list(driver, Wall::min(), 0, 1000);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().reason, Reason::too_large);
}

// GAE-080, GAE-082, GAE-110
TEST(Gone, IsToldOfTasksWhoseNameOrNumberIsStillKnown) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.rate = Rate{};
    s.tombstone = Seconds(60);
  });
  const auto by_id = driver.add("q", {});
  ASSERT_TRUE(driver.add("q", {.name = "n"}));
  const auto results = driver.ask<std::vector<Result<void>>>(
      DeleteTasks{EngineDriver::name("q"),
                  {TaskRef(std::string("n")), TaskRef(std::string("n")), TaskRef(by_id->id),
                   TaskRef(by_id->id), TaskRef(std::string("m")), TaskRef(TaskId{7})},
                  {}});
  ASSERT_TRUE(results);
  EXPECT_TRUE((*results)[0]);
  EXPECT_EQ((*results)[1].error().reason, Reason::task_gone);
  EXPECT_TRUE((*results)[2]);
  EXPECT_EQ((*results)[3].error().reason, Reason::task_gone);
  EXPECT_EQ((*results)[4].error().reason, Reason::task_missing);
  EXPECT_EQ((*results)[5].error().reason, Reason::task_missing);
  const auto run = [&](const TaskRef& ref) {
    return driver.ask<TaskInfo>(RunTask{EngineDriver::name("q"), ref, {}}).error().reason;
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(driver.get("q", std::string("n")).error().reason, Reason::task_gone);
    EXPECT_EQ(driver.get("q", by_id->id).error().reason, Reason::task_gone);
    EXPECT_EQ(run(std::string("n")), Reason::task_gone);
    EXPECT_EQ(driver.get("q", TaskId{by_id->id.value + 1'000'000'000}).error().reason,
              Reason::task_missing)
        << "a number that was never given";
    driver.restart();
  }
  driver.advance(Seconds(60));
  EXPECT_EQ(driver.get("q", std::string("n")).error().reason, Reason::task_missing);
}

}  // namespace
}  // namespace deferd
