// Tasks that are moved on to their next time when a run has ended (engine/recurrences.h).
#include <gtest/gtest.h>

#include "engine/testing/driver.h"

namespace deferd {
namespace {

// Due at every whole multiple of a number of seconds, "10" or "10 skip" or "10 once".
class Multiples final : public Recurrences {
 public:
  Wall next(std::string_view recurrence, Wall due, Wall ended) const override {
    asked.emplace_back(due, ended);
    if (recurrence.ends_with(" once")) return Wall::max();
    const std::int64_t span = seconds(recurrence) * 1'000'000;
    return wall_from_micros((to_micros(ended) / span + 1) * span);
  }
  bool skips(std::string_view recurrence, Wall due, Wall now) const override {
    return recurrence.ends_with(" skip") && now - due >= Seconds(5);
  }
  mutable std::vector<std::pair<Wall, Wall>> asked;

 private:
  static std::int64_t seconds(std::string_view text) {
    return std::stoll(std::string(text.substr(0, text.find(' '))));
  }
};

class RecurringTest : public testing::Test {
 protected:
  static ShardOptions with(const Recurrences* recurrences) {
    ShardOptions options;
    options.recurrences = recurrences;
    return options;
  }
  void SetUp() override {
    driver.make("q", QueueMode::push, [](QueueSettings& s) { s.retry.max_attempts = 1; });
  }
  Result<Task> add(const std::string& recurrence, Micros delay, RetryOverride retry = {}) {
    auto tasks = driver.new_tasks({{.name = "job", .delay = delay, .retry = retry}});
    TaskOptions options = *tasks[0].options;
    options.recurrence = recurrence;
    tasks[0].options = std::make_shared<const TaskOptions>(options);
    auto results = driver.ask<std::vector<Result<Task>>>(
        AddTasks{EngineDriver::name("q"), std::move(tasks), {}});
    return results->front();
  }
  // Seconds since the test began.
  double seconds_at(Wall wall) const { return static_cast<double>((wall - begun).count()) / 1e6; }
  Task job() { return driver.get("q", std::string("job"))->task; }

  Multiples multiples;
  EngineDriver driver{with(&multiples)};
  const Wall begun = driver.now().wall;  // a multiple of 100 s
};

TEST_F(RecurringTest, MovesOnWhenARunHasEndedWellOrForGood) {
  ASSERT_TRUE(add("10", Seconds(10)));
  driver.advance(Seconds(10));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.running()[0].attempt.task.progress.attempts, 0U);
  driver.advance(Seconds(3));
  driver.finish(0, 200);
  EXPECT_EQ(seconds_at(job().place.eta), 20);
  EXPECT_EQ(job().progress.attempts, 0U);
  EXPECT_EQ(job().progress.first_attempt, Wall{});
  EXPECT_EQ(job().progress.last_status, 200) << "stays for a console";
  driver.advance(Seconds(7));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.running()[0].attempt.task.progress.attempts, 0U);
  driver.finish(0, 500);
  EXPECT_EQ(seconds_at(job().place.eta), 30) << "one attempt is all it has";
  EXPECT_EQ(job().progress.last_status, 500);
  EXPECT_EQ(multiples.asked.size(), 2U);
  EXPECT_EQ(seconds_at(multiples.asked[0].first), 10);
  EXPECT_EQ(seconds_at(multiples.asked[0].second), 13);
  const QueueStats stats = driver.stats("q");
  EXPECT_EQ(stats.tasks, 1U);
  EXPECT_EQ(stats.scheduled, 1U);
  EXPECT_EQ(stats.executed_total, 2U);
  EXPECT_EQ(stats.completed_total, 0U);
  EXPECT_EQ(stats.dropped_total, 0U);
}

TEST_F(RecurringTest, RetriesBelongToTheRunThatWasDue) {
  ASSERT_TRUE(add("10", Seconds(10),
                  {.max_attempts = 3, .min_backoff = Seconds(2), .max_backoff = Seconds(2)}));
  driver.advance(Seconds(10));
  driver.finish(0, 500);
  EXPECT_EQ(seconds_at(job().place.eta), 12);
  driver.restart();
  driver.advance(Seconds(2));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.running()[0].attempt.task.progress.attempts, 1U);
  driver.finish(0, 200);
  ASSERT_EQ(multiples.asked.size(), 1U);
  EXPECT_EQ(seconds_at(multiples.asked[0].first), 10);
  EXPECT_EQ(seconds_at(job().place.eta), 20);
  EXPECT_EQ(job().progress.run_due, Wall{});
}

TEST_F(RecurringTest, RunsNeverOverlapAndAreNotLost) {
  ASSERT_TRUE(add("10", Seconds(10)));
  driver.advance(Seconds(10));
  driver.advance(Seconds(25));
  EXPECT_EQ(driver.running().size(), 1U) << "the next begins when this one has ended";
  driver.finish(0, 200);
  EXPECT_EQ(seconds_at(job().place.eta), 40);
  driver.advance(Seconds(5));
  ASSERT_EQ(driver.running().size(), 1U);
  driver.restart();  // while it runs: it runs again, as nobody knows how it ended
  driver.advance(Millis(1));
  ASSERT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(seconds_at(driver.running()[0].attempt.task.place.eta), 40);
}

// GAE-196
TEST_F(RecurringTest, AMissedRunIsDoneOrSkippedAsItsWordsSay) {
  ASSERT_TRUE(add("10 skip", Seconds(10)));
  driver.set_state("q", QueueState::paused);
  driver.advance(Seconds(17));
  driver.set_state("q", QueueState::running);
  EXPECT_TRUE(driver.running().empty()) << "7 s late";
  EXPECT_EQ(seconds_at(job().place.eta), 20);
  driver.advance(Seconds(3));
  EXPECT_EQ(driver.running().size(), 1U);
  driver.finish(0, 200);
  driver.set_state("q", QueueState::paused);
  driver.advance(Seconds(13));
  driver.set_state("q", QueueState::running);
  EXPECT_EQ(driver.running().size(), 1U) << "3 s late is not missed";
}

TEST_F(RecurringTest, EndsWhenThereIsNoNextTime) {
  ASSERT_TRUE(add("10 once", Seconds(10)));
  driver.advance(Seconds(10));
  driver.finish(0, 200);
  EXPECT_EQ(driver.get("q", std::string("job")).error().reason, Reason::task_gone);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  EXPECT_EQ(driver.stats("q").completed_total, 1U);
}

TEST_F(RecurringTest, ARunByHandDoesNotTakeTheNextOnesPlace) {
  const auto run = [&] {
    return driver.ask<TaskInfo>(RunTask{EngineDriver::name("q"), std::string("job"), {}});
  };
  ASSERT_TRUE(add("10", Seconds(10)));
  ASSERT_TRUE(run());
  ASSERT_EQ(driver.running().size(), 1U);
  driver.finish(0, 200);
  EXPECT_EQ(seconds_at(job().place.eta), 10);
  EXPECT_TRUE(multiples.asked.empty());
  ASSERT_TRUE(run());
  driver.finish(0, 500);
  EXPECT_EQ(seconds_at(job().place.eta), 10) << "it is not retried either";
  EXPECT_EQ(job().progress.attempts, 0U);
  ASSERT_TRUE(run());
  driver.advance(Seconds(12));
  EXPECT_EQ(driver.running().size(), 1U) << "not beside the one by hand";
  driver.finish(0, 200);
  ASSERT_EQ(driver.running().size(), 1U) << "and not lost";
  EXPECT_EQ(seconds_at(driver.running()[0].attempt.task.place.eta), 10);

  // Beside a run: the run ends when both have.
  ASSERT_TRUE(run());
  ASSERT_EQ(driver.running().size(), 2U);
  driver.finish(0, 200);
  EXPECT_EQ(driver.running().size(), 1U);
  EXPECT_EQ(driver.get("q", std::string("job"))->state, TaskState::in_flight);
  driver.finish(0, 500);
  EXPECT_EQ(seconds_at(job().place.eta), 20);
}

TEST_F(RecurringTest, CanBeDeletedAndPurgedAndSurvivesRestarts) {
  ASSERT_TRUE(add("10", Seconds(10)));
  driver.advance(Seconds(10));
  driver.finish(0, 200);
  driver.restart();
  EXPECT_EQ(seconds_at(job().place.eta), 20);
  driver.advance(Seconds(10));
  ASSERT_EQ(driver.running().size(), 1U);
  ASSERT_TRUE(driver.ask<std::vector<Result<void>>>(
      DeleteTasks{EngineDriver::name("q"), {TaskRef(std::string("job"))}, {}}));
  driver.finish(0, 200);
  EXPECT_EQ(driver.stats("q").tasks, 0U);
  driver.advance(Seconds(20));
  EXPECT_TRUE(driver.running().empty());
  ASSERT_TRUE(driver.ask<QueueInfo>(PurgeQueue{EngineDriver::name("q"), {}}));
}

TEST_F(RecurringTest, IsOfferedByPushQueuesThatKnowHow) {
  driver.make("pull", QueueMode::pull);
  const auto reason = [](EngineDriver& where, const std::string& queue, bool target) {
    auto tasks = where.new_tasks({{.name = "job", .target = target}});
    tasks[0].options =
        std::make_shared<const TaskOptions>(TaskOptions{.name = "job", .recurrence = "10"});
    auto results = where.ask<std::vector<Result<Task>>>(
        AddTasks{EngineDriver::name(queue), std::move(tasks), {}});
    return results->front() ? Reason::internal : results->front().error().reason;
  };
  EXPECT_EQ(reason(driver, "pull", false), Reason::unsupported);
  EngineDriver without;
  without.make("q");
  EXPECT_EQ(reason(without, "q", true), Reason::unsupported);
  EXPECT_EQ(without.stats("q").tasks, 0U);
}

}  // namespace
}  // namespace deferd
