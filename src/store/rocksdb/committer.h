// Group commit: one thread takes all batches that have gathered, of all shards, packs them into one
// write, and has it on the disk with one fsync for all. What arrives meanwhile gathers for the
// next.
//
// After a failure nothing is written again: every batch, also those that wait, is answered with
// that failure. The write that failed may be on the disk or not, and a second fsync could succeed
// without the data that the kernel dropped after the first (so it proves nothing).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/callback.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/layout.h"
#include "store/rocksdb/ledger.h"

namespace deferd {

class Committer {
 public:
  Committer(Database& database, std::unique_ptr<LayoutWriter> tasks,
            std::function<void(const CommitReport&)> on_commit)
      : database_(database),
        on_commit_(std::move(on_commit)),
        tasks_(std::move(tasks)),
        ledger_(database, tasks_->write_batch()) {}
  // Commits what waits, answers it, and ends the thread.
  ~Committer();

  // Once, before the first commit.
  Result<void> start();

  // Thread-safe. `done` is called on the committer's thread.
  void commit(Batch batch, Callback<void(Result<void>)> done);

 private:
  struct Waiting {
    Batch batch;
    Callback<void(Result<void>)> done;
  };

  void run();
  std::vector<Waiting> take();
  Result<void> write(std::vector<Waiting>& batches);
  Result<void> pack(std::vector<Waiting>& batches);
  void change_logs();

  Database& database_;
  const std::function<void(const CommitReport&)> on_commit_;

  // The committer's thread's own.
  const std::unique_ptr<LayoutWriter> tasks_;
  Ledger ledger_;
  std::optional<Error> failure_;
  std::uint64_t unflushed_bytes_ = 0;  // written since RocksDB's memory was given to files
  std::uint64_t unflushed_writes_ = 0;
  bool unsynced_ = false;  // the last write had no fsync
  bool first_log_ = true;  // the one that was made at the start, which grows

  std::mutex mutex_;  // guards the rest
  std::condition_variable arrived_;
  std::vector<Waiting> waiting_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace deferd
