// Answers reads of what is not a task (ledger.h writes it), the same under every layout of tasks.
// From the snapshot in `options`; any thread.
#pragma once

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"

namespace deferd {

Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const FindNames& find);
Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const FindOutcomes& find);
Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const ScanOutcomes& scan);
Result<ReadAnswer> answer(Database& database, const rocksdb::ReadOptions& options,
                          const ScanHistory& scan);

}  // namespace deferd
