// The headers of an HTTP task of Cloud Tasks (CT-spec 9.12). Its App Engine tasks are told what App
// Engine tells (door_headers_appengine.cc).
#include "dispatch/door_headers.h"

namespace deferd {
namespace {

// Ours to say, or to believe when they come from Google (CT-082); and those of a proxy (CT-spec
// 9.12).
bool drops(std::string_view name, const AppEngineHeaderOptions&) {
  return name == "user-agent" || name.starts_with("x-cloudtasks-") ||
         name.starts_with("x-google-") || name.starts_with("x-appengine-") ||
         name.starts_with("x-deferd-") || name.starts_with("proxy-");
}

void append(const HeadFacts& facts, HeaderLines& lines) {
  const Attempt& attempt = facts.attempt;
  const Task& task = attempt.task;
  const Progress& progress = task.progress;
  lines.add("X-CloudTasks-QueueName", attempt.queue->queue);
  if (task.name().empty()) {
    lines.add("X-CloudTasks-TaskName", to_string(task.id));
  } else {
    lines.add("X-CloudTasks-TaskName", task.name());
  }
  lines.add("X-CloudTasks-TaskRetryCount", progress.attempts);
  lines.add("X-CloudTasks-TaskExecutionCount", progress.executions);
  lines.add("X-CloudTasks-TaskETA", epoch_seconds(task.place.eta));
  if (progress.attempts == 0) return;
  constexpr std::uint64_t gateway_timeout = 504;  // also of an attempt that got no answer
  lines.add("X-CloudTasks-TaskPreviousResponse",
            progress.last_status > 0 ? static_cast<std::uint64_t>(progress.last_status)
                                     : gateway_timeout);
  lines.add("X-CloudTasks-TaskRetryReason", "");
}

}  // namespace

constinit const DoorHeaders cloudtasks_headers{
    .user_agent = "Google-Cloud-Tasks",
    .adds_user_agent = false,
    .content_type = "",  // a handler sees none rather than a guess (CT-108)
    .drops = drops,
    .append = append,
};

}  // namespace deferd
