// How tasks lie in RocksDB, as what differs between two stores that share all the rest: folder,
// settings, logs, group commit, queues and names. deferd has one, runs (packer.h, reader.h);
// bench/plain has another to compare it with.
#pragma once

#include <rocksdb/write_batch.h>

#include <memory>

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/store.h"

namespace deferd {

// From batches to one write, as far as tasks go. Used by the committer's thread alone, in rounds:
// add() for each batch, then finish(), then the write of write_batch(), then committed(), which
// empties it. The batches of a round live until then. After an error of any of them there must be
// no further round.
class LayoutWriter {
 public:
  virtual ~LayoutWriter() = default;

  virtual Result<void> add(const Batch& batch) = 0;
  virtual Result<void> finish() = 0;
  virtual rocksdb::WriteBatch& write_batch() = 0;
  virtual void committed() = 0;
};

struct Layout {
  std::unique_ptr<LayoutWriter> (*writer)(Database& database);
  // From records alone; any thread, each read on its own.
  Result<ReadAnswer> (*read)(Database& database, const Read& read);
};

Layout runs_layout();

// As open_rocksdb() of store.h, with another layout. A folder does not say which it has: who opens
// it must know.
Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options, const Seams& seams,
                                            const Layout& layout);

}  // namespace deferd
