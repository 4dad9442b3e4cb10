// Randomness that a seed replays, the same with every library and compiler: no std:: distributions,
// no floats.
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace deferd {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // SplitMix64 (Steele, Lea, Flood 2014): one addition and a finalizer; passes BigCrush.
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // 0 .. bound - 1. Requires bound > 0. (Multiply-shift; the bias is below 2^-32 for the bounds
  // used here.)
  std::uint64_t below(std::uint64_t bound) {
    DEFERD_ASSERT(bound > 0);
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

  // low .. high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    DEFERD_ASSERT(low <= high);
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }

  // True in `percent` of 100 calls.
  bool chance(unsigned percent) { return below(100) < percent; }

  // A generator of its own for a part, so that one part's draws do not shift another's.
  Random fork() { return Random(next()); }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t state_;
};

}  // namespace deferd
