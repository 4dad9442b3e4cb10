#include "api/native/answers.h"

#include "api/http/text.h"
#include "api/native/failure_words.h"
#include "api/native/requests.h"
#include "model/duration_text.h"
#include "model/push_request.h"
#include "model/time_text.h"

namespace deferd::native {
namespace {

void duration_member(JsonWriter& json, std::string_view name, Micros duration) {
  json.member(name, format_duration(duration));
}

void write_retry(JsonWriter& json, const RetryOverride& retry) {
  if (retry == RetryOverride{}) return;
  json.key("retry").begin_object();
  if (retry.max_attempts) json.member("max_attempts", *retry.max_attempts);
  if (retry.max_age) duration_member(json, "max_age", *retry.max_age);
  if (retry.min_backoff) duration_member(json, "min_backoff", *retry.min_backoff);
  if (retry.max_backoff) duration_member(json, "max_backoff", *retry.max_backoff);
  if (retry.max_doublings) json.member("max_doublings", *retry.max_doublings);
  json.end_object();
}

void write_payload(JsonWriter& json, std::string_view payload, bool with_body) {
  const auto request = decode_push_request_view(payload);
  if (!request) return;  // damaged: the rest of the task is still worth telling
  if (!request->url.empty()) {
    json.member("url", request->url).member("method", to_string(request->method));
    if (!request->headers.empty()) {
      json.key("headers").begin_object();
      for (const auto& [name, value] : request->headers) json.foreign_key(name).value(value);
      json.end_object();
    }
  }
  if (with_body) write_body(json, request->body);
}

TaskState ready_or_scheduled(const Task& task) {
  return task.place.eta > task.created ? TaskState::scheduled : TaskState::ready;
}

void write_attempts(JsonWriter& json, const Task& task) {
  const Progress& progress = task.progress;
  time_member(json, "created", task.created);
  json.member("attempts", progress.attempts).member("responses", progress.responses);
  write_last_status(json, progress.last_status);
  if (progress.first_attempt != Wall{}) time_member(json, "first_attempt", progress.first_attempt);
  if (progress.last_attempt != Wall{}) time_member(json, "last_attempt", progress.last_attempt);
}

void write_options(JsonWriter& json, const TaskOptions& options) {
  if (!options.key.empty()) json.member("key", options.key);
  if (options.timeout > Micros(0)) duration_member(json, "timeout", options.timeout);
  write_retry(json, options.retry);
  if (options.keep_result > Micros(0)) duration_member(json, "keep_result", options.keep_result);
  if (!options.result_headers.empty()) {
    json.key("result_headers").begin_array();
    for (const std::string& name : options.result_headers) json.value(name);
    json.end_array();
  }
  if (!options.callback_url.empty()) json.member("callback_url", options.callback_url);
  if (!options.callback_queue.empty()) json.member("callback_queue", options.callback_queue);
}

// What a task was given: from its options on.
void write_given(JsonWriter& json, const Task& task, bool with_body) {
  if (task.options != nullptr) write_options(json, *task.options);
  json.member("size", task.bytes);
  if (task.payload != nullptr) write_payload(json, *task.payload, with_body);
}

}  // namespace

void time_member(JsonWriter& json, std::string_view name, Wall wall) {
  json.member(name, format_time(wall));
}

void seconds_member(JsonWriter& json, std::string_view name, Micros span) {
  json.member(name, static_cast<double>(span.count()) / 1e6);
}

void write_retry(JsonWriter& json, const RetryPolicy& retry) {
  json.key("retry").begin_object();
  json.member("max_attempts", retry.max_attempts);
  duration_member(json, "max_age", retry.max_age);
  duration_member(json, "min_backoff", retry.min_backoff);
  duration_member(json, "max_backoff", retry.max_backoff);
  json.member("max_doublings", retry.max_doublings);
  json.end_object();
}

void write_last_status(JsonWriter& json, std::int16_t status) {
  if (status > 0) json.member("last_status", status);
  if (status < 0) json.member("last_failure", failure_word(status));
}

void write_body(JsonWriter& json, std::string_view body) {
  if (is_utf8(body)) {
    json.member("body", body);
    return;
  }
  std::string base64;
  append_base64(base64, body);
  json.member("body_base64", base64);
}

void write_task(JsonWriter& json, const QueueName& queue, const Task& task,
                std::optional<TaskState> state, TaskView view, const TaskStory* story) {
  const Progress& progress = task.progress;
  if (!state) state = ready_or_scheduled(task);
  const bool leased = *state == TaskState::leased;
  json.begin_object();
  json.member("id", to_string(task.id));
  if (!task.name().empty()) json.member("name", task.name());
  json.member("queue", queue.queue)
      .member("state", to_string(*state))
      .member("priority", task.place.priority);
  // Where a leased task stands is where its lease ends; when it was due is what a reader means by
  // its ETA.
  time_member(json, "eta", leased ? progress.last_eta : task.place.eta);
  if (view == TaskView::lease) json.member("lease_token", lease_token_text(progress.lease_token));
  if (leased) time_member(json, "lease_expires", task.place.eta);
  if (story != nullptr && !story->worker.empty()) json.member("worker", valid_utf8(story->worker));
  write_attempts(json, task);
  write_given(json, task, view != TaskView::basic);
  if (story != nullptr) write_history(json, story->history);
  json.end_object();
}

void write_dead_task(JsonWriter& json, const QueueName& queue, const Task& task, TaskView view,
                     const TaskStory* story) {
  json.begin_object();
  json.member("id", to_string(task.id));
  if (!task.name().empty()) json.member("name", task.name());
  json.member("queue", queue.queue)
      .member("state", "dead")
      .member("reason", to_string(task.progress.death))
      .member("priority", task.progress.own_priority);
  time_member(json, "died", task.place.eta);
  if (story != nullptr && !story->history.empty() && !story->history.back().error.empty())
    json.member("error", valid_utf8(story->history.back().error));
  write_attempts(json, task);
  write_given(json, task, view != TaskView::basic);
  if (story != nullptr) write_history(json, story->history);
  json.end_object();
}

void write_queue(JsonWriter& json, const QueueInfo& queue) {
  const QueueSettings& settings = queue.settings;
  const bool push = settings.mode == QueueMode::push;
  json.begin_object();
  json.member("name", queue.name.queue);
  json.member("project", queue.name.project);
  json.member("location", queue.name.location);
  json.member("mode", push ? "push" : "pull");
  switch (queue.state) {
    case QueueState::running:
      json.member("state", "running");
      break;
    case QueueState::paused:
      json.member("state", "paused");
      break;
    case QueueState::disabled:
      json.member("state", "disabled");
      break;
  }
  time_member(json, "created", queue.created);
  if (queue.purged) time_member(json, "purged", *queue.purged);
  if (push) {
    json.member("rate", format_rate(settings.rate));
    json.member("burst", settings.burst).member("concurrency", settings.concurrency);
    duration_member(json, "timeout", settings.timeout);
  }
  json.member("priority", settings.priority);
  write_retry(json, settings.retry);
  json.member("max_tasks", settings.max_tasks).member("max_bytes", settings.max_bytes);
  duration_member(json, "tombstone", settings.tombstone);
  duration_member(json, "task_ttl", settings.task_ttl);
  json.key("dead").begin_object();
  duration_member(json, "keep", settings.dead.keep);
  json.member("max_bytes", settings.dead.bytes_max).member("queue", settings.dead.queue);
  json.end_object();
  if (!push) json.member("poison_after", settings.poison_after);
  json.member("history", settings.history);
  json.key("results").begin_object();
  json.member("max_bytes", settings.result_bytes_max).end_object();
  json.end_object();
}

void write_stats(JsonWriter& json, const QueueName& queue, const QueueStats& stats) {
  const auto durations = [&json](std::string_view name, const DurationStats& of) {
    json.key(name).begin_object();
    json.member("count", of.count);
    seconds_member(json, "mean", of.mean);
    seconds_member(json, "p50", of.p50);
    seconds_member(json, "p95", of.p95);
    seconds_member(json, "p99", of.p99);
    json.end_object();
  };
  json.begin_object();
  json.member("queue", queue.queue);
  json.member("tasks", stats.tasks).member("bytes", stats.bytes);
  json.member("scheduled", stats.scheduled).member("ready", stats.ready);
  json.member("in_flight", stats.in_flight)
      .member("leased", stats.leased)
      .member("counted", stats.counted);
  if (stats.oldest_ready) {
    seconds_member(json, "oldest_ready", *stats.oldest_ready);
  } else {
    json.key("oldest_ready").null();
  }
  json.member("executed_minute", stats.executed_minute)
      .member("executed_hour", stats.executed_hour);
  json.member("failed_minute", stats.failed_minute).member("failed_hour", stats.failed_hour);
  json.member("failure_rate", stats.failure_rate);
  json.member("added_total", stats.added_total).member("executed_total", stats.executed_total);
  json.member("failed_total", stats.failed_total).member("completed_total", stats.completed_total);
  json.member("dropped_total", stats.dropped_total);
  json.member("cancelled_total", stats.cancelled_total).member("dead_total", stats.dead_total);
  json.member("poisoned_total", stats.poisoned_total)
      .member("forwarded_total", stats.forwarded_total);
  json.member("dead", stats.dead).member("dead_bytes", stats.dead_bytes);
  json.member("outgoing", stats.outgoing);
  if (stats.forward_error.empty()) {
    json.key("forward_error").null();
  } else {
    json.member("forward_error", stats.forward_error);
  }
  json.member("results", stats.outcomes).member("result_bytes", stats.outcome_bytes);
  json.key("usage").begin_object();
  seconds_member(json, "cpu", stats.usage.cpu);
  seconds_member(json, "wall", stats.usage.wall);
  json.member("memory_peak_max", stats.usage.memory_peak_max);
  json.key("causes").begin_object();
  for (int i = 0; i < exit_cause_count; ++i) {
    const auto cause = static_cast<ExitCause>(i);
    json.member(to_string(cause), stats.usage.causes[static_cast<std::size_t>(i)]);
  }
  json.end_object().end_object();
  durations("execution", stats.execution);
  durations("delay", stats.delay);
  json.member("enforced_rate", stats.enforced_rate);  // null: unlimited
  json.member("tokens", stats.tokens);
  json.end_object();
}

}  // namespace deferd::native
