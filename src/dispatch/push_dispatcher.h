// The Dispatcher that pushes over HTTP/1.1: keep-alive connections pooled per target, TLS with
// verification, one deadline for an attempt from the moment it is given to the last byte of its
// answer, and a guard that decides where pushes may go (dispatch/target_guard.h).
//
//   start() ─▶ inbox ─▶ loop (a thread) ─▶ target (scheme, host, port) ─▶ connection ─▶ done()
//
// A target that does not answer holds its own connections and nothing else: its further attempts
// wait in its own queue, their deadlines running. Redirects are followed as far as redirects_max
// says, else a 3xx is an answer like any other; bodies of answers are read and dropped, but for
// those of attempts whose outcome is kept. A reused connection that turns out to have been closed
// before it said anything is replaced by a fresh one once, within the same attempt; so a target
// may, in that rare case, see an attempt twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "dispatch/door_headers.h"
#include "dispatch/lookup_threads.h"
#include "dispatch/routes.h"
#include "dispatch/target_guard.h"
#include "dispatch/token_source.h"
#include "engine/dispatcher.h"

namespace deferd {

// How applications of App Engine are pushed to.
struct AppEnginePushOptions {
  // Where their relative URLs go; may be replaced later (PushDispatcher::set_routes).
  RouteOptions routes;
  AppEngineHeaderOptions headers;
  // Makes the ticket of one push: good for calls of `app` until a while after `deadline` from now.
  // Called on the dispatcher's threads; must not block. Null: an empty ticket.
  std::function<std::string(std::string_view app, Micros deadline, Wall now)> ticket;
};

struct PushOptions {
  // Each has connections of its own; attempts are dealt to them in turn.
  std::size_t threads = 1;

  // Over all threads. A queue runs 1,000 attempts at once unless it is told otherwise, so one such
  // queue is served without waiting here.
  std::size_t connections_per_target_max = 1000;
  // Over all threads and targets; each takes a file descriptor. Past it the idle connection that
  // rested longest is closed for a new one; when none is idle, targets take turns as connections
  // end.
  std::size_t connections_max = 10'000;
  // How long a connection rests before it is closed. Servers often close theirs after 60 s or more,
  // some after 5 s; closing first avoids meeting half-closed ones.
  Millis idle_timeout = Seconds(20);
  // For one address of a target; the next one is tried then.
  Millis connect_timeout = Seconds(10);

  // A longer answer ends its connection; its status counts all the same. Not of attempts that keep
  // their responses (Attempt::keeps_response), which are read as far as result_bytes_max.
  std::uint64_t response_bytes_max = 64 * 1024;
  // What responses that are kept may take at once, from their first byte until the engine has them
  // in outcomes, over all threads and attempts. What there is no room for is cut off, and said to
  // be (ResultBody::truncated).
  std::uint64_t kept_responses_bytes_max = 256 << 20;

  // Redirects that one attempt follows (dispatch/redirect.h), within its deadline and each asked of
  // the guard; never those of applications. The answer after the last of them is the attempt's.
  std::uint32_t redirects_max = 0;

  // PEM file with certificates to trust beside the system's; empty: none.
  std::string ca_file;

  GuardOptions guard;
  AppEnginePushOptions appengine;

  // Whom tokens are asked of; outlives the dispatcher. Null: there are none, and the attempts of
  // tasks that ask for one fail.
  TokenSource* tokens = nullptr;

  // For the answer to a name; the system's resolver may take longer.
  Millis dns_timeout = Seconds(10);
  Millis dns_keep = Seconds(5);
  std::size_t dns_threads_max = 16;
  Lookup lookup = system_lookup;
};

// Since the start, all threads together. Counts may be a moment apart from each other.
struct PushStats {
  std::uint64_t started = 0;
  std::uint64_t answered_2xx = 0;
  std::uint64_t answered_other = 0;  // 3xx, 4xx, 5xx, 101
  std::uint64_t timed_out = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t refused = 0;        // by the target guard, for want of a token, or not sendable
  std::uint64_t cancelled = 0;      // cut off by cancel()
  std::uint64_t retried_stale = 0;  // on a fresh connection, as the reused one was closed
  std::uint64_t redirected = 0;     // redirects that were followed
  std::uint64_t connections_opened = 0;
  std::uint64_t connections = 0;       // now, those being opened included
  std::uint64_t connections_idle = 0;  // now
  std::uint64_t waiting = 0;           // attempts that wait for a connection, now
};

class PushDispatcher : public Dispatcher {
 public:
  // Thread-safe.
  virtual PushStats stats() const = 0;

  // Attempts that start after this go where `routes` says; those that run end where they are.
  // Thread-safe.
  virtual void set_routes(std::shared_ptr<const Routes> routes) = 0;
  // Those in force; never null. Thread-safe.
  virtual std::shared_ptr<const Routes> routes() const = 0;
};

// Fails with Reason::invalid when an option is wrong or the CA file cannot be read.
Result<std::unique_ptr<PushDispatcher>> make_push_dispatcher(PushOptions options);

}  // namespace deferd
