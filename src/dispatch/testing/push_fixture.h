// Tasks from the engine to their handlers, over loopback: a whole runtime with a store in memory
// and the dispatcher under test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dispatch/testing/pushes.h"
#include "dispatch/testing/scripted_server.h"
#include "runtime/runtime.h"
#include "store/memory/store.h"

namespace deferd {

// Answers in turn, the last one for ever; each request is seen first.
class Handler {
 public:
  explicit Handler(std::vector<std::string> answers)
      : answers_(std::move(answers)), server_([this](Peer& peer) {
          SeenRequest request;
          while (peer.read_request(request)) {
            seen.put(request);
            if (!peer.write(next())) return;
          }
        }) {}

  std::string url() const { return server_.url(""); }
  std::uint16_t port() const { return server_.port(); }
  int connections() const { return server_.connections(); }

  Seen<SeenRequest> seen;

 private:
  std::string next() {
    const std::lock_guard lock(mutex_);
    const std::string bytes = answers_.front();
    if (answers_.size() > 1) answers_.erase(answers_.begin());
    return bytes;
  }

  std::mutex mutex_;
  std::vector<std::string> answers_;
  ScriptedServer server_;
};

// Queues of the project `shop` in the location `l`.
class PushTest : public testing::Test {
 protected:
  void start(PushOptions options) {
    auto dispatcher = make_push_dispatcher(std::move(options));
    ASSERT_TRUE(dispatcher) << dispatcher.error().message;
    dispatcher_ = std::move(*dispatcher);
    store_ = std::make_unique<MemoryStore>();
    auto runtime = Runtime::start({}, clock_, *store_, *dispatcher_);
    ASSERT_TRUE(runtime) << runtime.error().message;
    runtime_ = std::move(*runtime);
  }
  ~PushTest() override { stop(); }
  // Forgets all, so that a test may start anew.
  void stop() {
    if (!runtime_) return;
    std::promise<void> stopped;
    runtime_->stop(clock_.now().mono, [&] { stopped.set_value(); });
    stopped.get_future().wait();
    runtime_.reset();
    dispatcher_.reset();
    store_.reset();
  }

  template <class Answer, class Command>
  Result<Answer> ask(Command command) {
    std::promise<Result<Answer>> promise;
    command.reply = [&](Result<Answer> answer) { promise.set_value(std::move(answer)); };
    runtime_->submit(std::move(command));
    return promise.get_future().get();
  }

  // Retries come at once.
  static QueueSettings eager() {
    QueueSettings settings = QueueSettings::defaults(QueueMode::push);
    settings.retry.min_backoff = settings.retry.max_backoff = Millis(1);
    return settings;
  }
  void queue(const std::string& name, const QueueSettings& settings) {
    ConfigureQueue command{*QueueName::parse("shop", "l", name), {}, {}};
    command.change = [settings](const QueueSettings*) -> Result<QueueSettings> { return settings; };
    const auto made = ask<ConfigureQueue::Answer>(std::move(command));
    ASSERT_TRUE(made) << made.error().message;
  }
  void set_state(const std::string& name, QueueState state) {
    const auto set = ask<QueueInfo>(SetQueueState{*QueueName::parse("shop", "l", name), state, {}});
    ASSERT_TRUE(set) << set.error().message;
  }
  TaskId add(const std::string& name, const PushRequest& request, TaskOptions options = {},
             std::optional<Wall> eta = {}) {
    NewTask task;
    task.payload = share(encode(request));
    task.has_target = true;
    task.eta = eta;
    if (!options.empty()) task.options = std::make_shared<const TaskOptions>(std::move(options));
    AddTasks command;
    command.queue = *QueueName::parse("shop", "l", name);
    command.tasks.push_back(std::move(task));
    const auto added = ask<std::vector<Result<Task>>>(std::move(command));
    if (added && added->front()) return added->front()->id;
    ADD_FAILURE() << "the task was not added";
    return {};
  }
  QueueStats stats(const std::string& name) {
    const auto stats = ask<QueueStats>(GetQueueStats{*QueueName::parse("shop", "l", name), {}});
    EXPECT_TRUE(stats);
    return *stats;
  }
  template <class Condition>
  void wait_until(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + ample;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
      std::this_thread::sleep_for(Millis(1));
    }
  }
  // All its tasks have ended.
  void wait_until_empty(const std::string& name) {
    wait_until([&] { return stats(name).tasks == 0; });
  }

  TaskInfo task(const std::string& name, TaskId id) {
    const auto info = ask<TaskInfo>(GetTask{*QueueName::parse("shop", "l", name), TaskRef(id), {}});
    EXPECT_TRUE(info) << info.error().message;
    return info.value_or(TaskInfo{});
  }

  SystemClock clock_;
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<PushDispatcher> dispatcher_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace deferd
