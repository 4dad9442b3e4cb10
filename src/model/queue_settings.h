// What an operator sets on a queue. Defaults are those of Cloud Tasks (spec/cloud-tasks.md 9.1)
// where it has the setting. Every member is returned to callers with the value in force.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/duration_text.h"
#include "model/http_target.h"
#include "model/names.h"
#include "model/retry_policy.h"
#include "model/task.h"

namespace deferd {

enum class QueueMode : std::uint8_t { push, pull };
enum class QueueState : std::uint8_t {
  running,
  paused,    // accepts tasks, starts none but those that are run by hand; lease calls get none
  disabled,  // as paused; entered when a configuration file leaves the queue out
};

// What only App Engine's doors and files speak of: kept with the queue and given back as written.
struct AppEngineSettings {
  std::string
      target;  // "[version.]service": where relative URLs of this queue go; empty: as the task says
  std::string rate_text;                   // the rate as it was written ("10/m"); empty: unknown
  std::vector<std::string> user_emails;    // pull: who may lease, get, list, update and delete
  std::vector<std::string> writer_emails;  // pull: who may insert

  friend bool operator==(const AppEngineSettings&, const AppEngineSettings&) = default;
};

// What becomes of tasks that end without success (not of those that are deleted or purged).
struct DeadLetters {
  Micros keep = std::chrono::hours(24 * 7);  // 0: they are dropped; at most dead_keep_max
  std::uint64_t bytes_max = 64 << 20;        // the oldest are dropped first; 0: no limit
  std::string queue;  // they go on to this queue of the same project and location; empty: they stay

  friend bool operator==(const DeadLetters&, const DeadLetters&) = default;
};
constexpr Micros dead_keep_max = std::chrono::hours(24 * 365);

constexpr std::int32_t history_max = 100;

constexpr Micros task_ttl_max = std::chrono::hours(24 * 3650);

struct QueueSettings {
  QueueMode mode = QueueMode::push;  // fixed once the queue exists

  // Push only: how fast attempts start, and how many run at once.
  Rate rate{.count = 500'000, .period = Seconds(1), .unlimited = false};
  std::int32_t burst = 100;         // 1..1'000'000
  std::int32_t concurrency = 1000;  // 1..100'000
  Micros timeout = Seconds(600);    // the longest that one attempt may take: 1ms..24h

  std::uint8_t priority = priority_default;  // of tasks that give none
  RetryPolicy retry;
  // Pull: retry applies to leases: a task whose lease expires or is released max_attempts times is
  // dropped. The default of a pull queue is no limit (max_attempts -1).

  std::uint64_t max_tasks = 0;       // 0: no limit
  std::uint64_t max_bytes = 0;       // 0: no limit
  Micros tombstone = Seconds(3600);  // how long the name of an ended task stays taken: 0..30d
  // A task that is older than this since it was added is dropped, whether it ever ran or not and
  // whatever the queue's state: 0..task_ttl_max; 0: never. One that recurs never is.
  Micros task_ttl{0};

  DeadLetters dead;
  // Pull only: a task whose workers died of it this often is dead: 0..1000; 0: never.
  std::int32_t poison_after = 3;
  std::int32_t history = 10;  // attempts of a task that are remembered: 0..history_max
  // What kept outcomes may take; those that would be forgotten first go first. 0: no limit.
  std::uint64_t result_bytes_max = 256 << 20;

  std::optional<HttpTarget> http_target;  // push only
  // Of what happens to tasks, the share that is logged: 0..1. Absent: none, and nobody said so.
  std::optional<double> log_sampling;

  AppEngineSettings appengine;
  std::string note;  // what a door wants to find again and nobody else reads; mostly empty

  static QueueSettings defaults(QueueMode mode);

  // Fails with Reason::invalid and the member's name as `field`.
  Result<void> check() const;

  friend bool operator==(const QueueSettings&, const QueueSettings&) = default;
};

// A queue as callers see it.
struct QueueInfo {
  QueueName name;
  QueueSettings settings;
  QueueState state = QueueState::running;
  Wall created{};
  std::optional<Wall> purged;  // the last purge
};

}  // namespace deferd
