// Which resource a path names: /v1/queues/emails/tasks:batch and its long form
// /v1/projects/P/locations/L/queues/emails/tasks:batch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/names.h"

namespace deferd::native {

enum class Resource : std::uint8_t {
  healthz,          // /healthz
  readyz,           // /readyz
  metrics,          // /metrics
  config,           // /v1/config
  cron,             // .../cron
  queues,           // .../queues
  queues_apply,     // .../queues:apply
  queue,            // .../queues/Q
  queue_pause,      // .../queues/Q:pause
  queue_resume,     // .../queues/Q:resume
  queue_purge,      // .../queues/Q:purge
  queue_stats,      // .../queues/Q/stats
  tasks,            // .../queues/Q/tasks
  tasks_batch,      // .../queues/Q/tasks:batch
  tasks_lease,      // .../queues/Q/tasks:lease
  tasks_ack,        // .../queues/Q/tasks:ack
  tasks_renew,      // .../queues/Q/tasks:renew
  tasks_release,    // .../queues/Q/tasks:release
  tasks_fail,       // .../queues/Q/tasks:fail
  tasks_results,    // .../queues/Q/tasks:results
  tasks_watch,      // .../queues/Q/tasks:watch
  task,             // .../queues/Q/tasks/T
  task_run,         // .../queues/Q/tasks/T:run
  task_cancel,      // .../queues/Q/tasks/T:cancel
  task_result,      // .../queues/Q/tasks/T/result
  dead,             // .../queues/Q/dead
  dead_retry,       // .../queues/Q/dead:retry
  dead_delete,      // .../queues/Q/dead:delete
  dead_task,        // .../queues/Q/dead/T
  dead_task_retry,  // .../queues/Q/dead/T:retry
  app_queues,       // /api/queue/update
};

// A queue as a path named it, so that an error can answer in the same form.
struct QueueAddress : QueueName {
  bool long_form = false;
};

struct Route {
  Resource resource = Resource::queues;
  QueueAddress queue;  // `queue.queue` is empty for `queues` and `cron`
  TaskRef task;
};

// Fails with Reason::not_found for a path that names nothing, and Reason::invalid for a name that
// cannot be one.
Result<Route> parse_route(std::string_view path, std::string_view project,
                          std::string_view location);

}  // namespace deferd::native
