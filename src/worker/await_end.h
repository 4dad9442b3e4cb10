// Waiting for the end of a process by its pidfd.
#pragma once

#include <poll.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <utility>

namespace deferd {

// Calls `ended` once the process has, unless the descriptor is closed before. A wake-up alone does
// not say so: Asio may hand a new descriptor what had come for one that was closed in the same
// round of its loop.
template <class Ended>
void await_end(boost::asio::posix::stream_descriptor& pidfd, Ended ended) {
  pidfd.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                   [&pidfd, ended = std::move(ended)](boost::system::error_code error) mutable {
                     if (error || !pidfd.is_open()) return;
                     pollfd now = {pidfd.native_handle(), POLLIN, 0};
                     if (::poll(&now, 1, 0) == 1) return ended();
                     await_end(pidfd, std::move(ended));
                   });
}

}  // namespace deferd
