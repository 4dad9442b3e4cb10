#include "api/http/text.h"
#include "api/native/answers.h"
#include "api/native/failure_words.h"
#include "api/native/requests.h"

namespace deferd::native {
namespace {

void text_member(JsonWriter& json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.member(name, valid_utf8(text));
}

void write_usage(JsonWriter& json, const std::optional<AttemptUsage>& usage) {
  if (!usage) return;
  json.key("usage").begin_object();
  seconds_member(json, "cpu", usage->cpu);
  seconds_member(json, "wall", usage->wall);
  json.member("memory_peak", usage->memory_peak_bytes);
  json.member("cause", to_string(usage->cause)).member("code", usage->code);
  if (usage->signal != 0) json.member("signal", usage->signal);
  json.end_object();
}

void write_result(JsonWriter& json, const std::optional<ResultBody>& result) {
  if (!result) return;
  json.key("result").begin_object();
  write_body(json, result->body);
  json.key("headers").begin_object();
  for (const auto& [name, value] : result->headers)
    json.foreign_key(valid_utf8(name)).value(valid_utf8(value));
  json.end_object();
  if (result->truncated) json.member("truncated", true);
  json.end_object();
}

void write_whose(JsonWriter& json, const QueueName& queue, TaskId id, std::string_view name) {
  json.member("queue", queue.queue).member("id", to_string(id));
  if (!name.empty()) json.member("name", name);
}

}  // namespace

void write_history(JsonWriter& json, const std::vector<AttemptRecord>& history) {
  json.key("history").begin_array();
  for (const AttemptRecord& record : history) {
    json.begin_object();
    json.member("attempt", record.attempt);
    time_member(json, "started", record.started);
    seconds_member(json, "duration", record.took);
    if (record.status > 0) json.member("status", record.status);
    if (record.status < 0) json.member("failure", failure_word(record.status));
    text_member(json, "error", record.error);
    text_member(json, "worker", record.worker);
    write_usage(json, record.usage);
    text_member(json, "log", record.log);
    json.end_object();
  }
  json.end_array();
}

void write_outcome(JsonWriter& json, const QueueName& queue, const Outcome& outcome,
                   const std::vector<AttemptRecord>* history) {
  json.begin_object();
  write_whose(json, queue, outcome.id, outcome.name);
  json.member("state", to_string(outcome.state)).member("attempts", outcome.attempts);
  time_member(json, "created", outcome.created);
  time_member(json, "ended", outcome.ended);
  if (outcome.kept_until > outcome.ended) time_member(json, "kept_until", outcome.kept_until);
  write_last_status(json, outcome.last_status);
  if (outcome.reason != DeathReason::none) json.member("reason", to_string(outcome.reason));
  write_result(json, outcome.result);
  text_member(json, "error", outcome.error);
  write_usage(json, outcome.usage);
  text_member(json, "worker", outcome.worker);
  if (history != nullptr) write_history(json, *history);
  json.end_object();
}

void write_pending(JsonWriter& json, const QueueName& queue, const TaskInfo& info,
                   const std::vector<AttemptRecord>* history) {
  const Task& task = info.task;
  json.begin_object();
  write_whose(json, queue, task.id, task.name());
  json.member("state", "pending").member("task_state", to_string(info.state));
  json.member("attempts", task.progress.attempts);
  write_last_status(json, task.progress.last_status);
  if (history != nullptr) write_history(json, *history);
  json.end_object();
}

}  // namespace deferd::native
