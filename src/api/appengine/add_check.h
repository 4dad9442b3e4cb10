// What is wrong with one task that is to be added, as far as that can be said without the queue
// (GAE-spec 5.1 to 5.3); and the task, when nothing is. Pure: no clock, no runtime.
#pragma once

#include <cstdint>
#include <string>

#include "api/appengine/envelope.h"
#include "base/time.h"
#include "engine/commands.h"

namespace deferd::appengine {

struct AddRules {
  bool strict = false;  // App Engine's limits instead of ours
  std::uint64_t task_bytes_max = 1 << 20;
  Wall now{};
};

constexpr std::size_t url_chars_max = 2083;
constexpr std::size_t strict_push_bytes_max = 100 << 10;
constexpr std::size_t strict_pull_bytes_max = 1 << 20;
// SDKs check the 30 days against their own clocks.
constexpr Micros strict_eta_horizon = std::chrono::hours(24 * 30) + Seconds(60);
constexpr Micros dispatch_deadline_min = Seconds(15);
constexpr Micros dispatch_deadline_max = std::chrono::hours(24);

struct AddCheck {
  ErrorCode code = Service::OK;
  std::string detail;  // why not
  // Wrong in itself, before it is asked whether the queue is there.
  bool before_queue = false;
  NewTask task;  // when the code is OK
};

AddCheck check_add(const wire::TaskQueueAddRequest& request, const AddRules& rules);

}  // namespace deferd::appengine
