#include "api/taskqueue_rest/answers.h"

#include "api/http/json_writer.h"
#include "api/http/text.h"
#include "model/push_request.h"

namespace deferd::taskqueue_rest {
namespace {

std::string id_of(const Task& task) {
  return task.name().empty() ? to_string(task.id) : std::string(task.name());
}

void write_task(JsonWriter& json, const TaskInfo& info, std::string_view queue_name,
                Payload payload) {
  const Task& task = info.task;
  const bool leased = info.state == TaskState::leased;
  json.begin_object();
  json.member("kind", "taskqueues#task").member("id", id_of(task));
  json.member("queueName", queue_name);
  if (payload == Payload::left_out) {
    json.member("payloadBase64", "");
  } else if (task.payload != nullptr) {
    if (const auto request = decode_push_request_view(*task.payload)) {
      std::string base64;
      append_base64url(base64, request->body);
      json.member("payloadBase64", base64);
    }  // else it is damaged: the rest is still worth telling
  }
  json.member("enqueueTimestamp", std::to_string(to_micros(task.created)));
  json.member("leaseTimestamp", leased ? std::to_string(to_micros(task.place.eta)) : "0");
  json.member("retry_count", task.progress.attempts);
  // Another door takes tags of any bytes.
  if (!task.key().empty()) json.member("tag", valid_utf8(task.key()));
  json.end_object();
}

void write_emails(JsonWriter& json, std::string_view name, const std::vector<std::string>& emails) {
  json.key(name).begin_array();
  for (const std::string& email : emails) json.value(valid_utf8(email));
  json.end_array();
}

}  // namespace

std::string task_json(const TaskInfo& info, std::string_view queue_name, Payload payload) {
  std::string body;
  JsonWriter json(body);
  write_task(json, info, queue_name, payload);
  return body;
}

std::string tasks_json(std::string_view kind, const std::vector<TaskInfo>& tasks,
                       std::string_view queue_name, Payload payload) {
  std::string body;
  body.reserve(64 + tasks.size() * 300);
  JsonWriter json(body);
  json.begin_object().member("kind", kind);
  if (!tasks.empty()) {
    json.key("items").begin_array();
    for (const TaskInfo& info : tasks) write_task(json, info, queue_name, payload);
    json.end_array();
  }
  json.end_object();
  return body;
}

std::string queue_json(const QueueInfo& queue, const std::optional<QueueStats>& stats) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.member("kind", "taskqueues#taskqueue").member("id", queue.name.queue);
  if (queue.settings.retry.max_attempts >= 0)
    json.member("maxLeases", queue.settings.retry.max_attempts);
  if (stats) {
    const std::int64_t oldest = stats->oldest_eta ? to_micros(*stats->oldest_eta) / 1'000'000 : 0;
    json.key("stats").begin_object();
    json.member("totalTasks", stats->tasks);
    json.member("oldestTask", std::to_string(oldest));  // seconds, unlike the times of tasks
    json.member("leasedLastMinute", std::to_string(stats->leased_minute));
    json.member("leasedLastHour", std::to_string(stats->leased_hour));
    json.end_object();
  }
  json.key("acl").begin_object();
  write_emails(json, "consumerEmails", queue.settings.appengine.user_emails);
  write_emails(json, "producerEmails", queue.settings.appengine.writer_emails);
  write_emails(json, "adminEmails", {});
  json.end_object().end_object();
  return body;
}

}  // namespace deferd::taskqueue_rest
