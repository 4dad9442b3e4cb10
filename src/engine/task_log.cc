#include "engine/task_log.h"

#include <cmath>

#include "base/random.h"

namespace deferd {

bool in_sample(double ratio, TaskLogEntry::What what, const Task& task) {
  const std::uint64_t operation =
      (std::uint64_t{task.progress.attempts} << 2) | static_cast<std::uint64_t>(what);
  Random draw(Random(task.id.value).next() ^ operation);
  constexpr int bits = 53;  // as many as a double holds exactly
  return std::ldexp(static_cast<double>(draw.next() >> (64 - bits)), -bits) < ratio;
}

}  // namespace deferd
