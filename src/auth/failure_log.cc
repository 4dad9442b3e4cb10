#include "auth/failure_log.h"

#include <utility>

#include "base/log.h"

namespace deferd {

void FailureLog::add(std::string_view why, Wall now) {
  std::uint64_t untold = 0;
  {
    const std::lock_guard lock(mutex_);
    // A clock that went back does not silence the log.
    if (now < next_ && now >= next_ - Seconds(1)) {
      ++untold_;
      return;
    }
    next_ = now + Seconds(1);
    untold = std::exchange(untold_, 0);
  }
  log_warn("auth.refused", {{"why", why}, {"more_since_last", untold}});
}

}  // namespace deferd
