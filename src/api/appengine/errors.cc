#include "api/appengine/errors.h"

namespace deferd::appengine {

std::optional<ErrorCode> code_of(Reason reason) {
  switch (reason) {
    case Reason::invalid:
      return Service::INVALID_REQUEST;
    case Reason::too_large:
      return Service::TASK_TOO_LARGE;
    case Reason::queue_missing:
      return Service::UNKNOWN_QUEUE;
    case Reason::queue_gone:
      return Service::TOMBSTONED_QUEUE;
    case Reason::queue_paused:
      return Service::QUEUE_PAUSED;
    case Reason::queue_mode:
    case Reason::outcome_not_kept:
      return Service::INVALID_QUEUE_MODE;
    case Reason::task_missing:
      return Service::UNKNOWN_TASK;
    case Reason::task_gone:
    case Reason::task_name_recent:
      return Service::TOMBSTONED_TASK;
    case Reason::task_name_taken:
      return Service::TASK_ALREADY_EXISTS;
    case Reason::lease_lost:
      return Service::TASK_LEASE_EXPIRED;
    // App Engine has no queues that are full: trying again later is what helps.
    case Reason::queue_full_tasks:
    case Reason::queue_full_bytes:
    case Reason::project_full:
    case Reason::overloaded:
      return Service::TRANSIENT_ERROR;
    case Reason::internal:
      return Service::INTERNAL_ERROR;
    case Reason::forbidden:
      return Service::PERMISSION_DENIED;
    case Reason::unauthenticated:
    case Reason::unavailable:
    case Reason::store_failed:
    case Reason::stopping:
    case Reason::timeout:
    case Reason::not_found:
    case Reason::unsupported:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_not_there(const Error& error) {
  return error.reason == Reason::queue_missing || error.reason == Reason::queue_gone;
}

RpcFailure unknown_queue(std::string_view queue) {
  return refusal(Service::UNKNOWN_QUEUE,
                 "unknown queue \"" + std::string(queue) + "\"; declare it in queue.yaml");
}

RpcFailure failure_of(const Error& error, std::string_view queue) {
  switch (error.reason) {
    case Reason::queue_missing:
      return unknown_queue(queue);
    case Reason::project_full:
      return rpc_failure(Rpc::OVER_QUOTA, error.message);
    case Reason::store_failed:
      return rpc_failure(Rpc::CAPABILITY_DISABLED, error.message);
    case Reason::stopping:
      return rpc_failure(Rpc::CANCELLED, error.message);
    case Reason::unauthenticated:
      return rpc_failure(Rpc::SECURITY_VIOLATION, error.message);
    case Reason::unavailable:
      return refusal(Service::TRANSIENT_ERROR, error.message);
    case Reason::timeout:
      return rpc_failure(Rpc::DEADLINE_EXCEEDED, error.message);
    default:
      break;
  }
  if (const auto code = code_of(error.reason)) return refusal(*code, error.message);
  return rpc_failure(Rpc::UNKNOWN, error.message);
}

}  // namespace deferd::appengine
