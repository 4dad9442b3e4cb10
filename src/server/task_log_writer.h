// Sampled logs on standard output, one JSON object a line, written by a thread of its own: a reader
// who is slow costs lines, which are counted, and nobody else's time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/task_log.h"

namespace deferd {

class TaskLogWriter final : public TaskLog {
 public:
  // What may wait; beyond it entries are dropped.
  static constexpr std::size_t waiting_max = 65'536;
  static constexpr std::uint64_t waiting_bytes_max = 16 << 20;  // of payloads that they hold

  explicit TaskLogWriter(int descriptor);
  // Writes what still waits, unless the reader takes nothing for a second.
  ~TaskLogWriter() override;

  void write(std::vector<TaskLogEntry> entries) override;

 private:
  void run();
  bool put(std::string_view text);

  const int descriptor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<TaskLogEntry> waiting_;  // under mutex_
  std::uint64_t waiting_bytes_ = 0;    // under mutex_
  std::uint64_t dropped_ = 0;          // under mutex_; since the last time that it was told
  bool stopping_ = false;              // under mutex_
  std::thread thread_;
};

}  // namespace deferd
