// What a stretch of time cost: CPU seconds of this process and of the servers under test, and
// flushes that the disks completed (so that a durability that is claimed can be seen). Read once at
// each end; no thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace deferd::bench {

class Meter {
 public:
  // A pid that ends meanwhile counts as idle.
  explicit Meter(std::vector<int> server_pids) : server_pids_(std::move(server_pids)) {}

  struct Cost {
    double seconds = 0;
    double client_cpu = 0;  // seconds, user and system
    double server_cpu = 0;
    std::uint64_t flushes = 0;
  };

  void start() { begin_ = sample(); }
  Cost stop() const;  // since start()

 private:
  struct Sample {
    std::chrono::steady_clock::time_point at;
    double client_cpu = 0;
    double server_cpu = 0;
    std::uint64_t flushes = 0;
  };
  Sample sample() const;

  std::vector<int> server_pids_;
  Sample begin_;
};

}  // namespace deferd::bench
