#include "api/cloudtasks/outcome.h"

#include <google/rpc/error_details.pb.h>

#include <array>

#include "api/cloudtasks/times.h"
#include "base/text.h"

namespace deferd::cloudtasks {
namespace {

// The texts of CT-spec 8, word by word.
constexpr std::string_view queue_missing =
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to "
    "initialize.";
constexpr std::string_view queue_recent =
    "The queue cannot be created because a queue with this name existed too recently.";
constexpr std::string_view entity_missing = "Requested entity was not found.";
constexpr std::string_view task_gone =
    "The task no longer exists, though a task with this name existed recently. The task either "
    "successfully completed or was deleted.";
constexpr std::string_view task_taken = "Requested entity already exists";
constexpr std::string_view task_recent =
    "The task cannot be created because a task with this name existed too recently. For more "
    "information about task de-duplication see "
    "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/"
    "create#body.request_body.FIELDS.task.";

Failure make(google::rpc::Code code, std::string_view message) {
  Failure failure;
  failure.set_code(code);
  failure.set_message(std::string(message));
  return failure;
}

Failure of_missing_queue(const Error& error, Subject subject) {
  if (subject == Subject::deleted_queue) return make(google::rpc::NOT_FOUND, entity_missing);
  if (subject == Subject::made_queue && error.reason == Reason::queue_gone)
    return make(google::rpc::FAILED_PRECONDITION, queue_recent);
  return make(google::rpc::NOT_FOUND, queue_missing);
}

}  // namespace

tl::unexpected<Failure> refuse(google::rpc::Code code, std::string message) {
  return refuse(make(code, message));
}

tl::unexpected<Failure> refuse_argument(std::string message) {
  return refuse(google::rpc::INVALID_ARGUMENT, std::move(message));
}

Failure with_help(Failure failure, std::string_view description, std::string_view url) {
  google::rpc::Help help;
  auto* link = help.add_links();
  link->set_description(std::string(description));
  link->set_url(std::string(url));
  failure.add_details()->PackFrom(help);
  return failure;
}

Failure failure_of(const Error& error, Subject subject) {
  switch (error.reason) {
    case Reason::queue_missing:
    case Reason::queue_gone:
      return of_missing_queue(error, subject);
    case Reason::task_missing:
    case Reason::not_found:
      return make(google::rpc::NOT_FOUND, entity_missing);
    case Reason::task_gone:
      return make(google::rpc::NOT_FOUND, task_gone);
    case Reason::task_name_taken:
      return make(google::rpc::ALREADY_EXISTS, task_taken);
    case Reason::task_name_recent:
      return make(google::rpc::ALREADY_EXISTS, task_recent);
    case Reason::invalid:
    case Reason::too_large:
      return make(google::rpc::INVALID_ARGUMENT, error.message);
    case Reason::queue_paused:
    case Reason::queue_mode:
    case Reason::outcome_not_kept:
    case Reason::lease_lost:
      return make(google::rpc::FAILED_PRECONDITION, error.message);
    case Reason::unsupported:
      return make(google::rpc::UNIMPLEMENTED, error.message);
    case Reason::unauthenticated:
      return make(google::rpc::UNAUTHENTICATED, error.message);
    case Reason::forbidden:
      return make(google::rpc::PERMISSION_DENIED, error.message);
    case Reason::timeout:
      return make(google::rpc::DEADLINE_EXCEEDED, error.message);
    case Reason::store_failed:
    case Reason::stopping:
    case Reason::unavailable:
      return make(google::rpc::UNAVAILABLE, error.message);
    case Reason::queue_full_tasks:
    case Reason::queue_full_bytes:
    case Reason::project_full:
    case Reason::overloaded: {
      Failure failure = make(google::rpc::RESOURCE_EXHAUSTED, error.message);
      if (error.retry_after) {
        google::rpc::RetryInfo retry;
        write_duration(*error.retry_after, *retry.mutable_retry_delay());
        failure.add_details()->PackFrom(retry);
      }
      return failure;
    }
    case Reason::internal:
      break;
  }
  return make(google::rpc::INTERNAL, error.message);
}

const std::string& code_name(int code) {
  return google::rpc::Code_Name(static_cast<google::rpc::Code>(code));
}

std::string_view code_word(int code) {
  static const auto words = [] {
    std::array<std::string, google::rpc::Code_ARRAYSIZE> made;
    for (std::size_t i = 0; i < made.size(); ++i)
      made[i] = to_lower(code_name(static_cast<int>(i)));
    return made;
  }();
  const auto at = static_cast<std::size_t>(code);
  return words[at < words.size() ? at : google::rpc::UNKNOWN];
}

}  // namespace deferd::cloudtasks
