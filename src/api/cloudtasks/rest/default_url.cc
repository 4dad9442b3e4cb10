#include "api/cloudtasks/rest/default_url.h"

namespace deferd::cloudtasks::rest {

std::string url_of(const HttpTarget& target) {
  std::string url = target.scheme == HttpTarget::Scheme::http ? "http://" : "https://";
  url += *target.host;
  if (target.port.value_or(0) != 0) url += ":" + std::to_string(*target.port);
  const std::string path = target.path.value_or("");
  if (!path.starts_with('/')) url.push_back('/');
  url += path;
  if (!target.query.value_or("").empty()) url += "?" + *target.query;
  return url;
}

Failure no_default_url(const QueueName& queue) {
  Failure failure;
  failure.set_code(google::rpc::FAILED_PRECONDITION);
  failure.set_message("The queue " + queue.path() +
                      " says no URL for tasks that have none: set its "
                      "httpTarget.uriOverride.host.");
  return failure;
}

}  // namespace deferd::cloudtasks::rest
