// What the commands on tasks share: going through those that were named, and showing one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace deferd::cli {

// Each task by itself, so that one that is gone does not hold up the others; the first failure's
// code is the exit code.
int each_task(Session& session, const std::vector<std::string>& tasks,
              const std::function<Outcome<void>(const std::string&)>& act);

// A list of tasks that the server gives in pages.
struct TaskList {
  std::string path;
  std::string filter;                // "&state=ready"
  std::uint64_t tasks_max = 0;       // 0: as many as there are, or a screenful for people
  std::vector<std::string> columns;  // behind the task's name; Table's
  std::function<std::vector<std::string>(const json::value& task)> row;
  std::string nothing;  // what is said when there are none
};
int list_tasks(Session& session, const TaskList& list);
void add_max_option(CLI::App& command, std::uint64_t& tasks_max);

// ".../queues/QUEUE/tasks/TASK", with "dead" for a dead letter's.
std::string task_path(const Session& session, const std::string& queue, const std::string& task,
                      const char* collection = "tasks");

// All that is known of a task, a dead letter or an outcome: its members, and then its attempts with
// their logs.
void print_task(Session& session, const json::value& task);

// A span as people read it, to three digits: "0.42ms", "20ms", "3.2s", "1h2m".
std::string span_text(double seconds);

}  // namespace deferd::cli
