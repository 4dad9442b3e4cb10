// What SIGHUP makes a server read anew: one action a file. Actions are added while the server
// starts and run on the thread that waits for signals, never two at once.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace deferd {

class ReloadActions {
 public:
  // `file` is what the action reads. An action that fails has changed nothing.
  using Action = std::function<Result<void>()>;
  void add(std::string file, Action action) {
    actions_.emplace_back(std::move(file), std::move(action));
  }

  // A file that is wrong is told in the log, and does not hold up the others.
  void run() const {
    if (actions_.empty()) log_info("reload.nothing", {{"why", "no file was given to be reloaded"}});
    for (const auto& [file, action] : actions_) {
      const Result<void> done = action();
      if (done) {
        log_info("reload.done", {{"file", std::string_view(file)}});
      } else {
        log_error("reload.failed", {{"file", std::string_view(file)},
                                    {"error", std::string_view(done.error().message)},
                                    {"effect", "what was in force stays in force"}});
      }
    }
  }

 private:
  std::vector<std::pair<std::string, Action>> actions_;
};

}  // namespace deferd
