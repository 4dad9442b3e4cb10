// Tells the log of refused calls: one line a second at most, with how many were not told since the
// last. Whoever knocks without end does not fill a disk. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

#include "base/time.h"

namespace deferd {

class FailureLog {
 public:
  // `why` holds nothing secret.
  void add(std::string_view why, Wall now);

 private:
  std::mutex mutex_;
  Wall next_ = Wall::min();   // under mutex_
  std::uint64_t untold_ = 0;  // under mutex_
};

}  // namespace deferd
