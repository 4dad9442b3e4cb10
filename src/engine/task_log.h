// The sampled log of what is done with the tasks of a queue (CT-spec 12). The engine decides what
// is in the sample; writing it is somebody else's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "model/names.h"
#include "model/task.h"

namespace deferd {

struct TaskLogEntry {
  enum class What : std::uint8_t { created, deleted, dispatched, answered };

  What what = What::created;
  Wall at{};
  std::shared_ptr<const QueueName> queue;
  Task task;  // as it is afterwards; the payload may be missing of one that was deleted
  std::int32_t max_attempts = -1;  // -1: no limit
  // Of `answered`:
  std::int16_t status = status_none;  // as AttemptResult's
  Micros took{0};
  std::optional<Wall> retry_at;  // none: the task has ended
};

// Where entries go.
class TaskLog {
 public:
  virtual ~TaskLog() = default;

  // Called on shards' threads, with at least one; returns at once.
  virtual void write(std::vector<TaskLogEntry> entries) = 0;
};

// Whether an operation is in a sample of this ratio: always the same for the same operation, and
// independent of any other.
bool in_sample(double ratio, TaskLogEntry::What what, const Task& task);

}  // namespace deferd
