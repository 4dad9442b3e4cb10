// How fast a queue may start attempts: a rate on average, `burst` at once after a rest.
//
// No counter, no refill. The bucket is one instant, full_at_: when it would be full again if nobody
// took from it. A take moves it one interval on; there is a token while it is near enough to now.
//
// Invariant: a span of length t sees at most burst + t * rate takes.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "model/duration_text.h"

namespace deferd {

class TokenBucket {
 public:
  // Full at first.
  TokenBucket(const Rate& rate, std::int64_t burst, Mono now);

  // The first instant at which take() is allowed; often in the past. Mono::max(): the rate is 0.
  // The shard sleeps until the earliest of these, so asking changes nothing.
  Mono ready_at() const;

  // Takes one token. Requires now >= ready_at().
  void take(Mono now);

  // Tokens already spent stay spent: flipping a rate to and fro earns no second burst. What the
  // bucket holds is clipped to the new burst, and parts of a token are lost.
  void change(const Rate& rate, std::int64_t burst, Mono now);

  // How many takes would be allowed now; infinite when unlimited.
  double tokens(Mono now) const;

 private:
  void set(const Rate& rate, std::int64_t burst);
  // Whole tokens that are not there, rounded up.
  std::int64_t missing(Mono now) const;

  bool stopped_ = false;
  std::int64_t burst_ = 1;
  Nanos interval_{0};  // between two tokens, rounded up; 0: unlimited
  Nanos slack_{
      0};  // (burst - 1) * interval_: how far ahead of the average takes may run; below a century
  Mono full_at_{};
  std::int64_t stopped_missing_ = 0;  // while the rate is 0: what missing() was
};

}  // namespace deferd
