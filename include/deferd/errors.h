// What this library throws.
//
//   Error
//   ├── Unreachable          no answer came
//   ├── ApiError             the server refused, in its words
//   │   ├── InvalidArgument, FailedPrecondition (LeaseLost), Unauthenticated, PermissionDenied,
//   │   └── NotFound, AlreadyExists, ResourceExhausted, Unavailable, ServerError
//   └── TaskError            a task whose result was awaited ended without one
//       └── TaskFailed, TaskCancelled, TaskExpired
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace deferd::inline v1 {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// No answer came. When `sent`, the server may have carried the call out all the same.
class Unreachable : public Error {
 public:
  Unreachable(const std::string& message, bool sent) : Error(message), sent_(sent) {}
  bool sent() const { return sent_; }

 private:
  bool sent_;
};

// A refusal of the server, as a value: of one task among many.
struct Refusal {
  int code = 0;             // the HTTP status
  std::string status = {};  // its name, "NOT_FOUND"; empty when something else than deferd answered
  std::string message = {};  // for people
  std::string field = {};    // the member at fault as a path, "retry.max_attempts"; often empty
  // When trying again makes sense, if the server says so.
  std::optional<std::chrono::seconds> retry_after = {};

  // Throws the class below that goes with it.
  [[noreturn]] void raise() const;
};

class ApiError : public Error {
 public:
  explicit ApiError(Refusal refusal) : Error(refusal.message), refusal_(std::move(refusal)) {}
  int code() const { return refusal_.code; }
  const std::string& status() const { return refusal_.status; }
  const std::string& field() const { return refusal_.field; }
  const Refusal& refusal() const { return refusal_; }

 private:
  Refusal refusal_;
};

// Something that was given is wrong; field() names it.
class InvalidArgument : public ApiError {
  using ApiError::ApiError;
};
// Not in this state: a pull call on a push queue, or the result of a task that keeps none.
class FailedPrecondition : public ApiError {
  using ApiError::ApiError;
};
// The lease has ended, or is somebody else's now.
class LeaseLost : public FailedPrecondition {
  using FailedPrecondition::FailedPrecondition;
};
// The server wants an API key, or does not know this one.
class Unauthenticated : public ApiError {
  using ApiError::ApiError;
};
class PermissionDenied : public ApiError {
  using ApiError::ApiError;
};
class NotFound : public ApiError {
  using ApiError::ApiError;
};
// The name of the task is taken, or was not long ago.
class AlreadyExists : public ApiError {
  using ApiError::ApiError;
};
// A limit of the queue or the server is reached.
class ResourceExhausted : public ApiError {
  using ApiError::ApiError;
};
// The server cannot make anything durable, or is stopping.
class Unavailable : public ApiError {
  using ApiError::ApiError;
};
// Anything else that is the fault of the server, or of what stands before it.
class ServerError : public ApiError {
  using ApiError::ApiError;
};

class TaskError : public Error {
  using Error::Error;
};
// what() is the error of its last attempt, when one is known.
class TaskFailed : public TaskError {
 public:
  TaskFailed(const std::string& message, std::string reason)
      : TaskError(message), reason_(std::move(reason)) {}
  // "attempts", "age", "failed" or "poison".
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_ = {};
};
class TaskCancelled : public TaskError {
  using TaskError::TaskError;
};
// It grew older than its queue's task_ttl.
class TaskExpired : public TaskError {
  using TaskError::TaskError;
};

}  // namespace deferd::inline v1
