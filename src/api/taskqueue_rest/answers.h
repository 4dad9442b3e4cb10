// Tasks and queues as this door shows them. int64 are strings, as in all of Google's JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands.h"

namespace deferd::taskqueue_rest {

enum class Payload : std::uint8_t { shown, left_out };

// `queue_name` is the queue's own, or the long form that lease answers carry.
std::string task_json(const TaskInfo& info, std::string_view queue_name, Payload payload);

// `kind` differs: list says "taskqueues#tasks" and lease "taskqueue#tasks". No tasks: no `items`.
std::string tasks_json(std::string_view kind, const std::vector<TaskInfo>& tasks,
                       std::string_view queue_name, Payload payload);

// Without `stats` the answer has none.
std::string queue_json(const QueueInfo& queue, const std::optional<QueueStats>& stats);

}  // namespace deferd::taskqueue_rest
