// A pipe on its way into a sandbox.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>

namespace deferd {

// Its ends have numbers above those that programs expect, are closed on exec, and closed unless
// taken.
class Pipe {
 public:
  static constexpr int low = 10;

  Pipe() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    for (std::size_t i = 0; i < 2; ++i) {
      ends_[i] = ends[i] >= low ? ends[i] : ::fcntl(ends[i], F_DUPFD_CLOEXEC, low);
      if (ends_[i] != ends[i]) ::close(ends[i]);
    }
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool ok() const { return ends_[0] >= 0 && ends_[1] >= 0; }
  int read() const { return ends_[0]; }
  int write() const { return ends_[1]; }
  void close_read() { close(ends_[0]); }
  void close_write() { close(ends_[1]); }
  // For the worker's own use: not blocking.
  int take_read() { return take(ends_[0]); }
  int take_write() { return take(ends_[1]); }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  static int take(int& fd) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    return std::exchange(fd, -1);
  }

  std::array<int, 2> ends_ = {-1, -1};
};

}  // namespace deferd
