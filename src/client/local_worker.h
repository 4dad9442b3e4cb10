// A worker by itself: tasks run in threads of its process, for development.
#pragma once

#include <string>

#include "deferd/client.h"
#include "deferd/worker.h"

namespace deferd::inline v1::detail {

struct LocalOptions {
  ClientOptions client;
  std::string queue = "tasks";
  int concurrency = 4;
  Duration lease = std::chrono::minutes(1);
};

// Until SIGTERM or SIGINT: then nothing more is leased, and what runs may end; a second one asks it
// to stop. Throws ApiError when the server refuses to lease for good. Gives the exit code.
int run_here(const Worker& worker, const LocalOptions& options);

}  // namespace deferd::inline v1::detail
