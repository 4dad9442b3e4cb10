// What tests of pushes begin with: a dispatcher, a request, an attempt, and what a script saw.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "dispatch/push_dispatcher.h"
#include "model/push_request.h"

namespace deferd {

inline std::unique_ptr<PushDispatcher> dispatcher(PushOptions options = {}) {
  Result<std::unique_ptr<PushDispatcher>> made = make_push_dispatcher(std::move(options));
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return std::move(*made);
}

inline PushRequest post(std::string url, std::string body = "") {
  PushRequest request;
  request.url = std::move(url);
  request.body = std::move(body);
  return request;
}

inline Attempt attempt_of(const PushRequest& request, Micros timeout) {
  static const auto queue =
      std::make_shared<const QueueName>(*QueueName::parse("project", "here", "mail"));
  Attempt attempt;
  attempt.queue = queue;
  attempt.task.id = TaskId{1'795'000'000'000'001};
  attempt.task.payload = share(encode(request));
  attempt.timeout = timeout;
  return attempt;
}

// Long enough never to pass in a test that does not mean it to.
constexpr Micros ample = Seconds(60);

inline std::future<AttemptResult> begin(Dispatcher& dispatcher, Attempt attempt) {
  auto promise = std::make_shared<std::promise<AttemptResult>>();
  std::future<AttemptResult> future = promise->get_future();
  dispatcher.start(std::move(attempt),
                   [promise](AttemptResult result) { promise->set_value(std::move(result)); });
  return future;
}

inline std::future<AttemptResult> begin(Dispatcher& dispatcher, const PushRequest& request,
                                        Micros timeout = ample) {
  return begin(dispatcher, attempt_of(request, timeout));
}

inline AttemptResult push(Dispatcher& dispatcher, const PushRequest& request,
                          Micros timeout = ample) {
  return begin(dispatcher, request, timeout).get();
}

// Scripts hand over what they saw.
template <class T>
class Seen {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, Seconds(30), [&] { return !values_.empty(); }));
    if (values_.empty()) return T{};
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

  std::size_t left() {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

}  // namespace deferd
