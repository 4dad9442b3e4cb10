#include "api/cloudtasks/answer_threads.h"

#include <algorithm>
#include <utility>

namespace deferd::cloudtasks {

AnswerThreads::AnswerThreads(std::uint32_t threads) {
  for (std::uint32_t i = 0; i < std::max(1U, threads); ++i)
    threads_.emplace_back([this] { run(); });
}

void AnswerThreads::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void AnswerThreads::post(Callback<void()> work) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    work_.push_back(std::move(work));
    wake = idle_ > 0;
  }
  if (wake) wake_.notify_one();
}

void AnswerThreads::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (work_.empty()) {
      if (stopping_) return;
      ++idle_;
      wake_.wait(lock, [this] { return !work_.empty() || stopping_; });
      --idle_;
      continue;
    }
    Callback<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    std::move(work)();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace deferd::cloudtasks
