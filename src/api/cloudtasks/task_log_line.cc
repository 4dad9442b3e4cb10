#include "api/cloudtasks/task_log_line.h"

#include <string_view>

#include "api/cloudtasks/attempt_status.h"
#include "api/cloudtasks/names.h"
#include "api/http/json_writer.h"
#include "model/push_request.h"
#include "model/time_text.h"

namespace deferd::cloudtasks {
namespace {

using What = TaskLogEntry::What;

std::string_view name_of(What what) {
  switch (what) {
    case What::created:
      return "taskCreationLog";
    case What::deleted:
      return "taskDeletionLog";
    case What::dispatched:
      return "attemptDispatchLog";
    case What::answered:
      return "attemptResponseLog";
  }
  return "";
}

struct Target {
  std::string_view type = "TARGET_TYPE_UNSPECIFIED";
  std::string address;  // empty: not known, or none
};

Target target_of(const Task& task) {
  if (task.payload == nullptr) return {};
  const auto request = decode_push_request_view(*task.payload);
  if (!request) return {};
  if (request->url.empty()) return {"PULL", {}};
  const std::string_view shown = request->url.substr(0, request->url.find_first_of("?#"));
  return {request->url.starts_with('/') ? "APP_ENGINE_HTTP" : "HTTP",
          std::string(to_string(request->method)).append(" ").append(shown)};
}

std::string seconds_text(Micros duration) {
  const std::string fraction = std::to_string(duration.count() % 1'000'000);
  return std::to_string(duration.count() / 1'000'000) + "." +
         std::string(6 - fraction.size(), '0') + fraction + "s";
}

}  // namespace

void append_task_log_line(const TaskLogEntry& entry, std::string& out) {
  const Task& task = entry.task;
  const Target target = target_of(task);
  const bool answered = entry.what == What::answered;
  const auto code = answered ? static_cast<google::rpc::Code>(attempt_status(entry.status).code())
                             : google::rpc::OK;
  JsonWriter json(out);
  json.begin_object();
  json.member("logName", "projects/" + entry.queue->project +
                             "/logs/cloudtasks.googleapis.com%2Ftask_operations_log");
  json.key("resource").begin_object().member("type", "cloud_tasks_queue");
  json.key("labels").begin_object();
  json.member("project_id", entry.queue->project);
  json.member("queue_id", entry.queue->queue);
  json.member("location", entry.queue->location);
  json.member("target_type", target.type);
  json.end_object().end_object();
  json.member("timestamp", format_time(entry.at));
  json.member("severity", code == google::rpc::OK ? "INFO" : "ERROR");
  json.key("jsonPayload").begin_object();
  json.member("@type", "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog");
  json.member("task", task_path(*entry.queue, task.name(), task.id));
  json.key(name_of(entry.what)).begin_object();
  json.member("status", google::rpc::Code_Name(code));
  const bool tried = answered || entry.what == What::dispatched;
  json.member("scheduleTime", format_time(tried ? task.progress.last_eta : task.place.eta));
  if (entry.retry_at) json.member("retryTime", format_time(*entry.retry_at));
  json.member("targetType", target.type);
  if (!target.address.empty()) json.member("targetAddress", target.address);
  if (answered) json.member("attemptDuration", seconds_text(entry.took));
  if (entry.what != What::created) {
    json.member("dispatchCount", std::to_string(task.progress.attempts));
    json.member("responseCount", std::to_string(task.progress.responses));
  }
  json.member("maxAttempts", entry.max_attempts);
  json.end_object().end_object().end_object();
  out.push_back('\n');
}

}  // namespace deferd::cloudtasks
