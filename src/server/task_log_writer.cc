#include "server/task_log_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "api/cloudtasks/task_log_line.h"
#include "base/log.h"

namespace deferd {

TaskLogWriter::TaskLogWriter(int descriptor)
    : descriptor_(descriptor), thread_([this] { run(); }) {}

TaskLogWriter::~TaskLogWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void TaskLogWriter::write(std::vector<TaskLogEntry> entries) {
  {
    const std::lock_guard lock(mutex_);
    for (TaskLogEntry& entry : entries) {
      if (waiting_.size() >= waiting_max || waiting_bytes_ >= waiting_bytes_max) {
        ++dropped_;
        continue;
      }
      waiting_bytes_ += entry.task.payload ? entry.task.payload->size() : 0;
      waiting_.push_back(std::move(entry));
    }
  }
  changed_.notify_one();
}

void TaskLogWriter::run() {
  std::vector<TaskLogEntry> taken;
  std::string line;
  while (true) {
    std::uint64_t dropped = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      taken.swap(waiting_);
      waiting_bytes_ = 0;
      dropped = std::exchange(dropped_, 0);
    }
    if (dropped > 0) log_warn("task_log.dropped", {{"entries", dropped}});
    for (const TaskLogEntry& entry : taken) {
      line.clear();
      cloudtasks::append_task_log_line(entry, line);
      if (!put(line)) return;
    }
    taken.clear();
  }
}

// False: nobody will read it.
bool TaskLogWriter::put(std::string_view text) {
  constexpr int patience_ms = 1000;
  while (!text.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    if (::poll(&ready, 1, patience_ms) == 0) {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      continue;
    }
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return true;  // a line that cannot be written is lost; the next one may be
    }
  }
  return true;
}

}  // namespace deferd
