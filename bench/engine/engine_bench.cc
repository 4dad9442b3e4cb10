// The engine alone, on one core: commands a second with a store and targets that answer at once and
// keep nothing. What it measures is the shard's own work (names, places, windows, leases, batches),
// not disk, network or JSON.
//
//   ./dev bench --only engine        items_per_second is commands a second: one for each task
//   added, pushed or acknowledged
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/shard.h"

namespace deferd {
namespace {

// Answers every commit at once and every read with "nothing there": the backlog of these runs fits
// into the windows.
class Harness {
 public:
  explicit Harness(QueueMode mode)
      : shard_(ShardOptions{.linger = Micros(0)}, [] { return QueueNumber{1}; }) {
    name_ = *QueueName::parse("p", "l", "q");
    shard_.apply(ConfigureQueue{name_,
                                [mode](const QueueSettings*) -> Result<QueueSettings> {
                                  QueueSettings settings = QueueSettings::defaults(mode);
                                  settings.rate.unlimited = true;
                                  settings.concurrency = 100'000;
                                  return settings;
                                },
                                [](Result<ConfigureQueue::Answer>) {}},
                 now_);
    step();
  }

  void add(std::size_t count) {
    AddTasks command{name_, {}, [](Result<std::vector<Result<Task>>> added) {
                       benchmark::DoNotOptimize(added);
                     }};
    command.tasks.resize(count);
    for (NewTask& task : command.tasks) {
      task.payload = payload_;
      task.has_target = push;
    }
    shard_.apply(Command(std::move(command)), now_);
  }

  std::vector<Lease> lease(std::uint32_t count) {
    std::vector<Lease> leases;
    LeaseTasks command{.queue = name_, .tasks_max = count};
    command.reply = [&leases](Result<std::vector<TaskInfo>> granted) {
      for (const TaskInfo& info : *granted)
        leases.push_back({info.task.id, info.task.progress.lease_token});
    };
    shard_.apply(Command(std::move(command)), now_);
    step();
    return leases;
  }

  void ack(std::vector<Lease> leases) {
    shard_.apply(
        AckTasks{name_, std::move(leases), false, [](Result<std::vector<Result<void>>>) {}}, now_);
    step();
  }

  // Lets commits, reads and replies happen; attempts succeed.
  void step() {
    now_.wall += Micros(50);
    now_.mono += Micros(50);
    while (true) {
      shard_.step(now_);
      Effects effects = shard_.take_effects();
      for (auto& reply : effects.replies) reply();
      for (const auto& attempt : effects.attempts)
        shard_.attempt_done(attempt.key, AttemptResult{200, "", Micros(0)}, now_);
      for (const auto& read : effects.reads)
        shard_.read_done(read.id, ReadAnswer(ScanAnswer{{}, true}), now_);
      if (effects.commit) shard_.committed({}, now_);
      if (!effects.commit && effects.attempts.empty() && effects.reads.empty()) return;
    }
  }

  bool push = true;

 private:
  Shard shard_;
  QueueName name_;
  Now now_{wall_from_micros(1'800'000'000'000'000), Mono(Seconds(1000))};
  SharedBytes payload_ = share(std::string(300, 'x'));
};

// Adds and the pushes that follow; `batch` tasks a command, 64 commands gathered a commit.
void BM_AddAndPush(benchmark::State& state) {
  Harness harness(QueueMode::push);
  const auto batch = static_cast<std::size_t>(state.range(0));
  constexpr int commands = 64;
  for (auto _ : state) {
    for (int i = 0; i < commands; ++i) harness.add(batch);
    harness.step();
  }
  state.SetItemsProcessed(2 * commands * static_cast<std::int64_t>(batch) * state.iterations());
}
BENCHMARK(BM_AddAndPush)->Arg(1)->Arg(100);

// Adds, leases of 100, acks of 100.
void BM_AddLeaseAck(benchmark::State& state) {
  Harness harness(QueueMode::pull);
  harness.push = false;
  constexpr std::size_t batch = 100;
  for (auto _ : state) {
    harness.add(batch);
    harness.step();
    harness.ack(harness.lease(batch));
  }
  state.SetItemsProcessed(3 * static_cast<std::int64_t>(batch) * state.iterations());
}
BENCHMARK(BM_AddLeaseAck);

}  // namespace
}  // namespace deferd

BENCHMARK_MAIN();
