// Uploads through a real runtime over the memory store.
#include "apply/uploads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>

#include "store/memory/store.h"

namespace deferd {
namespace {

// Every attempt succeeds at once.
class CountingDispatcher final : public Dispatcher {
 public:
  void start(Attempt, Callback<void(AttemptResult)> done) override {
    ++started;
    started.notify_all();
    done(AttemptResult{200, "", Micros(0)});
  }
  std::atomic<int> started{0};
};

class UploadsTest : public testing::Test {
 protected:
  UploadsTest() {
    auto made = Runtime::start({.shards = 2}, clock_, store_, dispatcher_);
    EXPECT_TRUE(made);
    runtime_ = std::move(*made);
    uploads_ = QueueUploads::make(*runtime_, QueueYamlLimits::deferd);
  }
  ~UploadsTest() override {
    std::promise<void> stopped;
    runtime_->stop(clock_.now().mono, [&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  }

  Result<QueuePlan> upload(const std::string& text, bool plan_only = false) {
    return uploads_->upload_and_wait(
        {.file = {"queue.yaml", text}, .project = "p", .location = "l", .plan_only = plan_only});
  }
  void apply(const std::string& text) {
    const auto plan = upload(text);
    ASSERT_TRUE(plan) << plan.error().message;
  }

  template <class Answer, class Command>
  Result<Answer> ask(Command command) {
    std::promise<Result<Answer>> promise;
    auto answer = promise.get_future();
    command.reply = [&promise](Result<Answer> result) { promise.set_value(std::move(result)); };
    runtime_->submit(std::move(command));
    return answer.get();
  }
  static QueueName name(const std::string& queue) { return *QueueName::parse("p", "l", queue); }
  std::optional<QueueInfo> queue(const std::string& of) {
    auto info = ask<QueueInfo>(GetQueue{name(of), {}});
    return info ? std::optional(std::move(*info)) : std::nullopt;
  }
  std::string state(const std::string& of) {
    const auto info = queue(of);
    if (!info) return "missing";
    switch (info->state) {
      case QueueState::running:
        return "running";
      case QueueState::paused:
        return "paused";
      case QueueState::disabled:
        return "disabled";
    }
    return "";
  }
  Result<Task> add(const std::string& to, std::size_t bytes = 10, bool push = true) {
    AddTasks command{name(to), {}, {}};
    NewTask task;
    task.payload = share(std::string(bytes, 'x'));
    task.has_target = push;
    command.tasks.push_back(std::move(task));
    auto added = ask<std::vector<Result<Task>>>(std::move(command));
    if (!added) return fail(added.error());
    return added->front();
  }
  std::uint64_t tasks(const std::string& of) {
    return ask<QueueStats>(GetQueueStats{name(of), {}})->tasks;
  }

  SystemClock clock_;
  MemoryStore store_;
  CountingDispatcher dispatcher_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<QueueUploads> uploads_;
};

TEST_F(UploadsTest, QueuesAreMadeWithTheirSettings) {  // GAE-175, GAE-185
  apply("queue:\n- {name: mail, rate: 10/m, target: web}\n- {name: jobs, mode: pull}\n");
  const auto mail = queue("mail");
  ASSERT_TRUE(mail);
  EXPECT_EQ(mail->settings.rate.period, Seconds(60));
  EXPECT_EQ(mail->settings.burst, 5);
  EXPECT_EQ(mail->settings.appengine.target, "web");
  EXPECT_EQ(mail->settings.appengine.rate_text, "10/m");
  EXPECT_EQ(mail->settings.retry.max_attempts, -1);
  EXPECT_EQ(queue("jobs")->settings.mode, QueueMode::pull);
}

TEST_F(UploadsTest, APlanChangesNothing) {
  const auto plan = upload("queue:\n- {name: mail, rate: 10/m}\n", true);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->queues[0].action, PlannedAction::make);
  EXPECT_EQ(state("mail"), "missing");
}

TEST_F(UploadsTest, AWrongFileChangesNothing) {  // GAE-176
  apply("queue:\n- {name: mail, rate: 10/m}\n");
  EXPECT_FALSE(upload("queue:\n- {name: other, rate: 1/s}\n- {name: last, rate: 5/x}\n"));
  EXPECT_EQ(state("other"), "missing");
  EXPECT_EQ(state("mail"), "running");
}

TEST_F(UploadsTest,
       AQueueLeftOutIsDisabledWithItsTasksAndRunsWhenDeclaredAgain) {  // GAE-177, CT-039
  apply("queue:\n- {name: mail, rate: 0}\n- {name: default, rate: 5/s}\n");
  ASSERT_TRUE(add("mail"));
  apply("queue: []\n");
  EXPECT_EQ(state("mail"), "disabled");
  EXPECT_EQ(state("default"), "running");
  ASSERT_TRUE(add("mail"));  // it still takes tasks
  EXPECT_EQ(tasks("mail"), 2U);
  EXPECT_EQ(dispatcher_.started, 0);
  apply("queue:\n- {name: mail, rate: 100/s}\n");
  EXPECT_EQ(state("mail"), "running");
  for (int started = 0; started < 2; started = dispatcher_.started)
    dispatcher_.started.wait(started);
}

TEST_F(UploadsTest, RateZeroStopsAndAHigherOneResumes) {  // GAE-178
  for (const char* zero : {"0", "0/s"}) {
    apply("queue:\n- {name: mail, rate: " + std::string(zero) + "}\n");
    EXPECT_EQ(ask<QueueStats>(GetQueueStats{name("mail"), {}})->enforced_rate, 0);
  }
  ASSERT_TRUE(add("mail"));
  EXPECT_EQ(dispatcher_.started, 0);
  apply("queue:\n- {name: mail, rate: 50/s}\n");
  dispatcher_.started.wait(0);
  EXPECT_EQ(dispatcher_.started, 1);
}

TEST_F(UploadsTest, AQueueThatWasPausedByHandStaysPaused) {  // GAE-178
  const std::string mail = "queue:\n- {name: mail, rate: 10/m}\n";
  apply(mail);
  ASSERT_TRUE(ask<QueueInfo>(SetQueueState{name("mail"), QueueState::paused, {}}));
  apply(mail);
  EXPECT_EQ(state("mail"), "paused");
  apply("resume_paused_queues: True\n" + mail);
  EXPECT_EQ(state("mail"), "running");
}

TEST_F(UploadsTest, SettingsLeftOutReturnToTheirDefaults) {  // GAE-179
  apply("queue:\n- {name: mail, rate: 10/m, bucket_size: 50, target: web}\n");
  apply("queue:\n- {name: mail, rate: 10/m}\n");
  EXPECT_EQ(queue("mail")->settings.burst, 5);
  EXPECT_EQ(queue("mail")->settings.appengine.target, "");
}

TEST_F(UploadsTest, TheModeOfAQueueWithTasksCannotChange) {  // GAE-183
  apply("queue:\n- {name: mail, rate: 0}\n");
  ASSERT_TRUE(add("mail"));
  const std::string pull = "queue:\n- {name: new, rate: 1/s}\n- {name: mail, mode: pull}\n";
  const auto refused = upload(pull);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::queue_mode);
  EXPECT_EQ(state("new"), "missing");  // nothing at all was changed
  EXPECT_EQ(queue("mail")->settings.mode, QueueMode::push);
  ASSERT_TRUE(ask<QueueInfo>(PurgeQueue{name("mail"), {}}));
  apply(pull);
  EXPECT_EQ(queue("mail")->settings.mode, QueueMode::pull);
}

TEST_F(UploadsTest, TheStorageLimitCountsAllQueuesOfTheProject) {  // GAE-184, GAE-068
  apply("total_storage_limit: 2K\nqueue:\n- {name: a, rate: 0}\n- {name: b, mode: pull}\n");
  ASSERT_TRUE(add("a", 1000));
  ASSERT_TRUE(add("b", 500, false));
  const auto refused = add("a", 1000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::project_full);
  ASSERT_TRUE(ask<QueueInfo>(PurgeQueue{name("b"), {}}));
  ASSERT_TRUE(ask<QueueInfo>(PurgeQueue{name("a"), {}}));
  EXPECT_TRUE(add("b", 1000, false));  // room is room, whichever queue left it
  apply("queue:\n- {name: a, rate: 0}\n- {name: b, mode: pull}\n");
  EXPECT_TRUE(add("a", 100'000));
}

TEST_F(UploadsTest, ANameThatIsNotFreeYetIsToldBeforeAnythingChanges) {
  apply("queue:\n- {name: mail, rate: 1/s}\n");
  DeleteQueue command{name("mail"), {}};
  command.tombstone = std::chrono::hours(1);
  ASSERT_TRUE(ask<void>(std::move(command)));
  const auto refused = upload("queue:\n- {name: new, rate: 1/s}\n- {name: mail, rate: 1/s}\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::queue_gone);
  EXPECT_TRUE(refused.error().message.starts_with("queue.yaml:3:10: queue \"mail\": "))
      << refused.error().message;
  EXPECT_EQ(state("new"), "missing");
}

TEST_F(UploadsTest, AQueueThatGotATaskMeanwhileIsNotRemade) {  // GAE-183
  apply("queue:\n- {name: mail, rate: 0}\n");
  ASSERT_TRUE(add("mail"));
  DeleteQueue command{name("mail"), {}};
  command.only_empty = true;
  const auto refused = ask<void>(std::move(command));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::queue_mode);
  EXPECT_EQ(tasks("mail"), 1U);
}

// The runtime with a disk that fails at the second queue.
class FailingRuntime final : public Runtime {
 public:
  explicit FailingRuntime(Runtime& inner) : inner_(inner) {}
  void enqueue(Command command) override {
    if (auto* const configure = std::get_if<ConfigureQueue>(&command); configure && ++seen_ == 2) {
      configure->reply(fail(Reason::store_failed, "the disk is full"));
      return;
    }
    inner_.enqueue(std::move(command));
  }
  void enqueue_until(Command command, Mono) override { enqueue(std::move(command)); }
  void flush() override { inner_.flush(); }
  void stop(Mono, Callback<void()> done) override { done(); }
  RuntimeStats stats() const override { return inner_.stats(); }

 private:
  Runtime& inner_;
  int seen_ = 0;
};

TEST_F(UploadsTest, AnUploadThatEndsHalfWaySaysSoAndTheNextCompletesIt) {
  FailingRuntime failing(*runtime_);
  const auto uploads = QueueUploads::make(failing, QueueYamlLimits::deferd);
  const QueueUpload upload{.file = {"queue.yaml",
                                    "queue:\n- {name: a, rate: 1/s}\n- {name: b, rate: "
                                    "1/s}\n- {name: c, rate: 1/s}\n"},
                           .project = "p",
                           .location = "l"};
  const auto failed = uploads->upload_and_wait(upload);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, Reason::store_failed);
  EXPECT_EQ(failed.error().message,
            "b: the disk is full; 1 of 3 changes had been made before; upload the file again to "
            "complete it");
  EXPECT_EQ(state("a"), "running");
  EXPECT_EQ(state("c"), "missing");
  ASSERT_TRUE(uploads->upload_and_wait(upload));
  EXPECT_EQ(state("c"), "running");
}

TEST_F(UploadsTest, AThousandQueuesAndMore) {
  std::string text = "queue:\n";
  for (int i = 0; i < 1200; ++i) text += "- {name: q" + std::to_string(i) + ", rate: 1/s}\n";
  apply(text);
  const auto again = upload(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->queues.size(), 1200U);
  EXPECT_FALSE(again->changes_anything());
}

TEST_F(UploadsTest, UploadsAtTheSameTimeAreCarriedOutOneAfterTheOther) {
  std::promise<void> all;
  std::atomic<int> left = 20;
  for (int i = 0; i < 20; ++i) {
    uploads_->upload({.file = {"queue.yaml", i % 2 == 0 ? "queue:\n- {name: even, rate: 1/s}\n"
                                                        : "queue:\n- {name: odd, rate: 1/s}\n"},
                      .project = "p",
                      .location = "l"},
                     [&](Result<QueuePlan> plan) {
                       EXPECT_TRUE(plan);
                       if (--left == 0) all.set_value();
                     });
  }
  all.get_future().wait();
  EXPECT_EQ(state("odd"), "running");
  EXPECT_EQ(state("even"), "disabled");
}

}  // namespace
}  // namespace deferd
