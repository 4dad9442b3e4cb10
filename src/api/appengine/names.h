// Applications, queues and tasks as App Engine names them (GAE-spec 1.6, 5.1, 14).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "api/appengine/envelope.h"
#include "model/names.h"

namespace deferd::appengine {

// Always there, though nobody made it.
constexpr std::string_view default_queue = "default";

// "s~myapp" and "myapp" are one application: a partition is where Google ran it.
std::string_view project_of(std::string_view app_id);

// What an add may name: 1 to 100 of [a-zA-Z0-9-].
bool is_queue_name(std::string_view text);
// 1 to 500 of [a-zA-Z0-9_-].
bool is_task_name(std::string_view text);

// The queue of a call that does not add. Queues of other doors may have an underscore in their
// names, and are served like App Engine's own.
std::variant<QueueName, RpcFailure> queue_of(std::string_view project, std::string_view location,
                                             std::string_view queue);

}  // namespace deferd::appengine
