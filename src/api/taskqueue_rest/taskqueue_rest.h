// The REST door of App Engine's pull queues: taskqueue/v1beta2 under /taskqueue/v1beta2/projects/,
// and its discovery document (GAE-spec 11). docs/reference/taskqueue-rest.md describes what it
// says.
//
// Google has switched its own off; clients that were built from the discovery document still exist,
// and this is where they go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/http/http.h"
#include "auth/access.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

struct TaskqueueRestOptions {
  // Where the queues of an application live: project P and queue Q of a path mean
  // projects/P/locations/{location}/queues/Q.
  std::string location = "local";
  // Of one task as it is stored.
  std::uint64_t task_bytes_max = 1 << 20;
  // Who may call, beside those that the access lists of queues (`acl` in queue.yaml) name; outlives
  // the door. Null: authentication is off, and everybody may do everything.
  const Access* access = nullptr;
};

// Whether this door is the one to ask.
bool is_taskqueue_rest_path(std::string_view path);

// The references outlive the door; the door outlives the HTTP server and every reply of the
// runtime.
std::unique_ptr<HttpHandler> make_taskqueue_rest_door(TaskqueueRestOptions options,
                                                      Runtime& runtime, const Clock& clock);

}  // namespace deferd
