// Uploads through the real runtime over the memory store.
#include "apply/cron_uploads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "cron/recurrences.h"
#include "store/memory/store.h"

namespace deferd {
namespace {

class NoTarget final : public Dispatcher {
 public:
  void start(Attempt, Callback<void(AttemptResult)> done) override {
    done(AttemptResult{200, "", Micros(0)});
  }
};

class CronUploadsTest : public testing::Test {
 protected:
  void SetUp() override {
    RuntimeOptions options;
    options.shard.recurrences = recurrences_.get();
    auto runtime = Runtime::start(options, clock_, store_, dispatcher_);
    ASSERT_TRUE(runtime);
    runtime_ = std::move(*runtime);
    uploads_ = CronUploads::make(*runtime_, clock_, {CronMissed::run, [](const std::string& app) {
                                                       return app + ".example.com";
                                                     }});
  }
  void TearDown() override {
    std::promise<void> stopped;
    runtime_->stop(clock_.now().mono, [&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  }

  Result<CronPlan> upload(const std::string& text, bool plan_only = false) {
    return uploads_->upload_and_wait({{"cron.yaml", text}, "shop", "local", plan_only});
  }
  std::vector<CronJob> jobs() {
    std::promise<Result<std::vector<CronJob>>> promise;
    uploads_->list("shop", "local", [&promise](Result<std::vector<CronJob>> jobs) {
      promise.set_value(std::move(jobs));
    });
    auto jobs = promise.get_future().get();
    EXPECT_TRUE(jobs) << (jobs ? "" : jobs.error().message);
    return jobs ? *jobs : std::vector<CronJob>();
  }

  SystemClock clock_;
  MemoryStore store_;
  NoTarget dispatcher_;
  std::unique_ptr<Recurrences> recurrences_ = make_cron_recurrences();
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<CronUploads> uploads_;
};

constexpr const char* two_jobs =
    "cron:\n- url: /a\n  schedule: every 1 hours\n- url: /b\n  schedule: every day 09:00\n";

// GAE-195
TEST_F(CronUploadsTest, JobsAreMadeKeptChangedAndRemoved) {
  EXPECT_TRUE(jobs().empty());
  ASSERT_TRUE(upload(two_jobs, true));
  EXPECT_TRUE(jobs().empty());  // a plan changes nothing
  const auto made = upload(two_jobs);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(made->changes_anything());
  const std::vector<CronJob> first = jobs();
  ASSERT_EQ(first.size(), 2U);

  const auto again = upload(two_jobs);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->changes_anything());
  EXPECT_EQ(jobs()[0].due, first[0].due);

  const auto changed = upload(
      "cron:\n- url: /a\n  schedule: every 1 hours\n  description: mine\n- url: /c\n  schedule: "
      "'@yearly'\n");
  ASSERT_TRUE(changed) << changed.error().message;
  const std::vector<CronJob> second = jobs();
  ASSERT_EQ(second.size(), 2U);
  EXPECT_EQ(second[0].url, "/a");
  EXPECT_EQ(second[0].description, "mine");
  EXPECT_EQ(second[0].due, first[0].url == "/a" ? first[0].due : first[1].due);
  EXPECT_EQ(second[1].url, "/c");

  // A job that was taken out may be put back at once.
  ASSERT_TRUE(upload("cron: []\n"));
  EXPECT_TRUE(jobs().empty());
  const auto back = upload(two_jobs);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(jobs().size(), 2U);
}

TEST_F(CronUploadsTest, AWrongFileChangesNothing) {
  ASSERT_TRUE(upload(two_jobs));
  const auto refused = upload("cron:\n- url: /x\n  schedule: every 0 minutes\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::invalid);
  EXPECT_EQ(jobs().size(), 2U);
}

TEST_F(CronUploadsTest, UploadsAtOnceAreCarriedOutOneAfterTheOther) {
  std::vector<std::promise<Result<CronPlan>>> promises(20);
  for (std::size_t i = 0; i < promises.size(); ++i) {
    const std::string text = i % 2 == 0 ? two_jobs : "cron: []\n";
    uploads_->upload(
        {{"cron.yaml", text}, "shop", "local", false},
        [&promise = promises[i]](Result<CronPlan> plan) { promise.set_value(std::move(plan)); });
  }
  for (auto& promise : promises) {
    const auto plan = promise.get_future().get();
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_TRUE(plan->changes_anything());
  }
  EXPECT_TRUE(jobs().empty());
}

// Other tasks of the queue are left alone, whoever put them there.
TEST_F(CronUploadsTest, TasksThatAreNoJobsStay) {
  ASSERT_TRUE(upload(two_jobs));
  const auto name = QueueName::parse("shop", "local", cron_queue);
  AddTasks command;
  command.queue = *name;
  NewTask task;
  task.delay = Seconds(3600);
  task.payload = share("x");
  task.has_target = true;
  command.tasks.push_back(task);
  std::promise<bool> added;
  command.reply = [&added](Result<std::vector<Result<Task>>> result) {
    added.set_value(result && (*result)[0]);
  };
  runtime_->submit(std::move(command));
  ASSERT_TRUE(added.get_future().get());
  ASSERT_TRUE(upload("cron: []\n"));
  EXPECT_TRUE(jobs().empty());
  std::promise<std::uint64_t> tasks;
  runtime_->submit(GetQueueStats{
      *name, [&tasks](Result<QueueStats> stats) { tasks.set_value(stats ? stats->tasks : 0); }});
  EXPECT_EQ(tasks.get_future().get(), 1U);
}

}  // namespace
}  // namespace deferd
