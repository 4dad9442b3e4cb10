// The Cloud Tasks door: google.cloud.tasks.{v2,v2beta3,v2beta2}.CloudTasks with the Locations and
// Operations beside them (CT-spec 1.1). One implementation behind all versions and transports;
// gRPC is one of them (grpc_server.h).
//
// Queues and tasks are those of every other door.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/access.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

struct CloudTasksOptions {
  // What ListLocations answers, for any project.
  std::vector<std::string> locations = {"local"};
  // How long the name of a deleted queue stays taken.
  Micros queue_tombstone{0};
  // Of the stored task in full view (CT-spec 8.3).
  std::uint64_t task_bytes_max = 1'048'569;

  // Who may call; outlives the service. Null: authentication is off.
  const Access* access = nullptr;

  // Applies a queue.yaml to the queues of a project (v2beta2's UploadQueueYaml); calls `done` once,
  // on any thread. Null: not offered.
  using UploadDone = Callback<void(Result<void>)>;
  std::function<void(std::string project, std::string yaml, UploadDone done)> upload_queue_yaml;
};

// What SetIamPolicy left in a queue's settings. Bindings with a condition are left out: nothing
// here can tell whether it holds.
std::vector<RoleBinding> policy_of_queue(const QueueSettings& settings);

namespace cloudtasks {
class Service;
}

// Calls since the start that ended so (CT-255).
struct CallCount {
  std::string_view transport;      // "grpc", "rest"
  std::string_view service;        // "google.cloud.tasks.v2.CloudTasks"
  std::string_view method;         // "CreateTask"
  std::string_view response_code;  // "ok", "not_found"
  std::uint64_t count = 0;
};
std::vector<CallCount> call_counts(const cloudtasks::Service& service);

// The code in the same words of an attempt that ended with an HTTP status or one of status_*
// (model/task.h).
std::string_view response_code(std::int16_t status);

// The references outlive it; it outlives the transports and every reply of the runtime.
std::shared_ptr<cloudtasks::Service> make_cloud_tasks(CloudTasksOptions options, Runtime& runtime,
                                                      const Clock& clock);

}  // namespace deferd
