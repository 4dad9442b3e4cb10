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
#include "runtime/runtime.h"

namespace deferd {

// Who calls, as far as access lists of queues (`acl` in queue.yaml) care.
struct TaskqueueRestCaller {
  std::string email;      // empty: has none, so no list names it
  bool is_admin = false;  // of the project: may do all, as an App Engine application's admins could
};

struct TaskqueueRestOptions {
  // Where the queues of an application live: project P and queue Q of a path mean
  // projects/P/locations/{location}/queues/Q.
  std::string location = "local";
  // Of one task as it is stored.
  std::uint64_t task_bytes_max = 1 << 20;
  // Who calls for `project` with `token`: that of "Authorization: Bearer TOKEN", or of the query's
  // access_token or oauth_token; empty when there is none. Nothing: nobody that is known here
  // (401). Null: authentication is off, and everybody may do everything. Runs on the server's
  // threads; must not block.
  std::function<std::optional<TaskqueueRestCaller>(std::string_view token,
                                                   std::string_view project)>
      caller;
};

// Whether this door is the one to ask.
bool is_taskqueue_rest_path(std::string_view path);

// The runtime outlives the door; the door outlives the HTTP server and every reply of the
// runtime.
std::unique_ptr<HttpHandler> make_taskqueue_rest_door(TaskqueueRestOptions options,
                                                      Runtime& runtime);

}  // namespace deferd
