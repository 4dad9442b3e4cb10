// Messages with descriptors, over a local socket of kind SOCK_SEQPACKET that does not block.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace deferd {

// False with errno when it cannot be sent now.
bool send_with(int socket, std::span<const std::byte> text, std::span<const int> descriptors);

struct Received {
  std::size_t size = 0;  // 0: the other end is gone
  int descriptor = -1;   // at most one comes; the caller closes it
};
// Nothing when there is none now.
std::optional<Received> receive_from(int socket, std::span<std::byte> text);

}  // namespace deferd
