// One thread of the dispatcher, with its targets, connections and deadlines.
//
//   inbox ─▶ arrive ─▶ (ask for its token) ─▶ place ─▶ on an idle connection of the target
//                              └▶ on a new one, while the target and the loop may have more
//                              └▶ target.waiting, until a connection is free or may be opened
//
// Invariants: 1. A Push is in deadlines_ from arrive() to finish(); finish() calls its `done`,
// once, and deletes it.
//             2. A Push is in one of: tokens_awaited_, one connection, its target's `waiting`.
//             3. A target has no more than per_target_max_ connections; all together have at most
//             connections_max_.
//             4. While a target has a push waiting, none of its connections is idle; while a target
//             stands in line_, no
//                connection becomes idle.
//
// start() and cancel() are called from any thread; everything else happens on the loop's own.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "dispatch/asio_types.h"
#include "dispatch/connection.h"
#include "dispatch/door_headers.h"
#include "dispatch/gate.h"
#include "dispatch/kept_response.h"
#include "dispatch/name_cache.h"
#include "dispatch/push_dispatcher.h"
#include "model/push_request.h"
#include "model/target_url.h"

namespace deferd {

// One attempt on its way.
struct Push : boost::intrusive::set_base_hook<>, boost::intrusive::list_base_hook<> {
  Attempt attempt;
  Callback<void(AttemptResult)> done;
  PushRequestView request;  // into attempt: the task's payload and the queue's http_target
  std::string own_url;      // request.url, when it is not the task's own
  TargetUrl url;
  ChosenBy chosen_by = ChosenBy::task;
  std::unique_ptr<const AppPush> app;  // of pushes to applications only (is_app_push)
  std::string authorization;           // made for this attempt; empty: none. Secret
  Steady::time_point deadline;
  std::uint64_t token_awaited = 0;   // its number in PushLoop::tokens_awaited_; 0: not there
  Target* target = nullptr;          // null: not known before it has its token
  Connection* connection = nullptr;  // null: waits
  bool retried = false;              // on a fresh connection after a stale one
  std::uint32_t redirects = 0;       // that were followed
};

struct TargetKey {
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  // A connection that the guard let out for an operator's route is not there for tasks of others.
  ChosenBy chosen_by = ChosenBy::task;

  friend bool operator==(const TargetKey&, const TargetKey&) = default;
};

struct TargetKeyHash {
  std::size_t operator()(const TargetKey& key) const {
    return std::hash<std::string>{}(key.host) * 31 + key.port * 4u + (key.tls ? 2 : 0) +
           (key.chosen_by == ChosenBy::task ? 0 : 1);
  }
};

// Lives while it has a connection or a waiting push.
struct Target {
  const TargetKey* key = nullptr;
  // The last one used first, so that the others come to their rest.
  boost::intrusive::list<Connection, boost::intrusive::base_hook<ConnectionHook<IdleOfTargetTag>>>
      idle;
  boost::intrusive::list<Push> waiting;
  std::size_t connections = 0;
  bool in_line = false;  // in PushLoop::line_
};

class PushLoop;

// Through which tokens come in from any thread, for as long as there is a loop to take them.
class TokenMail {
 public:
  explicit TokenMail(PushLoop& loop) : loop_(&loop) {}

  void bring(std::uint64_t number, Result<std::string> token);
  // The loop is about to end.
  void close();

 private:
  std::mutex mutex_;
  PushLoop* loop_;  // guarded by mutex_; null: closed
};

class PushLoop {
 public:
  // What loops share; outlives them.
  struct Shared {
    PushOptions options;
    TargetGuard guard;
    asio::ssl::context tls;
    std::once_flag tls_roots;  // the system's are in `tls`
    std::shared_ptr<ResponseBudget> responses;
    // Ends before the loops do, as its answers are posted to them.
    std::unique_ptr<LookupThreads> lookups;

    std::shared_ptr<const Routes> current_routes() const {
      const std::lock_guard lock(routes_mutex);
      return routes;
    }
    mutable std::mutex routes_mutex;
    std::shared_ptr<const Routes> routes;  // guarded by routes_mutex; never null
  };

  // `part` of `parts` loops, between which the limits on connections are divided.
  PushLoop(Shared& shared, std::size_t parts);
  // stop() must have been called.
  ~PushLoop();

  void start(Attempt attempt, Callback<void(AttemptResult)> done);
  // As Dispatcher::cancel(), of what was started before, and perhaps just after: a task that was
  // cancelled is not started again.
  void cancel(const QueueName& queue, TaskId task);
  // Cuts everything off, reports it, and joins the thread. Called once, before the lookups are
  // destroyed.
  void stop();

  void add_to(PushStats& stats) const;

  // For connections.
  Executor executor() { return context_.get_executor(); }
  const Shared& shared() const { return shared_; }
  // Reading the system's roots takes 30 ms, as much as all else at a start, and a server that
  // pushes over HTTP alone never needs them: the first connection over TLS pays for it.
  asio::ssl::context& tls();
  NameCache& names() { return names_; }
  Gate& gate() { return gate_; }
  // The push on this connection was answered; `reusable` when the connection could carry another.
  // True: it has another, or is idle; false: it is to end.
  // `location`: of an answer 3xx; empty: none.
  bool answered(Connection& connection, AttemptResult result, const std::string& location,
                bool reusable);
  // It can carry no further push.
  void leave_idle(Connection& connection);
  // Closes the idle connection that rested longest; false: there is none.
  bool close_an_idle_one();

 private:
  struct Arrival {
    Attempt attempt;
    Callback<void(AttemptResult)> done;
    Steady::time_point at;
  };
  struct ByDeadline {
    bool operator()(const Push& a, const Push& b) const { return a.deadline < b.deadline; }
  };

  friend class TokenMail;

  void take_arrivals();
  void arrive(Arrival arrival);
  // Finds out where it goes: fills url and chosen_by, and app when it is for an application.
  Result<void> aim(Push& push);
  void ask_for_token(Push& push);
  void token_came(std::uint64_t number, Result<std::string> token);
  // Finds the target of its URL, and goes there.
  void set_out(Push& push);
  // Follows an answer 3xx, if it may: the push has a new URL, and is to set out again.
  bool redirect(Push& push, int status, std::string_view location);
  void place(Push& push);
  bool may_open(const Target& target) const;
  void open(Push& push);
  void ended(Connection& connection);
  void wait_in_line(Target& target);
  void serve_line();
  void forget_if_unused(Target& target);
  void make_idle(Connection& connection);
  void finish(Push& push, AttemptResult result);
  // Finishes it before its answer came: its connection is closed.
  void cut_off(Push& push, AttemptResult result);
  void cut_off_attempts(const QueueName& queue, TaskId task);

  Co<void> keep_time();
  void wake_no_later_than(Steady::time_point instant);
  Steady::time_point next_instant() const;
  void expire(Steady::time_point now);
  void cut_all();

  Shared& shared_;
  const std::size_t per_target_max_;
  const std::size_t connections_max_;

  std::mutex inbox_mutex_;
  std::vector<Arrival> inbox_;     // guarded by inbox_mutex_
  std::vector<Arrival> arrivals_;  // being taken

  asio::io_context context_;
  asio::executor_work_guard<Executor> work_;
  NameCache names_;
  bool stopping_ = false;
  Random log_ids_;

  const std::shared_ptr<TokenMail> token_mail_ = std::make_shared<TokenMail>(*this);
  std::unordered_map<std::uint64_t, Push*> tokens_awaited_;  // by the number of the question
  std::uint64_t last_token_asked_ = 0;

  std::unordered_map<TargetKey, Target, TargetKeyHash> targets_;
  boost::intrusive::multiset<Push, boost::intrusive::compare<ByDeadline>> deadlines_;
  boost::intrusive::list<Connection, boost::intrusive::base_hook<ConnectionHook<AllTag>>>
      connections_;
  boost::intrusive::list<Connection, boost::intrusive::base_hook<ConnectionHook<IdleByAgeTag>>>
      idle_by_age_;
  // Targets with waiting pushes that could open a connection if the loop could: each in its turn.
  std::deque<Target*> line_;

  Timer timer_;
  Steady::time_point timer_at_ = Steady::time_point::max();

  // Written by the loop's thread (started: by callers), read by any.
  struct Counters {
    std::atomic<std::uint64_t> started{0}, answered_2xx{0}, answered_other{0}, timed_out{0},
        unreachable{0}, refused{0}, cancelled{0}, retried_stale{0}, redirected{0},
        connections_opened{0}, connections{0}, connections_idle{0}, waiting{0};
  };
  Counters counters_;

  Gate gate_;  // after what its coroutines use
  std::thread thread_;
};

}  // namespace deferd
