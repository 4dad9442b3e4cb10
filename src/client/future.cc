#include "deferd/future.h"

namespace deferd::inline v1::detail {

void Pending::end(TaskResult result) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  result_ = std::move(result);
  end_locked(std::move(lock));
}
void Pending::end(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  error_ = std::move(error);
  end_locked(std::move(lock));
}
void Pending::end_locked(std::unique_lock<std::mutex> lock) {
  ended_ = true;
  const auto waiters = std::exchange(waiters_, {});
  lock.unlock();
  changed_.notify_all();
  for (const auto& waiter : waiters) waiter();
}

bool Pending::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}
void Pending::wait() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_; });
}
bool Pending::wait_until(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return ended_; });
}
void Pending::when_ended(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      waiters_.push_back(std::move(then));
      return;
    }
  }
  then();
}
// Unlocked: what ended never changes again.
const TaskResult& Pending::result() const {
  if (error_) std::rethrow_exception(error_);
  return result_;
}

void require_success(const TaskResult& result) {
  switch (result.state) {
    case ResultState::succeeded:
      return;
    case ResultState::cancelled:
      throw TaskCancelled("the task was cancelled");
    case ResultState::expired:
      throw TaskExpired("the task grew older than its queue's task_ttl");
    case ResultState::pending:
    case ResultState::failed:
      break;
  }
  throw TaskFailed(result.error.empty() ? "the task failed: " + result.reason : result.error,
                   result.reason);
}

}  // namespace deferd::inline v1::detail
