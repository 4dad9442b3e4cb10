// The command line of deferd-worker, and its life until SIGTERM.
#pragma once

namespace deferd {

// Returns the exit code: 0 after a drain, 1 when work could not begin, 2 for a wrong command line.
int run_worker(int argc, char** argv);

}  // namespace deferd
