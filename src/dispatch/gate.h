// Who is still inside: every coroutine of this room is started through a Gate, which counts it
// until it has ended and asserts on destruction that nobody is left. So nothing runs without an
// owner, and stopping is: cut what they wait for, then wait until the gate is empty.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

#include "base/assert.h"
#include "dispatch/asio_types.h"

namespace deferd {

class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { DEFERD_ASSERT(inside_ == 0, "inside", inside_); }

  // `ended` is called once, after the coroutine's frame is gone; not from within run(). An
  // exception that leaves the coroutine is our mistake and ends the process.
  template <class Ended>
  void run(const Executor& executor, Co<void> body, Ended ended) {
    ++inside_;
    asio::co_spawn(executor, std::move(body),
                   [this, ended = std::move(ended)](const std::exception_ptr& thrown) mutable {
                     if (thrown) std::rethrow_exception(thrown);
                     --inside_;
                     ended();
                   });
  }

  std::size_t inside() const { return inside_; }

 private:
  std::size_t inside_ = 0;
};

}  // namespace deferd
