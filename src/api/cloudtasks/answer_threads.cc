#include "api/cloudtasks/answer_threads.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace deferd::cloudtasks {

AnswerThreads::AnswerThreads(std::uint32_t threads) : count_(std::max(1U, threads)) {
  for (std::uint32_t i = 0; i < count_; ++i) threads_.emplace_back([this] { run(); });
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
  std::vector<Callback<void()>> taken;
  std::unique_lock lock(mutex_);
  while (true) {
    if (work_.empty()) {
      if (stopping_) return;
      ++idle_;
      wake_.wait(lock, [this] { return !work_.empty() || stopping_; });
      --idle_;
      continue;
    }
    // What one commit answers comes at once: a thread takes its share of it in one go.
    const auto end = work_.begin() + static_cast<std::ptrdiff_t>(1 + (work_.size() - 1) / count_);
    std::move(work_.begin(), end, std::back_inserter(taken));
    work_.erase(work_.begin(), end);
    lock.unlock();
    for (Callback<void()>& work : taken) {
      std::move(work)();
      work = nullptr;
    }
    taken.clear();
    lock.lock();
  }
}

}  // namespace deferd::cloudtasks
