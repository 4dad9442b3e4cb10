// The Callbacks port: the task that tells a url what became of another task. It is put in the very
// commit in which that one ends, so that none is lost and none tells of an end that did not happen.
//
// A pure function of its arguments: the engine stays deterministic. Called on a shard's thread.
#pragma once

#include "engine/commands.h"
#include "model/names.h"
#include "model/outcome.h"
#include "model/task.h"

namespace deferd {

class Callbacks {
 public:
  virtual ~Callbacks() = default;

  // A push task, due at once, without a name and without wishes of its own for an outcome or a
  // callback. `task`, of `queue`, has a callback_url and ended with `outcome`.
  virtual NewTask callback_for(const QueueName& queue, const Task& task,
                               const Outcome& outcome) const = 0;
};

}  // namespace deferd
