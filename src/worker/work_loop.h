// Leases tasks of one queue, runs a program for each in a sandbox, and tells the server how it
// went: done (ack), again later (release), or never again.
//
//   lease ──▶ sandbox ──exit 0──▶ ack, with the result
//     ▲          │ renew while it runs; cancelled: killed
//     │          ├──never again──▶ fail
//     └──────────┴──any other end──▶ release: the queue's backoff and attempts decide
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/callback.h"
#include "base/time.h"
#include "worker/limits.h"
#include "worker/queue_link.h"
#include "worker/sandbox.h"

namespace deferd {

enum class TaskInput : std::uint8_t {
  on_stdin,
  as_arguments,  // a JSON array of texts, or else one argument: the payload
};

struct WorkOptions {
  std::string queue;  // for the program to know
  TaskInput input = TaskInput::on_stdin;
  Limits limits;
  std::uint32_t concurrency = 1;
  Micros lease = Seconds(60);  // of one grant; renewed while the program runs
  Micros wait = Seconds(20);   // of one call
  int never_again_code = 65;   // an exit code that says that trying again is of no use (EX_DATAERR)
};

class WorkLoop {
 public:
  // `idle` is called once, when after drain() or stop() nothing runs any more.
  static std::unique_ptr<WorkLoop> start(boost::asio::io_context& io, WorkOptions options,
                                         QueueLink& link, Sandboxes& sandboxes,
                                         Callback<void()> idle);
  virtual ~WorkLoop() = default;

  // Leases no more; what runs may end.
  virtual void drain() = 0;
  // And what runs is ended now; its tasks are given back.
  virtual void stop() = 0;
};

}  // namespace deferd
