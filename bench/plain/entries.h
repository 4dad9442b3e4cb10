// Keys and values of the plain layout (plain.h), out of those of runs. Knows bytes, not RocksDB.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/rocksdb/records.h"

namespace deferd::plain {

std::string lane_key(const Generation& generation, const Place& place);
std::optional<Place> parse_lane_key(std::string_view key);

std::string encode(const Generation& generation, const Task& task);

// What an entry says. Views are into its value.
struct Entry {
  TaskId id{};
  runs::HomeRun run;  // of one task

  const runs::HomeTask& home() const { return run.tasks.front(); }
  const Progress* progress() const { return run.progress.empty() ? nullptr : &run.progress[0]; }
};
Result<Entry> decode(const Generation& generation, const Place& place, std::string_view value);

// The same task at another place, with other progress.
std::string encode_moved(const Generation& generation, Entry entry, const Place& place,
                         const Progress& progress);

}  // namespace deferd::plain
