// Retry parameters as App Engine says them, and as the engine keeps them (GAE-spec 7).
#pragma once

#include <optional>
#include <string>

#include "api/appengine/envelope.h"
#include "model/appengine_defaults.h"
#include "model/retry_policy.h"

namespace deferd::appengine {

// What is wrong with them, in words; nothing when they can be kept.
std::optional<std::string> check_retry(const wire::TaskQueueRetryParameters& given);

// Those that check_retry() let pass. Parameters that are absent are at App Engine's defaults, not
// at the queue's: the message is in the place of all of the queue's. A pull task's limit counts
// leases, a push task's what follows its first attempt; 0 leases are no limit (GAE-spec 5.12).
RetryPolicy retry_policy_of(const wire::TaskQueueRetryParameters& given, QueueMode mode);

// A task's override of every member.
RetryOverride whole_override(const RetryPolicy& policy);

// The other way: only what differs from the defaults is set. False when nothing does.
bool write_retry(const RetryPolicy& policy, QueueMode mode, wire::TaskQueueRetryParameters& out);

}  // namespace deferd::appengine
