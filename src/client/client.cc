#include "deferd/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>
#include <utility>

#include "client/session.h"

namespace deferd::inline v1 {
namespace detail {

namespace asio = boost::asio;

// A session with a thread of its own, on which nothing of the caller's runs.
class Channel {
 public:
  explicit Channel(ClientOptions options)
      : io_(std::make_shared<asio::io_context>(1)),
        session_(std::make_shared<Session>(io_->get_executor(), std::move(options))),
        work_(io_->get_executor()),
        thread_([io = io_] { io->run(); }) {}
  ~Channel() {
    session_->close();
    work_.reset();
    thread_.join();
  }

  Session& session() { return *session_; }

  // Waits for it. Throws what it throws.
  template <class T>
  T wait_for(asio::awaitable<T> operation) {
    return asio::co_spawn(session_->strand, std::move(operation), asio::use_future).get();
  }

 private:
  const std::shared_ptr<asio::io_context> io_;
  const std::shared_ptr<Session> session_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

bool cancel(Channel& channel, const Pending& pending) {
  return channel.wait_for(channel.session().cancel(pending.queue, pending.id));
}

}  // namespace detail

Client::Client(ClientOptions options)
    : channel_(std::make_shared<detail::Channel>(std::move(options))) {}

std::shared_ptr<const detail::Answer> Client::exchange(detail::Request request) {
  return channel_->wait_for(channel_->session().exchange(std::move(request)));
}

std::shared_ptr<detail::Pending> Client::submit_text(std::string payload, SubmitOptions options) {
  return channel_->wait_for(channel_->session().submit(std::move(payload), std::move(options)));
}

std::vector<Outcome<std::shared_ptr<detail::Pending>>> Client::submit_texts(
    std::vector<std::string> payloads, SubmitOptions options) {
  return channel_->wait_for(
      channel_->session().submit_all(std::move(payloads), std::move(options)));
}

}  // namespace deferd::inline v1
