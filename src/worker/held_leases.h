// The leases that a worker holds: renews them, many in one call, three times in each lease; and
// asks the server whether tasks that run for long still live.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "worker/queue_link.h"

namespace deferd {

class HeldLeases {
 public:
  // `lost` is told of a task whose lease is another's now, or that lives no more (cancelled,
  // deleted): what runs for it is of no use to anybody. It is held no more.
  static std::unique_ptr<HeldLeases> make(boost::asio::io_context& io, QueueLink& link,
                                          Micros lease,
                                          std::function<void(const std::string& id)> lost);
  virtual ~HeldLeases() = default;

  virtual void add(const LeasedTask& task) = 0;
  virtual void remove(const std::string& id) = 0;
  // Ends its own calls and timers.
  virtual void stop() = 0;
};

}  // namespace deferd
