// The engine's promises, each as a small story. Randomized histories over all commands are the
// simulator's (sim/).
#include "engine/shard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using Payloads = std::vector<std::string>;

EngineDriver::Add task(const std::string& payload) { return {.payload = payload}; }
EngineDriver::Add pull(const std::string& payload, const std::string& key = {}) {
  return {.key = key, .payload = payload, .target = false};
}

// ---- Order, ETA, limits
// -------------------------------------------------------------------------------------------

TEST(Push, DueTasksStartInOrderAndLaterOnesAtTheirInstant) {
  EngineDriver driver;
  driver.make("q");
  ASSERT_TRUE(driver.add("q", {.delay = Millis(50), .payload = "later"}));
  ASSERT_TRUE(driver.add("q", task("a")));
  ASSERT_TRUE(driver.add("q", task("b")));
  EXPECT_EQ(driver.running_payloads(), (Payloads{"a", "b"}));
  driver.advance(Micros(49'999));
  EXPECT_EQ(driver.running().size(), 2U) << "nothing starts before its ETA";
  driver.advance(Micros(1));
  EXPECT_EQ(driver.running_payloads(), (Payloads{"a", "b", "later"}));
}

TEST(Push, HigherPriorityGoesFirstAmongDueTasks) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.concurrency = 1; });
  ASSERT_TRUE(driver.add("q", task("first")));  // takes the only slot
  ASSERT_TRUE(driver.add("q", {.priority = 0, .payload = "low"}));
  ASSERT_TRUE(driver.add("q", {.payload = "medium"}));
  ASSERT_TRUE(driver.add("q", {.priority = 9, .payload = "high"}));
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(9), .priority = 9, .payload = "high but later"}));
  Payloads order;
  while (!driver.running().empty()) {
    order.push_back(driver.running_payloads().front());
    driver.finish(0, 200);
  }
  EXPECT_EQ(order, (Payloads{"first", "high", "medium", "low"}));
}

TEST(Push, TheQueuesPriorityIsForTasksThatGiveNone) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.priority = 7; });
  EXPECT_EQ(driver.add("q", task("a"))->place.priority, 7);
  EXPECT_EQ(driver.add("q", {.priority = 2})->place.priority, 2);
}

TEST(Push, RateHoldsAlsoForRetries) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.rate = Rate{.count = 10'000};  // 10/s
    s.burst = 2;
    s.retry.min_backoff = Millis(1);
    s.retry.max_backoff = Millis(1);
    s.retry.max_attempts = -1;
  });
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(driver.add("q", task(std::to_string(i))));
  int starts = 0;
  for (int i = 0; i < 1000; ++i) {
    starts += static_cast<int>(driver.running().size());
    driver.finish_all(500);
    driver.advance(Millis(1));
  }
  EXPECT_GE(starts, 2 + 9);
  EXPECT_LE(starts, 2 + 10);
}

TEST(Push, RateZeroStopsAndAChangeTakesEffectAtOnce) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.rate = Rate{}; });
  ASSERT_TRUE(driver.add("q", task("a")));
  driver.advance(Seconds(100));
  EXPECT_TRUE(driver.running().empty());
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.rate = Rate{.count = 1'000}; });
  EXPECT_EQ(driver.running().size(), 1U);
}

TEST(Push, ConcurrencyCountsDeletedTasksWhoseRequestStillRuns) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.concurrency = 2; });
  const auto first = driver.add("q", task("a"));
  ASSERT_TRUE(driver.add("q", task("b")));
  ASSERT_TRUE(driver.add("q", task("c")));
  EXPECT_EQ(driver.running().size(), 2U);
  ASSERT_TRUE(
      driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {first->id}, {}}));
  EXPECT_EQ(driver.running().size(), 2U) << "the request of the deleted task still runs";
  EXPECT_EQ(driver.stats("q").tasks, 2U);
  driver.finish(0, 500);
  EXPECT_EQ(driver.running_payloads(), (Payloads{"b", "c"})) << "its failure is nobody's retry";
}

TEST(Push, AttemptsOverAllQueuesAreBounded) {
  EngineDriver driver(ShardOptions{.attempts_max = 3});
  driver.make("q");
  driver.make("r");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(driver.add("q", task("q")));
    ASSERT_TRUE(driver.add("r", task("r")));
  }
  EXPECT_EQ(driver.running().size(), 3U);
  int done = 0;
  for (; !driver.running().empty(); ++done) {
    ASSERT_LE(driver.running().size(), 3U);
    driver.finish(0, 200);
  }
  EXPECT_EQ(done, 6) << "no queue is forgotten that waited for a slot";
}

TEST(Limits, MaxTasksAndMaxBytesAreExact) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.rate = Rate{};
    s.max_tasks = 3;
    s.max_bytes = 1000;
  });
  ASSERT_TRUE(driver.add("q", task(std::string(500 - task_overhead_bytes, 'x'))));
  ASSERT_TRUE(driver.add("q", task(std::string(499 - task_overhead_bytes, 'x'))));
  EXPECT_EQ(driver.add("q", task("")).error().reason, Reason::queue_full_bytes);
  EXPECT_EQ(driver.stats("q").bytes, 999U);
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.max_bytes = 0; });
  ASSERT_TRUE(driver.add("q", task("")));
  EXPECT_EQ(driver.add("q", task("")).error().reason, Reason::queue_full_tasks);
  driver.restart();
  EXPECT_EQ(driver.add("q", task("")).error().reason, Reason::queue_full_tasks)
      << "known at once after a restart";
}

TEST(Limits, ABatchIsCutExactlyWhereTheQueueIsFull) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.rate = Rate{};
    s.max_tasks = 10;
  });
  std::vector<EngineDriver::Add> tasks(25, task("x"));
  auto results = driver.ask<std::vector<Result<Task>>>(
      AddTasks{driver.name("q"), driver.new_tasks(tasks), {}});
  ASSERT_TRUE(results);
  for (std::size_t i = 0; i < results->size(); ++i)
    EXPECT_EQ((*results)[i].has_value(), i < 10) << i;
  EXPECT_EQ(driver.commits, 2U) << "one for the queue, one for all the tasks";
}

// ---- Retries
// ------------------------------------------------------------------------------------------------------

TEST(Retry, BacksOffFromTheFailureAndStopsAtMaxAttempts) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.retry = RetryPolicy{.max_attempts = 4,
                          .min_backoff = Seconds(1),
                          .max_backoff = Seconds(10),
                          .max_doublings = 1};
  });
  ASSERT_TRUE(driver.add("q", task("a")));
  for (const int wait : {1, 2, 4}) {
    driver.advance(Millis(300));  // the attempt takes time; the backoff counts from its end
    driver.finish(0, 503);
    driver.advance(Seconds(wait) - Micros(1));
    ASSERT_TRUE(driver.running().empty()) << wait;
    driver.advance(Micros(1));
    ASSERT_EQ(driver.running().size(), 1U) << wait;
  }
  EXPECT_EQ(driver.running()[0].attempt.task.progress.attempts, 3U) << "as before this attempt";
  driver.finish(0, 503);
  driver.advance(Seconds(100));
  EXPECT_TRUE(driver.running().empty());
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  EXPECT_EQ(driver.stats("q").dropped_total, 1U);
}

TEST(Retry, ATasksOwnPolicyGoesOverItsQueues) {
  EngineDriver driver;
  driver.make("q");
  EngineDriver::Add once = task("once");
  once.retry.max_attempts = 1;
  ASSERT_TRUE(driver.add("q", once));
  driver.finish(0, 500);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
}

TEST(Retry, RetryAfterIsALowerBound) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.retry.min_backoff = Seconds(2); });
  ASSERT_TRUE(driver.add("q", task("a")));
  driver.finish(0, 429, Seconds(5));
  driver.advance(Micros(4'999'999));
  EXPECT_TRUE(driver.running().empty());
  driver.advance(Micros(1));
  ASSERT_EQ(driver.running().size(), 1U);
  driver.finish(0, 429, Millis(1));
  driver.advance(Micros(3'999'999));
  EXPECT_TRUE(driver.running().empty()) << "backoff is longer than what the target asked for";
  driver.advance(Micros(1));
  EXPECT_EQ(driver.running().size(), 1U);
}

TEST(Retry, CountsWhatTheTargetIsTold) {
  EngineDriver driver;
  driver.make("q");
  const auto added = driver.add("q", task("a"));
  for (const std::int16_t status : {503, 404, 429, 500}) {
    driver.finish(0, status);
    driver.advance(Seconds(10));
  }
  driver.finish(0, status_timeout);
  const auto info = driver.get("q", added->id);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->task.progress.attempts, 5U);
  EXPECT_EQ(info->task.progress.responses, 4U);
  EXPECT_EQ(info->task.progress.executions, 2U);
  EXPECT_EQ(info->task.progress.last_status, status_timeout);
  EXPECT_EQ(info->state, TaskState::scheduled);
}

TEST(Retry, SurvivesARestartWithItsCount) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.retry.max_attempts = 2; });
  ASSERT_TRUE(driver.add("q", task("a")));
  driver.finish(0, 500);
  driver.advance(Millis(50));  // longer than completions wait for company
  driver.restart();
  driver.advance(Seconds(1));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.running()[0].attempt.task.progress.attempts, 1U);
  driver.finish(0, 500);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
}

// ---- Names
// --------------------------------------------------------------------------------------------------------

TEST(Names, ATakenNameIsRefusedWhileItLivesAndForItsTombstone) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.tombstone = Seconds(60); });
  ASSERT_TRUE(driver.add("q", {.name = "n"}));
  EXPECT_EQ(driver.add("q", {.name = "n"}).error().reason, Reason::task_name_taken);
  driver.finish(0, 200);
  EXPECT_EQ(driver.add("q", {.name = "n"}).error().reason, Reason::task_name_recent);
  driver.advance(Seconds(1));
  driver.restart();
  EXPECT_EQ(driver.add("q", {.name = "n"}).error().reason, Reason::task_name_recent);
  driver.advance(Seconds(60));
  EXPECT_TRUE(driver.add("q", {.name = "n"}));
}

TEST(Names, TwoTasksOfOneCallCannotShareAName) {
  EngineDriver driver;
  driver.make("q");
  auto results = driver.ask<std::vector<Result<Task>>>(AddTasks{
      driver.name("q"), driver.new_tasks({{.name = "n"}, {.name = "n"}, {.name = "m"}}), {}});
  EXPECT_TRUE((*results)[0]);
  EXPECT_EQ((*results)[1].error().reason, Reason::task_name_taken);
  EXPECT_TRUE((*results)[2]);
}

TEST(Names, PurgedNamesAreTombstonesOfThePurge) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.tombstone = Seconds(60);
    s.rate = Rate{};
  });
  ASSERT_TRUE(driver.add("q", {.name = "n"}));
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{driver.name("q"), {}}));
  EXPECT_EQ(driver.get("q", TaskRef(std::string("n"))).error().reason, Reason::task_gone);
  EXPECT_EQ(driver.add("q", {.name = "n"}).error().reason, Reason::task_name_recent);
  driver.advance(Seconds(60));
  EXPECT_EQ(driver.get("q", TaskRef(std::string("n"))).error().reason, Reason::task_missing);
  EXPECT_TRUE(driver.add("q", {.name = "n"}));
}

TEST(Names, FindATaskAsItsIdDoes) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.rate = Rate{}; });
  const auto added = driver.add("q", {.name = "n", .payload = "body"});
  const auto by_name = driver.get("q", TaskRef(std::string("n")));
  ASSERT_TRUE(by_name);
  EXPECT_EQ(by_name->task.id, added->id);
  EXPECT_EQ(*by_name->task.payload, "body");
  EXPECT_EQ(driver.get("q", TaskRef(std::string("m"))).error().reason, Reason::task_missing);
}

// ---- Barriers
// -----------------------------------------------------------------------------------------------------

TEST(Barrier, PauseStartsNothingButWhatIsRunByHand) {
  EngineDriver driver;
  driver.make("q");
  driver.set_state("q", QueueState::paused);
  const auto added = driver.add("q", task("a"));
  ASSERT_TRUE(driver.add("q", task("b")));
  EXPECT_TRUE(driver.running().empty());
  const auto run = driver.ask<TaskInfo>(RunTask{driver.name("q"), added->id, {}});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->state, TaskState::in_flight);
  EXPECT_EQ(run->task.progress.attempts, 1U);
  EXPECT_EQ(driver.running_payloads(), (Payloads{"a"}));
  driver.set_state("q", QueueState::running);
  EXPECT_EQ(driver.running_payloads(), (Payloads{"a", "b"}));
}

TEST(Barrier, PurgeEndsWhatWasThereAndNothingElse) {
  EngineDriver driver;
  driver.make("q");
  ASSERT_TRUE(driver.add("q", task("running")));
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(10), .payload = "waiting"}));
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{driver.name("q"), {}}));
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(20), .payload = "new"}));
  driver.finish(0, 500);  // of the task that was purged while it ran: no retry
  driver.advance(Seconds(100));
  EXPECT_EQ(driver.running_payloads(), (Payloads{"new"}));
  driver.restart();
  EXPECT_EQ(driver.running_payloads(), (Payloads{"new"})) << "the purge is on disk";
}

TEST(Barrier, ADeletedQueueIsGoneAndItsNameFree) {
  EngineDriver driver;
  driver.make("q");
  ASSERT_TRUE(driver.add("q", {.name = "n", .payload = "old"}));
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{driver.name("q"), {}}));
  EXPECT_EQ(driver.add("q", task("x")).error().reason, Reason::queue_missing);
  driver.make("q");
  EXPECT_TRUE(driver.add("q", {.name = "n", .payload = "new"}))
      << "it is another queue: names are free";
  driver.finish(0, 200);  // the old queue's request
  EXPECT_EQ(driver.running_payloads(), (Payloads{"new"}));
  driver.restart();
  EXPECT_EQ(driver.running_payloads(), (Payloads{"new"}));
}

TEST(Barrier, TheModeOfAQueueIsFixed) {
  EngineDriver driver;
  driver.make("q");
  const auto changed = driver.ask<ConfigureQueue::Answer>(
      ConfigureQueue{driver.name("q"),
                     [](const QueueSettings*) -> Result<QueueSettings> {
                       return QueueSettings::defaults(QueueMode::pull);
                     },
                     {}});
  EXPECT_EQ(changed.error().reason, Reason::queue_mode);
  EXPECT_EQ(driver.add("q", pull("x")).error().field, "url");
  EXPECT_EQ(driver.ask<std::vector<TaskInfo>>(LeaseTasks{.queue = driver.name("q")}).error().reason,
            Reason::queue_mode);
}

TEST(RunNow, OverlapsAndTheFirstSuccessEndsTheTask) {
  EngineDriver driver;
  driver.make("q");
  const auto added = driver.add("q", task("a"));
  ASSERT_TRUE(driver.ask<TaskInfo>(RunTask{driver.name("q"), added->id, {}}));
  EXPECT_EQ(driver.running().size(), 2U);
  driver.finish(1, 200);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  driver.finish(0, 500);
  driver.advance(Seconds(100));
  EXPECT_TRUE(driver.running().empty());
}

// ---- Leases
// -------------------------------------------------------------------------------------------------------

TEST(Lease, ATaskHasOneHolderAndALateOneIsRefused) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto first = driver.lease("q", 10, Seconds(30));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(*first[0].task.payload, "a");
  EXPECT_TRUE(driver.lease("q", 10, Seconds(30)).empty());
  driver.advance(Seconds(30));
  EXPECT_EQ(driver.ack("q", driver.lease_of(first[0])).error().reason, Reason::lease_lost)
      << "the lease is over";
  const auto second = driver.lease("q", 10, Seconds(30));
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].task.progress.attempts, 2U);
  EXPECT_NE(second[0].task.progress.lease_token, first[0].task.progress.lease_token);
  EXPECT_EQ(*second[0].task.payload, "a");
  EXPECT_EQ(driver.ack("q", driver.lease_of(first[0])).error().reason, Reason::lease_lost)
      << "another worker has it";
  EXPECT_TRUE(driver.ack("q", driver.lease_of(second[0])));
  EXPECT_EQ(driver.ack("q", driver.lease_of(second[0])).error().reason, Reason::task_gone);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
}

TEST(Lease, IsKnownAfterARestart) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(30));
  driver.restart();
  EXPECT_TRUE(driver.lease("q", 1, Seconds(30)).empty()) << "two workers would have it";
  driver.advance(Millis(10));
  EXPECT_EQ(driver.stats("q").leased, 1U);
  EXPECT_TRUE(driver.ack("q", driver.lease_of(leased[0])));
}

TEST(Lease, RenewMovesItsEndAndReleaseGivesItBack) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("a")));
  const auto leased = driver.lease("q", 1, Seconds(10));
  driver.advance(Seconds(9));
  auto renewed = driver.ask<std::vector<Result<TaskInfo>>>(
      RenewLeases{driver.name("q"), {driver.lease_of(leased[0])}, Seconds(10), {}});
  ASSERT_TRUE((*renewed)[0]);
  driver.advance(Seconds(9));
  EXPECT_TRUE(driver.lease("q", 1, Seconds(10)).empty());
  auto released = driver.ask<std::vector<Result<void>>>(
      ReleaseTasks{driver.name("q"), {driver.lease_of(leased[0])}, Seconds(5), {}});
  ASSERT_TRUE((*released)[0]);
  EXPECT_EQ(driver.ack("q", driver.lease_of(leased[0])).error().reason, Reason::lease_lost);
  driver.advance(Micros(4'999'999));
  EXPECT_TRUE(driver.lease("q", 1, Seconds(10)).empty());
  driver.advance(Micros(1));
  EXPECT_EQ(driver.lease("q", 1, Seconds(10)).size(), 1U);
}

TEST(Lease, ByKeyAndByOldestKey) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  ASSERT_TRUE(driver.add("q", pull("b1", "b")));
  driver.advance(Millis(5));
  for (const char* payload : {"a1", "a2", "a3"}) ASSERT_TRUE(driver.add("q", pull(payload, "a")));
  ASSERT_TRUE(driver.add("q", pull("none")));
  ASSERT_TRUE(driver.add("q", pull("b2", "b")));
  const auto names = [](const std::vector<TaskInfo>& infos) {
    Payloads payloads;
    for (const TaskInfo& info : infos) payloads.push_back(*info.task.payload);
    return payloads;
  };
  using By = LeaseTasks::By;
  EXPECT_EQ(names(driver.lease("q", 2, Seconds(60), By::key, "a")), (Payloads{"a1", "a2"}));
  EXPECT_EQ(names(driver.lease("q", 9, Seconds(60), By::oldest_key)), (Payloads{"b1", "b2"}));
  EXPECT_EQ(names(driver.lease("q", 9, Seconds(60), By::key, "")), (Payloads{"none"}));
  EXPECT_EQ(names(driver.lease("q", 9, Seconds(60), By::key, "a")), (Payloads{"a3"}));
  EXPECT_TRUE(driver.lease("q", 9, Seconds(60), By::key, "a").empty());
  EXPECT_TRUE(driver.lease("q", 9, Seconds(60), By::key, "c").empty());
}

TEST(Lease, WaitsForTheFirstTaskAndNoLongerThanAsked) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  int answers = 0;
  std::vector<TaskInfo> got;
  const auto wait = [&](Micros how_long) {
    LeaseTasks command{.queue = driver.name("q"), .tasks_max = 5, .wait = how_long};
    command.reply = [&](Result<std::vector<TaskInfo>> granted) {
      ++answers;
      got = *granted;
    };
    driver.shard().apply(Command(std::move(command)), driver.now());
    driver.settle();
  };
  wait(Seconds(10));
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(3), .payload = "a", .target = false}));
  driver.advance(Micros(2'999'999));
  EXPECT_EQ(answers, 0);
  driver.advance(Micros(1));
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(got.size(), 1U);
  wait(Seconds(2));
  driver.advance(Micros(1'999'999));
  EXPECT_EQ(answers, 1);
  driver.advance(Micros(1));
  EXPECT_EQ(answers, 2);
  EXPECT_TRUE(got.empty());
}

TEST(Lease, ACallerThatWentAwayGetsNothing) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  auto gone = std::make_shared<std::atomic<bool>>(false);
  LeaseTasks command{.queue = driver.name("q"), .wait = Seconds(10), .gone = gone};
  bool answered = false;
  command.reply = [&](Result<std::vector<TaskInfo>> granted) {
    answered = true;
    EXPECT_TRUE(granted->empty());
  };
  driver.shard().apply(Command(std::move(command)), driver.now());
  driver.settle();
  gone->store(true);
  ASSERT_TRUE(driver.add("q", pull("a")));
  EXPECT_TRUE(answered);
  EXPECT_EQ(driver.lease("q", 1, Seconds(1)).size(), 1U);
}

TEST(Lease, MaxAttemptsDropsATaskThatNobodyFinishes) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull, [](QueueSettings& s) { s.retry.max_attempts = 2; });
  ASSERT_TRUE(driver.add("q", pull("a")));
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(driver.lease("q", 1, Seconds(1)).size(), 1U);
    driver.advance(Seconds(1));
  }
  EXPECT_TRUE(driver.lease("q", 1, Seconds(1)).empty());
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  EXPECT_EQ(driver.stats("q").dropped_total, 1U);
}

// ---- Memory and restarts
// ------------------------------------------------------------------------------------------

TEST(Windows, ABacklogLargerThanMemoryComesOutWholeAndInOrder) {
  EngineDriver driver(ShardOptions{.window_tasks_max = 8, .payload_bytes_max = 64});
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.concurrency = 3;
    s.rate.unlimited = true;
  });
  driver.set_state("q", QueueState::paused);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(driver.add("q", task("payload " + std::to_string(i))));
  driver.set_state("q", QueueState::running);
  for (int i = 0; i < 200; ++i) {
    ASSERT_FALSE(driver.running().empty()) << i;
    EXPECT_EQ(driver.running_payloads()[0], "payload " + std::to_string(i));
    driver.finish(0, 200);
  }
  EXPECT_TRUE(driver.running().empty());
  EXPECT_EQ(driver.stats("q").tasks, 0U);
}

TEST(Windows, AnEtaBeforeTheMarkIsNotMissed) {
  EngineDriver driver(ShardOptions{.window_tasks_max = 4});
  driver.make("q");
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(driver.add("q", {.delay = Seconds(100 + i), .payload = "far"}));
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(1), .payload = "near"}));
  driver.advance(Seconds(1));
  EXPECT_EQ(driver.running_payloads(), (Payloads{"near"}));
}

TEST(Restart, EverythingAcknowledgedIsThereAndCounted) {
  EngineDriver driver;
  driver.make("q", QueueMode::pull);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(driver.add("q", pull("ready")));
  for (int i = 0; i < 7; ++i)
    ASSERT_TRUE(driver.add("q", {.delay = Seconds(50 + i), .target = false}));
  driver.lease("q", 2, Seconds(20));
  driver.restart();
  driver.advance(Millis(5));
  QueueStats stats = driver.stats("q");
  EXPECT_TRUE(stats.counted);
  EXPECT_EQ(stats.tasks, 12U);
  EXPECT_EQ(stats.ready, 3U);
  EXPECT_EQ(stats.scheduled, 7U);
  EXPECT_EQ(stats.leased, 2U);
  driver.advance(Seconds(51));
  stats = driver.stats("q");
  EXPECT_EQ(stats.ready, 3U + 2U + 2U);
  EXPECT_EQ(stats.scheduled, 5U);
}

TEST(Restart, IdsAreNeverGivenTwice) {
  EngineDriver driver;
  driver.make("q");
  TaskId last{};
  for (int i = 0; i < 3; ++i) {
    const auto added = driver.add("q", task("x"));
    ASSERT_GT(added->id, last);
    last = added->id;
    driver.finish_all(200);
    driver.advance(Millis(3));
    driver.restart();
  }
}

// ---- A store that fails
// -------------------------------------------------------------------------------------------

TEST(StoreFailure, NothingIsAcknowledgedAnyMoreAndReadsGoOn) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.rate = Rate{}; });
  const auto kept = driver.add("q", task("kept"));
  driver.store().fail_next_commit();
  EXPECT_EQ(driver.add("q", task("lost")).error().reason, Reason::store_failed);
  EXPECT_EQ(driver.add("q", task("lost")).error().reason, Reason::store_failed);
  EXPECT_EQ(driver.ask<QueueInfo>(PurgeQueue{driver.name("q"), {}}).error().reason,
            Reason::store_failed);
  EXPECT_TRUE(driver.get("q", kept->id));
  EXPECT_EQ(driver.stats("q").tasks, 1U) << "what is there, not what was refused";
  driver.restart();
  EXPECT_TRUE(driver.get("q", kept->id));
  EXPECT_EQ(driver.stats("q").tasks, 1U);
}

TEST(StoreFailure, ATaskWhoseDeletionWasNotStoredIsStillThere) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.rate = Rate{}; });
  const auto added = driver.add("q", {.name = "n"});
  driver.store().fail_next_commit();
  const auto deleted =
      driver.ask<std::vector<Result<void>>>(DeleteTasks{driver.name("q"), {added->id}, {}});
  EXPECT_EQ(deleted.error().reason, Reason::store_failed);
  EXPECT_TRUE(driver.get("q", added->id));
  EXPECT_TRUE(driver.get("q", TaskRef(std::string("n"))));
  const auto page =
      driver.ask<ListTasks::Answer>(ListTasks{driver.name("q"), std::nullopt, TaskId{}, 10, {}});
  EXPECT_EQ(page->tasks.size(), 1U);
}

TEST(Commit, CompletionsAloneWaitForCompanyAndOneCommitTakesAll) {
  EngineDriver driver(ShardOptions{.linger = Millis(2)});
  driver.make("q");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(driver.add("q", task("x")));
  const std::size_t before = driver.commits;
  driver.finish_all(200);
  EXPECT_EQ(driver.commits, before);
  driver.advance(Millis(2));
  EXPECT_EQ(driver.commits, before + 1);
}

// ---- Lists
// --------------------------------------------------------------------------------------------------------

TEST(List, APageWalkMeetsEveryTaskOnceWhileOthersComeAndGo) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.concurrency = 2; });
  std::vector<TaskId> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(driver.add("q", task("x"))->id);
  std::vector<TaskId> met;
  TaskId after{};
  while (true) {
    const auto page =
        driver.ask<ListTasks::Answer>(ListTasks{driver.name("q"), std::nullopt, after, 7, {}});
    ASSERT_TRUE(page);
    for (const TaskInfo& info : page->tasks) met.push_back(info.task.id);
    if (!page->next) break;
    after = *page->next;
    // Behind the walk one ends, ahead one comes.
    driver.finish(0, 200);
    if (met.size() < 20) ids.push_back(driver.add("q", task("new"))->id);
  }
  EXPECT_EQ(met, ids);
}

TEST(List, FiltersByState) {
  EngineDriver driver;
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.concurrency = 1; });
  ASSERT_TRUE(driver.add("q", task("running")));
  ASSERT_TRUE(driver.add("q", task("ready")));
  ASSERT_TRUE(driver.add("q", {.delay = Seconds(10), .payload = "scheduled"}));
  const struct {
    TaskState state;
    const char* payload;
  } cases[] = {{TaskState::in_flight, "running"},
               {TaskState::ready, "ready"},
               {TaskState::scheduled, "scheduled"}};
  for (const auto& [state, payload] : cases) {
    const auto page =
        driver.ask<ListTasks::Answer>(ListTasks{driver.name("q"), state, TaskId{}, 100, {}});
    ASSERT_EQ(page->tasks.size(), 1U) << payload;
    EXPECT_EQ(*page->tasks[0].task.payload, payload);
  }
}

TEST(List, QueuesOfOneProjectOrOfAll) {
  EngineDriver driver;
  for (const char* project : {"a", "b"}) {
    for (const char* queue : {"q1", "q2"}) {
      ASSERT_TRUE(driver.ask<ConfigureQueue::Answer>(ConfigureQueue{
          *QueueName::parse(project, "l", queue),
          [](const QueueSettings*) { return QueueSettings::defaults(QueueMode::push); },
          {}}));
    }
  }
  const auto listed = [&driver](const std::string& project, std::uint32_t queues_max) {
    const auto queues = driver.ask<std::vector<QueueInfo>>(
        ListQueues{project, project.empty() ? "" : "l", "", queues_max, {}});
    std::string names;
    for (const QueueInfo& queue : *queues) names += queue.name.project + queue.name.queue + " ";
    return names;
  };
  EXPECT_EQ(listed("b", 100), "bq1 bq2 ");
  EXPECT_EQ(listed("", 100), "aq1 aq2 bq1 bq2 ");
  EXPECT_EQ(listed("", 3), "aq1 aq2 bq1 ");
}

}  // namespace
}  // namespace deferd
