// Queues, tasks and statistics as JSON.
#pragma once

#include <optional>
#include <string>

#include "api/http/json_writer.h"
#include "engine/commands.h"

namespace deferd::native {

enum class TaskView : std::uint8_t {
  basic,  // without the body
  full,   // with it
  lease,  // with it, and with the lease
};

// `state` is absent where nobody asked the engine: then it follows from the task's ETA.
void write_task(JsonWriter& json, const QueueName& queue, const Task& task,
                std::optional<TaskState> state, TaskView view, const TaskStory* story = nullptr);
// With its history and its error when `story` is there.
void write_dead_task(JsonWriter& json, const QueueName& queue, const Task& task, TaskView view,
                     const TaskStory* story);
void write_queue(JsonWriter& json, const QueueInfo& queue);
void write_retry(JsonWriter& json, const RetryPolicy& retry);
// "last_status": 200, or "last_failure": "timeout"; nothing before the first attempt has ended.
void write_last_status(JsonWriter& json, std::int16_t status);
void write_stats(JsonWriter& json, const QueueName& queue, const QueueStats& stats);

// ---- Outcomes (answers_outcome.cc)

// What became of a task: what GET .../result answers, and what a callback carries.
void write_outcome(JsonWriter& json, const QueueName& queue, const Outcome& outcome,
                   const std::vector<AttemptRecord>* history);
// The same of a task that lives; `history` may be null, too.
void write_pending(JsonWriter& json, const QueueName& queue, const TaskInfo& info,
                   const std::vector<AttemptRecord>* history);
// "history": [..], oldest first.
void write_history(JsonWriter& json, const std::vector<AttemptRecord>& history);

// ---- Members

void time_member(JsonWriter& json, std::string_view name, Wall wall);
// Measured spans, for programs to compute with: seconds.
void seconds_member(JsonWriter& json, std::string_view name, Micros span);
// "body", or "body_base64" of what is no text.
void write_body(JsonWriter& json, std::string_view body);

}  // namespace deferd::native
