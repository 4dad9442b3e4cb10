// The Recurrences port: when a recurring task is next due. A recurring task (a job of cron.yaml) is
// one task that is moved on to its next time when its run has ended, well or for good, in the same
// commit: so a firing is never lost, runs of one job never overlap, and after a restart its ETA
// tells what was missed.
//
// Pure functions of their arguments: the engine stays deterministic. Called on a shard's thread.
#pragma once

#include <string_view>

#include "base/time.h"

namespace deferd {

class Recurrences {
 public:
  virtual ~Recurrences() = default;

  // When the task is due after the run that was due at `due` ended at `ended` (>= due). Later than
  // `ended`. Wall::max(): never again, the task is finished.
  virtual Wall next(std::string_view recurrence, Wall due, Wall ended) const = 0;

  // Whether the run that was due at `due` is not to be started at `now` any more (it was missed,
  // and missed runs are skipped). Then the task moves on to next(recurrence, due, now).
  virtual bool skips(std::string_view recurrence, Wall due, Wall now) const = 0;
};

}  // namespace deferd
