// A worker under `deferd-worker --warm`: docs/reference/warm-handlers.md.
#pragma once

#include "deferd/worker.h"

namespace deferd::inline v1::detail {

// Serves tasks, each in a fork of this process, which ends in here. Gives the exit code of the
// loaded program.
int run_warm(const Worker& worker);

}  // namespace deferd::inline v1::detail
