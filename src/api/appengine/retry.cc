#include "api/appengine/retry.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/duration_text.h"

namespace deferd::appengine {
namespace {

Micros micros_of(double seconds) {
  const double longest = std::chrono::duration<double>(duration_max).count();
  if (seconds >= longest) return duration_max;
  return Micros(std::llround(seconds * 1e6));
}

double seconds_of(Micros duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

std::optional<std::string> check_retry(const wire::TaskQueueRetryParameters& given) {
  const struct {
    const char* name;
    double value;
  } members[] = {
      {"retry_limit", static_cast<double>(given.retry_limit())},
      {"age_limit_sec", static_cast<double>(given.age_limit_sec())},
      {"min_backoff_sec", given.min_backoff_sec()},
      {"max_backoff_sec", given.max_backoff_sec()},
      {"max_doublings", static_cast<double>(given.max_doublings())},
  };
  for (const auto& [name, value] : members) {
    if (std::isnan(value)) return std::string(name) + " is no number";
    if (value < 0) return std::string(name) + " is negative; give 0 or more";
  }
  if (given.has_min_backoff_sec() && given.has_max_backoff_sec() &&
      given.min_backoff_sec() > given.max_backoff_sec()) {
    return "min_backoff_sec is above max_backoff_sec";
  }
  return std::nullopt;
}

RetryPolicy retry_policy_of(const wire::TaskQueueRetryParameters& given, QueueMode mode) {
  RetryPolicy policy = app_engine_retry();
  if (given.has_retry_limit()) {
    const std::int32_t limit = given.retry_limit();
    constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
    policy.max_attempts = mode == QueueMode::push ? std::min(limit, most - 1) + 1
                          : limit > 0             ? limit
                                                  : -1;
  }
  if (mode == QueueMode::pull) return policy;  // neither age nor backoff apply to leases
  policy.max_age = micros_of(static_cast<double>(given.age_limit_sec()));
  if (given.has_min_backoff_sec()) policy.min_backoff = micros_of(given.min_backoff_sec());
  if (given.has_max_backoff_sec()) policy.max_backoff = micros_of(given.max_backoff_sec());
  // One alone that contradicts the other's default moves it.
  if (!given.has_max_backoff_sec()) {
    policy.max_backoff = std::max(policy.max_backoff, policy.min_backoff);
  } else {
    policy.min_backoff = std::min(policy.min_backoff, policy.max_backoff);
  }
  policy.max_doublings = given.max_doublings();
  return policy;
}

RetryOverride whole_override(const RetryPolicy& policy) {
  return {policy.max_attempts, policy.max_age, policy.min_backoff, policy.max_backoff,
          policy.max_doublings};
}

bool write_retry(const RetryPolicy& policy, QueueMode mode, wire::TaskQueueRetryParameters& out) {
  const RetryPolicy usual = app_engine_retry();
  if (policy == usual) return false;
  if (policy.max_attempts >= 1) {
    out.set_retry_limit(mode == QueueMode::push ? policy.max_attempts - 1 : policy.max_attempts);
  }
  if (policy.max_age > Micros(0)) {
    out.set_age_limit_sec(std::chrono::ceil<Seconds>(policy.max_age).count());
  }
  if (policy.min_backoff != usual.min_backoff)
    out.set_min_backoff_sec(seconds_of(policy.min_backoff));
  if (policy.max_backoff != usual.max_backoff)
    out.set_max_backoff_sec(seconds_of(policy.max_backoff));
  if (policy.max_doublings != usual.max_doublings) out.set_max_doublings(policy.max_doublings);
  return true;
}

}  // namespace deferd::appengine
