#include "api/native/parse_retry.h"

#include <limits>

#include "model/duration_text.h"

namespace deferd::native {

RetryOverride parse_retry(Fields& owner, const json::value& value) {
  constexpr std::int32_t count_max = std::numeric_limits<std::int32_t>::max();
  Fields fields(value, owner.path() + "retry.");
  RetryOverride retry;
  if (const auto attempts = fields.integer("max_attempts", -1, count_max)) {
    if (*attempts == 0) {
      fields.refuse("max_attempts", "max_attempts is 0; give 1 or more, or -1 for no limit");
    }
    retry.max_attempts = static_cast<std::int32_t>(*attempts);
  }
  retry.max_age = fields.duration("max_age", Micros(0), duration_max);
  retry.min_backoff = fields.duration("min_backoff", Micros(0), duration_max);
  retry.max_backoff = fields.duration("max_backoff", Micros(0), duration_max);
  if (const auto doublings = fields.integer("max_doublings", 0, count_max)) {
    retry.max_doublings = static_cast<std::int32_t>(*doublings);
  }
  if (retry.min_backoff && retry.max_backoff && *retry.min_backoff > *retry.max_backoff) {
    fields.refuse("min_backoff", "min_backoff " + format_duration(*retry.min_backoff) +
                                     " is above max_backoff " +
                                     format_duration(*retry.max_backoff));
  }
  if (auto ok = fields.finish(); !ok) owner.refuse(ok.error());
  return retry;
}

}  // namespace deferd::native
