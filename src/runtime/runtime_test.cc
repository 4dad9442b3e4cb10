// The threaded runtime over the memory store: every call is answered once, admission refuses at
// once, stopping drains.
#include "runtime/runtime.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/testing/held_dispatcher.h"
#include "store/memory/store.h"

namespace deferd {
namespace {

// Completions are run by the test, so that commits stay under way as long as it likes.
struct HeldStore {
  std::mutex mutex;
  std::vector<Callback<void()>> held;
  bool hold = false;
  MemoryStore store{std::make_shared<MemoryDisk>(MemoryDisk::Crashes::never),
                    {[this](Callback<void()> completion) {
                      std::unique_lock lock(mutex);
                      if (hold) {
                        held.push_back(std::move(completion));
                      } else {
                        lock.unlock();
                        completion();
                      }
                    }}};

  void release() {
    std::vector<Callback<void()>> now;
    {
      const std::lock_guard lock(mutex);
      hold = false;
      now.swap(held);
    }
    for (auto& completion : now) completion();
  }
};

class RuntimeTest : public testing::Test {
 protected:
  void start(RuntimeOptions options = {}) {
    auto started = Runtime::start(options, clock, disk.store, dispatcher);
    ASSERT_TRUE(started);
    runtime = std::move(*started);
  }

  static QueueName name(const std::string& queue) { return *QueueName::parse("p", "l", queue); }

  template <class Answer, class Command>
  std::future<Result<Answer>> ask(Command command) {
    auto promise = std::make_shared<std::promise<Result<Answer>>>();
    command.reply = [promise](Result<Answer> answer) { promise->set_value(std::move(answer)); };
    auto future = promise->get_future();
    runtime->submit(Command(std::move(command)));
    return future;
  }
  Result<ConfigureQueue::Answer> make(const std::string& queue) {
    return ask<ConfigureQueue::Answer>(
               ConfigureQueue{name(queue),
                              [](const QueueSettings*) -> Result<QueueSettings> {
                                return QueueSettings::defaults(QueueMode::push);
                              },
                              {}})
        .get();
  }
  std::future<Result<std::vector<Result<Task>>>> add(const std::string& queue, std::size_t bytes) {
    NewTask task;
    task.payload = share(std::string(bytes, 'x'));
    task.has_target = true;
    AddTasks command{name(queue), {}, {}};
    command.tasks.push_back(std::move(task));
    return ask<std::vector<Result<Task>>>(std::move(command));
  }

  SystemClock clock;
  HeldStore disk;
  HeldDispatcher dispatcher;
  std::unique_ptr<Runtime> runtime;
};

TEST_F(RuntimeTest, QueuesOfAllShardsAreListedInOrder) {
  start({.shards = 3});
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back("q" + std::to_string(100 + i));
  for (const std::string& queue : names) ASSERT_TRUE(make(queue));
  const auto listed = ask<std::vector<QueueInfo>>(ListQueues{"p", "l", "q102", 5, {}}).get();
  ASSERT_TRUE(listed);
  std::vector<std::string> found;
  for (const QueueInfo& info : *listed) found.push_back(info.name.queue);
  EXPECT_EQ(found, std::vector<std::string>(names.begin() + 3, names.begin() + 8));
}

TEST_F(RuntimeTest, DeadLettersGoToQueuesOfOtherShards) {
  start({.shards = 2});
  constexpr std::size_t sources = 8;  // of both shards
  for (std::size_t i = 0; i < sources; ++i) {
    const std::string queue = "q" + std::to_string(i);
    ASSERT_TRUE(ask<ConfigureQueue::Answer>(
                    ConfigureQueue{name(queue),
                                   [](const QueueSettings*) -> Result<QueueSettings> {
                                     QueueSettings settings =
                                         QueueSettings::defaults(QueueMode::push);
                                     settings.retry.max_attempts = 1;
                                     settings.dead.queue = "graves";
                                     return settings;
                                   },
                                   {}})
                    .get());
  }
  ASSERT_TRUE(make("graves"));
  for (std::size_t i = 0; i < sources; ++i) ASSERT_TRUE(add("q" + std::to_string(i), 10 + i).get());
  ASSERT_TRUE(dispatcher.wait_for(sources));
  dispatcher.finish(500);
  ASSERT_TRUE(dispatcher.wait_for(sources));
  std::set<std::size_t> sizes;
  for (std::size_t i = 0; i < sources; ++i) {
    const std::optional<Attempt> attempt = dispatcher.next();
    ASSERT_TRUE(attempt);
    EXPECT_EQ(attempt->queue->queue, "graves");
    sizes.insert(attempt->task.payload->size());
  }
  EXPECT_EQ(sizes.size(), sources) << "each of them once";
  dispatcher.finish(200);
}

TEST_F(RuntimeTest, CallersFromManyThreadsAreAllAnswered) {
  start({.shards = 2});
  ASSERT_TRUE(make("a"));
  ASSERT_TRUE(make("b"));
  std::atomic<int> stored{0};
  {
    std::vector<std::jthread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&, t] {
        for (int i = 0; i < 500; ++i) {
          const auto results = add(t % 2 == 0 ? "a" : "b", 10).get();
          if (results && results->front()) ++stored;
        }
      });
    }
  }
  EXPECT_EQ(stored.load(), 2000);
}

TEST_F(RuntimeTest, PastTheBoundOfWhatMayWaitACallIsRefusedAtOnce) {
  start({.waiting_bytes_max = 10'000});
  ASSERT_TRUE(make("q"));
  {
    const std::lock_guard lock(disk.mutex);
    disk.hold = true;
  }
  auto first = add("q", 6'000);
  auto second = add("q", 6'000);
  const auto refused = second.get();  // although nothing is committed
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::overloaded);
  EXPECT_TRUE(refused.error().retry_after);
  while (true) {
    const std::lock_guard lock(disk.mutex);
    if (!disk.held.empty()) break;
  }
  disk.release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(add("q", 6'000).get());
  EXPECT_EQ(runtime->stats().refused, 1U);
}

TEST_F(RuntimeTest, StoppingRefusesWhatIsNewAndWaitsForWhatRuns) {
  start();
  ASSERT_TRUE(make("q"));
  ASSERT_TRUE(add("q", 10).get());
  ASSERT_TRUE(dispatcher.wait_for(1));
  std::promise<void> stopped;
  runtime->stop(clock.now().mono + Seconds(60), [&] { stopped.set_value(); });
  auto future = stopped.get_future();
  EXPECT_EQ(add("q", 10).get().error().reason, Reason::stopping);
  EXPECT_EQ(future.wait_for(Seconds(0)), std::future_status::timeout) << "an attempt still runs";
  dispatcher.finish(200);
  future.get();
  runtime.reset();
  start();
  EXPECT_EQ(ask<QueueStats>(GetQueueStats{name("q"), {}}).get()->tasks, 0U)
      << "its end was committed";
}

TEST_F(RuntimeTest, StoppingEndsAtItsDeadlineAlthoughAnAttemptHangs) {
  start();
  ASSERT_TRUE(make("q"));
  ASSERT_TRUE(add("q", 10).get());
  ASSERT_TRUE(dispatcher.wait_for(1));
  std::promise<void> stopped;
  runtime->stop(clock.now().mono, [&] { stopped.set_value(); });
  stopped.get_future().get();
  runtime.reset();
  dispatcher.finish(200);  // its report finds nobody, and harms nobody
}

// GAE-184
TEST_F(RuntimeTest, AProjectsLimitHoldsOverAllShards) {
  RuntimeOptions options;
  options.shards = 4;
  start(options);
  constexpr std::uint64_t tasks_max = 50;
  constexpr std::size_t payload = 100;
  const std::uint64_t limit = tasks_max * (payload + task_overhead_bytes);
  ASSERT_TRUE(ask<void>(SetProjectLimit{"p", limit, {}}).get());
  constexpr int queues = 16;
  for (int i = 0; i < queues; ++i) {
    ASSERT_TRUE(make("q" + std::to_string(i)));
    ASSERT_TRUE(
        ask<QueueInfo>(SetQueueState{name("q" + std::to_string(i)), QueueState::paused, {}}).get());
  }
  std::vector<std::future<Result<std::vector<Result<Task>>>>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(add("q" + std::to_string(i % queues), payload));
  std::uint64_t added = 0;
  for (auto& answer : answers) {
    const auto results = answer.get();
    ASSERT_TRUE(results);
    if (results->front()) {
      ++added;
    } else {
      EXPECT_EQ(results->front().error().reason, Reason::project_full);
    }
  }
  EXPECT_EQ(added, tasks_max);
  auto use = ask<GetProjectUse::Answer>(GetProjectUse{"p", {}}).get();
  ASSERT_TRUE(use);
  EXPECT_EQ(use->bytes, limit);
  EXPECT_EQ(use->bytes_max, limit);

  runtime.reset();
  options.shards = 3;
  start(options);
  use = ask<GetProjectUse::Answer>(GetProjectUse{"p", {}}).get();
  EXPECT_EQ(use->bytes, limit) << "known at once after a restart";
  EXPECT_EQ(add("q0", payload).get()->front().error().reason, Reason::project_full);
  std::vector<std::future<Result<QueueInfo>>> purged;
  for (int i = 0; i < queues; ++i)
    purged.push_back(ask<QueueInfo>(PurgeQueue{name("q" + std::to_string(i)), {}}));
  for (auto& one : purged) ASSERT_TRUE(one.get());
  use = ask<GetProjectUse::Answer>(GetProjectUse{"p", {}}).get();
  EXPECT_EQ(use->bytes, 0U);
  EXPECT_TRUE(add("q1", payload).get()->front());
}

TEST_F(RuntimeTest, NamesOfDeletedQueuesAreTakenOnWhateverShardAfterARestart) {
  RuntimeOptions options;
  options.shards = 4;
  start(options);
  for (int i = 0; i < 8; ++i) {
    const std::string queue = "q" + std::to_string(i);
    ASSERT_TRUE(make(queue));
    ASSERT_TRUE(ask<void>(DeleteQueue{name(queue), {}, Seconds(60)}).get());
  }
  runtime.reset();
  options.shards = 3;
  start(options);
  for (int i = 0; i < 8; ++i) {
    const auto made = make("q" + std::to_string(i));
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().reason, Reason::queue_gone);
  }
}

}  // namespace
}  // namespace deferd
