// The HTTP/JSON transport of the Cloud Tasks door: every method of the table (methods.h) under
// /v2, /v2beta3 and /v2beta2, as Google's REST clients call it (CT-spec 1.2, 1.3).
// docs/reference/cloud-tasks.md describes what it says.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "api/cloudtasks/cloudtasks.h"
#include "api/http/http.h"

namespace deferd {

struct CloudTasksRestOptions {
  std::uint64_t request_bytes_max = 32 << 20;  // of the HTTP server; told to who passes it
};

// Whether this door is the one to ask.
bool is_cloud_tasks_path(std::string_view path);

// The door outlives the HTTP server and every reply of the runtime.
std::unique_ptr<HttpHandler> make_cloud_tasks_rest(CloudTasksRestOptions options,
                                                   std::shared_ptr<cloudtasks::Service> service);

}  // namespace deferd
