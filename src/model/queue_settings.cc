#include "model/queue_settings.h"

#include <string>

namespace deferd {
namespace {

Result<void> check_range(const char* field, std::int64_t value, std::int64_t low,
                         std::int64_t high) {
  if (value >= low && value <= high) return {};
  return fail(Reason::invalid,
              std::string(field) + " is " + std::to_string(value) + "; give " +
                  std::to_string(low) + " to " + std::to_string(high),
              field);
}

Result<void> check_range(const char* field, Micros value, Micros low, Micros high) {
  if (value >= low && value <= high) return {};
  return fail(Reason::invalid,
              std::string(field) + " is " + format_duration(value) + "; give " +
                  format_duration(low) + " to " + format_duration(high),
              field);
}

}  // namespace

QueueSettings QueueSettings::defaults(QueueMode mode) {
  QueueSettings settings;
  settings.mode = mode;
  if (mode == QueueMode::pull) settings.retry.max_attempts = -1;
  return settings;
}

Result<void> QueueSettings::check() const {
  if (auto ok = check_range("burst", burst, 1, 1'000'000); !ok) return ok;
  if (auto ok = check_range("concurrency", concurrency, 1, 100'000); !ok) return ok;
  if (auto ok = check_range("timeout", timeout, Millis(1), std::chrono::hours(24)); !ok) return ok;
  if (auto ok = check_range("priority", priority, 0, priority_count - 1); !ok) return ok;
  if (auto ok = check_range("tombstone", tombstone, Micros(0), std::chrono::hours(24 * 30)); !ok)
    return ok;
  if (auto ok = check_range("task_ttl", task_ttl, Micros(0), task_ttl_max); !ok) return ok;
  if (auto ok = check_range("dead.keep", dead.keep, Micros(0), dead_keep_max); !ok) return ok;
  if (!dead.queue.empty()) {
    if (!QueueName::parse("p", "l", dead.queue))
      return fail(Reason::invalid,
                  "dead.queue must be the id of a queue: 1 to 100 characters of A-Z a-z 0-9 _ -",
                  "dead.queue");
    if (dead.keep == Micros(0))
      return fail(Reason::invalid,
                  "dead.keep is 0s, but what goes on to queue " + dead.queue +
                      " is kept until it is there; give it at least 1us",
                  "dead.keep");
  }
  if (auto ok = check_range("poison_after", poison_after, 0, 1000); !ok) return ok;
  if (auto ok = check_range("history", history, 0, history_max); !ok) return ok;
  if (log_sampling && !(*log_sampling >= 0 && *log_sampling <= 1))
    return fail(Reason::invalid, "log_sampling must be between 0 and 1", "log_sampling");
  return retry.check("retry");
}

}  // namespace deferd
