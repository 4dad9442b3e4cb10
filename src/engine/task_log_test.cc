#include "engine/task_log.h"

#include "engine/testing/driver.h"

namespace deferd {
namespace {

using What = TaskLogEntry::What;

class Kept final : public TaskLog {
 public:
  void write(std::vector<TaskLogEntry> given) override {
    for (auto& entry : given) entries.push_back(std::move(entry));
  }
  std::vector<What> whats() const {
    std::vector<What> all;
    for (const TaskLogEntry& entry : entries) all.push_back(entry.what);
    return all;
  }

  std::vector<TaskLogEntry> entries;
};

class TaskLogTest : public ::testing::Test {
 protected:
  void make(std::optional<double> ratio) {
    driver_.make("q", QueueMode::push, [&](QueueSettings& settings) {
      settings.log_sampling = ratio;
      settings.retry.min_backoff = Seconds(4);
    });
  }
  static ShardOptions options(TaskLog& log) {
    ShardOptions options;
    options.task_log = &log;
    return options;
  }

  Kept log_;
  EngineDriver driver_{options(log_)};
};

// CT-256
TEST_F(TaskLogTest, ALifeIsToldStepByStep) {
  make(1);
  const auto task = driver_.add("q", {.name = "t"});
  ASSERT_TRUE(task);
  EXPECT_EQ(log_.whats(), (std::vector{What::created, What::dispatched}));
  driver_.advance(Millis(250));
  driver_.finish(0, 503);
  driver_.advance(Seconds(4));
  driver_.finish(0, status_timeout);
  driver_.advance(Seconds(8));
  driver_.finish(0, 200);
  EXPECT_EQ(log_.whats(),
            (std::vector{What::created, What::dispatched, What::answered, What::dispatched,
                         What::answered, What::dispatched, What::answered}));
  const TaskLogEntry& failed = log_.entries[2];
  EXPECT_EQ(failed.task.id, task->id);
  EXPECT_EQ(failed.queue->queue, "q");
  EXPECT_EQ(failed.status, 503);
  EXPECT_EQ(failed.took, Millis(250));
  EXPECT_EQ(failed.retry_at, failed.at + Seconds(4));
  EXPECT_EQ(failed.max_attempts, 100);
  EXPECT_EQ(failed.task.progress.attempts, 1U);
  EXPECT_EQ(failed.task.progress.responses, 1U);
  const TaskLogEntry& late = log_.entries[4];
  EXPECT_EQ(late.status, status_timeout);
  EXPECT_EQ(late.task.progress.responses, 1U);
  const TaskLogEntry& last = log_.entries[6];
  EXPECT_EQ(last.status, 200);
  EXPECT_FALSE(last.retry_at);
  EXPECT_EQ(last.task.progress.attempts, 3U);
  EXPECT_EQ(last.task.progress.responses, 2U);
}

// CT-256: a caller's deletion, and no other end.
TEST_F(TaskLogTest, ADeletionIsTold) {
  make(1);
  const auto task = driver_.add("q", {.delay = Seconds(60)});
  ASSERT_TRUE(
      driver_.ask<std::vector<Result<void>>>(DeleteTasks{EngineDriver::name("q"), {task->id}, {}}));
  EXPECT_EQ(log_.whats(), (std::vector{What::created, What::deleted}));
}

// CT-256
TEST_F(TaskLogTest, NothingIsToldUnlessAskedFor) {
  for (const std::optional<double> ratio : {std::optional<double>(), std::optional(0.0)}) {
    make(ratio);
    ASSERT_TRUE(driver_.add("q", {}));
    driver_.finish_all(200);
    EXPECT_TRUE(log_.entries.empty());
  }
}

TEST(InSample, TakesItsShareAndIsTheSameEachTime) {
  constexpr int tasks = 20'000;
  int taken = 0;
  Task task;
  for (int i = 0; i < tasks; ++i) {
    task.id = TaskId{1'800'000'000'000'000U + static_cast<unsigned>(i)};
    const bool sampled = in_sample(0.25, What::created, task);
    EXPECT_EQ(in_sample(0.25, What::created, task), sampled);
    EXPECT_TRUE(in_sample(1, What::created, task));
    EXPECT_FALSE(in_sample(0, What::created, task));
    taken += sampled ? 1 : 0;
  }
  EXPECT_NEAR(taken, tasks / 4, 300);  // five standard deviations
}

}  // namespace
}  // namespace deferd
