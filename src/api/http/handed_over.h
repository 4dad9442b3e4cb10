// Sockets that were given away to a library which closes them without a word, and how many of them
// are still open: they count as connections. A socket is known by the kernel's cookie, so neither a
// duplicate of it nor the library's help is needed, and a descriptor that is in use again for
// something else is not taken for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace deferd::http {

// Any thread.
class HandedOver {
 public:
  // Before `fd` is given away.
  void add(int fd);
  // As of the last look.
  std::size_t count() const;
  // Looks at each that was open at the last look, and forgets those that are not.
  std::size_t look() const;

 private:
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<int, std::uint64_t>> open_;  // descriptor, cookie; under mutex_
};

}  // namespace deferd::http
