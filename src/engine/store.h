// The Store port: what the engine needs to be kept, in the engine's words. A store makes batches
// durable and answers reads; it decides nothing. `memory`, `rocksdb` and (later) `postgres` stand
// behind it, and one conformance suite (store/conformance/) runs over all of them.
//
// Rules that every store keeps:
//  1. A batch is atomic: after any crash all of it is there or none.
//  2. Batches of one caller become visible and durable in the order given. When `done` reports
//  success, the batch and
//     all before it are visible to every read that starts afterwards; if the batch was `durable`,
//     they also survive a power cut. A batch that is not durable survives the end of the process,
//     and becomes durable with the next one.
//  3. A read sees at least every batch whose `done` was called before the read was given; it may
//  see later ones.
//     A batch is seen whole or not at all.
//  4. After one failed commit every later commit fails (Reason::store_failed), until the store is
//  opened anew: an
//     fsync is never tried again, since the kernel may have dropped what it could not write. Reads
//     go on.
//  5. `done` is called exactly once for each call, on any thread, also from within the call itself;
//  never after the
//     store's destructor has returned. It must not block.
//  6. Any thread may call. Different callers (shards) never touch the same queue.
//  7. Damaged records are an error of the read (Reason::store_failed), never a crash and never
//  silently skipped.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"
#include "model/names.h"
#include "model/queue_settings.h"
#include "model/task.h"

namespace deferd {

// A queue in the store. Numbers are never used twice, so a queue that is deleted and made again is
// another one.
using QueueNumber = Named<std::uint64_t, struct QueueNumberTag>;

// A queue between two purges. A purge starts a new generation: what the old one held is gone at
// once and cleared away later, so a purge costs the same for one task and for a million.
struct Generation {
  QueueNumber queue;
  std::uint32_t number = 0;

  friend auto operator<=>(const Generation&, const Generation&) = default;
};

// What must be true at once after a restart without reading a task. Saved with every batch that
// changes it.
struct QueueCounters {
  struct Kept {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;

    friend bool operator==(const Kept&, const Kept&) = default;
  };

  // Of live tasks: those in dead_lane and outgoing_lane are not among them.
  std::uint64_t tasks = 0;
  std::uint64_t bytes = 0;
  std::array<std::uint64_t, priority_count> lane_tasks{};
  Kept dead;                     // tasks in dead_lane
  Kept outgoing;                 // tasks in outgoing_lane
  Kept outcomes;                 // bytes: of their records
  std::uint64_t last_order = 0;  // the highest order (and task id) ever given
  Wall due_from{};               // no task of the queue is due before this (a lower bound)

  friend bool operator==(const QueueCounters&, const QueueCounters&) = default;
};

struct Purge {
  std::uint32_t generation = 0;  // tasks of this and earlier generations ended
  Wall at{};

  friend bool operator==(const Purge&, const Purge&) = default;
};

struct QueueRecord {
  QueueNumber number;
  QueueName name;
  QueueSettings settings;
  QueueState state = QueueState::running;
  std::uint32_t generation = 0;
  Wall created{};
  // Purges whose names are still tombstones, oldest first; at most purges_kept_max.
  std::vector<Purge> purges;
};

// A queue's name for a task: taken by a live task, or by its tombstone.
struct NameEntry {
  TaskId id{};
  std::uint32_t generation = 0;
  // Epoch: the task lives (unless its generation was purged). Else: it ended, and the name is free
  // from then on.
  Wall free_at{};

  friend bool operator==(const NameEntry&, const NameEntry&) = default;
};

// What all tasks of a project may count for together.
struct ProjectRecord {
  std::string project;
  std::uint64_t bytes_max = 0;  // 0: no limit, and nothing is kept

  friend bool operator==(const ProjectRecord&, const ProjectRecord&) = default;
};

// The name of a queue that was deleted, which is not free before an instant.
struct GoneQueue {
  QueueName name;
  Wall free_at{};  // epoch: forget it

  friend bool operator==(const GoneQueue&, const GoneQueue&) = default;
};

// What a door keeps beside the tasks of a queue and finds again after a restart, as what it did for
// a request that may be repeated. Under the queue's name: it outlives the queue.
struct Document {
  QueueName queue;
  std::string key;    // of one key the last counts
  std::string bytes;  // empty: forget it
  Wall expires{};     // of no use from then on

  friend bool operator==(const Document&, const Document&) = default;
};

// The outcome of a task that ended (model/outcome.h), kept until an instant. It outlives purges,
// not its queue. A task has one at most: before another is put, the first is forgotten.
struct StoredOutcome {
  QueueNumber queue;
  TaskId id{};
  Wall kept_until{};  // to forget it: as it was put
  std::string bytes;  // empty: forget it
  // Whose history goes when the outcome does (AttemptEntry).
  std::uint32_t generation = 0;
  std::uint32_t history_first = 0;
  std::uint32_t history_end = 0;

  friend bool operator==(const StoredOutcome&, const StoredOutcome&) = default;
};

// One remembered attempt of a task, put once; numbers grow by one. Whoever ends the task forgets
// them one by one, a purge those of its generation. To forget what is not there changes nothing.
struct AttemptEntry {
  Generation generation;
  TaskId id{};
  std::uint32_t number = 0;
  std::string bytes;  // empty: forget it

  friend bool operator==(const AttemptEntry&, const AttemptEntry&) = default;
};

// What one commit changes. Within a batch a task is put, moved or finished at most once after the
// engine has merged its changes (a task that was put and finished in one batch is not in it),
// except that a task put in it may also be moved by a later batch that the store merges with it.
struct Batch {
  // A new task. `task.place.order == task.id`, and orders only grow within a queue. The payload is
  // never null. Tasks of one lane with the same ETA that were added together carry one ETA to the
  // microsecond.
  struct Put {
    Generation generation;
    Task task;
  };
  // The task is next due elsewhere (a retry, a lease, a postponement). Its payload and options stay
  // as they are; `task.payload` may be null. Costs a bounded number of bytes, whatever the
  // payload's size.
  struct Move {
    Generation generation;
    Place from;
    Task task;  // with its new place and progress
  };
  struct Finish {
    Generation generation;
    TaskId id;
    Place place;
    std::string key;  // the task's key, empty for none
  };
  struct SetName {
    QueueNumber queue;
    std::string name;
    NameEntry entry;
  };
  struct SetCounters {
    QueueNumber queue;
    QueueCounters counters;
  };

  bool durable = true;  // false: completions only; no fsync needed

  std::vector<QueueRecord> queues;   // made or changed
  std::vector<QueueNumber> dropped;  // queue record, counters, names and all tasks
  std::vector<Generation> purged;    // all tasks of that generation
  std::vector<Put> puts;
  std::vector<Move> moves;
  std::vector<Finish> finishes;
  std::vector<SetName> names;
  std::vector<SetCounters> counters;
  std::vector<ProjectRecord> projects;  // of one project only the last counts
  std::vector<GoneQueue> gone;          // of one name only the last counts
  std::vector<Document> documents;
  std::vector<StoredOutcome> outcomes;
  std::vector<AttemptEntry> history;
  // Forget names that were free before this instant: at most `sweep_names_max` of them, oldest
  // first.
  std::optional<Wall> sweep_names_before;
  std::uint32_t sweep_names_max = 0;

  bool empty() const;
};

// The next tasks of a lane: by (eta, order), strictly after `after`, with their payloads.
struct ScanLane {
  Generation generation;
  std::uint8_t priority = 0;
  Place after;  // Place{priority, Wall::min(), 0}: from the start
  std::uint32_t tasks_max = 0;
  std::uint64_t bytes_max =
      0;  // stop after the task that reaches this many bytes of payload; at least one is given
  // Only tasks without a key: those with one are passed over, at most keyed_tasks_max of them.
  bool without_key = false;
};
constexpr std::uint32_t keyed_tasks_max = 10'000;
// The next tasks of a key: by (eta, order) whatever their priority, strictly after (after.eta,
// after.order). Only in lanes of priorities: a scan for work never has to pass over dead tasks.
struct ScanKey {
  Generation generation;
  std::string key;
  Place after;
  std::uint32_t tasks_max = 0;
  std::uint64_t bytes_max = 0;
};
// The next tasks that have a key, by (key, eta, order) over all keys in the order of their bytes,
// strictly after (key, after.eta, after.order). In lanes of priorities, too.
struct ScanKeys {
  Generation generation;
  std::string key;
  Place after;
  std::uint32_t tasks_max = 0;
  std::uint64_t bytes_max = 0;
};
// Tasks in the order of their ids, strictly after `after`.
struct ScanIds {
  Generation generation;
  TaskId after{};
  std::uint32_t tasks_max = 0;
  std::uint64_t bytes_max = 0;
};
struct ScanAnswer {
  std::vector<Task> tasks;
  bool end = false;  // nothing follows the last of them
  // Of ScanLane without_key: the place that the scan came to, also over tasks that it left out.
  Place reached;
};

struct FindTasks {
  Generation generation;
  std::vector<TaskId> ids;
};
struct FindTasksAnswer {
  std::vector<std::optional<Task>> tasks;  // one for each id
};

struct FindNames {
  QueueNumber queue;
  std::vector<std::string> names;
};
struct FindNamesAnswer {
  std::vector<std::optional<NameEntry>>
      entries;  // one for each name; tombstones that are over may still be there
};

// The places of a lane's tasks, without their payloads: by (eta, order), strictly after `after`.
// Statistics after a restart are counted with it, so it reads as little as it can.
struct ScanPlaces {
  Generation generation;
  std::uint8_t priority = 0;
  Place after;
  std::uint32_t tasks_max = 0;
};
struct ScanPlacesAnswer {
  struct Item {
    Wall eta{};
    std::uint64_t order = 0;
    bool leased = false;  // has a lease token
    std::uint32_t attempts = 0;
    TaskId id{};  // 0 when there was no attempt
  };
  std::vector<Item> items;
  bool end = false;
};

struct FindOutcomes {
  QueueNumber queue;
  std::vector<TaskId> ids;
};
struct FindOutcomesAnswer {
  std::vector<std::optional<std::string>> outcomes;  // bytes, one for each id
};

// Kept outcomes by (kept_until, id), from the first on: those to be forgotten next.
struct ScanOutcomes {
  QueueNumber queue;
  std::uint32_t count_max = 0;
};
struct ScanOutcomesAnswer {
  struct Item {
    TaskId id{};
    Wall kept_until{};
    std::uint64_t bytes = 0;
    std::uint32_t generation = 0;
    std::uint32_t history_first = 0;
    std::uint32_t history_end = 0;
  };
  std::vector<Item> items;
  bool end = false;
};

// What is remembered of a task's attempts, by number.
struct ScanHistory {
  Generation generation;
  TaskId id{};
};
struct ScanHistoryAnswer {
  std::vector<std::string> attempts;
};

using Read = std::variant<ScanLane, ScanKey, ScanKeys, ScanIds, FindTasks, FindNames, ScanPlaces,
                          FindOutcomes, ScanOutcomes, ScanHistory>;
using ReadAnswer = std::variant<ScanAnswer, FindTasksAnswer, FindNamesAnswer, ScanPlacesAnswer,
                                FindOutcomesAnswer, ScanOutcomesAnswer, ScanHistoryAnswer>;

struct StoredQueue {
  QueueRecord record;
  QueueCounters counters;
};

class Store {
 public:
  virtual ~Store() = default;

  // Every queue there is. Called once, before any commit. Also gives the lowest number for a new
  // queue.
  struct Loaded {
    std::vector<StoredQueue> queues;
    QueueNumber next_number{1};
    std::vector<ProjectRecord> projects;
    std::vector<GoneQueue> gone;
    std::vector<Document> documents;
  };
  virtual Result<Loaded> load() = 0;

  virtual void commit(Batch batch, Callback<void(Result<void>)> done) = 0;

  virtual void read(Read read, Callback<void(Result<ReadAnswer>)> done) = 0;
};

}  // namespace deferd
