// A task as QueryTasks and FetchTask show it (GAE-spec 5.11), whichever door it came through.
#pragma once

#include "api/appengine/envelope.h"
#include "engine/commands.h"

namespace deferd::appengine {

// The name that App Engine knows a task by: the one it was given, or the one it got.
std::string name_of(const Task& task);

void write_task(const TaskInfo& info, wire::TaskQueueQueryTasksResponse::Task& row);

}  // namespace deferd::appengine
