// Who may do what with a queue: `acl` of queue.yaml as a rule (GAE-217). A user_email works with
// tasks, a writer_email adds them, and only admins may use a queue that names nobody.
#pragma once

#include <cstdint>

#include "api/taskqueue_rest/taskqueue_rest.h"
#include "base/result.h"
#include "model/queue_settings.h"

namespace deferd::taskqueue_rest {

enum class Right : std::uint8_t {
  see,     // the queue and its statistics: user_email or writer_email
  work,    // list, get, lease, update, patch, delete: user_email
  insert,  // writer_email
};

bool may(const AppEngineSettings& acl, const TaskqueueRestCaller& caller, Right right);

}  // namespace deferd::taskqueue_rest
