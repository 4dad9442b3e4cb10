// The Dispatcher port: carries out push attempts and reports how each ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/callback.h"
#include "base/time.h"
#include "model/http_target.h"
#include "model/names.h"
#include "model/outcome.h"
#include "model/task.h"

namespace deferd {

// One push of one task. Copies share the payload.
struct Attempt {
  std::shared_ptr<const QueueName> queue;
  // The queue's AppEngineSettings::target; null: none.
  std::shared_ptr<const std::string> target;
  // What the queue says of its HTTP tasks; null: nothing.
  std::shared_ptr<const HttpTarget> http_target;
  Task task;  // progress as before this attempt; the payload is there
  // From the connect to the last byte of the answer.
  Micros timeout{0};

  // The response is to be given back (AttemptResult::response).
  bool keeps_response() const {
    return task.options != nullptr &&
           (task.options->keep_result > Micros(0) || !task.options->callback_url.empty());
  }
};

// What an attempt says of the strength of its target.
enum class Strain : std::uint8_t {
  none,
  failing,     // it gave no answer, or one of its own failure
  overloaded,  // it said that it has too much
};

struct AttemptResult {
  // HTTP status (100..599), or one of status_timeout, status_unreachable, status_refused
  // (model/task.h).
  std::int16_t status = 0;
  // For logs and "why did it fail": "connection refused", "certificate has expired"; empty with a
  // status.
  std::string detail;
  // What the target asked for (Retry-After), as a span from now; 0: nothing. At least 0, at most a
  // day.
  Micros retry_after{0};
  Strain strain = Strain::none;
  // With a status, when Attempt::keeps_response(): Content-Type, the headers that the task's
  // options name, and the body up to result_bytes_max; else null.
  std::shared_ptr<const ResultBody> response;
};

class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  // `done` is called exactly once, on any thread but not from within start(); it must not block. On
  // shutdown what is still running is cut off and reported as status_unreachable, before the
  // destructor returns.
  virtual void start(Attempt attempt, Callback<void(AttemptResult)> done) = 0;

  // Cuts off the running attempts of a task: their connections are closed, and each is reported as
  // status_cancelled unless it ended just before. Their outcome does not count any more, so one
  // that does nothing here only wastes what they cost.
  virtual void cancel(const QueueName& /*queue*/, TaskId /*task*/) {}
};

}  // namespace deferd
