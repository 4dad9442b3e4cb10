// Answers reads from entries of the plain layout (plain.h), each from a snapshot. Any thread.
#pragma once

#include "base/result.h"
#include "engine/store.h"
#include "store/rocksdb/database.h"

namespace deferd::plain {

Result<ReadAnswer> answer_read(Database& database, const Read& read);

}  // namespace deferd::plain
