// A file descriptor that closes itself, and the error of a system call in words.
#pragma once

#include <unistd.h>

#include <cstring>
#include <string>

#include "base/result.h"

namespace deferd {

// Owns a descriptor; a negative one is none.
class UnixFile {
 public:
  explicit UnixFile(int fd) : fd_(fd) {}
  ~UnixFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  UnixFile(const UnixFile&) = delete;
  UnixFile& operator=(const UnixFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Of what the data folder is for: `number` is errno.
inline tl::unexpected<Error> system_error(const std::string& what, int number) {
  return fail(Reason::store_failed, what + ": " + std::strerror(number));
}

}  // namespace deferd
