#include "runtime/runtime.h"

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <type_traits>

#include "base/log.h"
#include "runtime/shard_loop.h"

namespace deferd {
namespace {

// What a command takes while it waits, in bytes: its payloads, and a fixed share for each task and
// for itself.
std::uint64_t waiting_cost(const Command& command) {
  constexpr std::uint64_t command_bytes = 256;
  constexpr std::uint64_t task_bytes = 256;
  std::uint64_t bytes = command_bytes;
  if (const auto* add = std::get_if<AddTasks>(&command)) {
    for (const NewTask& task : add->tasks) bytes += task_bytes + task.payload->size();
  }
  return bytes;
}

// What decides which shard a command belongs to: its queue, or its project. None: all of them.
std::optional<std::size_t> hash_of(const Command& command) {
  return std::visit(
      [](const auto& one) -> std::optional<std::size_t> {
        using Type = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Type, ListQueues>) {
          return std::nullopt;
        } else if constexpr (std::is_same_v<Type, SetProjectLimit> ||
                             std::is_same_v<Type, GetProjectUse>) {
          return std::hash<std::string>{}(one.project);
        } else {
          return hash_value(one.queue);
        }
      },
      command);
}

void refuse(Command command, const Error& error) {
  std::visit([&error](auto& one) { one.reply(fail(error)); }, command);
}

// Wakes a loop's thread, from any thread and also after that thread is gone. Cheap while it runs:
// only a sleeper is signalled.
class Alarm {
 public:
  void ring() {
    if (rung_.exchange(true, std::memory_order_seq_cst) ||
        !sleeping_.load(std::memory_order_seq_cst))
      return;
    {
      const std::lock_guard lock(mutex_);
    }  // the sleeper is before its check of rung_, or in wait()
    wake_.notify_one();
  }

  bool rung() const { return rung_.load(std::memory_order_seq_cst); }

  // Returns when rung since the last return, or after `span`.
  void sleep(Nanos span) {
    if (span > Nanos(0) && !rung_.load(std::memory_order_seq_cst)) {
      std::unique_lock lock(mutex_);
      sleeping_.store(true, std::memory_order_seq_cst);
      wake_.wait_for(lock, span, [this] { return rung_.load(std::memory_order_seq_cst); });
      sleeping_.store(false, std::memory_order_seq_cst);
    }
    rung_.store(false, std::memory_order_seq_cst);
  }

 private:
  std::atomic<bool> rung_{false};
  std::atomic<bool> sleeping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

// A thread that runs one loop: sleeps until something comes in or is due.
class LoopThread {
 public:
  LoopThread(Clock& clock, std::shared_ptr<Alarm> alarm, std::shared_ptr<ShardLoop> loop)
      : clock_(clock),
        alarm_(std::move(alarm)),
        loop_(std::move(loop)),
        thread_([this] { run(); }) {}

  ~LoopThread() {
    ended_.store(true);
    alarm_->ring();
    thread_.join();
  }

  void stop_when_idle(Mono deadline, Callback<void()> done) {
    {
      const std::lock_guard lock(stop_mutex_);
      stop_ = {deadline, std::move(done)};
      stopping_.store(true);
    }
    loop_->post_stop();
    alarm_->ring();
  }

 private:
  void run() {
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // else the kernel adds up to 50 us to each sleep
    while (!ended_.load()) {
      const Mono wake_at = loop_->run(clock_.now());
      if (stopping_.load()) end_stop_if_idle();
      // Capped, so that a wall clock that jumps ahead is noticed in time, and a stop's deadline is
      // kept.
      constexpr Nanos sleep_max = Millis(500);
      constexpr Nanos stopping_sleep = Millis(5);
      const Nanos until_due = wake_at == Mono::max() ? sleep_max : wake_at - clock_.now().mono;
      // A core that sleeps takes about as long to wake as all else between ETA and target takes. So
      // the thread is up a moment before, and lets whoever wants the core have it.
      constexpr Nanos early = Micros(60);
      if (until_due > early) {
        alarm_->sleep(std::min(until_due - early, stopping_.load() ? stopping_sleep : sleep_max));
        continue;
      }
      while (!alarm_->rung() && clock_.now().mono < wake_at) std::this_thread::yield();
      alarm_->sleep(Nanos(0));
    }
  }

  void end_stop_if_idle() {
    Callback<void()> done;
    {
      const std::lock_guard lock(stop_mutex_);
      if (!stop_.done || (!loop_->is_idle() && clock_.now().mono < stop_.deadline)) return;
      done = std::exchange(stop_.done, nullptr);
    }
    done();
  }

  struct Stop {
    Mono deadline{};
    Callback<void()> done;
  };

  Clock& clock_;
  const std::shared_ptr<Alarm> alarm_;
  const std::shared_ptr<ShardLoop> loop_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_;
  Stop stop_;           // under stop_mutex_
  std::thread thread_;  // last: it uses all of the above
};

class ThreadedRuntime final : public Runtime {
 public:
  ThreadedRuntime(const RuntimeOptions& options, Store::Loaded loaded, Clock& clock, Store& store,
                  Dispatcher& dispatcher)
      : options_(options),
        next_number_(std::make_shared<std::atomic<std::uint64_t>>(loaded.next_number.value)) {
    DEFERD_ASSERT(options.shards >= 1);
    std::vector<std::vector<StoredQueue>> of_shard(options.shards);
    for (StoredQueue& queue : loaded.queues)
      of_shard[shard_of(queue.record.name)].push_back(std::move(queue));
    std::vector<std::vector<GoneQueue>> gone_of_shard(options.shards);
    for (GoneQueue& gone : loaded.gone)
      gone_of_shard[shard_of(gone.name)].push_back(std::move(gone));
    std::vector<std::vector<Document>> documents_of_shard(options.shards);
    for (const Document& document : loaded.documents)
      documents_of_shard[shard_of(document.queue)].push_back(document);
    documents_ = std::move(loaded.documents);
    const auto projects = std::make_shared<ProjectUse>();
    for (const ProjectRecord& project : loaded.projects)
      projects->account(project.project)->limit(project.bytes_max);
    std::vector<std::shared_ptr<Alarm>> alarms;
    for (std::uint32_t i = 0; i < options.shards; ++i) {
      ShardOptions shard = options.shard;
      shard.seed += i;
      shard.sweeps = i == 0;
      shard.projects = projects;
      const Now now = clock.now();
      // The store or the dispatcher may finish something after the runtime is gone: both share loop
      // and alarm.
      auto alarm = std::make_shared<Alarm>();
      auto loop = std::make_shared<ShardLoop>(
          shard, [counter = next_number_] { return QueueNumber{counter->fetch_add(1)}; }, store,
          dispatcher, now, [alarm] { alarm->ring(); },
          [this](Command command) { submit(std::move(command)); });
      loop->load(std::move(of_shard[i]), now, std::move(gone_of_shard[i]), documents_of_shard[i]);
      loops_.push_back(loop);
      alarms.push_back(std::move(alarm));
    }
    // Their threads begin when all are there, as one may have tasks for another.
    for (std::uint32_t i = 0; i < options.shards; ++i)
      threads_.push_back(std::make_unique<LoopThread>(clock, std::move(alarms[i]), loops_[i]));
  }

  void enqueue(Command command) override { enqueue_until(std::move(command), Mono::max()); }

  void enqueue_until(Command command, Mono good_until) override {
    commands_.fetch_add(1, std::memory_order_relaxed);
    const std::optional<std::size_t> hash = hash_of(command);
    if (!hash) {
      list_queues(std::get<ListQueues>(std::move(command)));
      return;
    }
    ShardLoop& loop = *loops_[*hash % options_.shards];
    const std::uint64_t bytes = waiting_cost(command);
    const std::uint64_t waiting_max = options_.waiting_bytes_max / options_.shards;
    const std::uint64_t waiting = loop.waiting_bytes.load(std::memory_order_relaxed);
    // A single call larger than the bound goes through when nothing else waits.
    if (waiting > 0 && waiting + bytes > waiting_max) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      refuse(std::move(command),
             Error{Reason::overloaded,
                   "the server has " + std::to_string(waiting) +
                       " bytes waiting for its disk and takes no more; try again in a moment",
                   "", Seconds(1)});
      return;
    }
    loop.post(std::move(command), bytes, false, good_until);
  }

  void flush() override {
    for (const auto& loop : loops_) loop->wake_if_waiting();
  }

  void stop(Mono deadline, Callback<void()> done) override {
    auto left = std::make_shared<std::atomic<std::size_t>>(threads_.size());
    auto shared = std::make_shared<Callback<void()>>(std::move(done));
    for (auto& thread : threads_) {
      thread->stop_when_idle(deadline, [left, shared] {
        if (left->fetch_sub(1) == 1) (*shared)();
      });
    }
  }

  std::vector<Document> take_documents() override { return std::exchange(documents_, {}); }

  RuntimeStats stats() const override {
    RuntimeStats stats;
    stats.commands = commands_.load(std::memory_order_relaxed);
    stats.refused = refused_.load(std::memory_order_relaxed);
    for (const auto& shared : loops_) {
      const ShardLoop& loop = *shared;
      stats.commits += loop.commits.load(std::memory_order_relaxed);
      stats.waiting_bytes += loop.waiting_bytes.load(std::memory_order_relaxed);
      stats.queues += loop.queues.load(std::memory_order_relaxed);
      stats.store_failed = stats.store_failed || loop.failed.load(std::memory_order_relaxed);
    }
    return stats;
  }

 private:
  std::size_t shard_of(const QueueName& name) const { return hash_value(name) % options_.shards; }

  void list_queues(ListQueues command) {
    struct Gathered {
      std::mutex mutex;
      std::size_t left = 0;
      std::vector<QueueInfo> queues;
      std::optional<Error> error;
      std::uint32_t queues_max = 0;
      Reply<std::vector<QueueInfo>> reply;
    };
    auto gathered = std::make_shared<Gathered>();
    gathered->left = loops_.size();
    gathered->queues_max = command.queues_max;
    gathered->reply = std::move(command.reply);
    for (const auto& loop : loops_) {
      ListQueues part{command.project, command.location, command.after, command.queues_max,
                      [gathered](Result<std::vector<QueueInfo>> found) {
                        const std::lock_guard lock(gathered->mutex);
                        if (found) {
                          std::ranges::move(*found, std::back_inserter(gathered->queues));
                        } else {
                          gathered->error = found.error();
                        }
                        if (--gathered->left > 0) return;
                        if (gathered->error) {
                          gathered->reply(fail(*gathered->error));
                          return;
                        }
                        std::ranges::sort(gathered->queues, {},
                                          [](const QueueInfo& info) { return info.name; });
                        if (gathered->queues.size() > gathered->queues_max)
                          gathered->queues.resize(gathered->queues_max);
                        gathered->reply(std::move(gathered->queues));
                      }};
      loop->post(Command(std::move(part)), 0);
    }
  }

  const RuntimeOptions options_;
  std::shared_ptr<std::atomic<std::uint64_t>> next_number_;
  std::vector<Document> documents_;  // until a door takes them
  std::atomic<std::uint64_t> commands_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::vector<std::shared_ptr<ShardLoop>> loops_;
  std::vector<std::unique_ptr<LoopThread>> threads_;  // last: they use all of the above
};

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::start(const RuntimeOptions& options, Clock& clock,
                                                Store& store, Dispatcher& dispatcher) {
  auto loaded = store.load();
  if (!loaded) return fail(loaded.error());
  return std::unique_ptr<Runtime>(
      std::make_unique<ThreadedRuntime>(options, std::move(*loaded), clock, store, dispatcher));
}

}  // namespace deferd
