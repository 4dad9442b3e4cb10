#include "api/http/handed_over.h"

#include <sys/socket.h>

namespace deferd::http {
namespace {

// 0: there is no socket of this number.
std::uint64_t cookie_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

void HandedOver::add(int fd) {
  const std::uint64_t cookie = cookie_of(fd);
  if (cookie == 0) return;
  const std::lock_guard lock(mutex_);
  open_.emplace_back(fd, cookie);
}

std::size_t HandedOver::count() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

std::size_t HandedOver::look() const {
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [](const auto& one) { return cookie_of(one.first) != one.second; });
  return open_.size();
}

}  // namespace deferd::http
