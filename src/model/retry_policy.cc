#include "model/retry_policy.h"

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "model/duration_text.h"

namespace deferd {

Result<void> RetryPolicy::check(std::string_view field) const {
  const std::string prefix(field);
  if (max_attempts == 0 || max_attempts < -1) {
    return fail(
        Reason::invalid,
        "max_attempts is " + std::to_string(max_attempts) + "; give 1 or more, or -1 for no limit",
        prefix + ".max_attempts");
  }
  if (max_doublings < 0) {
    return fail(Reason::invalid,
                "max_doublings is " + std::to_string(max_doublings) + "; give 0 or more",
                prefix + ".max_doublings");
  }
  const struct {
    const char* name;
    Micros value;
  } durations[] = {
      {"max_age", max_age}, {"min_backoff", min_backoff}, {"max_backoff", max_backoff}};
  for (const auto& [name, value] : durations) {
    if (value < Micros(0) || value > duration_max) {
      return fail(Reason::invalid,
                  std::string(name) + " is " + format_duration(value) +
                      "; give a duration from 0s to " + format_duration(duration_max),
                  prefix + "." + name);
    }
  }
  if (min_backoff > max_backoff) {
    return fail(Reason::invalid,
                "min_backoff " + format_duration(min_backoff) + " is above max_backoff " +
                    format_duration(max_backoff),
                prefix + ".min_backoff");
  }
  return {};
}

RetryPolicy RetryOverride::over(const RetryPolicy& queue) const {
  RetryPolicy policy = queue;
  if (max_attempts) policy.max_attempts = *max_attempts;
  if (max_age) policy.max_age = *max_age;
  if (min_backoff) policy.min_backoff = *min_backoff;
  if (max_backoff) policy.max_backoff = *max_backoff;
  if (max_doublings) policy.max_doublings = *max_doublings;
  // One of the two may come from the task and the other from the queue: the cap wins.
  policy.min_backoff = std::min(policy.min_backoff, policy.max_backoff);
  return policy;
}

Micros backoff(const RetryPolicy& policy, std::uint32_t failures) {
  DEFERD_ASSERT(failures >= 1);
  const std::int64_t cap = policy.max_backoff.count();
  std::int64_t interval = policy.min_backoff.count();
  if (interval <= 0) return Micros(0);
  const std::uint32_t doublings =
      std::min(failures - 1, static_cast<std::uint32_t>(policy.max_doublings));
  // Compare before multiplying: nothing here can overflow, whatever max_doublings is.
  for (std::uint32_t i = 0; i < doublings; ++i) {
    if (interval > cap / 2) return policy.max_backoff;
    interval *= 2;
  }
  const std::int64_t linear = std::max<std::int64_t>(1, std::int64_t{failures} - doublings);
  if (interval > cap / linear) return policy.max_backoff;
  return Micros(std::min(cap, interval * linear));
}

Micros retry_after_in_force(const RetryPolicy& policy, Micros asked) {
  return std::min(asked, std::max<Micros>(policy.max_backoff, std::chrono::hours(1)));
}

bool exhausted(const RetryPolicy& policy, std::uint32_t attempts, Micros age) {
  const bool attempts_limited = policy.max_attempts >= 0;
  const bool age_limited = policy.max_age > Micros(0);
  const bool attempts_reached =
      attempts_limited && attempts >= static_cast<std::uint32_t>(policy.max_attempts);
  const bool age_reached = age_limited && age >= policy.max_age;
  if (attempts_limited && age_limited) return attempts_reached && age_reached;
  return attempts_reached || age_reached;
}

}  // namespace deferd
