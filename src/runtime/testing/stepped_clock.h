// A clock that stands still until a test moves it, while the shards' threads read it.
#pragma once

#include <mutex>

#include "runtime/clock.h"

namespace deferd {

class SteppedClock final : public Clock {
 public:
  Now now() const override {
    const std::scoped_lock lock(mutex_);
    return clock_.now();
  }
  void advance(Nanos by) {
    const std::scoped_lock lock(mutex_);
    clock_.advance(by);
  }

 private:
  mutable std::mutex mutex_;
  ManualClock clock_;
};

}  // namespace deferd
