// Judges a history from outside: it knows what callers, targets and workers saw, and nothing of
// lanes or windows. Every violation names one of these properties.
//
//  1. Nothing that was acknowledged is lost: a task whose add was answered is found by every read,
//  survives every restart,
//     and ends by success, by its limits, or because somebody deleted or purged it.
//  2. Nothing runs before its time: no attempt and no lease before the task's ETA (but RunTask),
//  before its add is durable,
//     or of a task that was never added.
//  3. What was completed does not run again, and no task has two attempts at once (but by RunTask).
//  After a crash only
//     completions that were not durable may repeat.
//  4. No two live leases of one task.
//  5. Leases are fenced: an ack, renewal or release with a token that is old, wrong or over is
//  refused; one with a live
//     token is not.
//  6. What a caller ended stays ended: an acknowledged ack or deletion never comes back, whatever
//  dies.
//  7. Attempts are counted, retried by the backoff formula, and stop by the stop rule.
//  8. The rate: no span of length t sees more than burst + rate * t starts (but RunTask). A restart
//  gives a new burst.
//  9. The concurrency of a queue, and of the shard, is never passed (but by RunTask).
// 10. Names: no two live tasks of one name, none while its tombstone stands; free otherwise.
// 11. Order: when an attempt starts or a lease is granted, no task of the same queue waited that
// was due, known to be
//     committed, and of higher priority, or of the same priority and placed before it.
// 12. Barriers: after the answer to a pause nothing starts (but RunTask) or is leased until a
// resume is asked for. After
//     the answer to a purge or a deletion of a queue, no task from before is met again.
// 13. max_tasks and max_bytes are never passed by an add, and no add is refused while there is
// room.
// 14. Statistics equal a recount, within what is under way, to the millisecond.
// 15. What callers read is what was written: tasks, queues, settings, states. A page of a list
// holds each task in its range
//     that lived through the call, and none that ended before it.
// 16. Every call is answered exactly once (but those that a crash cut off), and refused only for a
// reason.
// 17. Work goes on: no due task waits on idle hands, leases are granted while tasks wait, and after
// the faults end
//     everything drains.
// 18. After a failed commit, and while stopping, nothing is acknowledged, started or leased.
// 19. Settings and states of queues survive restarts.
//
// 20. Leases by ETA: ModifyLease succeeds only with the ETA at which the task stands, in time, and
// for one of two callers;
//     for whom it is right and in time it is not refused.
// 21. Recurring tasks: each run is due at a time that the rule gives, and no time is left out
// unless the rule skips it.
//     (That they are not lost is 1, that their runs do not overlap is 3.)
// 22. A project's limit is never passed by an add, and no add is refused by it while there is room;
// what is told of its
//     use is a recount. It survives restarts.
// 23. The name of a deleted queue is taken until its time, and not longer, whatever dies.
// 24. A list by ETA is in order and holds each task in its range that stood still.
// 25. No task is met that is older than its queue's task_ttl, but for a little while. (That none
// ends by it too soon is 1.)
// 26. Outcomes: a task that asked for it has one when it has ended, and not before; it says what
// the history says, stays
//     the same as long as it is to be kept, and is told only when nothing can take the end back.
//     Who waits for one is answered in time, and not too soon. Only what was ended by callers is
//     cut off.
//
// 27. Dead letters: a task that ended without success is dead, once, for the reason that the
// history gives, until it is deleted, purged, or forgotten; no other is, and what is told of it is
// what it was. Lists are in order and leave none out; counters are a recount.
//
// 28. Retries: what was dead lives anew, due now, with no attempts, under its own priority and
// name, and without the outcome of its death; nothing else does. A retry is refused only for a
// reason, and what it brought back is not lost.
//
// 29. Poison: a worker dies of a task when it says so, or when the lease of one that gave its name
// runs out; so often is counted, and at poison_after the task is dead, for that reason.
//
// 30. Callbacks: of each end of a task that asked for it, whatever ends it but a purge, a push task
// tells once; of nothing else, and of no end that a crash took back.
//
// 31. Forwarding: what died in a queue with another for its dead goes on there, once for each
// death, with its payload, key and priority; nothing else does.
//
// Sound: a true engine never trips it. To be so it works with intervals: between a call and its
// answer the effect has no known instant. It uses what a history does tell exactly: a run takes the
// mailbox in order; a call that needs no read is carried out right there; commits are made in
// order, so the answer to one change proves all earlier ones durable.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/callbacks.h"
#include "sim/history.h"
#include "sim/model.h"

namespace deferd::sim {

class Checker {
 public:
  struct Options {
    // In a healthy process every change is committed within this long. Max: not known.
    Nanos settle_within = Nanos::max();
    // A lease call is answered within its wait and this long. Max: not known.
    Nanos answer_within = Nanos::max();
    // Who waits for the end of tasks is told of one within this long. Max: not known.
    Nanos told_within = Nanos::max();
    std::uint32_t attempts_max = std::numeric_limits<std::uint32_t>::max();
    bool reads_may_fail = false;
  };
  explicit Checker(const Options& options) : options_(options) {}

  void on(Event event);

  // A task that nobody asked to be added: a callback, or what was forwarded.
  static bool is_stranger(const Task& task);

  // The first one.
  const std::optional<Violation>& violation() const { return violation_; }

  // How often something was checked that needed luck to be checkable; for tuning workloads.
  struct Marks {
    std::uint64_t starts = 0;
    std::uint64_t forced = 0;
    std::uint64_t leases = 0;
    std::uint64_t acks = 0;
    std::uint64_t refused_acks = 0;
    std::uint64_t stats = 0;
    std::uint64_t exact_stats = 0;
    std::uint64_t sightings = 0;
    std::uint64_t exact_sightings = 0;
    std::uint64_t full = 0;
    std::uint64_t names_taken = 0;
    std::uint64_t names_recent = 0;
    std::uint64_t dropped = 0;
    std::uint64_t resurrected = 0;
    std::uint64_t aged = 0;  // tasks that may have grown too old
    std::uint64_t modified = 0;
    std::uint64_t modify_refused = 0;
    std::uint64_t listed = 0;
    std::uint64_t recurred = 0;
    std::uint64_t skipped = 0;
    std::uint64_t project_full = 0;
    std::uint64_t queue_gone = 0;
    std::uint64_t outcomes = 0;
    std::uint64_t outcomes_over = 0;
    std::uint64_t pending = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t cut_off = 0;
    std::uint64_t dead = 0;
    std::uint64_t dead_deleted = 0;
    std::uint64_t dead_counted = 0;
    std::uint64_t retried = 0;
    std::uint64_t poisoned = 0;
    std::uint64_t called_back = 0;
    std::uint64_t forwarded = 0;
  };
  const Marks& marks() const { return marks_; }

 private:
  struct Range {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool holds(std::uint64_t value) const { return low <= value && value <= high; }
  };
  struct Recount {
    Range tasks, bytes, scheduled, ready, leased, in_flight, dead, dead_bytes;
    std::uint64_t executed = 0;
    std::uint64_t failed = 0;
  };
  enum class Fit : std::uint8_t { unknown, fits, too_many, too_large };
  struct Call {
    CallId id;
    Command command;
    QueueSettings wanted;
    Mono called_at{};

    bool applied = false;
    EventNumber applied_event = 0;
    std::uint64_t applied_run = 0;
    Now applied_at{};
    ModelQueue* queue = nullptr;          // null: there was none
    std::optional<QueueSettings> before;  // in force when it was applied
    std::optional<Reason> must_fail;
    // By these names it may also meet tasks that are added while it is under way.
    std::vector<std::string> names;
    bool may_end = false;
    bool may_move = false;
    // A task that it may end, or move. For this very call the task was as sure as before: see
    // unmark().
    struct Mark {
      ModelTask* task = nullptr;
      EventNumber at = 0;
      EventNumber before = 0;
    };
    std::vector<Mark> endings;
    std::vector<Mark> movings;
    std::vector<Mark> exhumed;  // whose dead letter it may end
    std::vector<ModelTask*> added;
    std::vector<ModelTask*> purged;  // what a purge met
    std::vector<Fit> fits;           // of an add without names
    Recount recount;
    std::vector<QueueInfo> queues;
    Range use;                       // of the project, as of then
    Wall least = Wall::max();        // eta of its queue's tasks then
    std::uint64_t asked = 0;         // bytes_asked_ before it
    std::uint64_t limit = 0;         // of the project
    std::vector<ModelTask*> listed;  // what stood still then, of a list by ETA
  };
  struct GoneName {
    Wall free_at{};
    CallId call;
    bool is_durable = false;
  };
  struct RunningAttempt {
    ModelTask* task = nullptr;
    Now started{};
    bool forced = false;
    bool is_of_an_earlier_life = false;
    Stranger* stranger = nullptr;  // then `task` is null
    ModelQueue* queue = nullptr;   // of a stranger
  };

  void violated(int property, std::string text);
  bool is_violated() const { return violation_.has_value(); }

  // -- events (checker.cc)
  void take_inbox();
  void apply(Call& call);
  void end_attempt(const AttemptEnded& ended);
  void start(const Started& started);
  void check_order(const ModelTask& task);
  void check_idle_hands(const RunEnded& run);
  void die(const Died& died);
  void open(const Opened& opened);
  void open_queue(ModelQueue& queue, const StoredQueue& stored, const std::vector<Task>& tasks);
  void end(const Ended& ended);

  // -- the model (checker.cc)
  bool sure(ModelTask& task);
  bool sure_since(ModelTask& task, EventNumber event);
  bool still_since(const ModelTask& task, EventNumber event) const;
  bool settled(const ModelTask& task) const;
  bool waiting(ModelTask& task);
  RetryPolicy policy_of(const ModelTask& task) const;
  Recount recount(ModelQueue& queue);
  std::vector<ModelTask*> candidates(ModelQueue& queue, const TaskRef& ref) const;
  ModelTask* task_of(const Task& task) const;
  void mark(Call& call, ModelTask* task, bool may_end, bool may_move);
  static bool refers(const Command& command, const ModelTask& task);
  // Its queue may take it, if there is room.
  static bool is_valid(const ModelTask& task);
  void unmark(const Call& call);
  void forget_marks(const Call& call);
  void changed(ModelTask& task, bool is_settled);
  void finish(ModelTask& task, EndCause cause, Wall from, Wall to, bool durable);
  void durable(Call& call);
  // Whether `fits(settings)` for any settings that were in force since then.
  template <class Fits>
  bool any_since(const ModelQueue& queue, EventNumber since, Fits&& fits) const {
    for (auto at = queue.log.rbegin(); at != queue.log.rend(); ++at) {
      if (fits(at->second)) return true;
      if (at->first < since) return false;
    }
    return false;
  }
  std::string describe(const ModelTask& task) const;

  // -- answers (checker_answers.cc)
  void answer(const Answered& answered);
  bool check_error(Call& call, const Error& error);
  void judge(Call& call, const ConfigureQueue& command,
             const Result<ConfigureQueue::Answer>& answer);
  void judge(Call& call, const DeleteQueue& command, const Result<void>& answer);
  void judge(Call& call, const GetQueue& command, const Result<QueueInfo>& answer);
  void judge(Call& call, const ListQueues& command, const Result<std::vector<QueueInfo>>& answer);
  void judge(Call& call, const SetQueueState& command, const Result<QueueInfo>& answer);
  void judge(Call& call, const PurgeQueue& command, const Result<QueueInfo>& answer);
  void judge(Call& call, const GetQueueStats& command, const Result<QueueStats>& answer);
  void judge(Call& call, const AddTasks& command, const Result<std::vector<Result<Task>>>& answer);
  void judge(Call& call, const GetTask& command, const Result<TaskInfo>& answer);
  void judge(Call& call, const ListTasks& command, const Result<ListTasks::Answer>& answer);
  void judge(Call& call, const DeleteTasks& command,
             const Result<std::vector<Result<void>>>& answer);
  void judge(Call& call, const RunTask& command, const Result<TaskInfo>& answer);
  void judge(Call& call, const LeaseTasks& command, const Result<std::vector<TaskInfo>>& answer);
  void judge(Call& call, const AckTasks& command, const Result<std::vector<Result<void>>>& answer);
  void judge(Call& call, const RenewLeases& command,
             const Result<std::vector<Result<TaskInfo>>>& answer);
  void judge(Call& call, const ReleaseTasks& command,
             const Result<std::vector<Result<void>>>& answer);
  void judge_added(Call& call, ModelTask& task, const Task& added);
  // What lives now may not pass limits that were in force since the call was taken.
  void judge_limits(Call& call);
  // It has its name now. False after a violation.
  bool judge_name(Call& call, const ModelTask& task);
  bool may_be_taken(const Call& call, const ModelTask& task, const Error& error) const;
  void judge_refused(Call& call, std::size_t index, ModelTask& task, const Error& error);
  void judge_granted(Call& call, const LeaseTasks& command, const TaskInfo& info);
  void judge_missing(Call& call, const TaskRef& ref, const char* what, const Error& error);
  void judge_gone(Call& call, const TaskRef& ref, const Error& error);
  // -- leases and lists by ETA (checker_eta.cc)
  void judge(Call& call, const ModifyLease& command, const Result<TaskInfo>& answer);
  void judge_modify_refused(Call& call, const ModifyLease& command, const Error& error);
  void judge(Call& call, const ListTasksByEta& command,
             const Result<std::vector<TaskInfo>>& answer);
  void judge_oldest(Call& call, const QueueStats& stats);
  // -- outcomes (checker_outcomes.cc)
  void judge(Call& call, const CancelTasks& command,
             const Result<std::vector<Result<TaskInfo>>>& answer);
  void judge(Call& call, const GetOutcomes& command,
             const Result<std::vector<Result<GetOutcomes::Item>>>& answer);
  void judge(Call& call, const WatchTasks& command, const Result<std::vector<TaskRef>>& answer);
  void judge_outcome(Call& call, const TaskRef& ref, const GetOutcomes::Item& item);
  void judge_pending(Call& call, const TaskRef& ref, const TaskInfo& info);
  void judge_no_outcome(Call& call, const TaskRef& ref, const Error& error);
  // How it ended, as far as the history tells (ended_surely()).
  static std::pair<OutcomeState, DeathReason> expected_end(const ModelTask& task);
  void judge_wait(const Call& call, Micros wait, bool is_over);
  void open_outcomes(const ModelQueue& queue, const StoredQueue& stored,
                     const std::set<TaskId>& outcomes);
  // Who waited was told late that it had ended.
  void judge_told(const Call& call, const ModelTask& task);
  // It is known when it ended, and by what.
  static bool ended_surely(const ModelTask& task);
  ModelTask* by_id(const ModelQueue& queue, TaskId id) const;
  // What a caller ended, by delete or cancel; false: nothing, or a violation.
  bool judge_ended(Call& call, const TaskRef& ref, const Error* error);
  // -- dead letters (checker_dead.cc)
  void judge(Call& call, const ListDead& command, const Result<ListDead::Answer>& answer);
  void judge(Call& call, const GetDead& command, const Result<TaskInfo>& answer);
  void judge(Call& call, const DeleteDead& command,
             const Result<std::vector<Result<void>>>& answer);
  ModelTask* judge_dead(Call& call, const Task& told);
  void judge_not_dead(Call& call, const TaskRef& ref);
  // Why it is dead, or DeathReason::none; nothing: that is not known.
  std::optional<DeathReason> death_of(const ModelTask& task) const;
  std::pair<Wall, Wall> died_between(const ModelTask& task) const;
  // It is dead for sure, in memory now; in the store since the call was taken.
  bool is_dead(const ModelTask& task) const;
  bool was_dead(const ModelTask& task, const Call& call) const;
  void count_dead(ModelQueue& queue, Recount& count);
  void exhume(Call& call, ModelTask* task);
  void exhume(Call& call, const std::vector<TaskRef>& refs);
  static void unexhume(const Call& call);
  void forget_exhumed(const Call& call, bool failed);
  static void note_death(ModelTask& task, DeathReason reason);
  void purge_dead(ModelQueue& queue, bool for_good, EventNumber before);
  void open_dead(ModelQueue& queue, const StoredQueue& stored, const std::vector<Task>& dead);
  // -- retries and poison (checker_retry.cc)
  void judge(Call& call, const RetryDead& command,
             const Result<std::vector<Result<TaskInfo>>>& answer);
  void judge_retried(Call& call, const TaskRef& ref, const TaskInfo& info);
  void judge_not_retried(Call& call, const TaskRef& ref, const Error& error);
  void revive(ModelTask& task, const Task& told);
  // A lease of it ran out, or is given back: whether its worker died of it.
  static bool is_death(const Lease& lease);
  static bool would_be_death(const ModelTask& task) {
    return task.lease_token != 0 && task.lease_is_named;
  }
  bool may_be_poison(const ModelTask& task) const;
  // -- callbacks and what was forwarded (checker_strangers.cc)
  static bool is_stranger(const ModelQueue& queue, const TaskRef& ref);
  // True: it is one, and was judged.
  bool meets_stranger(ModelQueue& queue, const Task& task);
  void judge_called_back(const ModelQueue& queue, const ToldEnd& end);
  void judge_forwarded(const ModelQueue& queue, const Task& sent);
  void start_stranger(const Started& started);
  void end_stranger(const RunningAttempt& attempt, const AttemptResult& result);
  bool may_lose(const QueueName& name, QueueMode mode) const;
  void end_strangers();
  // Some queue's dead go to it.
  bool takes_the_dead(const std::string& name) const;
  void strangers_go_to(const QueueName& name);
  // -- projects and names of deleted queues (checker_projects.cc)
  void judge(Call& call, const SetProjectLimit& command, const Result<void>& answer);
  void judge(Call& call, const GetProjectUse& command, const Result<GetProjectUse::Answer>& answer);
  Range project_use();
  void judge_project_added(Call& call);
  bool may_be_full(const Call& call) const;
  void open_projects(const Opened& opened);
  // -- the age of tasks (checker_age.cc)
  bool may_be_too_old(const ModelTask& task) const;
  void note_disturbance(const Now& now);
  // Of a task that was met at `seen`.
  void judge_age(const ModelTask& task, Wall seen);
  // -- recurring tasks (checker_recurring.cc)
  void end_recurring(ModelTask& task, const RunningAttempt& attempt, const AttemptResult& result);
  void undo_end(ModelTask& task);
  void start_recurring(ModelTask& task, const Task& sent, bool forced);
  void drift(ModelTask& task);
  // The task whose lease was accepted; null after a violation.
  ModelTask* judge_lease(Call& call, const Lease& lease);
  void judge_lease_refused(Call& call, const Lease& lease, const Error& error);
  void judge_info(Call& call, const QueueInfo& info);
  // A task in an answer: its fields, and whether it could be met.
  ModelTask* judge_sighting(Call& call, const TaskInfo& info);

  const Options options_;
  std::optional<Violation> violation_;
  Marks marks_;

  EventNumber event_ = 0;
  std::uint64_t run_ = 0;
  std::uint64_t process_ = 0;  // counts them
  bool is_opening_ = false;
  std::uint64_t horizon_ = 0;  // all changes of runs up to this one are durable
  Now now_{};
  Mono undisturbed_since_{};  // the process opened, or a clock jumped ahead
  Wall wall_max_{};  // a tombstone that was over once may have been swept, whatever the clock says
                     // later
  bool failed_ = false;
  std::uint64_t failed_run_ = 0;
  bool lost_power_ = false;  // the last process did
  bool stopping_ = false;
  std::uint64_t stopping_run_ = 0;
  bool in_run_ = false;
  EventNumber run_event_ = 0;       // of the last RunBegan
  std::uint64_t runs_at_once_ = 0;  // while the clock stood still
  QueueNumber next_number_{1};

  std::map<Tag, std::unique_ptr<ModelTask>> tasks_;
  std::vector<std::unique_ptr<ModelQueue>> queues_;
  std::map<QueueName, ModelQueue*> current_;
  std::map<CallId, Call> calls_;
  std::map<AttemptId, RunningAttempt> attempts_;
  std::uint32_t running_ = 0;
  // Of the one project there is.
  std::vector<std::pair<EventNumber, std::uint64_t>> limits_{{0, 0}};            // since when
  std::vector<std::pair<CallId, std::uint64_t>> limit_versions_{{CallId{}, 0}};  // as of queues
  std::uint64_t bytes_asked_ = 0;  // of all tasks that were ever to be added
  std::map<QueueName, GoneName> gone_;
  std::set<QueueName> strangers_go_;
  std::set<std::pair<QueueName, Wall>> deletions_;  // all with a tombstone that were asked for

  // What the next run takes from the mailbox.
  std::vector<std::variant<CallId, AttemptEnded, CommitFailed, Stopping>> inbox_;
  // What this run did; judged at its end: answers first, as they tell which starts were asked for.
  std::vector<Started> starts_;
  std::vector<Answered> answers_;
};

}  // namespace deferd::sim
