// The store on one machine's disk: RocksDB, its tasks packed in runs (README.md beside this file
// says how and why). This header knows no RocksDB, so that who opens a store does not compile
// against it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "engine/store.h"

namespace deferd {

// One write to the disk: the batches that had gathered, as one.
struct CommitReport {
  std::uint32_t batches = 0;
  std::uint32_t tasks = 0;  // put, moved or finished
  std::uint64_t bytes = 0;  // given to RocksDB
  bool durable = false;     // with an fsync
  Nanos packing{0};         // turning batches into records
  Nanos writing{0};         // the write, and the fsync if durable
  bool failed = false;      // this one failed, and every later one will
};

struct RocksOptions {
  // Made if it is missing, 0700. Holds FORMAT, LOCK and db/.
  std::string folder;
  std::uint64_t block_cache_bytes = 128 << 20;
  // Called after every commit, on the store's own thread: must not block. May be empty.
  std::function<void(const CommitReport&)> on_commit;
};

// Opens a folder, or makes it. Fails with Reason::store_failed: another server holds the folder
// (its process id is named), the format is of a newer deferd, the disk fails, records are damaged.
Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options);

}  // namespace deferd
