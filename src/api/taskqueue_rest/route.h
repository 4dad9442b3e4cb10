// What a path under /taskqueue/v1beta2/projects/ names. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/names.h"

namespace deferd::taskqueue_rest {

enum class Resource : std::uint8_t {
  discovery,  // /discovery/v1/apis/taskqueue/v1beta2/rest
  queue,      // {project}/taskqueues/{taskqueue}
  tasks,      // .../tasks
  lease,      // .../tasks/lease: with POST alone; else a task of that name
  task,       // .../tasks/{task}
};

struct Route {
  Resource resource = Resource::queue;
  std::string project;  // as the caller wrote it, with its partition: "s~app"
  QueueName queue;
  std::string task;  // as written
};

constexpr std::string_view discovery_path = "/discovery/v1/apis/taskqueue/v1beta2/rest";
constexpr std::string_view projects_path = "/taskqueue/v1beta2/projects/";

// Reason::not_found for a path that is none of these, Reason::invalid for a name that cannot be.
Result<Route> parse_route(std::string_view path, std::string_view location);

// "app" of "s~app", "e~app" and "app" (GAE-216).
std::string_view without_partition(std::string_view application);

}  // namespace deferd::taskqueue_rest
