// What the queues of one shard share: its effects, its budgets, and the reads that are open.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/callback.h"
#include "base/random.h"
#include "base/result.h"
#include "engine/callbacks.h"
#include "engine/documents.h"
#include "engine/effects.h"
#include "engine/lane.h"
#include "engine/project_use.h"
#include "engine/recurrences.h"

namespace deferd {

class Queue;

struct ShardOptions {
  // Tasks that one lane keeps in memory. While a shard holds more than window_tasks_shard_max in
  // all, a lane keeps only window_tasks_crowded.
  std::size_t window_tasks_max = 4096;
  std::size_t window_tasks_shard_max = 1'000'000;
  std::size_t window_tasks_crowded = 32;
  std::uint64_t payload_bytes_max = 64 << 20;  // that windows hold, over all queues
  std::uint32_t attempts_max = 20'000;         // pushes that run at once, over all queues
  std::size_t leases_in_memory_max =
      262'144;  // a queue's leases beyond this many are found in the store
  std::uint64_t lease_bytes_max =
      32 << 20;  // payload in one lease answer (the first task always fits)
  // Instants of its scheduled tasks that a queue tells apart in memory (due_counts.h): 40 bytes
  // each.
  std::size_t due_slots_max = 1024;
  // What doors keep beside tasks (engine/documents.h), over all queues.
  std::size_t documents_max = 10'000;
  std::uint64_t document_bytes_max = 64 << 20;
  // Tasks whose end callers wait for, over all queues; more are refused.
  std::size_t awaited_tasks_max = 200'000;
  Micros linger =
      Millis(2);  // how long completions alone wait for company before they are committed
  std::size_t linger_changes_max = 1024;  // ... or until there are this many
  Micros sweep_interval = Seconds(60);    // between two sweeps of tombstones that are over
  Micros read_retry = Seconds(1);         // after a read of a lane failed
  std::uint64_t seed = 1;                 // of lease tokens
  bool throttle = false;                  // queues whose targets cannot keep up (engine/throttle.h)
  bool sweeps = true;                     // one shard of a server sweeps the tombstones of all
  // When recurring tasks are next due; null: none are taken. Outlives the shard.
  const Recurrences* recurrences = nullptr;
  // What tells urls of outcomes; null: no such tasks are taken. Outlives the shard.
  const Callbacks* callbacks = nullptr;
  // Where sampled logs go; null: nowhere. Outlives the shard.
  TaskLog* task_log = nullptr;
  // Shared by all shards of a server, with the limits that were loaded; null: the shard makes one.
  std::shared_ptr<ProjectUse> projects;
};

using ReadDone = Callback<void(Result<ReadAnswer>, const Now&)>;
using ForwardResult = Result<std::vector<Result<Task>>>;
using ForwardDone = Callback<void(const ForwardResult&, const Now&)>;

class ShardCore {
 public:
  explicit ShardCore(const ShardOptions& given)
      : options(given),
        windows{.payload_bytes_max = given.payload_bytes_max},
        random(given.seed),
        documents(given.documents_max, given.document_bytes_max),
        projects(given.projects ? given.projects : std::make_shared<ProjectUse>()) {}

  const ShardOptions options;
  Effects effects;
  WindowBudget windows;
  Random random;
  Documents documents;
  const std::shared_ptr<ProjectUse> projects;
  std::uint32_t attempts_running = 0;
  std::size_t awaited_tasks = 0;  // by callers that wait for their ends
  // Set by the first commit that failed: from then on nothing is acknowledged, started or leased.
  std::optional<Error> failed;

  // Gives a read to the store; `done` runs within Shard::read_done().
  void read(Read read, ReadDone done) {
    const std::uint64_t id = next_read_++;
    reads_.emplace(id, std::move(done));
    effects.reads.push_back({id, std::move(read)});
  }
  bool is_reading() const { return !reads_.empty(); }
  ReadDone take_read(std::uint64_t id) {
    const auto at = reads_.find(id);
    DEFERD_ASSERT(at != reads_.end(), "read", id);
    ReadDone done = std::move(at->second);
    reads_.erase(at);
    return done;
  }

  // Gives tasks to another queue; `done` runs within Shard::forwarded().
  void forward(AddTasks add, ForwardDone done) {
    const std::uint64_t id = next_forward_++;
    forwards_.emplace(id, std::move(done));
    effects.forwards.push_back({id, std::move(add)});
  }
  ForwardDone take_forward(std::uint64_t id) {
    const auto at = forwards_.find(id);
    DEFERD_ASSERT(at != forwards_.end(), "forward", id);
    ForwardDone done = std::move(at->second);
    forwards_.erase(at);
    return done;
  }

  // To be looked at before this step ends: something of the queue may be due, or may be answered.
  void touch(Queue& queue);
  // The queue has changes to commit.
  void changed(Queue& queue, bool durable, const Now& now);

  template <class T>
  void reply(Callback<void(Result<T>)> to, Result<T> value) {
    effects.replies.push_back(
        [to = std::move(to), value = std::move(value)]() mutable { to(std::move(value)); });
  }

  // The shard's, filled by the two above.
  std::vector<std::shared_ptr<Queue>> touched;
  std::vector<Queue*> dirty;
  bool dirty_durable = false;
  bool hurry = false;  // commit what is there without lingering
  std::size_t dirty_changes = 0;
  Mono dirty_since{};
  std::vector<QueueNumber> starved;  // queues that found attempts_max reached

 private:
  boost::unordered_flat_map<std::uint64_t, ReadDone> reads_;
  std::uint64_t next_read_ = 1;
  boost::unordered_flat_map<std::uint64_t, ForwardDone> forwards_;
  std::uint64_t next_forward_ = 1;
};

}  // namespace deferd
