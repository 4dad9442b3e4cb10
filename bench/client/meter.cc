#include "bench/client/meter.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace deferd::bench {
namespace {

double own_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Fields 14 and 15 of /proc/PID/stat, in clock ticks. The second field is a name in parentheses
// that may hold spaces, so counting starts behind the last parenthesis, at field 3.
double cpu_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// Field 16 of /sys/block/DISK/stat is "flush I/Os processed" (Documentation/block/stat.rst). Loop
// devices only pass on what the disk below them counts.
std::uint64_t flushes_of_all_disks() {
  std::uint64_t flushes = 0;
  std::error_code error;
  for (const auto& disk : std::filesystem::directory_iterator("/sys/block", error)) {
    if (disk.path().filename().string().starts_with("loop")) continue;
    std::ifstream file(disk.path() / "stat");
    std::uint64_t value = 0;
    for (int field = 1; field < 16 && file >> value; ++field) {
    }
    if (file >> value) flushes += value;
  }
  return flushes;
}

}  // namespace

Meter::Sample Meter::sample() const {
  Sample sample{.at = std::chrono::steady_clock::now(),
                .client_cpu = own_cpu(),
                .flushes = flushes_of_all_disks()};
  for (const int pid : server_pids_) sample.server_cpu += cpu_of(pid);
  return sample;
}

Meter::Cost Meter::stop() const {
  const Sample end = sample();
  return {.seconds = std::chrono::duration<double>(end.at - begin_.at).count(),
          .client_cpu = end.client_cpu - begin_.client_cpu,
          .server_cpu = end.server_cpu - begin_.server_cpu,
          .flushes = end.flushes - begin_.flushes};
}

}  // namespace deferd::bench
