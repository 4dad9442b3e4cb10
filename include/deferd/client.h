// A client for threads: each call returns when the server has answered. AsyncClient, for programs
// on Boost.Asio, is in deferd/async_client.h.
//
//   deferd::Client client({.url = "http://127.0.0.1:8123"});
//   client.put_queue("mail", {.rate = "5/s"});
//   const deferd::Task task = client.add_task("mail", {.url = "https://example.com/send"});
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deferd/calls.h"
#include "deferd/future.h"
#include "deferd/models.h"

namespace deferd::inline v1 {

struct ClientOptions {
  std::string url = {};      // http or https; empty: $DEFERD_URL, else http://127.0.0.1:8123
  std::string key = {};      // an API key; empty: $DEFERD_KEY, else none is shown
  std::string ca_file = {};  // PEM, trusted beside the system's certificates
  Duration timeout = std::chrono::seconds(30);  // of one attempt, beside what it waits on purpose
  int attempts = 4;                             // of a call that may be repeated
  // Of submit(), for task classes that name no queue. It is a pull queue, made by whoever sets up.
  std::string queue = "tasks";
};

struct SubmitOptions {
  std::string queue = {};  // empty: the task class's, else ClientOptions::queue
  std::string name = {};
  std::optional<Duration> delay = {};
  std::optional<int> priority = {};
  std::optional<std::string> key = {};
  RetrySettings retry = {};
  Duration keep_result = std::chrono::hours(1);
};

namespace detail {
class Channel;

template <class T>
SubmitOptions options_of(SubmitOptions options) {
  if constexpr (requires { T::queue; }) {
    if (options.queue.empty()) options.queue = T::queue;
  }
  return options;
}

template <class T>
std::vector<std::string> payloads_of(const std::vector<T>& tasks) {
  std::vector<std::string> payloads;
  payloads.reserve(tasks.size());
  for (const T& task : tasks) payloads.push_back(TaskCode<T>::write(task));
  return payloads;
}
}  // namespace detail

// Thread-safe. Keeps connections, and a thread for them.
class Client : public Calls<Client> {
 public:
  // Throws InvalidArgument for a URL or a CA file that cannot be used; connects to nothing yet.
  explicit Client(ClientOptions options = {});

  // Adds a task for a worker that knows the task class T (deferd/task.h), and keeps its result:
  //   auto thumbnail = client.submit<Resize>("https://example.com/a.png", 100);
  //   std::string path = thumbnail.get();
  template <class T, class... Arguments>
  auto submit(Arguments&&... arguments) {
    return submit(T{std::forward<Arguments>(arguments)...});
  }
  template <class T>
  Future<detail::ResultType<T>> submit(const T& task, const SubmitOptions& options = {}) {
    return Future<detail::ResultType<T>>(
        channel_, submit_text(detail::TaskCode<T>::write(task), detail::options_of<T>(options)));
  }
  // Many at once, in calls for up to 1,000; in order. One that is refused does not hold up the
  // others.
  template <class T>
  std::vector<Outcome<Future<detail::ResultType<T>>>> submit_all(
      const std::vector<T>& tasks, const SubmitOptions& options = {}) {
    using R = detail::ResultType<T>;
    std::vector<Outcome<Future<R>>> futures;
    const auto all = submit_texts(detail::payloads_of(tasks), detail::options_of<T>(options));
    for (const auto& added : all)
      futures.push_back(
          added.map([&](const auto& pending) { return Future<R>(channel_, pending); }));
    return futures;
  }

 private:
  friend class Calls<Client>;

  template <class T>
  T run_call(detail::Call<T> call) {
    return call.read(*exchange(std::move(call.request)));
  }
  std::shared_ptr<const detail::Answer> exchange(detail::Request request);
  std::shared_ptr<detail::Pending> submit_text(std::string payload, SubmitOptions options);
  std::vector<Outcome<std::shared_ptr<detail::Pending>>> submit_texts(
      std::vector<std::string> payloads, SubmitOptions options);

  std::shared_ptr<detail::Channel> channel_;
};

}  // namespace deferd::inline v1
