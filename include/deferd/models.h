// What calls take and give. A member that is not set is as the queue, or the server, says:
// docs/reference/api.md has their meaning and their limits.
//
// Every member has an initializer, so that `{.name = ..}` is whole to compilers that warn.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "deferd/errors.h"

namespace deferd::inline v1 {

using Duration = std::chrono::microseconds;
using Instant = std::chrono::sys_time<std::chrono::microseconds>;
using Headers = std::vector<std::pair<std::string, std::string>>;

// ---- Queues

struct RetrySettings {
  std::optional<std::int64_t> max_attempts = {};  // the first included; -1: no limit
  std::optional<Duration> max_age = {};           // since the first attempt; 0: no limit
  std::optional<Duration> min_backoff = {};
  std::optional<Duration> max_backoff = {};
  std::optional<std::int64_t> max_doublings = {};
};

// What becomes of tasks that have failed for good.
struct DeadSettings {
  std::optional<Duration> keep = {};  // 0: none is kept
  std::optional<std::int64_t> max_bytes = {};
  std::optional<std::string> queue = {};  // on to this queue instead
};

enum class QueueMode : std::uint8_t { push, pull };

// Of put_queue(): what is not set keeps its value, or gets its default when the queue is made.
struct QueueSettings {
  std::optional<QueueMode> mode = {};
  std::optional<std::string> rate = {};  // "5/s", "10/m", "0", "unlimited"
  std::optional<std::int64_t> burst = {};
  std::optional<std::int64_t> concurrency = {};
  std::optional<Duration> timeout = {};
  std::optional<int> priority = {};
  RetrySettings retry = {};
  std::optional<std::int64_t> max_tasks = {};
  std::optional<std::int64_t> max_bytes = {};
  std::optional<Duration> tombstone = {};
  std::optional<Duration> task_ttl = {};
  DeadSettings dead = {};
  std::optional<int> poison_after = {};
  std::optional<int> history = {};
};

struct Queue {
  std::string name = {};
  std::string project = {};
  std::string location = {};
  QueueMode mode = QueueMode::push;
  std::string state = {};  // "running", "paused", "disabled"
  Instant created = {};
  std::string json = {};  // as the server gave it, with every setting in force
};

struct QueueStats {
  std::int64_t tasks = 0;
  std::int64_t bytes = 0;
  std::int64_t scheduled = 0;
  std::int64_t ready = 0;
  std::int64_t in_flight = 0;
  std::int64_t leased = 0;
  std::int64_t dead = 0;
  std::int64_t results = 0;
  std::optional<double> oldest_ready = {};  // seconds
  std::string json = {};  // as the server gave it, with rates, durations and totals
};

// ---- Tasks

// A push queue's task has a url, a pull queue's none.
struct NewTask {
  std::string url = {};
  std::string method = {};
  Headers headers = {};
  std::optional<std::string> body = {};  // any bytes
  std::optional<std::string> json = {};  // JSON text, sent as it is; instead of body
  std::string name = {};  // empty: one is made up, so that an add that is repeated adds once
  std::optional<Duration> delay = {};
  std::optional<Instant> eta = {};  // instead of delay
  std::optional<int> priority = {};
  std::optional<std::string> key = {};
  std::optional<Duration> timeout = {};
  RetrySettings retry = {};
  std::optional<Duration> keep_result = {};  // after its end
  std::vector<std::string> result_headers = {};
  std::string callback_url = {};
  std::string callback_queue = {};
};

// What one attempt used, as its worker told.
struct Usage {
  std::optional<Duration> cpu = {};
  std::optional<Duration> wall = {};
  std::optional<std::int64_t> memory_peak = {};  // bytes
  std::string cause = {};                        // "exited", "signalled", "out_of_memory", ...
  std::optional<int> code = {};
  std::optional<int> signal = {};
};

struct Attempt {
  std::int64_t attempt = 0;  // the first is 1
  std::optional<Instant> started = {};
  std::optional<double> duration = {};  // seconds
  std::optional<int> status = {};       // HTTP
  std::string failure = {};             // "timeout", "lease_expired", ...
  std::string error = {};
  std::string worker = {};
  std::optional<Usage> usage = {};
  std::string log = {};
};

struct Task {
  // Of an add whose answer was lost once and that was found done when it was repeated: its name,
  // which every call takes just as well; then nothing but `name` and `queue` is known besides.
  std::string id = {};
  std::string name = {};
  std::string queue = {};
  std::string state = {};  // "scheduled", "ready", "in_flight", "leased"
  int priority = 0;
  Instant eta = {};
  Instant created = {};
  std::int64_t attempts = 0;
  std::string url = {};
  std::string method = {};
  std::optional<std::string> key = {};
  std::optional<std::string> body =
      {};  // where it was asked for: get_task(), leases, lists in full
  std::string lease_token = {};
  std::optional<Instant> lease_expires = {};
  std::optional<Duration> keep_result = {};
  std::optional<int> last_status = {};
  std::string last_failure = {};
  std::string worker = {};
  std::vector<Attempt> history = {};
};

// A task that failed for good, in the dead set of its queue.
struct DeadTask {
  Task task = {};
  std::string reason = {};  // "attempts", "age", "failed", "poison"
  std::optional<Instant> died = {};
  std::string error = {};
};

// Which of a queue's dead tasks; what is empty does not matter.
struct DeadFilter {
  std::string reason = {};
  std::optional<int> status = {};
  std::string failure = {};
  std::optional<std::string> key = {};
  std::string name = {};
  std::optional<Instant> since = {};
  std::optional<Instant> until = {};
};

struct DeadChange {
  std::int64_t matched = 0;
  std::int64_t changed = 0;  // retried or deleted; 0 of a plan
};

// ---- Results

enum class ResultState : std::uint8_t { pending, succeeded, failed, cancelled, expired };

struct TaskResult {
  ResultState state = ResultState::pending;
  std::string queue = {};
  std::string id = {};
  std::string name = {};
  std::int64_t attempts = 0;
  std::string task_state = {};  // of a pending one, as Task::state
  std::optional<int> last_status = {};
  std::string last_failure = {};
  std::optional<Instant> created = {};
  std::optional<Instant> ended = {};
  std::optional<Instant> kept_until = {};
  std::optional<std::string> body = {};
  Headers headers = {};    // Content-Type, and those that the task asked for
  bool truncated = false;  // the body was longer than what is kept
  std::string error = {};
  std::string reason = {};  // of a failed one: "attempts", "age", "failed", "poison"
  std::string worker = {};
  std::optional<Usage> usage = {};
};

// ---- Many at once

// Of one among many: the value, or why not.
template <class T>
class Outcome {
 public:
  Outcome(T value) : value_(std::move(value)) {}
  Outcome(Refusal refusal) : value_(std::move(refusal)) {}

  bool ok() const { return value_.index() == 0; }
  // Throws the ApiError when there is no value.
  const T& value() const {
    if (!ok()) refusal().raise();
    return std::get<0>(value_);
  }
  // The same with f(value()) instead of the value.
  template <class F>
  auto map(F f) const -> Outcome<std::invoke_result_t<F, const T&>> {
    if (!ok()) return refusal();
    return f(std::get<0>(value_));
  }
  // Requires !ok().
  const Refusal& refusal() const { return std::get<1>(value_); }

 private:
  std::variant<T, Refusal> value_;
};
using Done = std::monostate;

struct ResultOf {
  std::string id = {};    // as it was asked for
  std::string name = {};  // when it was asked by name
  Outcome<TaskResult> result;
};
struct Results {
  std::vector<ResultOf> ended = {};  // or without a result for ever
  std::int64_t pending = 0;
};

// Some of a list.
template <class T>
struct Page {
  std::vector<T> items = {};
  std::string next_token = {};  // asks for the next ones; empty at the end
};

struct PageRequest {
  int size = 100;
  std::string token = {};
};

// ---- Leases

struct LeaseRequest {
  int max = 1;
  Duration lease = std::chrono::minutes(1);
  std::optional<std::string> key = {};
  bool oldest_key = false;
  Duration wait{0};
  // Who leases, "host/pid". A named holder promises to renew and to report: a lease of it that
  // expires counts as its death (queues have poison_after).
  std::string worker = {};
};

// What a worker tells about the end of an attempt.
struct Report {
  std::optional<std::string> json = {};  // the result: JSON text
  std::optional<std::string> body = {};  // or any bytes
  std::string content_type = {};         // of body
  std::string error = {};
  std::string log = {};
  std::optional<Usage> usage = {};
};

struct LeaseEnd {
  LeaseEnd(const Task& task, Report told = {})
      : id(task.id), lease_token(task.lease_token), report(std::move(told)) {}

  std::string id = {};
  std::string lease_token = {};
  Report report = {};
};

}  // namespace deferd::inline v1
