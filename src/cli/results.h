// How a command waits for what becomes of a task.
#pragma once

#include <string>

#include "cli/session.h"

namespace deferd::cli {

// Asks until the task has ended or `wait` is over, prints what it is then, and gives the exit code
// of `defer result`. `query` is added to each call: "&history=true".
int show_result(Session& session, const std::string& queue, const std::string& task, Micros wait,
                const std::string& query = {}, bool body_only = false);

}  // namespace deferd::cli
