// What becomes of tasks: every end goes through conclude().
#include "engine/queue.h"

namespace deferd {

void Queue::conclude(const Task& task, Ending ending, const Now& now, bool durable) {
  if (ending.state == OutcomeState::succeeded) {
    ++activity().completed_total;
  } else {
    ++activity().dropped_total;
  }
  if (ending.state == OutcomeState::cancelled) ++activity().cancelled_total;
  end_task(task, now, durable);
}

}  // namespace deferd
