// Who may do what with a queue: `acl` of queue.yaml as a rule (GAE-217). A user_email works with
// tasks, a writer_email adds them. Roles stand beside it: whoever has what a method needs is asked
// for no list, and a queue that names nobody is theirs alone.
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

// `email` is empty for a caller that has none, whom no list names.
bool may(const AppEngineSettings& acl, std::string_view email, Right right);

}  // namespace deferd::taskqueue_rest
