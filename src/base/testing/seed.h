// One seed a test run: DEFERD_SEED when set, else drawn from the system and printed by
// test_main.cc.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace deferd {

inline std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("DEFERD_SEED");
    if (given != nullptr) return static_cast<std::uint64_t>(std::strtoull(given, nullptr, 10));
    return static_cast<std::uint64_t>(std::random_device{}());
  }();
  return seed;
}

}  // namespace deferd
