// Answers reads from a snapshot of the database. Knows nothing of the packer's memory: all that it
// needs is in the records. Any thread; each read is on its own.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"

namespace deferd {

Result<ReadAnswer> answer_read(Database& database, const Read& read);

Result<Store::Loaded> load_queues(Database& database);

// The next key that tasks of a generation have after `key`, in the order of bytes; none: it was the
// last.
Result<std::optional<std::string>> key_after(Database& database,
                                             const rocksdb::ReadOptions& snapshot,
                                             const Generation& generation, const std::string& key);

}  // namespace deferd
