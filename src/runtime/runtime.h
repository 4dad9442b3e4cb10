// The runtime drives the shards: a mailbox in, effects out to store and dispatcher, replies back to
// the doors. It knows the ports, not what stands behind them, so the simulator runs it too,
// single-threaded, under its own clock.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "engine/commands.h"
#include "engine/dispatcher.h"
#include "engine/shard_core.h"
#include "engine/store.h"
#include "runtime/clock.h"

namespace deferd {

struct RuntimeOptions {
  std::uint32_t shards = 1;
  // What callers may have waiting between the doors and the disk, in bytes of payload and overhead.
  // Past it a call is refused at once with Reason::overloaded.
  std::uint64_t waiting_bytes_max = 64 << 20;
  ShardOptions shard;  // its seed is that of all shards
};

// What the runtime tells /metrics, beside QueueStats.
struct RuntimeStats {
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;  // for admission
  std::uint64_t commits = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t queues = 0;
  bool store_failed = false;
};

class Runtime {
 public:
  // Loads the queues; fails when the store does. The references outlive the runtime.
  static Result<std::unique_ptr<Runtime>> start(const RuntimeOptions& options, Clock& clock,
                                                Store& store, Dispatcher& dispatcher);
  virtual ~Runtime() = default;

  // Thread-safe. The reply is called exactly once, mostly on a shard's thread; it must return at
  // once. `ListQueues` is answered by all shards together, in order.
  void submit(Command command) {
    enqueue(std::move(command));
    flush();
  }

  // For a thread that has several calls at hand: the same as submit() for each, but the shards may
  // not look at them before flush(), which wakes each of them once.
  virtual void enqueue(Command command) = 0;
  // The same, for a caller that waits until then and no longer: a command that its shard only comes
  // to at `good_until` or later is not carried out (Reason::timeout).
  virtual void enqueue_until(Command command, Mono good_until) = 0;
  virtual void flush() = 0;

  // Refuses what is new (Reason::stopping), wakes callers that wait for leases, lets running
  // attempts end until `deadline`, commits what is pending, and calls `done` once.
  virtual void stop(Mono deadline, Callback<void()> done) = 0;

  virtual RuntimeStats stats() const = 0;

  // What doors had kept (engine/store.h) when the runtime started; given away once.
  virtual std::vector<Document> take_documents() { return {}; }
};

}  // namespace deferd
