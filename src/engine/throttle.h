// Slows a queue down whose targets cannot keep up, and lets it go again (CT-spec 9.4).
//
// Attempts that ended are judged together: those of a second, and at least ten. When a tenth of
// them were told that it is too much, or half of them met a target that fails, the queue may start
// half as many a second as really ended, but always one. Else a limit that is there grows by half,
// and is gone once it reaches the queue's own rate. So a target that takes a part of what it is
// given gets about that part, and one that has recovered all of it after some twenty seconds.
//
// A queue at rest stays as it was. Few attempts (fewer than ten a minute) are never slowed: the
// backoff of their tasks is slower than any limit here.
#pragma once

#include <cstdint>
#include <limits>

#include "base/time.h"
#include "engine/dispatcher.h"

namespace deferd {

class Throttle {
 public:
  enum class Change : std::uint8_t { none, slower, faster, over };

  // `own_rate`: what the queue is set to, in attempts a second; infinity: unlimited.
  Change attempt_ended(Strain strain, double own_rate, Mono now);

  // Attempts a second; infinity: none.
  double limit() const { return limit_; }

 private:
  static constexpr double no_limit = std::numeric_limits<double>::infinity();

  double limit_ = no_limit;
  // The attempts that ended since the first of them did, at since_.
  Mono since_{};
  std::uint32_t ended_ = 0;
  std::uint32_t failing_ = 0;
  std::uint32_t overloaded_ = 0;
};

}  // namespace deferd
