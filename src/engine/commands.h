// What can be asked of the engine. A door makes a command, the shard that owns the queue carries it
// out, and the reply is called exactly once: for what changes something, after the change is
// durable.
//
// Values are valid when they come here (doors parse); what depends on the state of a queue is
// checked by the engine. Replies run on the shard's thread: they hand the answer over and return at
// once. A reply may come from within the submitting call when the command is refused at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/stats.h"
#include "engine/store.h"
#include "model/names.h"
#include "model/outcome.h"
#include "model/queue_settings.h"
#include "model/task.h"

namespace deferd {

template <class T>
using Reply = Callback<void(Result<T>)>;

// What is to be kept of a call in the very commit that carries it out, by its results (the engine
// sets the queue). Runs on the shard's thread. Null: nothing.
template <class T>
using MakeDocument = Callback<Document(const std::vector<Result<T>>&)>;

constexpr std::size_t batch_tasks_max = 1000;  // of one add, lease, ack, renew, release, delete
constexpr Micros eta_horizon = std::chrono::hours(24 * 365 * 10);  // how far ahead an ETA may lie
constexpr Micros lease_max = std::chrono::hours(24 * 7);
constexpr Micros lease_min = Millis(1);
constexpr Micros lease_wait_max = Seconds(60);
constexpr std::size_t list_tasks_max = 1000;        // of one page
constexpr std::uint64_t list_bytes_max = 64 << 20;  // payload in one ListTasksByEta

enum class TaskState : std::uint8_t {
  scheduled,  // its ETA lies ahead
  ready,      // due, waiting for its turn
  in_flight,  // being pushed
  leased,     // held by a worker
};
constexpr int task_state_count = 4;

// What else is known of a task, for those who ask for it.
struct TaskStory {
  std::vector<AttemptRecord> history;  // oldest first
  std::string worker;                  // who holds its lease, if they said so
};

// A task as callers see it.
struct TaskInfo {
  Task task;
  TaskState state = TaskState::scheduled;
  std::shared_ptr<const TaskStory> story;  // null: it was not asked for
};

// ---- Queues
// -----------------------------------------------------------------------------------------------------

// Makes or changes a queue: `change` gets the settings in force (null: no such queue) and gives
// those to be. It runs on the shard, so a read-modify-write is atomic. The engine checks what it
// gives, and that the mode stays.
struct ConfigureQueue {
  QueueName queue;
  Callback<Result<QueueSettings>(const QueueSettings*)> change;
  struct Answer {
    QueueInfo queue;
    bool made = false;
  };
  Reply<Answer> reply;
};
struct DeleteQueue {
  QueueName queue;
  Reply<void> reply;
  Micros tombstone{0};  // how long the name stays taken (Reason::queue_gone); survives a restart
  bool only_empty = false;  // Reason::queue_mode from one that holds tasks: it cannot be remade
};
struct GetQueue {
  QueueName queue;
  Reply<QueueInfo> reply;
};
// Queues of this shard with project and location, by name, strictly after `after`. With no project,
// of all.
struct ListQueues {
  std::string project;
  std::string location;
  std::string after;
  std::uint32_t queues_max = 100;
  Reply<std::vector<QueueInfo>> reply;
};
struct SetQueueState {
  QueueName queue;
  QueueState state = QueueState::running;
  Reply<QueueInfo> reply;
};
struct PurgeQueue {
  QueueName queue;
  Reply<QueueInfo> reply;
};
struct GetQueueStats {
  QueueName queue;
  Reply<QueueStats> reply;
};
// What all tasks of a project may count for together (App Engine's total_storage_limit), exact over
// all shards and kept in the store; 0: no limit. An add past it fails with Reason::project_full.
struct SetProjectLimit {
  std::string project;
  std::uint64_t bytes_max = 0;
  Reply<void> reply;
};
struct GetProjectUse {
  std::string project;
  struct Answer {
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = 0;
  };
  Reply<Answer> reply;
};

// ---- Tasks
// ------------------------------------------------------------------------------------------------------

struct NewTask {
  std::optional<Wall> eta;                     // absent, or in the past: due now
  std::optional<Micros> delay;                 // from the instant of the add; only without eta
  std::optional<std::uint8_t> priority;        // absent: the queue's
  std::shared_ptr<const TaskOptions> options;  // null: none
  SharedBytes payload;                         // never null
  bool has_target = false;  // it carries a url: push queues need one, pull queues take none
};
// Up to batch_tasks_max tasks in one commit; a result for each, in order. One that fails does not
// hold up others.
struct AddTasks {
  QueueName queue;
  std::vector<NewTask> tasks;
  Reply<std::vector<Result<Task>>> reply;
  MakeDocument<Task> document;
};
struct GetTask {
  QueueName queue;
  TaskRef task;
  bool story = false;
  Reply<TaskInfo> reply;
};
// By id, strictly after `after`. A task that lives through a whole walk is met exactly once. A page
// may hold fewer than tasks_max although more follow: `next` says where to go on; absent: the end.
struct ListTasks {
  QueueName queue;
  std::optional<TaskState> state;
  TaskId after{};
  std::uint32_t tasks_max = 100;
  struct Answer {
    std::vector<TaskInfo> tasks;
    std::optional<TaskId> next;
  };
  Reply<Answer> reply;
};
// Live tasks by (eta, order) whatever their priority, from (eta, order) on, that included (GAE-spec
// 5.11). One that is leased stands at the end of its lease, one in flight where it was due. A task
// that does not move while the list is made is met exactly once; one that moves may be left out.
// Reason::too_large when the payloads of one answer would pass list_bytes_max: ask for fewer.
struct ListTasksByEta {
  QueueName queue;
  Wall eta{};
  std::uint64_t order = 0;
  // Present: only tasks with a key, by (key, eta, order), from (key, eta, order) on.
  std::optional<std::string> key;
  std::uint32_t tasks_max = 100;
  Reply<std::vector<TaskInfo>> reply;  // fewer than tasks_max: the end
};
// Live tasks in any state. A running push is not cut off, and its outcome is dropped.
struct DeleteTasks {
  QueueName queue;
  std::vector<TaskRef> tasks;
  Reply<std::vector<Result<void>>> reply;
  MakeDocument<void> document;
};
// Starts an attempt now, whatever ETA, rate, concurrency and state say (CT-spec 9.9). Push queues
// only.
struct RunTask {
  QueueName queue;
  TaskRef task;
  Reply<TaskInfo> reply;
};

// Ends live tasks in any state as cancelled, at once: the request of a running push is closed, and
// who watches a leased one is told (WatchTasks).
struct CancelTasks {
  QueueName queue;
  std::vector<TaskRef> tasks;
  Reply<std::vector<Result<TaskInfo>>> reply;  // as they were
};

// ---- Outcomes
// ---------------------------------------------------------------------------------------------------

// Set by a caller that went away, so that nothing is given to nobody.
using CallerGone = std::shared_ptr<std::atomic<bool>>;

constexpr Micros outcome_wait_max = Seconds(60);

// What became of tasks: answered when at least one of them has ended or is an error, or when the
// wait is over. An outcome is shown when it is durable. Reason::task_missing: there is no such
// task, or its outcome is no longer kept; Reason::outcome_not_kept: it lives, and asked for none.
struct GetOutcomes {
  QueueName queue;
  std::vector<TaskRef> tasks;  // up to batch_tasks_max
  bool history = false;
  Micros wait{0};
  CallerGone gone;  // may be null
  struct Item {
    std::optional<Outcome> outcome;
    std::optional<TaskInfo> pending;  // without its payload; when there is no outcome
    std::vector<AttemptRecord> history;
  };
  Reply<std::vector<Result<Item>>> reply;  // one for each task
};

// Answered when at least one of the tasks lives no more (it was cancelled, deleted, purged or
// finished), or when the wait is over; with those that live no more.
struct WatchTasks {
  QueueName queue;
  std::vector<TaskRef> tasks;  // up to batch_tasks_max
  Micros wait{0};
  CallerGone gone;  // may be null
  Reply<std::vector<TaskRef>> reply;
};

// ---- Dead letters
// -----------------------------------------------------------------------------------------------

// Tasks that ended without success and are kept: place.eta is when they died, progress.death why,
// progress.own_priority where they stood.
struct DeadFilter {
  std::optional<DeathReason> reason;
  std::optional<std::int16_t> last_status;
  std::optional<std::string> key;
  std::optional<std::string> name;
  std::optional<Wall> since;  // died at or after
  std::optional<Wall> until;  // died before

  bool takes(const Task& task) const;
  friend bool operator==(const DeadFilter&, const DeadFilter&) = default;
};
// By the time of their death, strictly after `after` (Place{dead_lane, Wall::min(), 0}: from the
// start). A page may hold fewer than tasks_max although more follow, when many were left out.
struct ListDead {
  QueueName queue;
  DeadFilter filter;
  Place after{dead_lane, Wall::min(), 0};
  std::uint32_t tasks_max = 100;
  struct Answer {
    std::vector<Task> tasks;
    std::optional<Place> next;  // absent: the end
  };
  Reply<Answer> reply;
};
// With its payload and history. Reason::task_missing: it is not dead.
struct GetDead {
  QueueName queue;
  TaskRef task;
  Reply<TaskInfo> reply;
};
// Alive again: due now, under its own priority, with no attempts. Its name is its own again, unless
// another task took it (then Reason::name_taken).
struct RetryDead {
  QueueName queue;
  std::vector<TaskRef> tasks;
  Reply<std::vector<Result<TaskInfo>>> reply;
};
struct DeleteDead {
  QueueName queue;
  std::vector<TaskRef> tasks;
  Reply<std::vector<Result<void>>> reply;
};

// ---- Pull
// -------------------------------------------------------------------------------------------------------

struct LeaseTasks {
  enum class By : std::uint8_t { any, key, oldest_key };

  QueueName queue;
  std::uint32_t tasks_max = 1;
  Micros duration = Seconds(60);
  By by = By::any;
  std::string key;  // with By::key. May be empty: tasks without a key
  Micros wait{0};   // how long to wait for the first task; 0: answer at once
  CallerGone gone;  // may be null
  // Who leases, and promises to renew and to report: a lease of theirs that expires counts as their
  // death (QueueSettings::poison_after). Empty: nobody says.
  std::string worker;
  bool refuse_paused = false;          // Reason::queue_paused from a paused queue, instead of none
  Reply<std::vector<TaskInfo>> reply;  // lease token in progress.lease_token, its end in place.eta
};
// Known by its token or, when that is 0, by the ETA that it set (its end), as callers know it to
// whom no token is told.
struct Lease {
  TaskRef task;
  std::uint64_t token = 0;
  Wall end{};
  // What the worker tells of its attempt; null: nothing. Not with RenewLeases.
  std::shared_ptr<AttemptReport> report;
};
// Ends tasks: done or, with `failed`, never to be tried again (DeathReason::failed).
struct AckTasks {
  QueueName queue;
  std::vector<Lease> leases;
  bool failed = false;
  Reply<std::vector<Result<void>>> reply;
};
struct RenewLeases {
  QueueName queue;
  std::vector<Lease> leases;
  Micros duration{0};  // from now
  Reply<std::vector<Result<TaskInfo>>> reply;
};
// App Engine's ModifyTaskLease (GAE-spec 5.13): a lease is known by the ETA that it set, to the
// microsecond, and a task that was never leased by its own. Another ETA, or one that has passed, is
// Reason::lease_lost; a paused queue Reason::queue_paused. `duration` from now; 0 gives the task
// back.
struct ModifyLease {
  QueueName queue;
  TaskRef task;
  Wall eta{};
  Micros duration{0};
  Reply<TaskInfo> reply;
};
struct ReleaseTasks {
  QueueName queue;
  std::vector<Lease> leases;
  std::optional<Micros> delay;  // absent: the queue's backoff; 0: due now
  Reply<std::vector<Result<void>>> reply;
};

using Command = std::variant<ConfigureQueue, DeleteQueue, GetQueue, ListQueues, SetQueueState,
                             PurgeQueue, GetQueueStats, SetProjectLimit, GetProjectUse, AddTasks,
                             GetTask, ListTasks, ListTasksByEta, DeleteTasks, RunTask, CancelTasks,
                             GetOutcomes, WatchTasks, ListDead, GetDead, RetryDead, DeleteDead,
                             LeaseTasks, AckTasks, RenewLeases, ModifyLease, ReleaseTasks>;

}  // namespace deferd
