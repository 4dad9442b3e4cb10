// What the checker believes about the queues and tasks of a run. The dullest possible rival of the
// engine: plain structs, no windows, no indexes that matter, no store.
//
// A belief is exact where the history allows it, and says so where it does not:
//   sure     the task lives, whatever order the calls that are under way are carried out in
//   still    nothing that is under way may have changed its place or progress
//   settled  its last change is known to have been committed, so the engine may start it
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/queue_settings.h"
#include "model/task.h"
#include "sim/history.h"

namespace deferd::sim {

// Counts everything that happens in a run: "before" and "after" are comparisons of these.
using EventNumber = std::uint64_t;

enum class Life : std::uint8_t { asked, refused, live, ended };
enum class EndCause : std::uint8_t {
  none,
  completed,
  dropped,
  acked,
  deleted,
  purged,
  queue_deleted,
  lost_in_crash,
  poisoned
};

struct ModelQueue;

// What is known of a task that ended, as a dead letter.
struct Grave {
  DeathReason seen = DeathReason::none;  // as it was told, or found on the disk
  Wall died{};                           // with `seen` or `order`
  std::uint64_t order = 0;               // where it stands among the dead; 0: not known
  bool gone = false;                     // it is dead no more, or never was
  bool gone_for_good = false;            // and no crash brings it back
  bool doubt = false;                    // it may be gone
  std::uint32_t endings = 0;             // calls under way that may end it
  std::uint32_t revivals = 0;            // of them, those that may bring its task back to life
  bool may_live = false;                 // one of those was under way at a crash
  EventNumber unsure_event = 0;          // the last at which it may have gone
  EventNumber settled_event = 0;         // from which on it is known to be committed; 0: unknown
};

// A task that nobody asked to be added (checker_strangers.cc).
struct Stranger {
  std::string what;  // what it tells, or the name under which it was forwarded
  Wall seen{};       // first, in which process
  std::uint64_t life = 0;
  std::uint32_t running = 0;  // attempts
  std::uint32_t forced = 0;   // started by hand, and the start is still to come
};

struct ModelTask {
  Tag tag = 0;
  ModelQueue* queue = nullptr;
  NewTask given;
  CallId added_by;

  TaskId id{};  // 0: not known
  Wall created{};
  std::uint8_t priority = 0;
  // When it is next due: an interval, since what the engine did between a call and its answer has
  // no known instant.
  Wall eta_from{};
  Wall eta_to{};
  std::uint64_t order = 0;  // 0: not known
  std::uint32_t bytes = 0;
  std::uint32_t attempts = 0;
  Wall first_attempt{};
  std::uint32_t running = 0;  // attempts at the target
  // Before an attempt ended in run `end_run`: another that was started by hand in that very run may
  // have come first.
  std::uint64_t end_run = 0;
  Wall eta_before{};

  // Of a recurring task: when its run was due, while it is retried (epoch: at its eta); its run was
  // begun by hand ahead of its time; one attempt of its run succeeded; its rule may have let it
  // skip times unseen, so that eta_from is only the first of them.
  struct Run {
    Wall eta{};
    std::uint32_t attempts = 0;
    Wall first_attempt{};
    Wall due{};
    bool early = false;
    bool succeeded = false;
  };
  Run recurs;
  Run recurs_before;  // before the end of an attempt in run `end_run`
  bool drifted = false;
  bool goes_on = false;  // the next start belongs to the run that seemed to have ended

  std::uint64_t lease_token = 0;  // the live or last one
  Wall lease_end{};
  std::vector<std::uint64_t> old_tokens;
  bool lease_is_named = false;  // whoever has the live or last lease gave a name
  std::uint32_t deaths = 0;     // of workers that had it, as far as they were noticed
  bool may_be_poison = false;   // for a reason that the history does not tell
  // Ends of which somebody was called back, as they were told; how often it went on to another
  // queue; and how often it may have died at most.
  std::set<Wall> called_back;
  std::uint32_t forwarded = 0;
  std::uint32_t lives_max = 1;
  EventNumber retried_event = 0;  // the last at which it came to life again
  bool is_retried = false;        // it was dead once, so that it grows too old no more

  Life life = Life::asked;
  bool doubt =
      false;  // may have ended, or never have been there: only a sighting or a restart will tell
  std::uint32_t endings = 0;  // calls under way that may end it
  std::uint32_t movings = 0;  // calls under way that may move it or start an attempt
  std::uint32_t forced = 0;   // attempts started by hand whose start is still to come in this run
  EventNumber unsure_event = 0;   // the last at which it was not sure
  EventNumber changed_event = 0;  // the last at which place or progress changed, or may have
  std::uint64_t changed_run = 0;  // the run of its last change; 0: it is known to be durable
  bool is_settled = false;        // its last change is known to be committed, if not durable
  bool is_on_disk =
      false;  // at a death: the next process must find it as it is believed to be (or gone)
  Mono changed_at{};

  EndCause cause = EndCause::none;
  bool failed = false;             // with acked: its worker said that trying again is of no use
  std::optional<Outcome> outcome;  // as it was told
  Grave grave;
  EventNumber ended_event = 0;
  Mono ended_at{};  // when it was known, at the latest
  bool end_is_durable = false;
  Wall ended_from{};  // between these two the tombstone of its name began
  Wall ended_to{};

  bool is_meant_by(const TaskRef& ref) const {
    const auto* by_name = std::get_if<std::string>(&ref);
    return by_name != nullptr ? name() == *by_name : id == std::get<TaskId>(ref);
  }
  std::string_view name() const {
    return given.options ? std::string_view(given.options->name) : std::string_view();
  }
  std::string_view key() const {
    return given.options ? std::string_view(given.options->key) : std::string_view();
  }
  std::string_view recurrence() const {
    return given.options ? std::string_view(given.options->recurrence) : std::string_view();
  }
  // The queue that calls back of its end; empty: none does.
  std::string callback_queue() const;
  Micros keep_result() const { return given.options ? given.options->keep_result : Micros(0); }
  bool is_recurring() const { return !recurrence().empty(); }
  Wall run_due() const { return recurs.due != Wall{} ? recurs.due : eta_from; }
};

// The rate of a queue, as whole numbers: `level` is what was taken and has not drained yet. No span
// beats burst + rate * t if and only if the level never passes the burst.
class ModelBucket {
 public:
  void reset(const Rate& rate, std::int64_t burst, Mono now);
  void change(const Rate& rate, std::int64_t burst, Mono now);
  // False: there was no token.
  bool take(Mono now);
  // Whether there was one a microsecond ago too, however the engine rounds.
  bool surely_has_token(Mono now) const;

 private:
  __extension__ using Wide = __int128;
  void drain(Mono now);

  Rate rate_{};
  std::int64_t burst_ = 1;
  Wide token_ = 1;  // what one token is in units of level_: `rate_.count` units drain a nanosecond
  Wide level_ = 0;
  Mono at_{};
};

struct ModelQueue {
  QueueName name;
  QueueNumber number;
  QueueSettings settings;  // in force
  QueueState state = QueueState::running;
  Wall created{};
  std::vector<std::pair<EventNumber, QueueSettings>>
      log;  // all settings of this process, and since when
  // What a restart may find: the last that is known to be durable, and all that were given since.
  struct Version {
    QueueSettings settings;
    QueueState state;
    CallId call;
  };
  std::vector<Version> versions;
  bool made_durable = false;
  bool dropped = false;  // as the engine has it in memory
  bool dropped_durable = false;
  CallId made_by;

  std::vector<ModelTask*> tasks;  // those that have not ended
  std::vector<ModelTask*> ended;  // whose end may not survive a crash
  std::map<TaskId, Stranger> strangers;
  bool may_hold_strangers = false;  // so that what it holds can only be bounded from below
  bool loses_strangers = false;     // it may end them unseen, or was made to
  std::map<TaskId, ModelTask*> by_id;
  std::map<std::string, std::vector<ModelTask*>, std::less<>> by_name;
  std::uint64_t last_id = 0;

  std::uint32_t running = 0;
  std::uint32_t leases_out = 0;  // LeaseTasks under way
  ModelBucket bucket;
  std::optional<Wall> paused_since;  // a pause was answered then, and no resume was asked for since
  EventNumber paused_event = 0;
  EventNumber running_event = 0;  // it runs (as far as anybody asked) since this
  Micros tombstone_min{0};
  Micros tombstone_max{0};
  bool results_are_tight = false;  // what outcomes may take was small at some time
  bool dead_are_tight = false;     // so was what dead letters may take, or how long they are kept

  // Of this process.
  std::uint64_t executed = 0;
  std::uint64_t failed = 0;
};

}  // namespace deferd::sim
