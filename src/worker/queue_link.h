// A worker's calls to one queue of a server (/v1): lease, renew, ack, release. Calls may overlap;
// each has a connection for itself, and connections are kept. On one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/target_url.h"

namespace deferd {

struct LinkOptions {
  TargetUrl server;
  std::string queue;    // an id, or a whole name: projects/P/locations/L/queues/Q
  std::string key;      // sent as a bearer token; secret; may be empty
  std::string ca_file;  // PEM, beside the system's certificates; may be empty
};

struct LeasedTask {
  std::string id;
  std::string name;  // may be empty
  std::string token;
  std::uint64_t attempt = 0;  // the first is 1
  std::string body;
  bool keep_result = false;  // somebody may read the result
};

class QueueLink {
 public:
  template <class T>
  using Co = boost::asio::awaitable<T>;

  // Fails with Reason::invalid when the CA file cannot be read.
  static Result<std::unique_ptr<QueueLink>> make(const boost::asio::any_io_executor& executor,
                                                 LinkOptions options);
  virtual ~QueueLink() = default;

  // All fail with what the server says (Reason::invalid, queue_missing, queue_mode...), and with
  // Reason::timeout or not_found when it cannot be reached: then trying again makes sense.

  // Up to `tasks_max` due tasks; none when none was due within `wait`. A wait is cut short by
  // stop_waiting().
  virtual Co<Result<std::vector<LeasedTask>>> lease(std::uint32_t tasks_max, Micros lease,
                                                    Micros wait) = 0;
  // Reason::lease_lost when the lease is another's now, task_missing when the task has ended.
  virtual Co<Result<void>> renew(const LeasedTask& task, Micros lease) = 0;
  virtual Co<Result<void>> ack(const LeasedTask& task) = 0;
  virtual Co<Result<void>> release(const LeasedTask& task) = 0;

  // Ends the wait of lease() calls, which then give what was just granted, mostly nothing.
  virtual void stop_waiting() = 0;
};

}  // namespace deferd
