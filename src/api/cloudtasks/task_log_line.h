// A sampled log entry as Cloud Logging shows it: one JSON object a line (CT-spec 12).
#pragma once

#include <string>

#include "engine/task_log.h"

namespace deferd::cloudtasks {

// Appends the object and a line feed. URLs are without their query, where secrets may stand.
void append_task_log_line(const TaskLogEntry& entry, std::string& out);

}  // namespace deferd::cloudtasks
