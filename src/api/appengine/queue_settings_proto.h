// A queue's settings between App Engine's words and the engine's (GAE-spec 5.10, 14).
#pragma once

#include <variant>

#include "api/appengine/envelope.h"
#include "model/queue_settings.h"

namespace deferd::appengine {

// Everything that the message can say; what it leaves out is at App Engine's defaults.
std::variant<QueueSettings, RpcFailure> settings_of(const wire::TaskQueueUpdateQueueRequest& given,
                                                    bool strict);

// `given` in the place of all that App Engine knows of a queue; what only other doors speak of
// (priority, limits, tombstones) stays.
QueueSettings replace_appengine_settings(const QueueSettings& there, const QueueSettings& given);

void write_queue(const QueueInfo& queue, wire::TaskQueueFetchQueuesResponse::Queue& row);

}  // namespace deferd::appengine
