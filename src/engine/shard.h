// A shard owns a set of queues and runs on one thread. Commands, ends of attempts, answers of reads
// and ends of commits go in; effects come out. It is given the time and does no I/O, so the
// simulator runs the very same code.
//
//   apply() / attempt_done() / read_done() / committed() / forwarded()   any number of times, then
//   step()                                                 what is due now happens, a commit is
//   made up take_effects()                                         for the runtime to carry out
//
// One commit is under way at a time; whatever changes meanwhile gathers for the next: one fsync for
// all of it.
//
// Time: `now.wall` never goes back (the runtime sees to that); `now.mono` neither.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/commands.h"
#include "engine/effects.h"
#include "engine/queue.h"
#include "engine/shard_core.h"
#include "engine/store.h"

namespace deferd {

class Shard {
 public:
  // `next_number` gives the number of each new queue, unique over all shards of the server.
  Shard(const ShardOptions& options, Callback<QueueNumber()> next_number);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Once, before anything else.
  void load(std::vector<StoredQueue> queues, const Now& now, std::vector<GoneQueue> gone = {},
            const std::vector<Document>& documents = {});

  void apply(Command command, const Now& now);
  void attempt_done(const AttemptKey& key, const AttemptResult& result, const Now& now);
  void read_done(std::uint64_t read, Result<ReadAnswer> answer, const Now& now);
  void committed(const Result<void>& result, const Now& now);
  void forwarded(std::uint64_t forward, const ForwardResult& result, const Now& now);

  void step(const Now& now);
  Effects take_effects();

  // From now on commands are refused (Reason::stopping), no attempt starts and nobody waits for
  // leases.
  void stop(const Now& now);
  // Nothing runs, nothing waits to be committed or read.
  bool is_idle() const;

  std::size_t queue_count() const { return by_name_.size(); }
  std::uint32_t attempts_running() const { return core_.attempts_running; }
  bool failed() const { return core_.failed.has_value(); }

  // Asserts what can be recounted; for tests and the simulator.
  void check() const;
  // For assertion messages: what came in last.
  std::string last_commands() const;

 private:
  Queue* find(const QueueName& name);
  void carry_out(ConfigureQueue command, const Now& now);
  void carry_out(DeleteQueue command, const Now& now);
  void carry_out(GetQueue command, const Now& now);
  void carry_out(ListQueues command, const Now& now);
  void carry_out(SetQueueState command, const Now& now);
  void carry_out(PurgeQueue command, const Now& now);
  void carry_out(GetQueueStats command, const Now& now);
  void carry_out(SetProjectLimit command, const Now& now);
  void carry_out(GetProjectUse command, const Now& now);
  void carry_out(AddTasks command, const Now& now);
  void carry_out(GetTask command, const Now& now);
  void carry_out(ListTasks command, const Now& now);
  void carry_out(ListTasksByEta command, const Now& now);
  void carry_out(DeleteTasks command, const Now& now);
  void carry_out(RunTask command, const Now& now);
  void carry_out(CancelTasks command, const Now& now);
  void carry_out(GetOutcomes command, const Now& now);
  void carry_out(WatchTasks command, const Now& now);
  void carry_out(ListDead command, const Now& now);
  void carry_out(GetDead command, const Now& now);
  void carry_out(RetryDead command, const Now& now);
  void carry_out(DeleteDead command, const Now& now);
  void carry_out(LeaseTasks command, const Now& now);
  void carry_out(AckTasks command, const Now& now);
  void carry_out(RenewLeases command, const Now& now);
  void carry_out(ModifyLease command, const Now& now);
  void carry_out(ReleaseTasks command, const Now& now);
  // The queue of the command, or null after the caller was told that there is none, or that it is
  // of another mode.
  template <class Command>
  Queue* queue_for(Command& command, const Now& now);
  template <class Command>
  Queue* queue_for(Command& command, QueueMode mode, const Now& now);
  template <class Command>
  bool refused(Command& command);

  // Why there is no queue of this name: it never was, or its name is not free yet.
  Error no_queue(const QueueName& name, const Now& now) const;
  void forget_gone(const Now& now);

  // What changes beside queues, and whoever waits for it.
  struct Changes {
    std::vector<ProjectRecord> projects;
    std::vector<GoneQueue> gone;
    std::vector<Callback<void(const Error*)>> done;  // null: it is durable

    bool empty() const { return projects.empty() && gone.empty(); }
  };

  void pump_touched(const Now& now);
  void wake_due(const Now& now);
  void set_wake(Queue& queue, const Now& now);
  void make_commit(const Now& now);
  void fail(const Error& error, const Now& now);

  ShardCore core_;
  Callback<QueueNumber()> next_number_;
  absl::btree_map<QueueName, std::shared_ptr<Queue>> by_name_;
  // Also queues that were dropped, until their last commit is settled and their last attempt has
  // ended.
  boost::unordered_flat_map<QueueNumber, std::shared_ptr<Queue>> by_number_;
  absl::btree_map<QueueName, Wall> gone_;  // names of deleted queues, and when they are free
  Changes pending_;
  Changes committing_changes_;
  absl::btree_set<std::pair<Mono, QueueNumber>> wakes_;
  std::vector<std::shared_ptr<Queue>> committing_;
  bool is_committing_ = false;
  std::vector<QueueNumber>
      uncounted_;  // queues whose tasks are still being counted after a restart
  Mono sweep_at_{};
  Nanos clock_offset_{Nanos::min()};  // wall - mono when wakes were computed
  bool stopping_ = false;
  // Names of the last commands, for assertion messages.
  static constexpr std::size_t history_max = 16;
  std::array<const char*, history_max> history_{};
  std::size_t history_next_ = 0;
};

}  // namespace deferd
