// What a task may use, and what it used.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace deferd {

struct Limits {
  Micros wall_time = Seconds(600);  // from its start to its end
  Micros cpu_time{0};               // of all its processes together; 0: no limit
  // Of all its processes and of its /tmp together; what goes to swap counts.
  std::uint64_t memory_bytes = 256 << 20;
  std::uint32_t processes = 64;  // threads count
  std::uint32_t open_files = 256;
  std::uint64_t output_bytes = 1 << 20;  // on stdout: more ends it
  std::uint64_t log_bytes = 64 << 10;    // of stderr, kept: the middle of more is left out
  std::uint64_t disk_bytes = 64 << 20;   // its /tmp, which is all that it can write to
  bool network = false;                  // the host's network, or none at all
};

struct Usage {
  Micros cpu{0};
  std::uint64_t memory_peak_bytes = 0;
  Micros wall{0};
};

}  // namespace deferd
