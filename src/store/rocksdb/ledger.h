// What a batch says beside its tasks: queues, counters, limits of projects, names of deleted
// queues, names of tasks and their tombstones, outcomes and remembered attempts. The same records
// under every layout of tasks (ledger_reads.h reads them).
//
// Used by the committer's thread alone, in rounds: sweep() for each batch, add() for each batch,
// then finish(). All go into the write that is under construction. After an error there must be no
// further round.
#pragma once

#include <rocksdb/write_batch.h>

#include <string>

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"

namespace deferd {

class Ledger {
 public:
  // `out` is the write of each round.
  Ledger(Database& database, rocksdb::WriteBatch& out) : database_(database), out_(out) {}

  // Where sweeps go on, and the next number of a queue. Once, before the first round.
  Result<void> open();

  // All sweeps of a round come before all adds: a name that is swept may be taken anew by the same
  // round.
  Result<void> sweep(const Batch& batch);
  void add(const Batch& batch);
  void finish();

 private:
  void add_queues(const Batch& batch);
  void add_names(const Batch& batch);
  void add_outcomes(const Batch& batch);
  void add_history(const Batch& batch);
  void forget_range(rocksdb::ColumnFamilyHandle* family, const std::string& prefix);
  void drop(QueueNumber queue);

  Database& database_;
  rocksdb::WriteBatch& out_;
  std::string swept_to_;  // no tombstone lies before this key
  bool swept_changed_ = false;
  QueueNumber next_number_{1};  // of a queue; also beyond those that were dropped
};

}  // namespace deferd
