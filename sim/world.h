// The world around one shard: a clock that is stepped, an agenda of what happens when, a disk that
// may be hurt, targets that follow a script, a process that stops, dies and starts again.
// Single-threaded; one seed replays all of it.
//
// The shard's loop (runtime/shard_loop.h), the engine and the memory store are the real ones.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/callback.h"
#include "base/random.h"
#include "runtime/clock.h"
#include "runtime/engine_time.h"
#include "runtime/shard_loop.h"
#include "sim/callbacks.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/recurrences.h"
#include "sim/weather.h"
#include "store/memory/store.h"

namespace deferd::sim {

class World final : private Dispatcher {
 public:
  World(const Weather& weather, Random random, Checker& checker, bool trace);
  ~World() override;

  Now now() const { return clock_.now(); }
  // The engine's wall clock, as of its last run.
  Wall engine_wall() const { return engine_now_.wall; }

  // ---- The agenda. What is planned happens also if the process dies meanwhile.
  void after(Nanos delay, Callback<void()> act) {
    plan(clock_.now().mono + delay, any_life, std::move(act));
  }
  // Does what comes next. False: nothing is planned, or the checker found something.
  bool step();

  // ---- The process
  void open();
  bool is_open() const { return loop_ != nullptr; }
  // A mishap happens now; those that end the process also plan its next start.
  void strike(Mishap mishap);
  // Faults end, targets succeed, a process that cannot go on is started anew.
  void calm();

  // Gives a command to the engine. `then` is called with the answer, unless the process dies
  // before. False: there is no process.
  template <class C, class T>
  bool call(C command, Callback<void(const Result<T>&)> then, const QueueSettings& wanted = {}) {
    if (loop_ == nullptr) return false;
    const CallId id = next_call_;
    ++next_call_.value;
    ++calls_;
    command.reply = [this, id, then = std::move(then)](Result<T> result) mutable {
      const Result<T> answer = std::move(result);
      emit(Answered{id, answer});
      then(answer);
    };
    if constexpr (std::is_same_v<C, ConfigureQueue>) {
      command.change = [this, id, wanted](const QueueSettings* before) -> Result<QueueSettings> {
        emit(Configured{id,
                        before == nullptr ? std::nullopt : std::optional<QueueSettings>(*before)});
        return wanted;
      };
    }
    Command given(std::move(command));
    emit(Called{id, without_reply(given), wanted});
    loop_->post(std::move(given), 0);
    return true;
  }

  std::uint64_t calls() const { return calls_; }
  std::uint64_t events() const { return events_; }
  void emit(Event event);

 private:
  static constexpr std::uint64_t any_life = 0;
  class SlowStore;
  struct Planned {
    Mono at;
    std::uint64_t number = 0;  // of two at one instant the one that was planned first
    std::uint64_t life = any_life;
    Callback<void()> act;
  };

  void start(Attempt attempt, Callback<void(AttemptResult)> done) override;
  // Some targets hear of it.
  void cancel(const QueueName& queue, TaskId task) override;
  void end_attempt(AttemptId id, AttemptResult result);
  AttemptResult outcome(const Attempt& attempt, Nanos& takes);

  void plan(Mono at, std::uint64_t life, Callback<void()> act);
  // As if another shard owned the queue that it goes to: it takes a while to get there, and so does
  // the answer.
  void forward(Command command);
  void plan_run(Mono at);
  void run();
  void stop();
  void die(Death how);
  Nanos between(Nanos low, Nanos high) { return Nanos(random_.between(low.count(), high.count())); }

  const Weather& weather_;
  Random random_;
  Checker& checker_;
  const bool trace_;
  ManualClock clock_;
  std::vector<Planned> agenda_;  // a heap
  std::uint64_t planned_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t calls_ = 0;
  bool is_calm_ = false;
  bool is_slow_ = false;

  const ScriptedRecurrences recurrences_;
  const ScriptedCallbacks callbacks_;
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::possible);
  // Of one life of the process.
  std::uint64_t life_ = any_life;
  std::unique_ptr<SlowStore> store_;
  std::shared_ptr<ShardLoop> loop_;
  EngineTime time_;
  Now engine_now_{};
  Wall wall_max_{};
  Mono next_run_ = Mono::max();
  bool stopping_ = false;
  bool restart_planned_ = false;
  struct Running {
    QueueName queue;
    TaskId task;
    Callback<void(AttemptResult)> done;
  };
  std::map<AttemptId, Running> attempts_;

  CallId next_call_{1};
  AttemptId next_attempt_{1};
};

}  // namespace deferd::sim
