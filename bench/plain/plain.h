// The plain layout: what a store over RocksDB looks like without runs, to measure what runs are
// worth in the whole server (docs/decisions/0006). One entry a task, and where it stands beside it.
//
//   runs    lane key (queue, generation, priority, ETA, order) -> the task, its id last
//   index   id -> lane key
//   bodies  id -> payload, if it is large
//   keys    (key, ETA, order) -> id, priority
//
// The values are those of runs of one, so both layouts carry the same bytes. All else is deferd's
// own: folder, RocksDB's settings, logs, group commit, names, queues. So a difference between the
// two servers is one of layout.
//
// Nothing is remembered from one commit to the next: moving a task reads it and writes it anew;
// finishing one reads nothing.
#pragma once

#include <memory>

#include "base/result.h"
#include "store/rocksdb/layout.h"

namespace deferd {

Layout plain_layout();

// As open_rocksdb(). The folder must be new, or one of this layout: its format file does not tell
// them apart.
Result<std::unique_ptr<Store>> open_plain(const RocksOptions& options);

}  // namespace deferd
