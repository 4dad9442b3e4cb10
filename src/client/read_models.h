// What answers say, as the values of deferd/models.h.
#pragma once

#include <boost/json.hpp>

#include "deferd/models.h"

namespace deferd::inline v1::detail {

Queue read_queue(const boost::json::value& value);
QueueStats read_stats(const boost::json::value& value);
Task read_task(const boost::json::value& value);
DeadTask read_dead(const boost::json::value& value);
TaskResult read_task_result(const boost::json::value& value);
// Of {"code": 404, "status": "NOT_FOUND", "message": "..."}.
Refusal read_refusal(const boost::json::value& value);

}  // namespace deferd::inline v1::detail
