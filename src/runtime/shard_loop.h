// One shard with its mailbox: what comes in from any thread is taken all at once, given to the
// shard, and the effects are carried out. Has no thread of its own: the server gives it one
// (runtime.cc), the simulator steps it by hand.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "base/callback.h"
#include "engine/shard.h"
#include "engine/store.h"
#include "runtime/engine_time.h"

namespace deferd {

class ShardLoop : public std::enable_shared_from_this<ShardLoop> {
 public:
  // `wake` is called, from any thread, when something came into an empty mailbox. `forward` takes,
  // on the shard's thread, commands for queues that another shard may own. Store and
  // dispatcher outlive every call of run(); what they finish later finds the loop alive (they share
  // it).
  ShardLoop(const ShardOptions& options, Callback<QueueNumber()> next_number, Store& store,
            Dispatcher& dispatcher, const Now& now, Callback<void()> wake,
            Callback<void(Command)> forward);

  // Before anything else.
  void load(std::vector<StoredQueue> queues, const Now& now, std::vector<GoneQueue> gone = {},
            const std::vector<Document>& documents = {});

  // Any thread. `bytes` is what the command was admitted with; it is given back through
  // `waiting_bytes` when what it changed is durable, or at once if it changed nothing. Not
  // `waking`: wake_if_waiting() follows soon. From `good_until` on it is not applied any more.
  void post(Command command, std::uint64_t bytes, bool waking = true,
            Mono good_until = Mono::max());
  void wake_if_waiting();
  void post_stop();

  // The shard's thread: takes what came in, does what is due, starts what follows. Returns when to
  // call again at the latest.
  Mono run(const Now& system);

  // The shard's thread.
  bool is_idle() const { return shard_.is_idle() && empty(); }
  bool empty() const;
  const Shard& shard() const { return shard_; }

  std::atomic<std::uint64_t> waiting_bytes{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> queues{0};
  std::atomic<bool> failed{false};

 private:
  struct Posted {
    Command command;
    std::uint64_t bytes = 0;
    Mono good_until = Mono::max();
  };
  struct AttemptDone {
    AttemptKey key;
    AttemptResult result;
  };
  struct ReadAnswered {
    std::uint64_t id = 0;
    Result<ReadAnswer> answer;
  };
  struct Committed {
    Result<void> result;
  };
  struct Forwarded {
    std::uint64_t id = 0;
    ForwardResult result;
  };
  struct Stop {};
  using Event = std::variant<Posted, AttemptDone, ReadAnswered, Committed, Forwarded, Stop>;

  void post(Event event, bool waking = true);
  void take(Event event, const Now& now);
  void carry_out(Effects effects);

  Store& store_;
  Dispatcher& dispatcher_;
  TaskLog* const task_log_;  // null: none
  Callback<void()> wake_;
  Callback<void(Command)> forward_;
  EngineTime time_;
  Shard shard_;

  mutable std::mutex mutex_;
  std::vector<Event> inbox_;  // under mutex_
  bool asleep_ = false;       // under mutex_: what is in inbox_ came without a wake
  std::vector<Event> taken_;  // the shard's thread; keeps its memory

  std::uint64_t applied_bytes_ = 0;     // of commands applied since the last commit began
  std::uint64_t committing_bytes_ = 0;  // of those in the commit that is under way
};

}  // namespace deferd
