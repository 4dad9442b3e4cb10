// Names of Google's resources, taken apart: both ends anchored, every word checked (CT-spec 2).
#pragma once

#include <string>
#include <string_view>

#include "api/cloudtasks/outcome.h"
#include "model/names.h"

namespace deferd::cloudtasks {

struct LocationName {
  std::string project;
  std::string location;

  std::string path() const { return "projects/" + project + "/locations/" + location; }
};

struct TaskName {
  QueueName queue;
  TaskRef task;
};

// Of what is read or acted upon. What has not the form is `Invalid resource field value in the
// request.`
Outcome<std::string> project_of(std::string_view name);       // projects/P
Outcome<LocationName> location_of(std::string_view name);     // projects/P/locations/L
Outcome<QueueName> queue_of(std::string_view name);           // .../queues/Q
Outcome<TaskName> task_of(std::string_view name);             // .../tasks/T
Outcome<LocationName> cmek_config_of(std::string_view name);  // .../locations/L/cmekConfig

// Of a queue that is made: the texts of CT-spec 8.1, and no underscore.
Outcome<QueueName> new_queue_of(const LocationName& parent, std::string_view name);

// Of a task that is made; empty: none is given. Syntax alone comes first, whether it lies under its
// parent later (CT-spec 7).
struct NewTaskName {
  std::string queue;  // its path, as it stands in the name
  std::string id;
};
Outcome<NewTaskName> new_task_name(std::string_view name);
Outcome<void> check_parent(const NewTaskName& name, std::string_view parent);

// ".../queues/Q/tasks/" and the name that was given, or the number in 20 digits.
std::string task_path(const QueueName& queue, std::string_view name, TaskId id);

}  // namespace deferd::cloudtasks
