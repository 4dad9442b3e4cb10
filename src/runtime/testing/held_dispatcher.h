// A dispatcher whose attempts run until a test ends them. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/dispatcher.h"

namespace deferd {

class HeldDispatcher final : public Dispatcher {
 public:
  void start(Attempt attempt, Callback<void(AttemptResult)> done) override {
    const std::scoped_lock lock(mutex_);
    running_.emplace_back(std::move(attempt), std::move(done));
    changed_.notify_all();
  }
  // Waits for so many to run at once; false after 5 s.
  bool wait_for(std::size_t attempts) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, Seconds(5), [&] { return running_.size() >= attempts; });
  }
  // The next attempt that starts, or none within 5 s.
  std::optional<Attempt> next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, Seconds(5), [this] { return taken_ < running_.size(); })) {
      return std::nullopt;
    }
    return running_[taken_++].first;
  }
  std::size_t started() {
    const std::scoped_lock lock(mutex_);
    return running_.size();
  }
  // Ends all that run.
  void finish(std::int16_t status) {
    std::vector<std::pair<Attempt, Callback<void(AttemptResult)>>> ended;
    {
      const std::scoped_lock lock(mutex_);
      ended.swap(running_);
      taken_ = 0;
    }
    for (auto& [attempt, done] : ended) std::move(done)(AttemptResult{status, "", Micros(0)});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<Attempt, Callback<void(AttemptResult)>>> running_;
  std::size_t taken_ = 0;
};

}  // namespace deferd
