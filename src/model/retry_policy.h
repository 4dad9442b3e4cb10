// When a failed attempt is tried again, and when no more. The formula and the stop rule are those
// of Cloud Tasks (spec/cloud-tasks.md 9.6, 9.7), which App Engine shares.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

struct RetryPolicy {
  std::int32_t max_attempts = 100;  // the first included; -1: no limit; never 0
  Micros max_age{0};                // since the first attempt; 0: no limit
  Micros min_backoff = Millis(100);
  Micros max_backoff = Seconds(3600);
  std::int32_t max_doublings = 16;

  // max_attempts -1 or 1.., durations >= 0, min_backoff <= max_backoff, all durations at most a
  // century. `field` is the prefix of the member named in an error ("retry").
  Result<void> check(std::string_view field) const;

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// What one task sets over its queue's policy.
struct RetryOverride {
  std::optional<std::int32_t> max_attempts;
  std::optional<Micros> max_age;
  std::optional<Micros> min_backoff;
  std::optional<Micros> max_backoff;
  std::optional<std::int32_t> max_doublings;

  RetryPolicy over(const RetryPolicy& queue) const;

  friend bool operator==(const RetryOverride&, const RetryOverride&) = default;
};

// How long to wait after the n-th failed attempt (n >= 1), counted from the failure:
//   e = min(n - 1, max_doublings);  min(max_backoff, min_backoff * 2^e * max(1, n - e))
Micros backoff(const RetryPolicy& policy, std::uint32_t failures);

// What is heard of a target's Retry-After: `asked`, but at most an hour, or max_backoff if that is
// longer (CT-spec 9.4).
Micros retry_after_in_force(const RetryPolicy& policy, Micros asked);

// Whether no attempt follows after `attempts` of them, the first of which began `age` ago. With
// both limits set both must be reached.
bool exhausted(const RetryPolicy& policy, std::uint32_t attempts, Micros age);

}  // namespace deferd
