#include "api/cloudtasks/rest/default_url.h"

#include "api/cloudtasks/queue_messages.h"

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

Outcome<std::string> default_url_of(const QueueInfo& queue) {
  QueueNote note = note_of(queue.settings);
  if (!note.default_url().empty()) return std::move(*note.mutable_default_url());
  const auto& target = queue.settings.http_target;
  if (target && target->host) return url_of(*target);
  return refuse(google::rpc::FAILED_PRECONDITION,
                "The queue " + queue.name.path() +
                    " has no URL for tasks that say none: set its httpTarget.uriOverride.host.");
}

}  // namespace deferd::cloudtasks::rest
