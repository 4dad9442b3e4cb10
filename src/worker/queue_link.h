// A worker's calls to one queue of a server (/v1): lease, renew, watch, and ends of leases. Calls
// may overlap; each has a connection for itself, and connections are kept. On one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/target_url.h"
#include "worker/leased_task.h"
#include "worker/task_report.h"

namespace deferd {

struct LinkOptions {
  TargetUrl server;
  std::string queue;    // an id, or a whole name: projects/P/locations/L/queues/Q
  std::string key;      // sent as a bearer token; secret; may be empty
  std::string ca_file;  // PEM, beside the system's certificates; may be empty
  std::string worker;   // the name that the server is told, at most 100 bytes
};

struct TaskRef {
  std::string id;
  std::string token;
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
  // For each task nothing, or Reason::lease_lost when the lease is another's now, or task_missing
  // when the task has ended.
  virtual Co<Result<std::vector<std::optional<Error>>>> renew(std::vector<TaskRef> tasks,
                                                              Micros lease) = 0;
  // Ends leases; `items` are texts of JSON objects (TaskReport::item), `delay` is for all of a
  // release. What failed for one of them.
  virtual Co<Result<std::vector<Error>>> end(TaskReport::Verb verb,
                                             std::vector<std::string_view> items,
                                             std::optional<Micros> delay) = 0;
  // Which of these live no more; waits until there is one. Reason::stopping when it is cut short.
  virtual Co<Result<std::vector<std::string>>> watch(std::vector<std::string> ids, Micros wait) = 0;
  // Cuts watch() short.
  virtual void cut_watch() = 0;

  // Ends the wait of lease() calls, which then give what was just granted, mostly nothing.
  virtual void stop_waiting() = 0;
};

}  // namespace deferd
