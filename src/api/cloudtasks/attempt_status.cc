#include "api/cloudtasks/attempt_status.h"

#include "model/task.h"

namespace deferd::cloudtasks {
namespace {

google::rpc::Code code_of_http(int status) {
  if (status >= 200 && status <= 299) return google::rpc::OK;
  switch (status) {
    case 400:
      return google::rpc::INVALID_ARGUMENT;
    case 401:
      return google::rpc::UNAUTHENTICATED;
    case 403:
      return google::rpc::PERMISSION_DENIED;
    case 404:
      return google::rpc::NOT_FOUND;
    case 409:
      return google::rpc::ALREADY_EXISTS;
    case 429:
      return google::rpc::RESOURCE_EXHAUSTED;
    case 499:
      return google::rpc::CANCELLED;
    case 500:
      return google::rpc::INTERNAL;
    case 501:
      return google::rpc::UNIMPLEMENTED;
    case 503:
      return google::rpc::UNAVAILABLE;
    case 504:
      return google::rpc::DEADLINE_EXCEEDED;
    default:
      return google::rpc::UNKNOWN;
  }
}

std::string words_of(std::int16_t status) {
  if (status > 0) return "HTTP status code " + std::to_string(status);
  if (status == status_timeout) return "the attempt's deadline passed";
  if (status == status_refused)
    return "not sent: this target is not allowed, or the token for it cannot be had";
  return "the target gave no answer";
}

}  // namespace

google::rpc::Code attempt_code(std::int16_t status) {
  if (status > 0) return code_of_http(status);
  switch (status) {
    case status_none:
      return google::rpc::OK;
    case status_timeout:
      return google::rpc::DEADLINE_EXCEEDED;
    case status_refused:
      return google::rpc::PERMISSION_DENIED;
    case status_cancelled:
      return google::rpc::CANCELLED;
    default:
      return google::rpc::UNAVAILABLE;
  }
}

google::rpc::Status attempt_status(std::int16_t status) {
  const google::rpc::Code code = attempt_code(status);
  google::rpc::Status made;
  made.set_code(code);
  made.set_message(google::rpc::Code_Name(code) + "(" + std::to_string(code) +
                   "): " + words_of(status));
  return made;
}

}  // namespace deferd::cloudtasks
