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
                std::optional<TaskState> state, TaskView view);
void write_queue(JsonWriter& json, const QueueInfo& queue);
void write_retry(JsonWriter& json, const RetryPolicy& retry);
// "last_status": 200, or "last_failure": "timeout"; nothing before the first attempt has ended.
void write_last_status(JsonWriter& json, std::int16_t status);
void write_stats(JsonWriter& json, const QueueName& queue, const QueueStats& stats);

}  // namespace deferd::native
