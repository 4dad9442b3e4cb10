// The threads that answers are made on.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "api/cloudtasks/call.h"

namespace deferd::cloudtasks {

class AnswerThreads final : public CallThread {
 public:
  explicit AnswerThreads(std::uint32_t threads);
  ~AnswerThreads() override { stop(); }

  // Does what was posted and ends the threads; what is posted later is dropped. Not on a thread of
  // these.
  void stop();

  void post(Callback<void()> work) override;

 private:
  void run();

  const std::uint32_t count_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Callback<void()>> work_;  // under mutex_
  bool stopping_ = false;              // under mutex_
  std::uint32_t idle_ = 0;             // under mutex_
  std::vector<std::thread> threads_;
};

}  // namespace deferd::cloudtasks
