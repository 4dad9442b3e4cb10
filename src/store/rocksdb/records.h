// How tasks, names and queues become keys and values. Knows bytes, not RocksDB.
//
// Keys order as what they stand for: big-endian numbers, times with their sign bit turned over.
// Values begin with a byte for their format, so that a later one can change it; what does not
// decode is an error that names the record.
//
//   a lane:   queue be64 | generation be32 | priority u8 | eta be64 | first order be64 | kind u8
//                                                                                       0 marks, 1
//                                                                                       home, 2
//                                                                                       moved
//
// A home run is what one batch put into one lane at one ETA; it is written once. Its tasks stand in
// slots 0..n-1, and a task keeps its slot as long as it lives. The marks beside it say which slots
// are finished and which tasks stand elsewhere by now. A moved run is what one batch moved to one
// lane and ETA: progress and the slot of each task at home.
//
// Invariants:
//  1. A run's orders lie within [first_order, first_order + run_orders_max), and runs of one lane
//  and ETA do not overlap
//     in orders. So the run that holds a place is the last one that begins at or before it.
//  2. A moved run's entry counts only while the marks at its home name its place.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/store.h"

namespace deferd::runs {

// Slots of a home run, entries of a moved run. Enough to make entries rare; few enough that marks
// stay small when each task of a run is retried at a time of its own (10 bytes a task, with every
// commit that moves one). What is read may have as many as it has orders, so this can change.
constexpr std::uint32_t run_tasks_max = 256;
constexpr std::uint64_t run_bytes_max = 256
                                        << 10;  // of payload in a home run, but for its last task
constexpr std::uint64_t run_orders_max =
    4096;  // how far a seek for the run of a place may have to look back
// Payloads above this lie in a record of their own (bodies), which goes to blob files. Measured
// with 2,000 bytes a task: 6 us a cycle inside the run, 11 us apart.
constexpr std::uint64_t inline_payload_bytes_max = 4096;

// ---- Keys ----

enum class Kind : std::uint8_t { marks = 0, home = 1, moved = 2 };

struct RunKey {
  Generation generation;
  std::uint8_t priority = 0;
  Wall eta{};
  std::uint64_t first_order = 0;

  friend auto operator<=>(const RunKey&, const RunKey&) = default;
};

std::string lane_prefix(const Generation& generation, std::uint8_t priority);
std::string run_key(const RunKey& run, Kind kind);
// Before every record of a run that begins at (eta, order) or later.
std::string place_key(const Generation& generation, std::uint8_t priority, Wall eta,
                      std::uint64_t order);
struct ParsedRunKey {
  RunKey run;
  Kind kind;
};
std::optional<ParsedRunKey> parse_run_key(std::string_view key);

std::string queue_prefix(QueueNumber queue);
std::string generation_prefix(const Generation& generation);
// The first key after all that begin with `prefix`; `prefix` is not all 0xff.
std::string after_prefix(std::string prefix);

// meta: 'Q' | queue for its record, 'C' | queue for its counters, 'P' | project for its limit, 'G'
// | name of a queue that was deleted, 'D' | name of a queue | '/' | key for a document, and two
// that stand alone
std::string meta_key(char kind, QueueNumber queue);
std::string project_key(std::string_view project);
std::string gone_key(const QueueName& name);
std::optional<QueueName> parse_gone_key(std::string_view key);
std::string document_key(const QueueName& queue, std::string_view key);
inline constexpr char next_number_key[] = "N";  // be64: the lowest number that no queue has had
inline constexpr char swept_to_key[] = "S";     // the key before which no tombstone lies
// index, bodies: by id
std::string id_key(const Generation& generation, TaskId id);
std::optional<TaskId> parse_id_key(std::string_view key);
// keys: generation | length be32 | key | eta | order
std::string key_prefix(const Generation& generation, std::string_view key);
std::string key_place_key(const Generation& generation, std::string_view key, Wall eta,
                          std::uint64_t order);
// The key of the task at one of these; none: it is no such record.
std::optional<std::string_view> parse_key_place_key(std::string_view whole);
// The lowest string of `size` bytes that is above `key`, in the order of bytes; none: there is
// none.
std::optional<std::string> lowest_above(std::string_view key, std::size_t size);
// names: queue | name
std::string name_key(QueueNumber queue, std::string_view name);
// tombstones: free_at | queue | name
std::string tombstone_key(Wall free_at, QueueNumber queue, std::string_view name);
struct ParsedTombstone {
  Wall free_at;
  QueueNumber queue;
  std::string_view name;  // into the key
};
std::optional<ParsedTombstone> parse_tombstone_key(std::string_view key);
std::string tombstone_start(Wall free_at);
// outcomes: queue | id; the value is StoredOutcome::bytes
std::string outcome_key(QueueNumber queue, TaskId id);
// ends of outcomes: queue | kept_until | id
std::string end_key(QueueNumber queue, Wall kept_until, TaskId id);
// history: generation | id | number; the value is AttemptEntry::bytes
std::string attempt_key(const Generation& generation, TaskId id, std::uint32_t number);

// ---- Home runs ----

struct HomeTask {
  std::uint32_t slot = 0;
  TaskId id{};
  Wall created{};
  std::uint32_t bytes = 0;
  bool apart = false;  // the payload is in bodies
  std::uint64_t payload_bytes = 0;
  std::string_view payload;  // into the value, unless apart
  std::shared_ptr<const TaskOptions> options;
  std::uint32_t progress_index =
      no_progress;  // in HomeRun::progress; most have none when they are put

  static constexpr std::uint32_t no_progress = ~std::uint32_t{0};
};

struct HomeRun {
  std::uint32_t slots = 0;  // of the run when it was written first
  bool rewritten = false;   // the key was written more than once
  std::vector<HomeTask>
      tasks;  // by slot and by id alike; of a rewritten run only those that were left
  std::vector<Progress> progress;

  // Null: no task has this id, or slot.
  const HomeTask* find(TaskId id) const;
  const HomeTask* at_slot(std::uint32_t slot) const;
};

std::string encode_home(const RunKey& key, const std::vector<const Task*>& tasks);
std::string encode_rewritten(const RunKey& key,
                             const HomeRun& run);  // run.tasks: those that are left
// The views are into `value`.
Result<HomeRun> decode_home(const RunKey& key, std::string_view value);

// ---- Marks ----

struct Marks {
  // Tasks in neighbouring slots that moved to one lane and ETA, with orders that follow each other:
  // a lease of a whole run is one of these.
  struct Moved {
    std::uint32_t slot = 0;
    std::uint32_t tasks = 0;
    Place place;  // of the first
  };
  std::uint32_t slots = 0;
  std::string finished;      // a bit a slot, lowest first
  std::vector<Moved> moved;  // by slot, not overlapping

  bool is_finished(std::uint32_t slot) const {
    return (static_cast<unsigned char>(finished[slot / 8]) >> (slot % 8) & 1) != 0;
  }
  std::optional<Place> moved_to(std::uint32_t slot) const;
};

std::string encode_marks(const RunKey& key, const Marks& marks);
Result<Marks> decode_marks(const RunKey& key, std::string_view value);

// ---- Moved runs ----

struct MovedTask {
  TaskId id{};
  std::uint64_t order = 0;
  std::uint32_t home = 0;  // in MovedRun::homes
  std::uint32_t slot = 0;  // at home
  Progress progress;
};

struct MovedRun {
  std::vector<RunKey> homes;
  std::vector<MovedTask> tasks;  // by order

  const MovedTask* find(std::uint64_t order) const;
};

std::string encode_moved(const RunKey& key, const MovedRun& run);
Result<MovedRun> decode_moved(const RunKey& key, std::string_view value);

// ---- The rest ----

// From ids to home runs: one entry a run under its first order, which is its first id. Ids of one
// batch may lie in several runs that overlap in ids; `lowest` is the first id of the earliest run
// that is still open at this one's first.
struct IndexEntry {
  std::uint8_t priority = 0;
  Wall eta{};
  TaskId last{};
  TaskId lowest{};
};
std::string encode_index(TaskId first, const IndexEntry& entry);
Result<IndexEntry> decode_index(TaskId first, std::string_view value);

struct KeyEntry {
  TaskId id{};
  std::uint8_t priority = 0;
};
std::string encode_key_entry(const KeyEntry& entry);
Result<KeyEntry> decode_key_entry(std::string_view value);

std::string encode_name(const NameEntry& entry);
Result<NameEntry> decode_name(std::string_view value);

// Values of 'P' and 'G'.
std::string encode_project(std::uint64_t bytes_max);
Result<std::uint64_t> decode_project(std::string_view value);
std::string encode_gone(Wall free_at);
Result<Wall> decode_gone(std::string_view value);

// Value of 'D'; the key holds the rest.
std::string encode_document(const Document& document);
Result<Document> decode_document(std::string_view key, std::string_view value);

// Of an outcome's end: what is known of it without reading it.
std::string encode_end(const ScanOutcomesAnswer::Item& item);
Result<ScanOutcomesAnswer::Item> decode_end(std::string_view key, std::string_view value);

std::string encode_counters(const QueueCounters& counters);
Result<QueueCounters> decode_counters(std::string_view value);

std::string encode_queue(const QueueRecord& record);
Result<QueueRecord> decode_queue(QueueNumber number, std::string_view value);

}  // namespace deferd::runs
