// Sandboxes for warm handlers (docs/reference/warm-handlers.md): one keeper, which has made the
// sandboxes of the next tasks before they come, and one template, which forks into them.
//
//             ┌─ keeper ──▶ sandboxes that wait ◀──fork── template
//   worker ───┤                   │                          ▲
//             └───────────────────┴── pidfd, pipes ──────────┘
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/sandbox.h"

namespace deferd {

struct WarmOptions {
  std::vector<std::string> command;      // the handler's, looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", in place of the worker's
  Limits limits;                         // of each task, and of the handler itself
  std::uint32_t concurrency = 1;         // how many tasks run at once
  Micros load_time = Seconds(60);        // from its start until it takes tasks
  std::string keeper;                    // paths of our own parts: default_part()
  std::string library;
};

// "deferd-keeper", "libdeferd_warm.so": beside this program, or in ../lib or ../lib/deferd of it.
std::string default_part(const std::string& name);

// As Sandboxes::make(). Jobs' commands, environments and limits are those of the options.
Result<std::unique_ptr<Sandboxes>> make_warm_sandboxes(boost::asio::io_context& io,
                                                       SandboxOptions sandbox, WarmOptions options);

}  // namespace deferd
