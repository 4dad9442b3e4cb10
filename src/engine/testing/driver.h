// Drives a shard by hand over a memory store: commands in, attempts and answers out, a clock that
// stands still until it is moved. Everything that can happen at the present instant has happened
// when a call returns.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/shard.h"
#include "store/memory/store.h"

namespace deferd {

class EngineDriver {
 public:
  struct Running {
    AttemptKey key;
    Attempt attempt;
  };

  explicit EngineDriver(ShardOptions options = {}) : options_(options) { open(); }

  // ---- Time ----
  const Now& now() const { return now_; }
  void advance(Micros by) {
    const Mono until = now_.mono + by;
    while (true) {
      settle();
      const Mono next = std::min(wake_at_, until);
      if (next > now_.mono) {
        // Wall time has microseconds: round up, so that what is due then is due.
        const auto step = std::chrono::ceil<Micros>(next - now_.mono);
        now_.mono += step;
        now_.wall += step;
      }
      if (now_.mono >= until) break;
    }
    settle();
  }

  // The same, but nothing happens yet.
  void tick(Micros by) {
    now_.mono += by;
    now_.wall += by;
  }

  // ---- Commands; each answers at once or the test fails ----
  template <class Answer, class Command>
  Result<Answer> ask(Command command) {
    std::optional<Result<Answer>> answer;
    command.reply = [&answer](Result<Answer> value) {
      EXPECT_FALSE(answer.has_value()) << "answered twice";
      answer = std::move(value);
    };
    shard_->apply(Command(std::move(command)), now_);
    settle();
    if (!answer) {
      ADD_FAILURE() << "no answer";
      return fail(Reason::internal, "no answer");
    }
    return std::move(*answer);
  }

  // The answer comes when it comes; a null one so far.
  template <class Answer, class Command>
  std::shared_ptr<std::optional<Result<Answer>>> ask_later(Command command) {
    auto answer = std::make_shared<std::optional<Result<Answer>>>();
    command.reply = [answer](Result<Answer> value) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(value);
    };
    shard_->apply(Command(std::move(command)), now_);
    settle();
    return answer;
  }

  static QueueName name(const std::string& queue) { return *QueueName::parse("p", "l", queue); }

  void make(
      const std::string& queue, QueueMode mode = QueueMode::push,
      const std::function<void(QueueSettings&)>& change = [](QueueSettings&) {}) {
    const auto made = ask<ConfigureQueue::Answer>(ConfigureQueue{
        name(queue),
        [&](const QueueSettings* old) -> Result<QueueSettings> {
          QueueSettings settings = old != nullptr ? *old : QueueSettings::defaults(mode);
          change(settings);
          return settings;
        },
        {}});
    ASSERT_TRUE(made) << made.error().message;
  }
  void set_state(const std::string& queue, QueueState state) {
    ASSERT_TRUE(ask<QueueInfo>(SetQueueState{name(queue), state, {}}));
  }

  struct Add {
    std::string name;
    std::string key;
    std::optional<Micros> delay;
    std::optional<std::uint8_t> priority;
    RetryOverride retry;
    std::string payload = "x";
    bool target = true;
    Micros keep_result{0};
    std::string callback_url = {};
    std::string callback_queue = {};
  };
  Result<Task> add(const std::string& queue, const Add& given) {
    auto results = ask<std::vector<Result<Task>>>(AddTasks{name(queue), new_tasks({given}), {}});
    if (!results) return fail(results.error());
    return results->front();
  }
  std::vector<NewTask> new_tasks(const std::vector<Add>& given) {
    std::vector<NewTask> tasks;
    for (const Add& one : given) {
      NewTask task;
      task.delay = one.delay;
      task.priority = one.priority;
      auto options = std::make_shared<TaskOptions>();
      options->name = one.name;
      options->key = one.key;
      options->retry = one.retry;
      options->keep_result = one.keep_result;
      options->callback_url = one.callback_url;
      options->callback_queue = one.callback_queue;
      if (!options->empty()) task.options = options;
      task.payload = share(one.payload);
      task.has_target = one.target;
      tasks.push_back(std::move(task));
    }
    return tasks;
  }

  QueueStats stats(const std::string& queue) {
    return *ask<QueueStats>(GetQueueStats{name(queue), {}});
  }
  Result<TaskInfo> get(const std::string& queue, const TaskRef& task) {
    return ask<TaskInfo>(GetTask{name(queue), task, {}});
  }

  std::vector<TaskInfo> lease(const std::string& queue, std::uint32_t tasks_max, Micros duration,
                              LeaseTasks::By by = LeaseTasks::By::any,
                              const std::string& key = {}) {
    LeaseTasks command{name(queue), tasks_max, duration, by, key, Micros(0), nullptr, {}};
    auto granted = ask<std::vector<TaskInfo>>(std::move(command));
    EXPECT_TRUE(granted);
    return granted ? *granted : std::vector<TaskInfo>();
  }
  static Lease lease_of(const TaskInfo& info) {
    return {info.task.id, info.task.progress.lease_token};
  }
  Result<void> ack(const std::string& queue, const Lease& lease) {
    auto results = ask<std::vector<Result<void>>>(AckTasks{name(queue), {lease}, {}});
    if (!results) return fail(results.error());
    return results->front();
  }

  // ---- Attempts ----
  std::vector<Running>& running() { return running_; }
  // Payloads of the attempts that run, in the order of their start.
  std::vector<std::string> running_payloads() const {
    std::vector<std::string> payloads;
    for (const Running& one : running_) payloads.push_back(*one.attempt.task.payload);
    return payloads;
  }
  void finish(std::size_t index, std::int16_t status, Micros retry_after = Micros(0),
              Strain strain = Strain::none) {
    finish(index, {.status = status, .retry_after = retry_after, .strain = strain});
  }
  void finish(std::size_t index, const AttemptResult& result) {
    ASSERT_LT(index, running_.size());
    const AttemptKey key = running_[index].key;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    shard_->attempt_done(key, result, now_);
    settle();
  }
  // Tasks whose attempts were to be cut off.
  const std::vector<TaskId>& cancelled() const { return cancelled_; }
  void finish_all(std::int16_t status) {
    while (!running_.empty()) finish(0, status);
  }

  // The process ends and starts anew on the same store; attempts are cut off.
  void restart() {
    shard_.reset();
    store_.reset();
    running_.clear();
    open();
  }

  Shard& shard() { return *shard_; }
  MemoryStore& store() { return *store_; }

  // Lets everything happen that can at this instant.
  void settle() {
    while (true) {
      shard_->step(now_);
      shard_->check();
      Effects effects = shard_->take_effects();
      wake_at_ = effects.wake_at;
      bool more = false;
      if (effects.commit) {
        more = true;
        ++commits;
        store_->commit(std::move(*effects.commit),
                       [this](Result<void> result) { committed_.push_back(std::move(result)); });
      }
      for (auto& attempt : effects.attempts)
        running_.push_back({attempt.key, std::move(attempt.attempt)});
      for (const auto& cancel : effects.cancels) cancelled_.push_back(cancel.task);
      for (auto& read : effects.reads) {
        more = true;
        ++reads;
        store_->read(std::move(read.read), [this, id = read.id](Result<ReadAnswer> answer) {
          answers_.emplace_back(id, std::move(answer));
        });
      }
      for (auto& forward : effects.forwards) {
        ++forwards;
        forward.add.reply = [this, id = forward.id](Result<std::vector<Result<Task>>> result) {
          if (!lose_forwards) forwarded_.emplace_back(id, std::move(result));
        };
        shard_->apply(std::move(forward.add), now_);
        more = true;
      }
      for (auto& reply : effects.replies) reply();
      if (!effects.logged.empty()) options_.task_log->write(std::move(effects.logged));
      if (!hold_commits) deliver_commits();
      if (!hold_reads) deliver_reads();
      for (auto& [id, result] : std::exchange(forwarded_, {})) {
        more = true;
        shard_->forwarded(id, result, now_);
      }
      if (!more && wake_at_ > now_.mono) return;
    }
  }

  std::size_t commits = 0;
  std::size_t reads = 0;
  std::size_t forwards = 0;
  bool lose_forwards = false;  // the source is never told how they ended

  // ---- A slow store: while these are set, its answers come when they are let go ----
  bool hold_reads = false;
  bool hold_commits = false;
  // Those that wait by now; what is asked because of them waits in turn.
  void let_reads_go() {
    deliver_reads();
    settle();
  }
  // Of those the one that was asked last.
  void let_newest_read_go() {
    auto [id, answer] = std::move(answers_.back());
    answers_.pop_back();
    shard_->read_done(id, std::move(answer), now_);
    settle();
  }
  void let_commit_go() {
    deliver_commits();
    settle();
  }

 private:
  void deliver_reads() {
    for (auto& [id, answer] : std::exchange(answers_, {}))
      shard_->read_done(id, std::move(answer), now_);
  }
  void deliver_commits() {
    for (auto& result : std::exchange(committed_, {})) shard_->committed(result, now_);
  }

  void open() {
    store_ = std::make_unique<MemoryStore>(disk_, MemoryStore::Options{});
    auto loaded = store_->load();
    ASSERT_TRUE(loaded);
    auto next = std::make_shared<std::uint64_t>(loaded->next_number.value);
    options_.projects = std::make_shared<ProjectUse>();
    for (const ProjectRecord& project : loaded->projects)
      options_.projects->account(project.project)->limit(project.bytes_max);
    shard_ = std::make_unique<Shard>(options_, [next] { return QueueNumber{(*next)++}; });
    shard_->load(std::move(loaded->queues), now_, std::move(loaded->gone), loaded->documents);
    settle();
  }

  ShardOptions options_;
  Now now_{wall_from_micros(1'800'000'000'000'000), Mono(Seconds(1000))};
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::never);
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<Shard> shard_;
  std::vector<Running> running_;
  std::vector<TaskId> cancelled_;
  std::vector<Result<void>> committed_;
  std::vector<std::pair<std::uint64_t, Result<ReadAnswer>>> answers_;
  std::vector<std::pair<std::uint64_t, ForwardResult>> forwarded_;
  Mono wake_at_ = Mono::max();
};

}  // namespace deferd
