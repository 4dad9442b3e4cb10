#include "sim/callbacks.h"

#include <cstdio>

namespace deferd::sim {

std::string ToldEnd::words() const {
  return "end of " + queue + " " + std::to_string(task.value) + " at " +
         std::to_string(to_micros(ended)) + " " + std::to_string(static_cast<int>(state)) + " " +
         std::to_string(static_cast<int>(reason));
}

std::optional<ToldEnd> ToldEnd::of(const SharedBytes& payload) {
  if (payload == nullptr) return std::nullopt;
  char queue[32];
  unsigned long long task = 0;
  long long ended = 0;
  int state = 0;
  int reason = 0;
  const std::string text(*payload);
  const int parts = std::sscanf(text.c_str(), "end of %31s %llu at %lld %d %d", queue, &task,
                                &ended, &state, &reason);
  if (parts != 5) return std::nullopt;
  return ToldEnd{queue, TaskId{task}, wall_from_micros(ended), static_cast<OutcomeState>(state),
                 static_cast<DeathReason>(reason)};
}

NewTask ScriptedCallbacks::callback_for(const QueueName& queue, const Task&,
                                        const Outcome& outcome) const {
  NewTask task;
  task.payload =
      share(ToldEnd{queue.queue, outcome.id, outcome.ended, outcome.state, outcome.reason}.words());
  task.has_target = true;
  return task;
}

}  // namespace deferd::sim
