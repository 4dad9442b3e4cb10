// Schedules in the engine: when the runs of a job start, depending on how long its handler takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cron/recurrences.h"
#include "engine/testing/driver.h"

namespace deferd {
namespace {

using testing::ElementsAre;

class RecurringJobs : public testing::Test {
 protected:
  static ShardOptions with(const Recurrences& recurrences) {
    ShardOptions options;
    options.recurrences = &recurrences;
    return options;
  }

  // Minutes after the begin at which the first `count` runs start, when each takes `takes`.
  std::vector<std::int64_t> starts(const std::string& schedule, Minutes takes, std::size_t count) {
    driver_.make("q", QueueMode::push);
    auto tasks = driver_.new_tasks({{.name = "job", .delay = Minutes(5)}});
    TaskOptions options = *tasks[0].options;
    options.recurrence = RecurrenceText{CronMissed::run, "UTC", schedule}.text();
    tasks[0].options = std::make_shared<const TaskOptions>(options);
    const auto added = driver_.ask<std::vector<Result<Task>>>(
        AddTasks{EngineDriver::name("q"), std::move(tasks), {}});
    EXPECT_TRUE(added && added->front());
    std::vector<std::int64_t> minutes;
    for (Minutes passed(0); minutes.size() < count && passed < std::chrono::hours(5);
         passed += Minutes(1)) {
      driver_.advance(Minutes(1));
      if (driver_.running().empty()) continue;
      EXPECT_EQ(driver_.running().size(), 1U) << "runs of one job overlap";
      minutes.push_back(std::chrono::floor<Minutes>(driver_.now().wall - begun_).count());
      driver_.advance(takes);
      driver_.finish(0, 200);
    }
    return minutes;
  }

  std::unique_ptr<Recurrences> recurrences_ = make_cron_recurrences();
  EngineDriver driver_{with(*recurrences_)};
  const Wall begun_ = driver_.now().wall;
};

// GAE-193: 7 minutes apart with a handler of 2.
TEST_F(RecurringJobs, APlainIntervalIsMeasuredFromTheEndOfARun) {
  EXPECT_THAT(starts("every 5 minutes", Minutes(2), 4), ElementsAre(5, 12, 19, 26));
}

// GAE-193
TEST_F(RecurringJobs, SynchronizedRunsStartAtFixedTimes) {
  EXPECT_THAT(starts("every 5 minutes synchronized", Minutes(2), 4), ElementsAre(5, 10, 15, 20));
}

// GAE-193
TEST_F(RecurringJobs, ATimeThatPassesDuringARunIsSkipped) {
  EXPECT_THAT(starts("every 5 minutes synchronized", Minutes(6), 4), ElementsAre(5, 15, 25, 35));
}

// GAE-193
TEST_F(RecurringJobs, SoItIsForCrontabs) {
  EXPECT_THAT(starts("*/5 * * * *", Minutes(11), 3), ElementsAre(5, 20, 35));
}

}  // namespace
}  // namespace deferd
