// What a request is about, whatever its version: the name by which its caller's rights are looked
// up, and whether its answer shows all of a task.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "auth/access.h"
#include "model/names.h"

namespace deferd::cloudtasks {

template <class Request>
const std::string& resource_of(const Request& request) {
  if constexpr (requires { request.resource(); }) {
    return request.resource();
  } else if constexpr (requires { request.parent(); }) {
    return request.parent();
  } else if constexpr (requires { request.queue().name(); }) {
    return request.queue().name();
  } else if constexpr (requires { request.cmek_config().name(); }) {
    return request.cmek_config().name();
  } else if constexpr (requires { request.app_id(); }) {
    return request.app_id();
  } else {
    return request.name();
  }
}

template <class Request>
bool shows_all(const Request& request) {
  constexpr int full = 2;  // Task.View of every version
  if constexpr (requires { request.response_view(); }) {
    return static_cast<int>(request.response_view()) == full;
  } else if constexpr (requires { request.requests(0).response_view(); }) {
    for (const auto& one : request.requests()) {
      if (shows_all(one)) return true;
    }
  }
  return false;
}

// The project and the queue that a resource lies in, as far as it names them rightly; a name that
// is wrong is found so later, by whoever may know.
struct ResourceTarget {
  explicit ResourceTarget(std::string_view resource);

  AccessTarget view() const { return {project, queue.queue.empty() ? nullptr : &queue}; }

  std::string project;
  QueueName queue;
};

}  // namespace deferd::cloudtasks
