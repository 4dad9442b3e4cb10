// The limits of a small task, so that harm shows soon.
#pragma once

#include "worker/limits.h"

namespace deferd {

inline Limits small() {
  Limits limits;
  limits.wall_time = Seconds(20);
  limits.cpu_time = Seconds(10);
  limits.memory_bytes = 64 << 20;
  limits.processes = 16;
  limits.open_files = 64;
  limits.output_bytes = 64 << 10;
  limits.log_bytes = 4 << 10;
  limits.disk_bytes = 8 << 20;
  return limits;
}

}  // namespace deferd
