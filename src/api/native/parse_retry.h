// The `retry` member, the same for queues and tasks. Internal: it brings Boost.JSON.
#pragma once

#include "api/native/json_fields.h"
#include "model/retry_policy.h"

namespace deferd::native {

// What is wrong is recorded in `owner`, the object that has the member.
RetryOverride parse_retry(Fields& owner, const json::value& value);

}  // namespace deferd::native
