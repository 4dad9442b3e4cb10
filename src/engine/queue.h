// One queue: what is held of its tasks in memory, what changes, and who waits for them.
//
// A live task is in exactly one of these:
//   free     it waits in its lane, in the window or on disk only (engine/lane.h); leased ones too,
//   at the end of the lease pushing  in held_: an attempt is running settling in held_: its change
//   (a finish, a move) is in pending_ or committing_ unsettled: it was added, and its add is in
//   pending_ or committing_
// Changes are applied in memory at once and become part of the next commit; replies wait for it.
// What a commit changed enters the lanes only when it is known to be in the store (settle()), so
// lanes, scans and finds agree on what is there.
//
// Lives on its shard's thread. Reads of the store come back later: whatever is awaited, the queue
// may have been purged, deleted (dropped()) or changed in between, so their continuations check
// again.
#pragma once

#include <absl/container/btree_set.h>

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/activity.h"
#include "engine/commands.h"
#include "engine/due_counts.h"
#include "engine/end_waits.h"
#include "engine/lane.h"
#include "engine/recent_changes.h"
#include "engine/shard_core.h"
#include "engine/store.h"
#include "engine/throttle.h"
#include "engine/token_bucket.h"

namespace deferd {

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  // A queue that is being made (its record goes into the next commit), and one that was loaded.
  Queue(ShardCore& core, QueueRecord record, const Now& now);
  Queue(ShardCore& core, const StoredQueue& stored, const Now& now);

  const QueueName& name() const { return *name_; }
  QueueNumber number() const { return record_.number; }
  const QueueSettings& settings() const { return record_.settings; }
  QueueInfo info() const;
  std::uint64_t tasks() const { return counters_.tasks; }
  bool dropped() const { return dropped_; }
  // Dropped, and nothing of it is under way any more.
  bool is_over() const {
    return dropped_ && !is_committing_ && !is_dirty && attempts_running_ == 0;
  }

  // ---- Configuration (queue.cc)
  // ---------------------------------------------------------------------------------
  void configure(const QueueSettings& settings, const Now& now);
  void set_state(QueueState state, const Now& now);
  void purge(const Now& now);
  void drop(const Now& now);
  // The record of a new queue goes into the next commit. (Not the constructor's work: it needs
  // shared_from_this().)
  void mark_made(const Now& now);
  // Answers when all that changed so far is durable.
  template <class T>
  void when_durable(Reply<T> reply, T value) {
    pending_.done.push_back(
        [reply = std::move(reply), value = std::move(value)](const Error* error) mutable {
          reply(error == nullptr ? Result<T>(std::move(value)) : Result<T>(fail(*error)));
        });
  }
  void when_durable_void(Reply<void> reply) {
    pending_.done.push_back([reply = std::move(reply)](const Error* error) mutable {
      reply(error == nullptr ? Result<void>() : Result<void>(fail(*error)));
    });
  }
  void get_stats(GetQueueStats command, const Now& now);

  // ---- Tasks
  // ----------------------------------------------------------------------------------------------------
  void add_tasks(AddTasks command, const Now& now);          // queue_add.cc
  void get_task(GetTask command, const Now& now);            // queue_find.cc
  void list_tasks(ListTasks command, const Now& now);        // queue_list.cc
  void list_by_eta(ListTasksByEta command, const Now& now);  // queue_list.cc
  void delete_tasks(DeleteTasks command, const Now& now);    // queue_cancel.cc
  void cancel_tasks(CancelTasks command, const Now& now);    // queue_cancel.cc
  void get_outcomes(GetOutcomes command, const Now& now);    // queue_outcome.cc
  void watch_tasks(WatchTasks command, const Now& now);      // queue_cancel.cc
  void run_task(RunTask command, const Now& now);            // queue_push.cc
  void attempt_done(const AttemptKey& key, const AttemptResult& result, const Now& now);

  void lease_tasks(LeaseTasks command, const Now& now);  // queue_pull.cc
  // queue_lease.cc
  void ack_tasks(AckTasks command, const Now& now);
  void renew_leases(RenewLeases command, const Now& now);
  void modify_lease(ModifyLease command, const Now& now);
  void release_tasks(ReleaseTasks command, const Now& now);
  // queue_dead.cc
  void list_dead(ListDead command, const Now& now);
  void get_dead(GetDead command, const Now& now);
  void retry_dead(RetryDead command, const Now& now);
  void delete_dead(DeleteDead command, const Now& now);
  // Answers everybody who waits, with what there is: the server stops.
  void end_waits(const Now& now);

  // ---- The shard's (queue_commit.cc, queue.cc)
  // ------------------------------------------------------------------ Starts pushes, serves
  // leases, starts scans: whatever may happen now.
  void pump(const Now& now);
  // When pump() is worth calling next though nothing came in; Mono::max(): not before.
  Mono wake_at(const Now& now) const;

  // Moves what is pending into the batch. Then, once it is committed:
  void fill(Batch& batch, const Now& now);
  void settle(const Now& now);
  // ... or is not: everybody who waits is told.
  void fail_all(const Error& error, const Now& now);

  // Whoever waits for a commit that will not come; each keeps its queue alive.
  void forget_parked() {
    on_settle_.clear();
    followers_.clear();
  }

  // One more read of what a restart left uncounted (queue_count.cc).
  void count_more(const Now& now);
  bool counted() const { return recount_ == nullptr || !recount_->after_restart; }

  // Recounts what can be recounted and asserts that it agrees; for tests and the simulator.
  void check() const;

  // The shard's marks.
  bool is_touched = false;
  bool is_dirty = false;
  Mono heap_wake = Mono::max();

 private:
  enum class Hold : std::uint8_t { pushing, moving, ending };
  struct Held {
    std::unique_ptr<Task> task;  // when pushing
    Hold hold = Hold::pushing;
    const Task* moved = nullptr;  // when moving: as it will be, in pending_ or committing_
    // Of a recurring task that is pushed: it was started by hand before it was due, so this is not
    // its run; and one of its attempts succeeded.
    bool early = false;
    bool succeeded = false;
    std::uint32_t running = 0;  // attempts; two when one was started by hand beside another
  };

  // What one commit changes.
  struct Changes {
    struct Move {
      Place from;
      std::unique_ptr<Task> task;
      bool remember_lease = false;  // into leases_ when settled
    };
    struct End {
      TaskId id;
      Place place;
      std::shared_ptr<const TaskOptions> options;
    };
    std::uint32_t generation = 0;   // of puts, moves and ends
    std::uint64_t bytes_ended = 0;  // given back to the project when it is committed
    std::vector<std::unique_ptr<Task>> puts;
    std::vector<Move> moves;
    std::vector<End> ends;
    std::vector<std::pair<std::string, NameEntry>> names;
    std::vector<std::uint32_t> purged;
    std::vector<Document> documents;
    std::vector<StoredOutcome> outcomes;   // kept from now on
    std::vector<StoredOutcome> forgotten;  // outcomes
    std::vector<AttemptEntry> history;
    std::vector<Callback<void(const Error*)>> done;  // null: it is durable
    std::vector<TaskLogEntry> logged;
    bool record = false;
    bool dropped = false;
    bool counters = false;
    QueueCounters stored_counters;  // as they go to the store
    std::optional<Wall> stamp;      // the ETA of all tasks of this commit that are due at once
  };

  // What a caller's reference turned out to be.
  struct Found {
    // moving: on its way to its next place, which it is told with; with Seek::lives and listed.
    enum class Kind : std::uint8_t { missing, free, pushing, moving, dead };
    Kind kind = Kind::missing;
    bool gone = false;  // missing, and known to have ended: its name or number was given out
    TaskId id{};        // also when missing, if it is known
    Task task;          // not when missing
  };
  struct Sought;
  struct Finding;
  struct Asking;
  struct Watching;
  struct EtaList;
  using FoundAll = Callback<void(Result<std::vector<Found>>, const Now&)>;

  struct Waiter {
    LeaseTasks command;
    Mono deadline;
    // By::key: when the next task of the key may be due as far as the last scan knew; a scan is due
    // when it is reached.
    Wall next_check = Wall::min();
    // Where a scan goes on that met only tasks that are in somebody's hand.
    std::optional<Place> scan_on;
    bool scanning = false;
    std::uint8_t scan_lane = 0;  // of a scan for tasks without a key
    bool scan_from_mark =
        false;             // it began where the key's live tasks do: nothing was passed over before
    std::string scan_key;  // of the scan that is under way
    std::pair<Wall, std::uint64_t>
        settled_from;  // the first of that key that was settled since the scan began
    bool served = false;
  };

  // What is known of tasks without a key that are on disk only: none that is free lies beyond
  // `from` and up to `reached`. Holds as long as the lane's mark is not before `from`.
  struct Keyless {
    bool known = false;
    bool end = false;  // none lies beyond `from` at all
    Place from;
    Place reached;
  };

  // A lease after which its task may not be leased again.
  struct LastLease {
    Wall end{};
    TaskId task{};

    friend auto operator<=>(const LastLease&, const LastLease&) = default;
  };

  struct StatsWaiting {
    QueueStats stats;
    Reply<QueueStats> reply;
    Wall at{};
    std::uint64_t last_order = 0;
    // Tasks that are told as scheduled or leased may have been due: note_due() puts that right.
    bool is_blurred = false;
  };

  // What is known of the age of tasks: ids are given in the order of creation, so that one mark
  // stands for all.
  struct Expiry {
    TaskId passed{};  // no task up to and with this one can grow too old: it ended, or it recurs
    Wall created{};   // nor was any other created before this
    Mono not_before{};
    bool looking = false;
  };

  // How a task ended.
  struct Ending {
    OutcomeState state = OutcomeState::succeeded;
    DeathReason reason = DeathReason::none;  // with failed and expired
    const AttemptReport* report = nullptr;   // of the worker that had it; null: none
    const AttemptResult* attempt = nullptr;  // the push that ended it; null: none
  };

  // What is known of kept outcomes: one mark for all, as for the age of tasks.
  struct Keeping {
    Wall over_from = Wall::max();     // none that is settled is to be forgotten before
    Wall settled_from = Wall::max();  // of those that were settled since the last look began
    bool looking = false;
    std::uint64_t forgotten = 0;  // how many commits have settled that forgot some
  };

  // What is known of the age of dead letters.
  struct Retention {
    Place after{dead_lane, Wall::min(), 0};  // all up to it went away
    Wall died{};                             // none that is left died before this
    Mono not_before{};
    bool looking = false;
  };

  // How far the tasks of a lane were sent to other queues.
  struct Forwarding {
    Place after{};        // all up to it were sent
    bool more = true;     // others may follow
    bool behind = false;  // some of those that were sent were refused
    Mono again_at{};      // when they are sent again
    Micros pause{0};      // the last before that
    std::string refused;  // why; empty: they were not
    bool under_way = false;
  };
  struct Page;

  struct NameInHand {
    NameEntry entry;
    std::uint32_t changes = 0;  // that are not settled
  };

  // Tasks are looked at in the store, a lane after the other, to tell what is due when: all of them
  // after a restart (until then they count as ready), or those of a slot of due_counts_ that the
  // present lies in. What is added meanwhile is counted at once; what goes away is remembered.
  struct Recount {
    bool after_restart = false;
    Wall after{};  // ETAs in (after, last] are not told apart; up to and with it they are
    Wall last{};
    Wall reach{};                  // as far as is read
    Micros ahead{0};               // of the present, when that is not told by reading so far
    std::uint64_t last_order = 0;  // places given since are counted already
    std::uint8_t lane = 0;
    std::array<Place, priority_count> counted_up_to{};  // by lane
    // Orders of places that need no counting any more: what stood there went away, or was counted
    // before its lane was read.
    boost::unordered_flat_set<std::uint64_t> done;
    bool reading = false;

    bool counts(const Place& place) const {
      return place.priority < priority_count && place.order <= last_order && place.eta > after &&
             place.eta <= last && place > counted_up_to[place.priority] &&
             !done.contains(place.order);
    }
  };

  // -- queue.cc
  Mono work_at(const Now& now) const;
  std::uint64_t next_order(const Now& now);
  Wall due_now_stamp(const Now& now);
  std::size_t window_max() const;
  Lane& lane(std::uint8_t priority);
  void count_free(const Task& task) {
    due_counts_.add(task.place.eta, task.progress.lease_token != 0);
  }
  void uncount_free(const Task& task);
  void mark_changed(const Now& now, bool durable, std::size_t changes = 1);
  RetryPolicy policy_of(const Task& task) const;
  QueueStats stats(const Now& now);
  // False: a lane's first task can only be told by a read, which is under way now.
  bool look_for_heads(const Now& now);
  std::optional<Wall> oldest_eta() const;
  void serve_stats(const Now& now, bool as_known);
  Error store_error() const;
  // What the log says of this, if it is in the sample (engine/task_log.h).
  std::optional<TaskLogEntry> sample(TaskLogEntry::What what, const Task& task,
                                     const Now& now) const;

  // In a lane where nothing is due: dead, or on its way to another queue. Not live.
  static bool is_aside(const Place& place) { return place.priority >= priority_count; }
  // The task lives no more: counters, name and whoever looks for it. It must not be in any window.
  void leave(const Task& task, const Now& now);
  // ... and ends with the next commit. `options` of the task are kept.
  void end_task(const Task& task, const Now& now, bool durable);
  // The task is next due at `eta`. It must not be in any window.
  void move_task(std::unique_ptr<Task> task, Wall eta, const Now& now, bool durable,
                 bool remember_lease);
  // Takes a free task out of memory, if it is there.
  void take_free(const Task& task);
  TaskInfo info_of(const Task& task, bool pushing, const Now& now) const;
  static Micros keep_result_of(const Task& task) {
    return task.options ? task.options->keep_result : Micros(0);
  }
  static bool calls_back(const Task& task) {
    return task.options && !task.options->callback_url.empty();
  }

  // Answers with the results when what they tell of is durable, or at once if nothing changed.
  template <class T>
  void answer_changed(Reply<std::vector<Result<T>>> reply, std::vector<Result<T>> results,
                      bool any) {
    if (any) return when_durable(std::move(reply), std::move(results));
    core_.reply(std::move(reply), Result<std::vector<Result<T>>>(std::move(results)));
  }

  void keep(Document document) {
    document.queue = *name_;
    pending_.documents.push_back(std::move(document));
  }

  // -- queue_add.cc
  void add_checked(AddTasks command, const std::vector<std::optional<Error>>& name_errors,
                   const Now& now);
  std::optional<Error> name_error(const std::string& name, const std::optional<NameEntry>& stored,
                                  const Now& now) const;
  // When the name of a task that ended is free again; epoch: its task lives.
  Wall free_at(const NameEntry& entry) const;
  void set_name(const std::string& name, const NameEntry& entry);
  std::optional<Error> callback_error(const NewTask& given) const;
  std::unique_ptr<Task> make_task(NewTask given, const Now& now);
  // It lives from now on, and goes into the next commit.
  void put_live(std::unique_ptr<Task> task, const Now& now);
  // Why a task that counts so many bytes finds no room.
  std::optional<Error> limit_error(std::uint64_t bytes) const;
  Error project_error(std::uint64_t bytes) const;

  // -- queue_find.cc
  enum class Seek : std::uint8_t {
    headers,   // of live tasks, none of which is on its way (Hold::moving)
    payloads,  // the same, with their payloads
    lives,     // headers of live tasks; of those on their way as they will be
    listed,    // the same, with their payloads
    dead,      // dead letters, with their payloads, none of which is in anybody's hand
  };
  // Finds tasks by what callers call them, and calls `then` with what each is at that instant: at
  // once when all are in memory, else when the store has answered. What is settled after a second
  // read began is told to the search (followers_), so that it ends however often its tasks change.
  void find(std::vector<TaskRef> refs, Seek seek, const Now& now, FoundAll then);
  void continue_find(const std::shared_ptr<Finding>& finding, const Now& now);
  enum class Look : std::uint8_t { known, needs_name, needs_task, needs_settle };
  Look look(Finding& finding, std::size_t index, const Now& now);
  Look look_after_failure(const Finding& finding, Sought& sought, const Now& now) const;
  Look look_dead(const Finding& finding, Sought& sought) const;
  void bring_up_to_date(const Finding& finding, TaskId id,
                        std::optional<std::optional<Task>>& answer) const;
  void bring_up_to_date(const Finding& finding, const std::string& name,
                        std::optional<std::optional<NameEntry>>& answer) const;
  void follow(const std::shared_ptr<Finding>& finding);
  void tell_followers(const Changes& changes, bool of_tasks);
  bool name_is_gone(const NameEntry& entry, const Now& now) const;
  bool id_is_gone(TaskId id) const;
  Error missing_error(const Found& found, const TaskRef& ref, const char* field) const;
  // The same for tasks that a read gave which began with `read` and is not ended yet: what each is
  // at that instant. Those whose add is not acknowledged are left out.
  void recheck(std::vector<Task> scanned, std::uint64_t read, std::uint32_t generation,
               const Now& now, FoundAll then);
  // -- queue_list.cc
  void continue_list(const std::shared_ptr<EtaList>& list, const Now& now);
  void read_list(const std::shared_ptr<EtaList>& list);
  void merge_list(const std::shared_ptr<EtaList>& list, const Now& now);
  void end_list(EtaList& list, std::optional<Error> error);

  void end_find(Finding& finding, Result<std::vector<Found>> result, const Now& now);
  // The task is on its way out already (a caller may name it twice in one call).
  bool ending(TaskId id) const {
    const auto at = held_.find(id);
    return at != held_.end() && at->second.hold == Hold::ending;
  }
  bool unsettled(TaskId id) const {
    return !committing_.puts.empty() && id >= committing_.puts.front()->id;
  }
  bool fresh(const Task& task, std::uint64_t read) const {
    return !held_.contains(task.id) && !unsettled(task.id) &&
           !task_changes_.changed_since(task.id, read);
  }

  // -- queue_push.cc
  void pump_push(const Now& now);
  void start_attempt(std::unique_ptr<Task> task, const Now& now, bool forced);
  void start_attempt_again(Held& held, const Now& now);
  // Whether it is logged, as the last of effects.logged.
  bool log_answer(const Task& task, const AttemptKey& key, const AttemptResult& result,
                  const Now& now);
  // Of the settings, or what the throttle leaves of it; a second.
  double rate_in_force() const;
  // Sets the bucket to that.
  void pace(const Now& now);
  void throttle(Strain strain, const Now& now);
  static bool is_recurring(const Task& task) {
    return task.options != nullptr && !task.options->recurrence.empty();
  }
  static Wall run_due(const Task& task) {
    return task.progress.run_due != Wall{} ? task.progress.run_due : task.place.eta;
  }
  // True: the run of this recurring task was missed, and it was moved on.
  bool skipped(Lane& lane, const Now& now);
  void end_run(std::unique_ptr<Task> task, bool early, const Now& now);
  // To its next time, or to its end. It is in nobody's hand.
  void move_on(std::unique_ptr<Task> task, Wall due, const Now& now);

  // -- queue_pull.cc
  enum class Served : std::uint8_t { granted, nothing, blocked };  // blocked: a read is under way
  void serve_waiters(const Now& now);
  Served serve_any(Waiter& waiter, const Now& now);
  // `hidden`: the lane whose window shows only tasks with a key, and more are due behind it.
  Served serve_window(Waiter& waiter, bool only_without_key, const Now& now,
                      std::optional<std::uint8_t>& hidden);
  Served serve_without_key(const std::shared_ptr<Waiter>& waiter, const Now& now);
  void start_keyless_scan(const std::shared_ptr<Waiter>& waiter, std::uint8_t priority);
  void keyless_scanned(Waiter& waiter, const Place& from, std::uint64_t read, ScanAnswer found,
                       const Now& now);
  // Tasks whose last lease has run out end now, also while nobody asks for tasks.
  void drop_exhausted(const Now& now);
  Served serve_key(const std::shared_ptr<Waiter>& waiter, const std::string& key, const Now& now);
  void start_key_scan(const std::shared_ptr<Waiter>& waiter, const std::string& key,
                      const Place& after);
  Served serve_oldest_key(const std::shared_ptr<Waiter>& waiter, const Now& now);
  bool gather(const Waiter& waiter, bool only_without_key, const Now& now,
              std::vector<Place>& places, std::optional<std::uint8_t>& hidden);
  void key_scanned(Waiter& waiter, const std::string& key, std::uint64_t read,
                   std::uint32_t generation, Result<ReadAnswer> answer, const Now& now);
  // False: every one of them had been tried too often, and was dropped.
  bool grant(Waiter& waiter, std::vector<std::unique_ptr<Task>> tasks, const Now& now);
  // Notes an expired lease, and drops a task that may not be tried again; true: dropped.
  bool dropped_before_lease(Task& task, const Now& now);
  std::optional<Error> lease_error(const Found& found, const Lease& lease, const Now& now) const;
  Error paused_error() const;
  std::optional<Error> modify_error(const ModifyLease& command, const Found& found,
                                    const Now& now) const;
  TaskInfo modify_found(Task task, Micros duration, const Now& now);
  // The lease of the task is over, and not well; it is still to be moved or ended.
  void end_lease(Task& task, std::int16_t status, Wall ended, const AttemptReport* report,
                 const Now& now);
  void end_lease_well(Task& task, const AttemptReport* report, const Now& now);
  bool is_exhausted(const Task& task, const Now& now) const;
  // Whether the end of the lease that it has is the end of the task, unless it is acknowledged.
  bool is_last_lease(const Task& task, Wall end) const;
  // Its lease ended without success, and was noted (end_lease()): why it is not tried again, or
  // none. A worker that died of it counts.
  DeathReason death_after_lease(Task& task, bool worker_died, const Now& now) const;
  // Ack, renew, release: finds the tasks, checks the tokens, and lets `act` change those that fit.
  template <class Command, class Item, class Act>
  void with_leases(Command command, const Now& now, Act act);

  // -- queue_count.cc
  void count_all(const Now& now);
  // False: how many tasks are due can only be told by a read, which is under way now.
  bool split_counts(const Now& now);
  void begin_split(const Now& now);
  void count_places(const ScanPlacesAnswer& found, std::uint8_t priority);
  bool end_recount(const Now& now);
  // The task at this place was not told apart when these statistics were taken.
  void note_due(const Place& place, bool leased);

  // -- queue_expire.cc
  // Ends tasks that are older than task_ttl, a page of them; the rest when their time comes.
  void expire(const Now& now);
  void expire_found(std::vector<Task> oldest, bool end, Wall unseen_from, std::uint64_t read,
                    std::uint32_t generation, const Now& now);
  // No task outlives task_ttl before this; Wall::max(): there is nothing to wait for.
  Wall expires_from() const;

  // -- queue_outcome.cc
  // Every end of a task but those by a purge: what is counted, kept and told of it. Its progress is
  // as after the last attempt. It must not be in any window.
  void conclude(const Task& task, const Ending& ending, const Now& now, bool durable);
  Outcome outcome_of(const Task& task, const Ending& ending, const Now& now) const;
  // Its history goes with it, or is a dead letter's.
  void keep_outcome(const Task& task, const Outcome& outcome, bool owns_history);
  void add_callback(const Task& task, const Outcome& outcome, const Now& now);
  void look_for_outcomes(const std::shared_ptr<Asking>& asking, const Now& now);
  void outcomes_found(const std::shared_ptr<Asking>& asking, const std::vector<Found>& found,
                      const Now& now);
  // After a wait for those tasks, all of which lived.
  void look_for_ended(const std::shared_ptr<Asking>& asking, const std::vector<TaskId>& awaited,
                      const Now& now);
  void look_for_others(const std::shared_ptr<Asking>& asking, std::vector<TaskId> awaited,
                       std::vector<std::optional<std::string>> stored, const Now& now);
  void outcomes_read(const std::shared_ptr<Asking>& asking,
                     const std::vector<std::size_t>& read_for,
                     const std::vector<std::optional<std::string>>& stored, const Now& now);
  void end_outcomes_read(Asking& asking);
  // Forgets what was kept long enough and what is too much, a page of it.
  void forget_outcomes(const Now& now);
  void forget_found(const ScanOutcomesAnswer& found, const Now& now);
  bool holds_too_many_outcomes() const;
  // No outcome is to be forgotten before this.
  Wall outcomes_over_from() const;

  // -- queue_history.cc
  // An attempt has ended, and not well (or its worker left a log); the task's progress notes it.
  void remember_attempt(Task& task, const AttemptRecord& record);
  void remember_lease(Task& task, std::int16_t status, Wall ended, const AttemptReport* report);
  void forget_history(std::uint32_t generation, TaskId id, const Progress& progress);
  using HistoryRead = Callback<void(Result<std::vector<AttemptRecord>>, const Now&)>;
  void read_history(TaskId id, HistoryRead then);
  // Answers with the task and its story.
  void tell_story(TaskInfo info, Reply<TaskInfo> reply);
  // Who had the task, by the report or by the lease; empty: nobody said.
  std::string worker_of(const Task& task, const AttemptReport* report) const;
  void count_usage(const AttemptReport* report);

  // -- queue_cancel.cc
  void end_by_caller(const Found& found, const Now& now);
  void look_at_watched(const std::shared_ptr<Watching>& watching, const Now& now);
  // True: one of them has ended and that is not durable yet; `again` is called when it is.
  bool wait_for_settle(const std::vector<Found>& found, EndWaits::Resume again);
  bool may_wait(Mono deadline, const CallerGone& gone, const Now& now) const;
  // Calls `resume` when one of the tasks has ended, or when the wait is over. Fails when too much
  // is waited for.
  std::optional<Error> wait_for_end(const std::vector<TaskId>& tasks, Mono deadline,
                                    const CallerGone& gone, EndWaits::Resume resume,
                                    const Now& now);

  // -- queue_dead.cc
  // The task becomes a dead letter. It must not be in any window.
  void bury(const Task& task, DeathReason reason, const Now& now, bool durable);
  // A task that is dead or outgoing is gone.
  void end_aside(const Task& task, const Now& now, bool durable);
  Error not_dead_error(const TaskRef& ref) const;
  struct Retrying;
  void retry_found(const std::shared_ptr<Retrying>& retrying, const Now& now);
  void retry_read(const std::shared_ptr<Retrying>& retrying, const Now& now);
  void revive(Retrying& retry, const Now& now);
  void forget_outcome(const Task& task, const std::string& bytes);
  std::optional<Error> name_of_another(const Task& task, const std::optional<NameEntry>& stored,
                                       const Now& now) const;
  // No dead letter has to go before this; Wall::max(): there is nothing to wait for.
  Wall forgets_dead_from() const;
  // Ends those that are kept no longer, a page of them.
  void forget_dead(const Now& now);
  void forget_dead_found(const ScanAnswer& found, Wall unseen_from, std::uint64_t read,
                         const Now& now);

  // -- queue_forward.cc
  Forwarding& forwarding(std::uint8_t lane) { return forwarding_[lane - priority_count]; }
  const Forwarding& forwarding(std::uint8_t lane) const {
    return forwarding_[lane - priority_count];
  }
  Mono forwards_at(std::uint8_t lane, const Now& now) const;
  Mono forwards_at(const Now& now) const;
  // From the start, to whatever queue it is now.
  void forward_again();
  void forward_tasks(const Now& now);
  QueueName forward_target(const Task& task) const;
  void forward_page(std::uint8_t lane, ScanAnswer found, std::uint64_t read, const Now& now);
  void forwarded(Page& page, const QueueName& target, const std::vector<Task>& tasks,
                 const ForwardResult& result, const Now& now);
  void end_page(const Page& page, const Now& now);
  // A change of such a task is settled.
  void note_aside(const Place& place) {
    if (is_aside(place)) forwarding(place.priority).more = true;
  }

  // -- queue_commit.cc
  void scan_lanes(const Now& now);
  void start_scan(Lane& lane, std::uint8_t priority);
  void load_payloads(const std::vector<TaskId>& ids);
  // The highest lane whose first task is due. Null: there is none, or (`blocked`) a scan must come
  // first.
  Lane* first_due_lane(const Now& now, bool& blocked);
  Wall lanes_due_from() const;
  // The lane that may hold what is due first, if only a scan can tell.
  const Lane* lane_to_scan_first(const Now& now) const;
  void settle_task(std::unique_ptr<Task> task);
  // The change that took a task away from this place is committed now.
  void left(const Place& place);

  ShardCore& core_;
  std::shared_ptr<const QueueName> name_;
  std::shared_ptr<ProjectAccount> project_;
  QueueRecord record_;
  std::shared_ptr<const std::string> target_;      // AppEngineSettings::target; null: none
  std::shared_ptr<const HttpTarget> http_target_;  // of the settings; null: none
  QueueCounters counters_;
  QueueCounters stored_counters_;  // as of the last commit that succeeded: what a restart will find
  bool dropped_ = false;

  std::array<std::unique_ptr<Lane>, priority_count> lanes_;
  TokenBucket bucket_;
  std::unique_ptr<Throttle> throttle_;  // null until an attempt strained its target
  boost::unordered_flat_map<TaskId, Held> held_;
  // Live leases and some that are over: what an ack needs, so that it asks no store. No payloads.
  boost::unordered_flat_map<TaskId, Task> leases_;
  std::uint32_t attempts_running_ = 0;  // also of tasks that are no more: they still hold a slot
  std::uint32_t tasks_pushing_ = 0;

  Changes pending_;
  Changes committing_;
  bool is_committing_ = false;
  std::vector<Callback<void(const Now&)>> on_settle_;

  RecentChanges<TaskId> task_changes_;
  RecentChanges<std::string> name_changes_;
  std::vector<std::shared_ptr<Finding>> followers_;  // searches that had to read again
  boost::unordered_flat_map<std::string, NameInHand> names_in_hand_;
  std::list<std::shared_ptr<Waiter>> waiters_;
  // Where the live tasks of a key begin, so that leasing by key does not walk over the dead.
  // Bounded; a hint.
  boost::unordered_flat_map<std::string, Place> key_marks_;
  std::array<Keyless, priority_count> keyless_{};
  absl::btree_set<LastLease> last_leases_;  // at most leases_in_memory_max; may be over by now
  std::vector<StatsWaiting> stats_waiting_;
  EndWaits end_waits_;
  bool waits_are_over_ = false;  // the server stops
  // Ended, and their outcome is in pending_ or committing_.
  boost::unordered_flat_set<TaskId> outcomes_in_hand_;
  // Who holds the leases of workers that gave their names, since the server started; at most
  // leases_in_memory_max.
  boost::unordered_flat_map<TaskId, std::shared_ptr<const std::string>> lease_workers_;

  Expiry expiry_;
  Keeping keeping_;
  Retention retention_;
  std::array<Forwarding, lane_count - priority_count> forwarding_;
  boost::unordered_flat_set<TaskId> forwarded_;  // that were sent, and not answered yet
  DueCounts due_counts_;
  Mono stats_since_{};
  std::unique_ptr<Activity> activity_;
  Activity& activity();
  std::unique_ptr<Recount> recount_;
  bool loading_payloads_ = false;
  Mono retry_reads_at_{};  // after a read of a lane failed
};

}  // namespace deferd
