// The client for programs on Boost.Asio. Each call is an operation on the caller's executor: await
// it in a coroutine, or hand it any completion token, whose signature is void(std::exception_ptr,
// T):
//
//   deferd::AsyncClient client(io.get_executor());
//   deferd::Task task = co_await client.get_task("mail", id);
//   client.get_task("mail", id)([](std::exception_ptr error, deferd::Task task) { ... });
//
// An operation begins when it is awaited or given its token. A cancelled one fails with
// boost::system::system_error (operation_aborted).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deferd/calls.h"
#include "deferd/client.h"
#include "deferd/future.h"

namespace deferd::inline v1 {
namespace detail {

class Session;

std::shared_ptr<Session> make_session(boost::asio::any_io_executor executor, ClientOptions options);
boost::asio::any_io_executor executor_of(const Session& session);
void close(const std::shared_ptr<Session>& session);

boost::asio::awaitable<std::shared_ptr<const Answer>> exchange(std::shared_ptr<Session> session,
                                                               Request request);
boost::asio::awaitable<std::shared_ptr<Pending>> submit(std::shared_ptr<Session> session,
                                                        std::string payload, SubmitOptions options);
boost::asio::awaitable<std::vector<Outcome<std::shared_ptr<Pending>>>> submit_all(
    std::shared_ptr<Session> session, std::vector<std::string> payloads, SubmitOptions options);
boost::asio::awaitable<void> until_ended(std::shared_ptr<Pending> pending);
boost::asio::awaitable<bool> cancel(std::shared_ptr<Session> session,
                                    std::shared_ptr<Pending> pending);

template <class T>
boost::asio::awaitable<T> carry_out(std::shared_ptr<Session> session, Call<T> call) {
  const auto answer = co_await exchange(std::move(session), std::move(call.request));
  co_return call.read(*answer);
}

template <class R>
boost::asio::awaitable<R> get(std::shared_ptr<Pending> pending) {
  co_await until_ended(pending);
  co_return value_of<R>(*pending);
}

template <class T>
boost::asio::awaitable<T> on(boost::asio::any_io_executor executor,
                             boost::asio::awaitable<T> work) {
  co_return co_await boost::asio::co_spawn(executor, std::move(work), boost::asio::use_awaitable);
}

template <class T>
struct CompletionSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct CompletionSignature<void> {
  using type = void(std::exception_ptr);
};

}  // namespace detail

// What a call of AsyncClient gives: awaited as it is, or called with a completion token.
template <class T>
class [[nodiscard]] Operation : public boost::asio::awaitable<T> {
 public:
  Operation(boost::asio::any_io_executor executor, boost::asio::awaitable<T> work)
      : boost::asio::awaitable<T>(detail::on(executor, std::move(work))),
        executor_(std::move(executor)) {}

  // Asio 1.81 cannot await what it takes for a deferred operation of this signature, so its probe
  // is kept from seeing one: then an operation is awaited as the awaitable it is.
  template <boost::asio::completion_token_for<typename detail::CompletionSignature<T>::type> Token>
    requires(!std::is_same_v<std::decay_t<Token>, boost::asio::detail::async_operation_probe>)
  auto operator()(Token&& token) && {
    return boost::asio::co_spawn(executor_,
                                 std::move(static_cast<boost::asio::awaitable<T>&>(*this)),
                                 std::forward<Token>(token));
  }

 private:
  boost::asio::any_io_executor executor_;
};

// As Future, with operations instead of waits. Good as long as its AsyncClient.
template <class R>
class AsyncFuture {
 public:
  AsyncFuture() = default;
  AsyncFuture(std::shared_ptr<detail::Session> session, std::shared_ptr<detail::Pending> pending)
      : session_(std::move(session)), pending_(std::move(pending)) {}

  const std::string& queue() const { return pending_->queue; }
  const std::string& id() const { return pending_->id; }
  bool ready() const { return pending_->ended(); }

  auto get() const {
    return Operation<R>(detail::executor_of(*session_), detail::get<R>(pending_));
  }
  auto cancel() const {
    return Operation<bool>(detail::executor_of(*session_), detail::cancel(session_, pending_));
  }

 private:
  std::shared_ptr<detail::Session> session_;
  std::shared_ptr<detail::Pending> pending_;
};

namespace detail {
template <class R>
boost::asio::awaitable<AsyncFuture<R>> submit_for(std::shared_ptr<Session> session,
                                                  std::string payload, SubmitOptions options) {
  auto pending = co_await submit(session, std::move(payload), std::move(options));
  co_return AsyncFuture<R>(std::move(session), std::move(pending));
}

template <class R>
boost::asio::awaitable<std::vector<Outcome<AsyncFuture<R>>>> submit_all_for(
    std::shared_ptr<Session> session, std::vector<std::string> payloads, SubmitOptions options) {
  const auto all = co_await submit_all(session, std::move(payloads), std::move(options));
  std::vector<Outcome<AsyncFuture<R>>> futures;
  for (const auto& added : all) {
    futures.push_back(
        added.map([&](const auto& pending) { return AsyncFuture<R>(session, pending); }));
  }
  co_return futures;
}
}  // namespace detail

// Thread-safe. Keeps connections until it is destroyed, which ends what is under way with
// Unreachable.
class AsyncClient : public Calls<AsyncClient> {
 public:
  // Throws InvalidArgument for a URL or a CA file that cannot be used.
  explicit AsyncClient(boost::asio::any_io_executor executor, ClientOptions options = {})
      : session_(detail::make_session(std::move(executor), std::move(options))) {}
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;
  ~AsyncClient() { detail::close(session_); }

  // As Client::submit(); the operation gives an AsyncFuture.
  template <class T, class... Arguments>
  auto submit(Arguments&&... arguments) {
    return submit(T{std::forward<Arguments>(arguments)...});
  }
  template <class T>
  auto submit(const T& task, const SubmitOptions& options = {}) {
    using R = detail::ResultType<T>;
    return Operation<AsyncFuture<R>>(
        detail::executor_of(*session_),
        detail::submit_for<R>(session_, detail::TaskCode<T>::write(task),
                              detail::options_of<T>(options)));
  }
  template <class T>
  auto submit_all(const std::vector<T>& tasks, const SubmitOptions& options = {}) {
    using R = detail::ResultType<T>;
    return Operation<std::vector<Outcome<AsyncFuture<R>>>>(
        detail::executor_of(*session_),
        detail::submit_all_for<R>(session_, detail::payloads_of(tasks),
                                  detail::options_of<T>(options)));
  }

 private:
  friend class Calls<AsyncClient>;

  template <class T>
  auto run_call(detail::Call<T> call) {
    return Operation<T>(detail::executor_of(*session_),
                        detail::carry_out<T>(session_, std::move(call)));
  }

  std::shared_ptr<detail::Session> session_;
};

}  // namespace deferd::inline v1
