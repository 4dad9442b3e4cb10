// What is counted, kept and told of a task that ended.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using Outcomes = std::vector<Result<GetOutcomes::Item>>;
using Ends = std::vector<Result<void>>;

class OutcomeTest : public testing::Test {
 protected:
  static constexpr Micros hour = std::chrono::hours(1);
  EngineDriver driver;

  Task add(const std::string& queue, const EngineDriver::Add& given) {
    auto added = driver.add(queue, given);
    EXPECT_TRUE(added);
    return added ? *added : Task{};
  }
  Result<GetOutcomes::Item> outcome(const std::string& queue, const TaskRef& task,
                                    bool history = false) {
    auto items = driver.ask<Outcomes>(
        GetOutcomes{EngineDriver::name(queue), {task}, history, Micros(0), nullptr, {}});
    if (!items) return fail(items.error());
    return items->front();
  }
  // A pull task that keeps its outcome, leased.
  TaskInfo lease_one(const EngineDriver::Add& given, const std::string& worker = {}) {
    add("q", given);
    LeaseTasks command{.queue = EngineDriver::name("q"), .worker = worker, .reply = {}};
    auto leased = driver.ask<std::vector<TaskInfo>>(std::move(command));
    EXPECT_TRUE(leased && leased->size() == 1);
    return leased->front();
  }
  static Lease reported(const TaskInfo& info, const AttemptReport& report) {
    Lease lease = EngineDriver::lease_of(info);
    lease.report = std::make_shared<AttemptReport>(report);
    return lease;
  }
  void end(const Lease& lease, bool failed = false) {
    auto ends = driver.ask<Ends>(AckTasks{
        .queue = EngineDriver::name("q"), .leases = {lease}, .failed = failed, .reply = {}});
    ASSERT_TRUE(ends);
    EXPECT_TRUE(ends->front());
  }
  auto wait_for(const std::vector<TaskRef>& tasks, Micros wait = Seconds(30)) {
    return driver.ask_later<Outcomes>(
        GetOutcomes{EngineDriver::name("q"), tasks, false, wait, nullptr, {}});
  }
  auto watch(const std::vector<TaskRef>& tasks, Micros wait = Seconds(30)) {
    return driver.ask_later<std::vector<TaskRef>>(
        WatchTasks{EngineDriver::name("q"), tasks, wait, nullptr, {}});
  }
};

TEST_F(OutcomeTest, A_failed_ack_ends_its_task_for_good) {
  driver.make("q", QueueMode::pull, [](QueueSettings& s) { s.dead.keep = Micros(0); });
  const TaskInfo leased = lease_one({.target = false, .keep_result = hour});
  end(reported(leased, {.error = "no such user"}), true);
  EXPECT_FALSE(driver.get("q", leased.task.id));
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.tasks, 0U);
  EXPECT_EQ(stats.dropped_total, 1U);
  EXPECT_EQ(stats.failed_total, 1U);
  EXPECT_EQ(stats.completed_total, 0U);
  const auto told = outcome("q", leased.task.id);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->state, OutcomeState::failed);
  EXPECT_EQ(told->outcome->reason, DeathReason::failed);
  EXPECT_EQ(told->outcome->error, "no such user");
  EXPECT_EQ(told->outcome->last_status, status_failed);
}

TEST_F(OutcomeTest, An_ack_gives_result_worker_and_usage) {
  driver.make("q", QueueMode::pull);
  const TaskInfo leased = lease_one({.target = false, .keep_result = hour}, "host/1");
  driver.advance(Seconds(2));
  const AttemptUsage usage{.cpu = Millis(150), .wall = Seconds(2), .memory_peak_bytes = 1 << 20};
  const ResultBody result{.headers = {{"Content-Type", "text/plain"}}, .body = "42"};
  end(reported(leased, {.log = "a line", .usage = usage, .result = result}));
  const auto told = outcome("q", leased.task.id, true);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_FALSE(told->pending);
  const Outcome& kept = *told->outcome;
  EXPECT_EQ(kept.id, leased.task.id);
  EXPECT_EQ(kept.state, OutcomeState::succeeded);
  EXPECT_EQ(kept.reason, DeathReason::none);
  EXPECT_EQ(kept.created, leased.task.created);
  EXPECT_EQ(kept.ended, driver.now().wall);
  EXPECT_EQ(kept.kept_until, driver.now().wall + hour);
  EXPECT_EQ(kept.attempts, 1U);
  EXPECT_EQ(kept.last_status, status_none);
  EXPECT_EQ(kept.worker, "host/1");
  EXPECT_EQ(kept.usage, usage);
  EXPECT_EQ(kept.result, result);
  ASSERT_EQ(told->history.size(), 1U);  // for its log
  EXPECT_EQ(told->history[0].log, "a line");
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.outcomes, 1U);
  EXPECT_GT(stats.outcome_bytes, 0U);
  EXPECT_EQ(stats.usage.cpu, Millis(150));
  EXPECT_EQ(stats.usage.memory_peak_max, 1U << 20);
  EXPECT_EQ(stats.usage.causes[static_cast<std::size_t>(ExitCause::exited)], 1U);
}

TEST_F(OutcomeTest, A_push_gives_status_and_response) {
  driver.make("q");
  const Task task = add("q", {.keep_result = hour});
  const auto response = std::make_shared<const ResultBody>(ResultBody{.headers = {}, .body = "ok"});
  driver.finish(0, {.status = 201, .response = response});
  const auto told = outcome("q", task.id);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->last_status, 201);
  EXPECT_EQ(told->outcome->result, *response);
}

TEST_F(OutcomeTest, A_push_that_ran_out_of_attempts_tells_why) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.dead.keep = Micros(0);
    s.retry.max_attempts = 2;
    s.retry.min_backoff = Seconds(1);
  });
  const Task task = add("q", {.keep_result = hour});
  driver.finish(0, 503);
  driver.advance(Seconds(1));
  driver.finish(0, {.status = status_unreachable, .detail = "connection refused"});
  const auto told = outcome("q", task.id, true);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->state, OutcomeState::failed);
  EXPECT_EQ(told->outcome->reason, DeathReason::attempts);
  EXPECT_EQ(told->outcome->attempts, 2U);
  EXPECT_EQ(told->outcome->error, "connection refused");
  ASSERT_EQ(told->history.size(), 2U);
  EXPECT_EQ(told->history[0].attempt, 1U);
  EXPECT_EQ(told->history[0].status, 503);
  EXPECT_EQ(told->history[0].started, task.created);
  EXPECT_EQ(told->history[1].attempt, 2U);
  EXPECT_EQ(told->history[1].error, "connection refused");
}

TEST_F(OutcomeTest, What_grew_too_old_is_expired) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.dead.keep = Micros(0);
    s.task_ttl = Seconds(10);
  });
  driver.set_state("q", QueueState::paused);
  const Task task = add("q", {.keep_result = hour});
  driver.advance(Seconds(11));
  const auto told = outcome("q", task.id);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->state, OutcomeState::expired);
  EXPECT_EQ(told->outcome->reason, DeathReason::age);
}

TEST_F(OutcomeTest, Only_what_asked_for_it_is_kept) {
  driver.make("q");
  const Task task = add("q", {});
  EXPECT_EQ(outcome("q", task.id).error().reason, Reason::outcome_not_kept);
  driver.finish(0, 200);
  EXPECT_EQ(outcome("q", task.id).error().reason, Reason::task_gone);
  EXPECT_EQ(outcome("q", TaskId{1}).error().reason, Reason::task_missing);
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
}

TEST_F(OutcomeTest, A_living_task_is_told_as_pending) {
  driver.make("q");
  const Task task = add("q", {.delay = Seconds(5), .keep_result = hour});
  const auto told = outcome("q", task.id);
  ASSERT_TRUE(told && told->pending);
  EXPECT_FALSE(told->outcome);
  EXPECT_EQ(told->pending->state, TaskState::scheduled);
  EXPECT_EQ(told->pending->task.id, task.id);
}

TEST_F(OutcomeTest, Is_found_by_name_as_long_as_it_is_kept) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.tombstone = Seconds(1); });
  const Task task = add("q", {.name = "report", .keep_result = hour});
  driver.finish(0, 200);
  driver.advance(Seconds(60));
  const auto told = outcome("q", std::string("report"));
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->id, task.id);
  EXPECT_EQ(told->outcome->name, "report");
  EXPECT_EQ(driver.add("q", {.name = "report"}).error().reason, Reason::task_name_recent);
  driver.advance(hour);
  EXPECT_FALSE(outcome("q", std::string("report")));
  EXPECT_TRUE(driver.add("q", {.name = "report"}));
}

TEST_F(OutcomeTest, Is_forgotten_when_its_time_is_over) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.retry.min_backoff = Seconds(1); });
  const Task brief = add("q", {.keep_result = Seconds(10)});
  const Task longer = add("q", {.keep_result = Seconds(20)});
  driver.finish_all(500);
  driver.advance(Seconds(1));
  driver.finish_all(200);
  driver.advance(Seconds(9));
  EXPECT_TRUE(outcome("q", brief.id));
  driver.advance(Seconds(1));
  EXPECT_FALSE(outcome("q", brief.id));
  EXPECT_TRUE(outcome("q", longer.id));
  EXPECT_EQ(driver.stats("q").outcomes, 1U);
  driver.advance(Seconds(10));
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
  EXPECT_EQ(driver.stats("q").outcome_bytes, 0U);
}

TEST_F(OutcomeTest, Is_forgotten_before_its_time_when_there_is_too_much) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.result_bytes_max = 1000; });
  std::vector<Task> tasks;
  const auto response =
      std::make_shared<const ResultBody>(ResultBody{.headers = {}, .body = std::string(300, 'x')});
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(add("q", {.keep_result = hour - Seconds(i)}));
    driver.finish(0, {.status = 200, .response = response});
  }
  driver.advance(Seconds(1));
  // Those that would go first go first.
  EXPECT_TRUE(outcome("q", tasks[0].id));
  EXPECT_TRUE(outcome("q", tasks[1].id));
  EXPECT_FALSE(outcome("q", tasks[3].id));
  EXPECT_LE(driver.stats("q").outcome_bytes, 1000U);
  // What alone is too much is not kept.
  const auto huge =
      std::make_shared<const ResultBody>(ResultBody{.headers = {}, .body = std::string(2000, 'x')});
  const Task big = add("q", {.keep_result = hour * 2});
  driver.finish(0, {.status = 200, .response = huge});
  driver.advance(Seconds(1));
  EXPECT_FALSE(outcome("q", big.id));
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
}

TEST_F(OutcomeTest, Survives_a_restart_and_is_forgotten_after_it) {
  driver.make("q");
  const Task task = add("q", {.name = "report", .keep_result = Seconds(100)});
  driver.finish(0, 200);
  driver.restart();
  const auto told = outcome("q", std::string("report"));
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->id, task.id);
  EXPECT_EQ(driver.stats("q").outcomes, 1U);
  driver.advance(Seconds(160));
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
}

TEST_F(OutcomeTest, Survives_a_purge_and_goes_with_its_queue) {
  driver.make("q");
  const Task ended = add("q", {.keep_result = hour});
  driver.finish(0, 200);
  const Task living = add("q", {.delay = Seconds(5), .keep_result = hour});
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{EngineDriver::name("q"), {}}));
  EXPECT_TRUE(outcome("q", ended.id));
  EXPECT_FALSE(outcome("q", living.id));
  EXPECT_EQ(driver.stats("q").outcomes, 1U);
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{EngineDriver::name("q"), {}}));
  driver.make("q");
  EXPECT_FALSE(outcome("q", ended.id));
  EXPECT_EQ(driver.stats("q").outcomes, 0U);
}

// ---- Waiting

TEST_F(OutcomeTest, Who_waits_is_answered_at_the_first_end) {
  driver.make("q");
  const Task first = add("q", {.keep_result = hour});
  const Task second = add("q", {.keep_result = hour});
  const auto answer = wait_for({first.id, second.id});
  EXPECT_FALSE(answer->has_value());
  driver.advance(Seconds(3));
  EXPECT_FALSE(answer->has_value());
  driver.finish(1, 200);
  ASSERT_TRUE(answer->has_value());
  const Outcomes& items = ***answer;
  EXPECT_TRUE(items[0]->pending);
  ASSERT_TRUE(items[1]->outcome);
  EXPECT_EQ(items[1]->outcome->id, second.id);
}

TEST_F(OutcomeTest, Who_waits_too_long_is_told_what_is_pending) {
  driver.make("q");
  const Task task = add("q", {.keep_result = hour});
  const auto answer = wait_for({task.id}, Seconds(5));
  driver.advance(Seconds(4));
  EXPECT_FALSE(answer->has_value());
  driver.advance(Seconds(1));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((***answer)[0]->pending);
}

TEST_F(OutcomeTest, An_error_is_answered_at_once) {
  driver.make("q");
  const Task task = add("q", {.keep_result = hour});
  const auto answer = wait_for({task.id, TaskId{7}});
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((***answer)[0]);
  EXPECT_FALSE((***answer)[1]);
}

TEST_F(OutcomeTest, Waiting_ends_with_a_purge_the_queue_and_the_server) {
  driver.make("q");
  Task task = add("q", {.keep_result = hour});
  auto answer = wait_for({task.id});
  auto watched = watch({task.id});
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{EngineDriver::name("q"), {}}));
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE((***answer)[0]);
  ASSERT_TRUE(watched->has_value());
  EXPECT_EQ(***watched, std::vector<TaskRef>{task.id});

  task = add("q", {.keep_result = hour});
  answer = wait_for({task.id});
  watched = watch({task.id});
  ASSERT_TRUE(driver.ask<void>(DeleteQueue{EngineDriver::name("q"), {}}));
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error().reason, Reason::queue_missing);
  ASSERT_TRUE(watched->has_value());
  EXPECT_EQ((*watched)->error().reason, Reason::queue_missing);

  driver.make("q");
  task = add("q", {.keep_result = hour});
  answer = wait_for({task.id});
  watched = watch({task.id});
  driver.shard().stop(driver.now());
  driver.settle();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((***answer)[0]->pending);
  ASSERT_TRUE(watched->has_value());
  EXPECT_TRUE((**watched)->empty());
}

TEST_F(OutcomeTest, Waits_are_bounded_and_make_room_when_callers_go) {
  ShardOptions options;
  options.awaited_tasks_max = 2;
  EngineDriver small(options);
  small.make("q");
  auto first = small.add("q", {.keep_result = hour});
  auto second = small.add("q", {.keep_result = hour});
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto held = small.ask_later<Outcomes>(
      GetOutcomes{EngineDriver::name("q"), {first->id, second->id}, false, Seconds(60), gone, {}});
  EXPECT_FALSE(held->has_value());
  const auto refused = small.ask<Outcomes>(
      GetOutcomes{EngineDriver::name("q"), {first->id}, false, Seconds(60), nullptr, {}});
  EXPECT_EQ(refused.error().reason, Reason::overloaded);
  gone->store(true);
  const auto waits = small.ask_later<Outcomes>(
      GetOutcomes{EngineDriver::name("q"), {first->id}, false, Seconds(60), nullptr, {}});
  EXPECT_TRUE(held->has_value());
  EXPECT_FALSE(waits->has_value());
  small.finish_all(200);
  EXPECT_TRUE(waits->has_value());
}

// ---- Cancelling

TEST_F(OutcomeTest, Deleted_tasks_are_cancelled_but_a_push_runs_on) {
  driver.make("q");
  const Task task = add("q", {.keep_result = hour});
  ASSERT_TRUE(driver.ask<Ends>(DeleteTasks{EngineDriver::name("q"), {task.id}, {}, {}}));
  EXPECT_TRUE(driver.cancelled().empty());
  EXPECT_EQ(outcome("q", task.id)->outcome->state, OutcomeState::cancelled);
  EXPECT_EQ(driver.stats("q").cancelled_total, 1U);
  EXPECT_EQ(driver.stats("q").dropped_total, 1U);
  driver.finish(0, 200);
  EXPECT_EQ(outcome("q", task.id)->outcome->state, OutcomeState::cancelled);
}

TEST_F(OutcomeTest, A_cancelled_push_is_cut_off_and_holds_its_slot_until_then) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.concurrency = 1; });
  const Task task = add("q", {.keep_result = hour});
  const Task next = add("q", {});
  const auto cancelled = driver.ask<std::vector<Result<TaskInfo>>>(
      CancelTasks{EngineDriver::name("q"), {task.id, task.id, TaskId{7}}, {}});
  ASSERT_TRUE(cancelled);
  ASSERT_TRUE((*cancelled)[0]);
  EXPECT_EQ((*cancelled)[0]->state, TaskState::in_flight);
  EXPECT_EQ((*cancelled)[1].error().reason, Reason::task_gone);
  EXPECT_EQ((*cancelled)[2].error().reason, Reason::task_missing);
  EXPECT_EQ(driver.cancelled(), std::vector<TaskId>{task.id});
  ASSERT_EQ(driver.running().size(), 1U);
  driver.finish(0, status_cancelled);
  EXPECT_EQ(driver.stats("q").failed_total, 0U);
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.running()[0].key.task, next.id);
  const auto told = outcome("q", task.id);
  ASSERT_TRUE(told && told->outcome);
  EXPECT_EQ(told->outcome->state, OutcomeState::cancelled);
  EXPECT_EQ(told->outcome->attempts, 1U);
}

TEST_F(OutcomeTest, A_cancelled_lease_is_told_to_who_watches) {
  driver.make("q", QueueMode::pull);
  const TaskInfo leased = lease_one({.target = false});
  const TaskInfo other = lease_one({.target = false});
  const auto watched = watch({leased.task.id, other.task.id});
  EXPECT_FALSE(watched->has_value());
  ASSERT_TRUE(driver.ask<std::vector<Result<TaskInfo>>>(
      CancelTasks{EngineDriver::name("q"), {leased.task.id}, {}}));
  ASSERT_TRUE(watched->has_value());
  EXPECT_EQ(***watched, std::vector<TaskRef>{leased.task.id});
  const auto renewed = driver.ask<std::vector<Result<TaskInfo>>>(
      RenewLeases{EngineDriver::name("q"), {driver.lease_of(leased)}, Seconds(10), {}});
  EXPECT_EQ((*renewed)[0].error().reason, Reason::task_gone);
}

TEST_F(OutcomeTest, A_cancelled_task_that_waited_never_starts) {
  driver.make("q");
  const Task task = add("q", {.delay = Seconds(5)});
  const auto cancelled = driver.ask<std::vector<Result<TaskInfo>>>(
      CancelTasks{EngineDriver::name("q"), {task.id}, {}});
  EXPECT_EQ((*cancelled)[0]->state, TaskState::scheduled);
  EXPECT_TRUE((*cancelled)[0]->task.payload);
  driver.restart();
  driver.advance(Seconds(10));
  EXPECT_TRUE(driver.running().empty());
}

TEST_F(OutcomeTest, A_watch_ends_with_nothing_when_all_live_on) {
  driver.make("q");
  const Task task = add("q", {});
  const auto watched = watch({task.id}, Seconds(5));
  driver.advance(Seconds(5));
  ASSERT_TRUE(watched->has_value());
  EXPECT_TRUE((**watched)->empty());
}

// ---- History

class HistoryTest : public OutcomeTest {
 protected:
  TaskInfo told(const TaskRef& task) {
    auto info = driver.ask<TaskInfo>(
        GetTask{.queue = EngineDriver::name("q"), .task = task, .story = true, .reply = {}});
    EXPECT_TRUE(info && info->story);
    return *info;
  }
};

TEST_F(HistoryTest, The_last_attempts_are_remembered) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.history = 2;
    s.retry.min_backoff = s.retry.max_backoff = Seconds(1);
  });
  const Task task = add("q", {});
  EXPECT_TRUE(told(task.id).story->history.empty());
  for (const std::int16_t status : {500, 501, 502}) {
    driver.advance(Millis(250));
    driver.finish(0, status);
    driver.advance(Seconds(1));
  }
  driver.restart();
  const auto history = told(task.id).story->history;
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].attempt, 2U);
  EXPECT_EQ(history[0].status, 501);
  EXPECT_EQ(history[0].took, Millis(250));
  EXPECT_EQ(history[1].attempt, 3U);
  EXPECT_EQ(history[1].status, 502);
}

TEST_F(HistoryTest, Leases_tell_worker_error_log_and_usage) {
  driver.make("q", QueueMode::pull);
  TaskInfo leased = lease_one({.target = false}, "host/1");
  EXPECT_EQ(told(leased.task.id).story->worker, "host/1");
  const AttemptUsage usage{.cpu = Seconds(1), .cause = ExitCause::exited, .code = 3};
  auto released = driver.ask<Ends>(
      ReleaseTasks{EngineDriver::name("q"),
                   {reported(leased, {.error = "exit code 3", .log = "oh", .usage = usage})},
                   Micros(0),
                   {}});
  ASSERT_TRUE(released && released->front());
  // A lease of a worker that gave no name, which runs out.
  leased = driver.lease("q", 1, Seconds(5)).front();
  EXPECT_EQ(told(leased.task.id).story->worker, "");
  driver.advance(Seconds(6));
  ASSERT_EQ(driver.lease("q", 1, Seconds(5)).size(), 1U);
  const auto history = told(leased.task.id).story->history;
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].status, status_released);
  EXPECT_EQ(history[0].worker, "host/1");
  EXPECT_EQ(history[0].error, "exit code 3");
  EXPECT_EQ(history[0].log, "oh");
  EXPECT_EQ(history[0].usage, usage);
  EXPECT_EQ(history[1].status, status_lease_expired);
  EXPECT_EQ(history[1].took, Seconds(5));
  EXPECT_EQ(history[1].worker, "");
}

TEST_F(HistoryTest, None_is_remembered_when_none_is_to_be) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) {
    s.history = 0;
    s.retry.min_backoff = Seconds(1);
  });
  const Task task = add("q", {});
  driver.finish(0, 500);
  EXPECT_TRUE(told(task.id).story->history.empty());
}

// ---- Callbacks

// A task whose payload tells how the other ended.
class Telling final : public Callbacks {
 public:
  NewTask callback_for(const QueueName& queue, const Task& task,
                       const Outcome& outcome) const override {
    NewTask callback;
    callback.payload = share(task.options->callback_url + " " + queue.queue + " " +
                             std::string(to_string(outcome.state)));
    callback.has_target = true;
    return callback;
  }
};

class CallbackTest : public testing::Test {
 protected:
  static ShardOptions with(const Callbacks* callbacks) {
    ShardOptions options;
    options.callbacks = callbacks;
    return options;
  }
  Telling telling;
  EngineDriver driver{with(&telling)};
};

TEST_F(CallbackTest, Is_a_task_of_the_own_queue_in_the_commit_of_the_end) {
  driver.make("q");
  ASSERT_TRUE(driver.add("q", {.callback_url = "http://told"}));
  const std::size_t before = driver.commits;
  driver.finish(0, 200);
  EXPECT_EQ(driver.commits, before + 1);
  EXPECT_EQ(driver.running_payloads(), std::vector<std::string>{"http://told q succeeded"});
  EXPECT_EQ(driver.stats("q").tasks, 1U);
  driver.finish(0, 200);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
}

TEST_F(CallbackTest, Tells_of_cancelled_tasks_too) {
  driver.make("q");
  auto added = driver.add("q", {.delay = Seconds(9), .callback_url = "http://told"});
  ASSERT_TRUE(driver.ask<std::vector<Result<TaskInfo>>>(
      CancelTasks{EngineDriver::name("q"), {added->id}, {}}));
  EXPECT_EQ(driver.running_payloads(), std::vector<std::string>{"http://told q cancelled"});
}

TEST_F(CallbackTest, Is_refused_where_it_cannot_be_made) {
  driver.make("pull", QueueMode::pull);
  const auto itself =
      driver.add("pull", {.target = false, .callback_url = "http://t", .callback_queue = "pull"});
  EXPECT_EQ(itself.error().reason, Reason::invalid);
  EngineDriver without;
  without.make("q");
  EXPECT_EQ(without.add("q", {.callback_url = "http://t"}).error().reason, Reason::unsupported);
}

// ---- On a busy queue, over a slow store

TEST_F(OutcomeTest, A_search_ends_though_its_task_changes_during_each_read) {
  driver.make("q", QueueMode::push,
              [](QueueSettings& s) { s.retry.min_backoff = s.retry.max_backoff = Seconds(1); });
  const Task task = add("q", {});
  driver.finish(0, 503);
  driver.hold_reads = true;
  const auto got = driver.ask_later<TaskInfo>(GetTask{EngineDriver::name("q"), task.id, {}});
  for (int round = 1; !*got && round <= 10; ++round) {
    driver.advance(Seconds(1));
    ASSERT_EQ(driver.running().size(), 1U);
    driver.finish(0, 503);
    driver.let_reads_go();
    EXPECT_LE(round, 2);
  }
  ASSERT_TRUE(*got && **got);
  driver.hold_reads = false;
  EXPECT_EQ((**got)->task.progress.attempts, driver.get("q", task.id)->task.progress.attempts);
  EXPECT_EQ(*(**got)->task.payload, "x");
}

TEST_F(OutcomeTest, A_search_by_name_ends_though_the_name_changes_during_each_read) {
  driver.make("q", QueueMode::push, [](QueueSettings& s) { s.tombstone = Micros(0); });
  add("q", {.name = "n"});
  driver.hold_reads = true;
  const auto got =
      driver.ask_later<TaskInfo>(GetTask{EngineDriver::name("q"), std::string("n"), {}});
  for (int round = 1; !*got && round <= 10; ++round) {
    driver.finish(0, 200);  // and another task takes the name
    driver.tick(Seconds(1));
    driver.settle();
    driver.ask_later<std::vector<Result<Task>>>(
        AddTasks{EngineDriver::name("q"), driver.new_tasks({{.name = "n"}}), {}});
    driver.let_reads_go();
    EXPECT_LE(round, 3);
  }
  EXPECT_TRUE(*got);
}

// Seed 2586 of the simulator: of two that are tried again and again one was always on its way.
TEST_F(OutcomeTest, An_end_is_told_though_others_that_are_waited_for_always_move) {
  driver.make("q", QueueMode::push,
              [](QueueSettings& s) { s.retry.min_backoff = s.retry.max_backoff = Micros(0); });
  const Task ended = add("q", {.keep_result = hour});
  driver.finish(0, 200);
  const Task a = add("q", {.payload = "a", .keep_result = hour});
  const Task b = add("q", {.payload = "b", .keep_result = hour});
  driver.hold_commits = true;
  const auto fail_one = [&](const std::string& payload) {
    for (std::size_t i = 0; i < driver.running().size(); ++i) {
      if (driver.running_payloads()[i] == payload) return driver.finish(i, 503);
    }
    FAIL() << payload << " does not run";
  };
  fail_one("a");
  driver.tick(Millis(10));
  driver.settle();  // committed now
  fail_one("b");
  const auto watched = watch({ended.id, a.id, b.id});
  const auto told = wait_for({ended.id, a.id, b.id});
  for (int round = 1; !(*watched && *told) && round <= 10; ++round) {
    driver.let_commit_go();
    driver.tick(Millis(10));
    driver.settle();
    fail_one(round % 2 == 1 ? "a" : "b");
    EXPECT_LE(round, 2);
  }
  ASSERT_TRUE(*watched && **watched);
  EXPECT_EQ(***watched, std::vector<TaskRef>{ended.id});
  ASSERT_TRUE(*told && **told);
  EXPECT_TRUE((***told)[0]->outcome);
  EXPECT_TRUE((***told)[1]->pending);
  EXPECT_TRUE((***told)[2]->pending);
}

}  // namespace
}  // namespace deferd
