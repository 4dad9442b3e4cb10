// Dead letters: tasks that ended without success, kept beside the live ones.
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using std::chrono::hours;

constexpr Micros linger = Millis(2);  // a failure is committed together with others

constexpr auto once = [](QueueSettings& settings) {
  settings.retry.max_attempts = 1;
  settings.retry.min_backoff = Millis(1);
};

ListDead::Answer list(EngineDriver& driver, const DeadFilter& filter = {},
                      std::uint32_t tasks_max = 100,
                      Place after = Place{dead_lane, Wall::min(), 0}) {
  const auto listed =
      driver.ask<ListDead::Answer>(ListDead{driver.name("q"), filter, after, tasks_max, {}});
  EXPECT_TRUE(listed);
  return listed ? *listed : ListDead::Answer{};
}
std::vector<std::string> names(const ListDead::Answer& answer) {
  std::vector<std::string> names;
  for (const Task& task : answer.tasks) names.emplace_back(task.name());
  return names;
}
Result<TaskInfo> get_dead(EngineDriver& driver, const TaskRef& task) {
  return driver.ask<TaskInfo>(GetDead{driver.name("q"), task, {}});
}
Result<TaskInfo> retry(EngineDriver& driver, const TaskRef& task) {
  auto results = driver.ask<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {task}, {}});
  if (!results) return fail(results.error());
  return results->front();
}
Result<void> remove(EngineDriver& driver, const TaskRef& task) {
  auto results = driver.ask<std::vector<Result<void>>>(DeleteDead{driver.name("q"), {task}, {}});
  if (!results) return fail(results.error());
  return results->front();
}

// A push that failed for the last time.
TaskId die(EngineDriver& driver, const EngineDriver::Add& given, std::int16_t status = 500) {
  const auto added = driver.add("q", given);
  EXPECT_TRUE(added);
  driver.finish_all(status);
  driver.advance(linger);
  return added ? added->id : TaskId{};
}

TEST(Dead, APushThatRanOutOfAttemptsIsKeptAndNoLongerLives) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a", .key = "k", .priority = 7, .payload = "body"}, 503);
  const ListDead::Answer dead = list(driver);
  ASSERT_EQ(dead.tasks.size(), 1U);
  EXPECT_FALSE(dead.next);
  const Task& task = dead.tasks[0];
  EXPECT_EQ(task.id, id);
  EXPECT_EQ(task.place.eta, driver.now().wall - linger);
  EXPECT_EQ(task.progress.death, DeathReason::attempts);
  EXPECT_EQ(task.progress.own_priority, 7);
  EXPECT_EQ(task.progress.attempts, 1U);
  EXPECT_EQ(task.progress.last_status, 503);
  EXPECT_EQ(*task.payload, "body");

  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.tasks, 0U);
  EXPECT_EQ(stats.bytes, 0U);
  EXPECT_EQ(stats.dead, 1U);
  EXPECT_EQ(stats.dead_bytes, task.bytes);
  EXPECT_EQ(stats.dead_total, 1U);
  EXPECT_EQ(stats.dropped_total, 1U);
  EXPECT_EQ(stats.poisoned_total, 0U);
  EXPECT_FALSE(stats.oldest_eta);

  EXPECT_EQ(driver.get("q", id).error().reason, Reason::task_gone);
  EXPECT_EQ(driver.get("q", "a").error().reason, Reason::task_gone);
  EXPECT_EQ(driver.add("q", {.name = "a"}).error().reason, Reason::task_name_recent);
  const auto lives = driver.ask<ListTasks::Answer>(ListTasks{driver.name("q"), {}, {}, 10, {}});
  ASSERT_TRUE(lives);
  EXPECT_TRUE(lives->tasks.empty());
  for (const std::optional<std::string>& key :
       {std::optional<std::string>(), std::optional<std::string>("k")}) {
    const auto by_eta =
        driver.ask<std::vector<TaskInfo>>(ListTasksByEta{driver.name("q"), Wall{}, 0, key, 10, {}});
    ASSERT_TRUE(by_eta);
    EXPECT_TRUE(by_eta->empty());
  }
  EXPECT_EQ((*driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {id}, {}}))[0]
                .error()
                .reason,
            Reason::task_gone);
  EXPECT_EQ(driver.ask<TaskInfo>(RunTask{driver.name("q"), id, {}}).error().reason,
            Reason::task_gone);
  driver.advance(hours(1));
  EXPECT_TRUE(driver.running().empty());
}

TEST(Dead, NoneIsKeptWhenKeepIsZero) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.dead.keep = Micros(0);
  });
  die(driver, {});
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").dropped_total, 1U);
  EXPECT_TRUE(list(driver).tasks.empty());
}

TEST(Dead, ALeaseThatRanOutForTheLastTimeOrFailed) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, once);
  ASSERT_TRUE(driver.add("q", {.name = "expired", .key = "k", .target = false}));
  ASSERT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
  driver.advance(Seconds(11));
  ASSERT_TRUE(driver.add("q", {.name = "released", .target = false}));
  auto held = driver.lease("q", 1, Seconds(10));
  ASSERT_EQ(held.size(), 1U);
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(
      ReleaseTasks{driver.name("q"), {driver.lease_of(held[0])}, {}, {}}));
  driver.advance(Seconds(1));
  ASSERT_TRUE(driver.add("q", {.name = "failed", .target = false}));
  held = driver.lease("q", 1, Seconds(10));
  ASSERT_EQ(held.size(), 1U);
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(
      AckTasks{driver.name("q"), {driver.lease_of(held[0])}, true, {}}));

  const ListDead::Answer dead = list(driver);
  EXPECT_EQ(names(dead), (std::vector<std::string>{"expired", "released", "failed"}));
  ASSERT_EQ(dead.tasks.size(), 3U);
  EXPECT_EQ(dead.tasks[0].progress.last_status, status_lease_expired);
  EXPECT_EQ(dead.tasks[1].progress.last_status, status_released);
  EXPECT_EQ(dead.tasks[2].progress.last_status, status_failed);
  EXPECT_EQ(dead.tasks[0].progress.death, DeathReason::attempts);
  EXPECT_EQ(dead.tasks[2].progress.death, DeathReason::failed);
  EXPECT_EQ(dead.tasks[2].progress.lease_token, 0U);
  // Nobody leases it, not even by its key, and whoever asks for its key meets what is alive.
  EXPECT_TRUE(driver.lease("q", 10, Seconds(10)).empty());
  EXPECT_TRUE(driver.lease("q", 10, Seconds(10), LeaseTasks::By::key, "k").empty());
  ASSERT_TRUE(driver.add("q", {.name = "b", .key = "k", .target = false}));
  EXPECT_EQ(driver.lease("q", 1, Seconds(10), LeaseTasks::By::key, "k").size(), 1U);
}

TEST(Dead, ManyDeadOfAKeyHideNoneThatLives) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, once);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(driver.add("q", {.key = "k", .target = false}));
    ASSERT_EQ(driver.lease("q", 1, Seconds(1)).size(), 1U);
    driver.advance(Seconds(2));
  }
  ASSERT_EQ(driver.stats("q").dead, 50U);
  ASSERT_TRUE(driver.add("q", {.key = "k", .payload = "alive", .target = false}));
  EXPECT_EQ(driver.lease("q", 1, Seconds(1), LeaseTasks::By::key, "k").size(), 1U);
  const std::size_t reads = driver.reads;
  EXPECT_TRUE(driver.lease("q", 1, Seconds(1), LeaseTasks::By::key, "k").empty());
  EXPECT_LE(driver.reads - reads, 2U) << "they are walked over once";
}

TEST(Dead, ATaskThatGrewTooOld) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) { settings.task_ttl = hours(1); });
  ASSERT_TRUE(driver.add("q", {.name = "a", .delay = hours(9)}));
  driver.advance(hours(1) + Seconds(2));
  const ListDead::Answer dead = list(driver);
  ASSERT_EQ(dead.tasks.size(), 1U);
  EXPECT_EQ(dead.tasks[0].progress.death, DeathReason::age);
  // Tried again it does not grow too old at once.
  ASSERT_TRUE(retry(driver, "a"));
  ASSERT_EQ(driver.running().size(), 1U);
  driver.finish(0, 500);
  driver.restart();
  driver.advance(hours(2));
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").tasks, 1U);
}

TEST(Dead, TheDeletedAndTheDoneAreNotDead) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  die(driver, {.name = "done"}, 200);
  ASSERT_TRUE(driver.add("q", {.name = "deleted", .delay = hours(1)}));
  ASSERT_TRUE(
      driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {"deleted"}, {}}));
  EXPECT_TRUE(list(driver).tasks.empty());
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

TEST(Dead, PagesAndFilters) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const Wall start = driver.now().wall;
  const Micros apart = Seconds(1) + linger;
  for (int i = 0; i < 10; ++i) {
    die(driver, {.name = "t" + std::to_string(i), .key = i % 2 == 0 ? "even" : "odd"},
        i < 5 ? 500 : status_timeout);
    driver.advance(Seconds(1));
  }
  std::vector<std::string> walked;
  Place after{dead_lane, Wall::min(), 0};
  for (int pages = 0; pages < 10; ++pages) {
    const ListDead::Answer page = list(driver, {}, 3, after);
    EXPECT_LE(page.tasks.size(), 3U);
    for (const Task& task : page.tasks) walked.emplace_back(task.name());
    if (!page.next) break;
    after = *page.next;
  }
  EXPECT_EQ(walked.size(), 10U);

  EXPECT_EQ(names(list(driver, {.key = "odd"}, 2)), (std::vector<std::string>{"t1", "t3"}));
  EXPECT_EQ(names(list(driver, {.key = "odd"}, 2, *list(driver, {.key = "odd"}, 2).next)),
            (std::vector<std::string>{"t5", "t7"}));
  EXPECT_EQ(list(driver, {.reason = DeathReason::attempts}).tasks.size(), 10U);
  EXPECT_TRUE(list(driver, {.reason = DeathReason::poison}).tasks.empty());
  EXPECT_EQ(list(driver, {.last_status = status_timeout}).tasks.size(), 5U);
  EXPECT_EQ(names(list(driver, {.name = "t4"})), (std::vector<std::string>{"t4"}));
  const DeadFilter between{.since = start + 2 * apart, .until = start + 4 * apart};
  EXPECT_EQ(names(list(driver, between)), (std::vector<std::string>{"t2", "t3"}));
  EXPECT_FALSE(list(driver, between).next);
}

TEST(Dead, RetriedItStartsAnewAndMaySucceed) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a", .priority = 8, .payload = "body"});
  driver.advance(hours(2));
  ASSERT_TRUE(get_dead(driver, id));
  EXPECT_EQ(*get_dead(driver, id)->task.payload, "body");
  const auto alive = retry(driver, id);
  ASSERT_TRUE(alive) << alive.error().message;
  EXPECT_EQ(alive->task.id, id);
  EXPECT_EQ(alive->task.place.priority, 8);
  EXPECT_EQ(alive->task.place.eta, driver.now().wall);
  EXPECT_EQ(alive->task.progress.attempts, 0U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").tasks, 1U);
  EXPECT_EQ(get_dead(driver, id).error().reason, Reason::task_missing);
  EXPECT_EQ(retry(driver, id).error().reason, Reason::task_missing);
  EXPECT_EQ(driver.add("q", {.name = "a"}).error().reason, Reason::task_name_taken);
  ASSERT_EQ(driver.running_payloads(), (std::vector<std::string>{"body"}));
  driver.finish(0, 200);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

TEST(Dead, RetriedItMayDieAgain) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a"});
  for (int i = 0; i < 3; ++i) {
    driver.advance(Seconds(1));
    ASSERT_TRUE(retry(driver, "a"));
    driver.finish_all(404);
    driver.advance(linger);
    const auto dead = get_dead(driver, "a");
    ASSERT_TRUE(dead);
    EXPECT_EQ(dead->task.id, id);
    EXPECT_EQ(dead->task.progress.last_status, 404);
  }
  EXPECT_EQ(driver.stats("q").dead_total, 4U);
}

// Seed 1433 of the simulator: it was read anew again and again until then.
TEST(Dead, ARetryWaitsForOutcomesThatAreBeingForgotten) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  ASSERT_TRUE(driver.add("q", {.keep_result = Seconds(1)}));
  driver.finish_all(200);
  driver.advance(linger);
  const TaskId id = die(driver, {.keep_result = hours(1)});
  driver.hold_commits = true;
  driver.advance(Seconds(3));  // the first one's is over
  const std::size_t reads = driver.reads;
  const auto retried =
      driver.ask_later<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {id}, {}});
  EXPECT_LE(driver.reads, reads + 3);
  driver.let_commit_go();
  driver.let_commit_go();
  ASSERT_TRUE(*retried && **retried);
  EXPECT_TRUE((**retried)->front());
}

// Seed 4519 of the simulator: it was counted out twice.
TEST(Dead, ARetryKnowsThatAnOutcomeWasForgottenSinceItWasRead) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.keep_result = Seconds(30)});
  driver.hold_reads = true;
  const auto retried =
      driver.ask_later<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {id}, {}});
  driver.let_reads_go();  // it is found; its outcome is read, and told later
  const std::size_t commits = driver.commits;
  driver.advance(Seconds(31));  // the outcome is over
  driver.let_newest_read_go();
  driver.advance(linger);
  ASSERT_EQ(driver.commits, commits + 1) << "it was not forgotten";
  while (!*retried) driver.let_reads_go();
  driver.hold_reads = false;
  driver.advance(Seconds(1));
  EXPECT_TRUE(**retried);
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
}

// Seed 1385 of the simulator: until it lived, nobody of that name had ever been there.
TEST(Dead, ByItsNameATaskIsFoundThatIsOnItsWayBack) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a"});
  driver.hold_commits = true;
  const auto retried =
      driver.ask_later<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {id}, {}});
  const auto found = driver.ask_later<TaskInfo>(GetTask{driver.name("q"), "a", false, {}});
  while (!*retried || !*found) driver.let_commit_go();
  ASSERT_TRUE(**retried);
  ASSERT_TRUE(**found) << (*found)->error().message;
  EXPECT_EQ((**found)->task.id, id);
}

// Else its next life could end twice, or run twice at once.
TEST(Dead, AnAttemptOfAnEarlierLifeDecidesNothing) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    settings.task_ttl = Seconds(10);
    settings.timeout = Seconds(600);
  });
  const auto added = driver.add("q", {});
  ASSERT_TRUE(added);
  driver.advance(Seconds(12));
  ASSERT_TRUE(get_dead(driver, added->id));  // while its attempt goes on
  ASSERT_TRUE(retry(driver, added->id));
  ASSERT_EQ(driver.running().size(), 2U);
  driver.finish(0, 500);
  driver.advance(linger);
  const auto told = driver.get("q", added->id);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->state, TaskState::in_flight);
  EXPECT_EQ(told->task.progress.attempts, 1U);
  driver.finish(0, 200);
  driver.advance(linger);
  EXPECT_FALSE(driver.get("q", added->id));
  EXPECT_EQ(driver.stats("q").completed_total, 1U);
}

TEST(Dead, ANameThatAnotherTookIsNotGivenBack) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.tombstone = Seconds(10);
  });
  const TaskId id = die(driver, {.name = "a"});
  driver.advance(Seconds(11));
  const auto other = driver.add("q", {.name = "a", .delay = hours(1)});
  ASSERT_TRUE(other);
  EXPECT_EQ(retry(driver, id).error().reason, Reason::task_name_taken);
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {"a"}, {}}));
  EXPECT_EQ(retry(driver, id).error().reason, Reason::task_name_recent);
  driver.advance(Seconds(11));
  EXPECT_TRUE(retry(driver, id));
}

TEST(Dead, AFullQueueTakesNoneBack) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.max_tasks = 1;
  });
  const TaskId id = die(driver, {.name = "a"});
  ASSERT_TRUE(driver.add("q", {.name = "b", .delay = hours(1)}));
  EXPECT_EQ(retry(driver, id).error().reason, Reason::queue_full_tasks);
  EXPECT_TRUE(get_dead(driver, id));
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {"b"}, {}}));
  EXPECT_TRUE(retry(driver, id));

  // The project's limit counts live tasks only.
  driver.finish_all(500);
  driver.advance(linger);
  ASSERT_TRUE(driver.ask<void>(SetProjectLimit{"p", 10, {}}));
  EXPECT_EQ(driver.ask<GetProjectUse::Answer>(GetProjectUse{"p", {}})->bytes, 0U);
  EXPECT_EQ(retry(driver, id).error().reason, Reason::project_full);
}

TEST(Dead, TwiceInOneCallCountsOnce) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a"});
  const auto retried =
      driver.ask<std::vector<Result<TaskInfo>>>(RetryDead{driver.name("q"), {id, "a", "none"}, {}});
  ASSERT_TRUE(retried);
  EXPECT_TRUE((*retried)[0]);
  EXPECT_EQ((*retried)[1].error().reason, Reason::task_missing);
  EXPECT_EQ((*retried)[2].error().reason, Reason::task_missing);
  EXPECT_EQ(driver.stats("q").tasks, 1U);
}

TEST(Dead, Deleted) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a"});
  ASSERT_TRUE(remove(driver, id));
  EXPECT_EQ(remove(driver, id).error().reason, Reason::task_missing);
  EXPECT_EQ(get_dead(driver, "a").error().reason, Reason::task_missing);
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").dead_bytes, 0U);
  EXPECT_EQ(driver.add("q", {.name = "a"}).error().reason, Reason::task_name_recent);
}

TEST(Dead, ARestartKeepsAll) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  const TaskId id = die(driver, {.name = "a", .payload = "body"});
  die(driver, {.name = "b"});
  ASSERT_TRUE(driver.add("q", {.delay = hours(1)}));
  driver.restart();
  driver.advance(Seconds(30));
  EXPECT_EQ(driver.stats("q").dead, 2U);
  EXPECT_EQ(driver.stats("q").tasks, 1U);
  EXPECT_TRUE(driver.stats("q").counted);
  EXPECT_EQ(names(list(driver)), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(driver.ask<GetProjectUse::Answer>(GetProjectUse{"p", {}})->bytes,
            driver.stats("q").bytes);
  EXPECT_EQ(get_dead(driver, "a")->task.progress.death, DeathReason::attempts);
  ASSERT_TRUE(retry(driver, id));
  driver.restart();
  EXPECT_EQ(driver.running_payloads(), (std::vector<std::string>{"body"}));
  EXPECT_EQ(driver.stats("q").dead, 1U);
}

TEST(Dead, APurgeEndsThemAndADropToo) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  die(driver, {.name = "a"});
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{driver.name("q"), {}}));
  EXPECT_TRUE(list(driver).tasks.empty());
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(get_dead(driver, "a").error().reason, Reason::task_missing);
  EXPECT_EQ(driver.add("q", {.name = "a"}).error().reason, Reason::task_name_recent);
  die(driver, {.name = "b"});
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{driver.name("q"), {}}));
  driver.make("q", QueueMode::push, once);
  EXPECT_TRUE(list(driver).tasks.empty());
  driver.restart();
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

TEST(DeadRetention, ByAgeAlsoAfterARestart) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.dead.keep = hours(1);
  });
  die(driver, {.name = "a"});
  driver.advance(Seconds(100));
  die(driver, {.name = "b"});
  driver.advance(hours(1) - Seconds(100) - 2 * linger - Micros(1));
  EXPECT_EQ(driver.stats("q").dead, 2U) << "not a moment too soon";
  driver.advance(Seconds(2));
  EXPECT_EQ(names(list(driver)), (std::vector<std::string>{"b"}));
  driver.restart();
  driver.advance(Seconds(97));
  EXPECT_EQ(driver.stats("q").dead, 1U);
  driver.advance(Seconds(5));
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_EQ(driver.stats("q").dead_bytes, 0U);
  EXPECT_TRUE(list(driver).tasks.empty());
}

TEST(DeadRetention, ByBytesTheOldestGoFirst) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.dead.bytes_max = 1000;
  });
  for (int i = 0; i < 20; ++i) {
    die(driver, {.name = "t" + std::to_string(i), .payload = std::string(200, 'x')});
    driver.advance(Seconds(2));
  }
  EXPECT_LE(driver.stats("q").dead_bytes, 1000U);
  EXPECT_EQ(names(list(driver)), (std::vector<std::string>{"t17", "t18", "t19"}));
}

TEST(DeadRetention, IsBoundedWorkAndQuietWhenNothingIsOld) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& settings) {
    once(settings);
    settings.dead.keep = hours(1);
  });
  driver.advance(Seconds(1));
  const std::size_t reads = driver.reads;
  for (int i = 0; i < 500; ++i) die(driver, {});
  driver.advance(hours(1) - 500 * linger - Micros(1));
  EXPECT_EQ(driver.reads, reads) << "nothing was old";
  driver.advance(Seconds(4));
  EXPECT_EQ(driver.stats("q").dead, 0U);
  EXPECT_LE(driver.reads - reads, 10U) << "pages of a hundred";
}

TEST(DeadRetention, LoweredItHoldsForThoseThatAreThere) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, once);
  die(driver, {});
  driver.advance(Seconds(10));
  driver.make("q", QueueMode::push,
              [](QueueSettings& settings) { settings.dead.keep = Micros(0); });
  driver.advance(Seconds(2));
  EXPECT_EQ(driver.stats("q").dead, 0U);
}

}  // namespace
}  // namespace deferd
