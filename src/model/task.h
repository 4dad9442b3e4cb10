// A task as every room knows it: what was given once (options, payload), where it stands in its
// queue (place) and what has happened to it (progress). Plain values; copying one copies no
// payload.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "model/names.h"
#include "model/retry_policy.h"

namespace deferd {

constexpr int priority_count = 10;  // 0 lowest .. 9 highest
// Lanes beyond those of priorities, in which nothing is ever due: tasks that ended without success
// and are kept (dead letters), and tasks on their way to another queue.
constexpr std::uint8_t dead_lane = 10;
constexpr std::uint8_t outgoing_lane = 11;
constexpr int lane_count = 12;
constexpr std::uint8_t priority_default = 5;     // medium
constexpr std::size_t task_key_bytes_max = 500;  // as App Engine's tags

// Where a task stands in its queue. Within one priority the next task is the first by (eta, order).
struct Place {
  std::uint8_t priority = priority_default;  // or dead_lane, outgoing_lane
  Wall eta{};
  // Unique within a queue and growing: given when a task is added (then it is the task's id) and
  // anew whenever it moves. So places never collide, and of two tasks due at one instant the one
  // that was placed first goes first.
  std::uint64_t order = 0;

  friend auto operator<=>(const Place&, const Place&) = default;
};

// How an attempt ended when there was no HTTP status.
constexpr std::int16_t status_none = 0;      // no attempt has ended yet
constexpr std::int16_t status_timeout = -1;  // the deadline of the attempt passed
constexpr std::int16_t status_unreachable =
    -2;  // no connection: DNS, connect, TLS, or closed without an answer
constexpr std::int16_t status_refused = -3;  // the target guard did not let it out
constexpr std::int16_t status_lease_expired = -4;
constexpr std::int16_t status_released = -5;  // a worker gave the lease back

constexpr std::int16_t status_cancelled = -6;  // the attempt was cut off since its task ended
constexpr std::int16_t status_failed = -7;     // a worker said that trying again is of no use

// Why a task is dead.
enum class DeathReason : std::uint8_t {
  none,
  attempts,  // it was tried max_attempts times (and for max_age)
  age,       // it was older than task_ttl
  failed,    // its worker said that trying again is of no use
  poison,    // its workers died of it
};
constexpr int death_reason_count = 5;

// What changes while a task lives.
struct Progress {
  std::uint32_t attempts = 0;    // dispatches and lease grants that were recorded
  std::uint32_t responses = 0;   // attempts that got any HTTP status
  std::uint32_t executions = 0;  // attempts that got a status other than 5xx (CT-spec 9.12)
  std::int16_t last_status = status_none;
  Wall first_attempt{};  // epoch: none yet
  Wall last_attempt{};
  Wall last_eta{};       // the ETA that led to the last attempt
  Wall last_response{};  // when it ended
  // The live or last lease; 0: never leased, or released. A lease is live while this is not 0 and
  // now < place.eta.
  std::uint64_t lease_token = 0;
  // The lease is of a worker that gave its name, and promised to renew and to report.
  bool lease_is_named = false;
  std::uint16_t deaths = 0;  // of workers that had it
  // Its attempts that are remembered have the numbers [history_first, history_end)
  // (engine/store.h).
  std::uint32_t history_first = 0;
  std::uint32_t history_end = 0;
  // In dead_lane and outgoing_lane: why, and where it stood.
  DeathReason death = DeathReason::none;
  std::uint8_t own_priority = 0;
  // Of a recurring task between two attempts of one run: when that run was due. Epoch: where the
  // task stands.
  Wall run_due{};

  friend bool operator==(const Progress&, const Progress&) = default;
};

// What few tasks have; most share none (a null pointer).
struct TaskOptions {
  std::string name;     // given by the caller
  std::string key;      // tag of a pull task, fairness key of a push task
  RetryOverride retry;  // over the queue's
  Micros timeout{0};    // of one attempt; 0: the queue's
  // When the task is due again after it ended, in the words of whoever gave it
  // (engine/recurrences.h): such a task is never finished, only moved on. Empty: a task that ends
  // once.
  std::string recurrence;
  // How long its outcome is kept (model/outcome.h); 0: it is not.
  Micros keep_result{0};
  // Headers of a target's response that are kept beside Content-Type.
  std::vector<std::string> result_headers;
  // Where its outcome is pushed to, and by which push queue of its project and location; empty:
  // nowhere, and its own if that is a push queue, else `default`.
  std::string callback_url;
  std::string callback_queue;

  bool empty() const { return *this == TaskOptions{}; }
  friend bool operator==(const TaskOptions&, const TaskOptions&) = default;
};

struct Task {
  TaskId id{};
  Place place;
  Wall created{};
  Progress progress;
  std::shared_ptr<const TaskOptions> options;  // null: none
  // What is pushed or leased, opaque to engine and stores (model/push_request.h). Null: not in
  // memory.
  SharedBytes payload;
  // What the task counts for in its queue's bytes: payload, name, key, recurrence and
  // task_overhead_bytes.
  std::uint32_t bytes = 0;

  std::string_view name() const {
    return options ? std::string_view(options->name) : std::string_view();
  }
  std::string_view key() const {
    return options ? std::string_view(options->key) : std::string_view();
  }
};

// A fixed share for what a record costs beside its payload, so that a queue of empty tasks is
// bounded in bytes too.
constexpr std::uint32_t task_overhead_bytes = 64;

}  // namespace deferd
