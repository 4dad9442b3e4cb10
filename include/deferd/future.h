// The result of a submitted task, once there is one. One poller a client asks for those of all its
// futures, and goes on asking when the server is away for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deferd/models.h"

namespace deferd::inline v1 {

struct Context;

namespace detail {

class Channel;

// How a task class and its result are written as JSON and read: deferd/task.h.
template <class T>
struct TaskCode;
template <class R>
struct ResultCode;
template <class T>
using ResultType = decltype(std::declval<T&>().run(std::declval<Context&>()));

// What a future and the poller share. Thread-safe.
class Pending {
 public:
  Pending(std::string of_queue, std::string of_task)
      : queue(std::move(of_queue)), id(std::move(of_task)) {}

  void end(TaskResult result);
  void end(std::exception_ptr error);

  bool ended() const;
  void wait() const;
  bool wait_until(std::chrono::steady_clock::time_point deadline) const;
  // Calls `then` once, at the end or now; on the poller's thread, so that it must not block.
  void when_ended(std::function<void()> then);
  // Requires ended(). Throws what made the result unknowable.
  const TaskResult& result() const;

  const std::string queue;
  const std::string id;

 private:
  void end_locked(std::unique_lock<std::mutex> lock);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool ended_ = false;
  TaskResult result_;
  std::exception_ptr error_;
  std::vector<std::function<void()>> waiters_;
};

// Throws TaskFailed, TaskCancelled or TaskExpired.
void require_success(const TaskResult& result);
// The call behind cancel(); false when the task had ended before.
bool cancel(Channel& channel, const Pending& pending);

template <class R>
R value_of(const Pending& pending) {
  const TaskResult& result = pending.result();
  require_success(result);
  return ResultCode<R>::read(result);
}

}  // namespace detail

// May be copied; all copies see the same end. It stays good after its Client is gone.
template <class R>
class Future {
 public:
  Future(std::shared_ptr<detail::Channel> channel, std::shared_ptr<detail::Pending> pending)
      : channel_(std::move(channel)), pending_(std::move(pending)) {}

  const std::string& queue() const { return pending_->queue; }
  const std::string& id() const { return pending_->id; }

  bool ready() const { return pending_->ended(); }
  void wait() const { pending_->wait(); }
  // Whether it has ended within this time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return pending_->wait_until(std::chrono::steady_clock::now() +
                                std::chrono::duration_cast<std::chrono::microseconds>(time));
  }

  // What the task's run() returned; waits for it. Throws TaskFailed, TaskCancelled, TaskExpired, or
  // the ApiError that makes the result unknowable.
  R get() const {
    wait();
    return detail::value_of<R>(*pending_);
  }
  // All that is known of its end, however it ended.
  TaskResult result() const {
    wait();
    return pending_->result();
  }

  // Ends the task at once, also when it runs; get() then throws TaskCancelled. False when it had
  // ended before.
  bool cancel() { return detail::cancel(*channel_, *pending_); }

 private:
  std::shared_ptr<detail::Channel> channel_;
  std::shared_ptr<detail::Pending> pending_;
};

}  // namespace deferd::inline v1
