// Entries by key of tasks that have one, the same under every layout of tasks: in lanes of
// priorities only (engine/store.h, ScanKey).
#pragma once

#include <rocksdb/write_batch.h>

#include <string_view>

#include "engine/store.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/records.h"

namespace deferd {

inline bool has_key_entry(std::string_view key, const Place& place) {
  return !key.empty() && place.priority < priority_count;
}

// Where the task stands.
inline void put_key_entry(rocksdb::WriteBatch& out, const Database& database,
                          const Generation& generation, const Task& task) {
  const Place& place = task.place;
  if (!has_key_entry(task.key(), place)) return;
  out.Put(database.keys(), runs::key_place_key(generation, task.key(), place.eta, place.order),
          runs::encode_key_entry({task.id, place.priority}));
}

// Of a task that stood at `place`.
inline void forget_key_entry(rocksdb::WriteBatch& out, const Database& database,
                             const Generation& generation, std::string_view key,
                             const Place& place) {
  if (!has_key_entry(key, place)) return;
  out.SingleDelete(database.keys(), runs::key_place_key(generation, key, place.eta, place.order));
}

}  // namespace deferd
