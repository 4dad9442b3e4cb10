// How every room of ours fails: a Result<T> holds a T or an Error, and an Error is a Reason from a
// closed list with the words to print. Doors translate reasons in their own voice (numbers of App
// Engine, codes of Google, JSON of /v1), so the engine never knows how a failure is spelled
// outside.
//
// Pass a failure on with a plain `if (!x) return fail(x.error());`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "base/time.h"

namespace deferd {

enum class Reason : std::uint8_t {
  invalid,           // a value is wrong; `field` names it
  too_large,         // a task, body or request is over its limit
  queue_missing,     // no such queue
  queue_gone,        // deleted so recently that its name is not free yet
  queue_paused,      // paused or disabled, and the call asked to be told
  queue_mode,        // a pull call on a push queue, or the other way round
  task_missing,      // no such task
  task_gone,         // the task has ended, and its name or number is still known
  outcome_not_kept,  // the task lives, and its outcome will not be kept
  task_name_taken,   // a task of this name is alive
  task_name_recent,  // a task of this name ended less than a tombstone ago
  queue_full_tasks,  // the queue's max_tasks
  queue_full_bytes,  // the queue's max_bytes
  project_full,      // the project's storage limit
  lease_lost,        // the lease token is not, or no longer, the task's
  overloaded,        // what waits between rooms is at its bound: try again after `retry_after`
  store_failed,      // the store cannot make anything durable; nothing was acknowledged
  stopping,          // the server is shutting down
  not_found,         // anything else that is not there (a path)
  unsupported,       // a method, a media type or a feature that is not offered here
  unauthenticated,   // who calls is not known here
  forbidden,         // who calls may not do this
  unavailable,       // cannot be told just now: try again in a moment
  timeout,           // the caller or a peer took too long
  internal,          // ours: a bug that was contained
};

// "queue_missing" and so on: stable words for logs and metrics.
std::string_view to_string(Reason reason);

struct Error {
  Reason reason = Reason::internal;
  // What was wrong, the value, what would be right. Lower case, no full stop:
  // `lease: 0s is outside 1s..7d`.
  std::string message;
  // The setting or JSON member that is wrong, as a path ("retry.max_attempts", "tasks[7].url");
  // often empty.
  std::string field;
  // When trying again makes sense; only with overloaded and full queues.
  std::optional<Micros> retry_after;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(Reason reason, std::string message, std::string field = {}) {
  return fail(Error{reason, std::move(message), std::move(field), std::nullopt});
}

}  // namespace deferd
