// One run: a storm, then a calm, judged all the way.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/checker.h"
#include "sim/history.h"

namespace deferd::sim {

struct Outcome {
  std::optional<Violation> violation;
  std::uint64_t calls = 0;
  std::uint64_t events = 0;
  Checker::Marks marks;
};

Outcome simulate(std::uint64_t seed, bool trace);

}  // namespace deferd::sim
