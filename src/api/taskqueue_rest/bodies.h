// The Task that a caller sends, parsed. Pure: bytes in, values out.
//
// Members that this door does not know are ignored, and so are those that only the server sets
// (enqueueTimestamp, retry_count): clients send back what they were given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/taskqueue_rest/route.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/commands.h"

namespace deferd::taskqueue_rest {

constexpr std::size_t tag_bytes_max = task_key_bytes_max;

// For tasks.insert.
Result<NewTask> parse_insert(std::string_view body, const Route& route,
                             std::uint64_t task_bytes_max);

// When a lease ends, as its holder says. Google's document speaks of seconds while its servers
// spoke of microseconds, so both are taken: below a trillion they are seconds.
struct LeaseEnd {
  std::int64_t value = 0;
  bool in_seconds = false;

  bool matches(Wall eta) const;
};

struct LeaseUpdate {
  TaskRef task;
  std::optional<LeaseEnd> end;  // absent: any lease that is still held (patch alone)
};
// For tasks.update: the body's `id` and `leaseTimestamp` count, the path's task does not.
Result<LeaseUpdate> parse_update(std::string_view body, const Route& route);
// For tasks.patch: `queueName` must be the queue's; `id` may be there, `leaseTimestamp` too.
Result<LeaseUpdate> parse_patch(std::string_view body, const Route& route);

// The task of a path. What cannot be a task's name is Reason::task_missing.
Result<TaskRef> parse_task_of_path(const Route& route);

}  // namespace deferd::taskqueue_rest
