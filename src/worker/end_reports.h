// Tells the server how tasks ended, many in one call: while one call is under way the next one
// gathers, so that none waits for company.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/callback.h"
#include "base/time.h"
#include "worker/queue_link.h"
#include "worker/task_report.h"

namespace deferd {

class EndReports {
 public:
  // Each report is tried for `patience`, a lease's time: after that the task is another's.
  // `changed` is called whenever fewer are under way.
  static std::unique_ptr<EndReports> make(boost::asio::io_context& io, QueueLink& link,
                                          Micros patience, std::function<void()> changed);
  virtual ~EndReports() = default;

  virtual void add(TaskReport report) = 0;
  // How many the server does not know yet.
  virtual std::size_t under_way() const = 0;
};

}  // namespace deferd
