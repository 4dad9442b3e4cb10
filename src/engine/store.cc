#include "engine/store.h"

namespace deferd {

bool Batch::empty() const {
  return queues.empty() && dropped.empty() && purged.empty() && puts.empty() && moves.empty() &&
         finishes.empty() && names.empty() && counters.empty() && projects.empty() &&
         gone.empty() && documents.empty() && outcomes.empty() && history.empty() &&
         !sweep_names_before;
}

}  // namespace deferd
