// A store in memory: the model that other stores are compared with (store/conformance/), the disk
// that the simulator may hurt, and `--store memory` of the server. Maps and a mutex; no cleverness,
// on purpose.
//
// What a process leaves behind is a MemoryDisk. A MemoryStore is opened on it, dies, and another is
// opened on the same disk: after a clean end all is there; after kill() or power_cut() what those
// leave.
//
//   batches, in the order of commit():   ├── settled_ ──┤├─────── tail_ ───────┤
//                                         survives all   which of these survive is decided by the
//                                         crash
//
// A commit is visible at once. It settles, with all before it, when `done` of a durable batch is
// called. So a simulator that defers completions meets crashes between a commit and its answer,
// where the batch may be there or not.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/callback.h"
#include "base/random.h"
#include "engine/store.h"

namespace deferd {

// All that a store keeps, in the plainest form. Not thread-safe.
class MemoryState {
 public:
  // Asserts that moved and finished tasks are there, at the place that is named: the engine never
  // errs on that.
  void apply(const Batch& batch);

  Store::Loaded load() const;
  ReadAnswer read(const Read& read) const;

 private:
  struct Tasks {
    std::map<TaskId, Task> by_id;
    std::map<Place, TaskId> lanes;
    // By key, eta and order; only of lanes of priorities.
    std::map<std::tuple<std::string, Wall, std::uint64_t>, TaskId> keys;
  };
  struct Outcomes {
    std::map<TaskId, StoredOutcome> by_id;
    std::set<std::pair<Wall, TaskId>> by_end;  // kept_until
  };

  void put(Tasks& tasks, const Task& task);
  void forget(Tasks& tasks, TaskId id, const Place& place);
  void apply(const StoredOutcome& outcome);
  void apply(const AttemptEntry& entry);
  void sweep(Wall before, std::uint32_t names_max);
  void drop(QueueNumber queue);

  ReadAnswer answer(const ScanLane& scan) const;
  ReadAnswer answer(const ScanKey& scan) const;
  ReadAnswer answer(const ScanKeys& scan) const;
  ReadAnswer answer(const ScanIds& scan) const;
  ReadAnswer answer(const FindTasks& find) const;
  ReadAnswer answer(const FindNames& find) const;
  ReadAnswer answer(const ScanPlaces& scan) const;
  ReadAnswer answer(const FindOutcomes& find) const;
  ReadAnswer answer(const ScanOutcomes& scan) const;
  ReadAnswer answer(const ScanHistory& scan) const;

  std::map<QueueNumber, StoredQueue> queues_;
  std::map<Generation, Tasks> tasks_;
  std::map<QueueNumber, std::map<std::string, NameEntry, std::less<>>> names_;
  std::set<std::tuple<Wall, QueueNumber, std::string>>
      tombstones_;                                 // of names_ that have a free_at
  std::map<std::string, std::uint64_t> projects_;  // limits
  std::map<QueueName, Wall> gone_;                 // names of deleted queues
  std::map<std::pair<QueueName, std::string>, std::pair<std::string, Wall>> documents_;
  std::map<QueueNumber, Outcomes> outcomes_;
  std::map<Generation, std::map<std::pair<TaskId, std::uint32_t>, std::string>> history_;
  QueueNumber next_number_{1};
};

class MemoryDisk {
 public:
  enum class Crashes : std::uint8_t {
    never,  // for the server: one copy of everything; kill() and power_cut() are not to be called
    possible,  // keeps what is settled apart from what is visible
  };
  explicit MemoryDisk(Crashes crashes) : crashes_(crashes) {}

  // The process died: every batch whose `done` was called is there; of those under way, a random
  // number of the first. A commit that failed torn may be there. The store on this disk must be
  // gone (or abandoned).
  void kill(Random& random);

  // The machine lost power: also batches that are not durable, after the last durable one, are lost
  // but for a random number of the first.
  void power_cut(Random& random);

 private:
  friend class MemoryStore;

  struct Entry {
    std::uint64_t number;
    Batch batch;
    bool answered;
  };

  std::uint64_t write(Batch batch);  // the batch's number
  void write_torn(Batch batch);      // not visible, yet perhaps there after a crash
  void answered(std::uint64_t number, bool durable);
  void settle(std::size_t entries);  // the first `entries` of tail_
  void crash(std::size_t keep_min, Random& random);

  const Crashes crashes_;
  std::mutex mutex_;  // guards all below
  MemoryState visible_;
  MemoryState settled_;      // with Crashes::possible only, as is tail_
  std::vector<Entry> tail_;  // in order
  std::uint64_t next_entry_ = 1;
};

class MemoryStore final : public Store {
 public:
  struct Options {
    // How completions are scheduled, those of reads too: the simulator puts them into its agenda.
    // Each must be run once, or dropped; what still waits when the store is destroyed is answered
    // with Reason::stopping. Null: completions run within the call.
    std::function<void(Callback<void()>)> defer;
  };

  MemoryStore(std::shared_ptr<MemoryDisk> disk, Options options);
  explicit MemoryStore(
      std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::never))
      : MemoryStore(std::move(disk), Options{}) {}
  ~MemoryStore() override;

  Result<Loaded> load() override;
  void commit(Batch batch, Callback<void(Result<void>)> done) override;
  void read(Read read, Callback<void(Result<ReadAnswer>)> done) override;

  // ---- Faults. After one failed commit every later one fails (rule 4); reads go on unless
  // fail_reads().
  enum class Fault : std::uint8_t {
    lost,  // nothing of the batch is on the disk
    torn,  // not visible, not acknowledged, and yet it may be there after a crash
  };
  void fail_next_commit(Fault fault = Fault::lost);
  // From now on every commit fails ("the disk is full").
  void fail_all(std::string message);
  // Every read fails with Reason::store_failed until it is called with false.
  void fail_reads(bool fail);
  // As kill -9 does: whatever is under way is never answered, and nothing new is taken.
  void abandon();

  bool failed() const;

 private:
  struct Waiting;  // completions that were deferred

  void complete(Callback<void()> completion, Callback<void()> refuse);

  const std::shared_ptr<MemoryDisk> disk_;
  const Options options_;
  const std::shared_ptr<Waiting> waiting_;

  mutable std::mutex
      mutex_;            // guards all below; never held while the disk's is taken by another order
  std::string failure_;  // why commits fail; empty: they do not
  bool fail_next_ = false;
  Fault next_fault_ = Fault::lost;
  bool fail_reads_ = false;
  bool abandoned_ = false;
};

}  // namespace deferd
