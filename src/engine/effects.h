// What a shard asks the world to do: one commit at a time, reads, attempts, replies, and when to
// wake it next. The runtime carries effects out and comes back with Shard::committed(), read_done()
// and attempt_done().
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/callback.h"
#include "base/time.h"
#include "engine/commands.h"
#include "engine/dispatcher.h"
#include "engine/store.h"
#include "engine/task_log.h"

namespace deferd {

// Finds the task again when its attempt has ended.
struct AttemptKey {
  QueueNumber queue;
  TaskId task;
  Mono started{};
  Wall started_wall{};
  std::uint64_t order = 0;  // of the place where the task stood
  bool forced =
      false;  // run by hand: a failure is retried from the instant of the call (CT-spec 9.6)
};

struct Effects {
  struct StartRead {
    std::uint64_t id = 0;
    Read read;
  };
  struct StartAttempt {
    AttemptKey key;
    Attempt attempt;
  };
  // Tasks for a queue that another shard may own. Its reply is the runtime's, which comes back with
  // Shard::forwarded().
  struct StartForward {
    std::uint64_t id = 0;
    AddTasks add;
  };
  struct CancelAttempts {
    std::shared_ptr<const QueueName> queue;
    TaskId task;
  };

  std::optional<Batch> commit;
  std::vector<StartRead> reads;
  std::vector<StartAttempt> attempts;
  std::vector<CancelAttempts> cancels;
  std::vector<StartForward> forwards;
  std::vector<Callback<void()>> replies;
  std::vector<TaskLogEntry> logged;  // for ShardOptions::task_log
  // The shard has nothing to do before this; Mono::max(): until something comes in.
  Mono wake_at = Mono::max();
};

}  // namespace deferd
