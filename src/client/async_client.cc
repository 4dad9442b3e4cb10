#include "deferd/async_client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "client/session.h"

namespace deferd::inline v1::detail {

namespace asio = boost::asio;

std::shared_ptr<Session> make_session(asio::any_io_executor executor, ClientOptions options) {
  return std::make_shared<Session>(executor, std::move(options));
}
asio::any_io_executor executor_of(const Session& session) { return session.strand; }
void close(const std::shared_ptr<Session>& session) { session->close(); }

asio::awaitable<std::shared_ptr<const Answer>> exchange(std::shared_ptr<Session> session,
                                                        Request request) {
  return session->exchange(std::move(request));
}
asio::awaitable<std::shared_ptr<Pending>> submit(std::shared_ptr<Session> session,
                                                 std::string payload, SubmitOptions options) {
  return session->submit(std::move(payload), std::move(options));
}
asio::awaitable<std::vector<Outcome<std::shared_ptr<Pending>>>> submit_all(
    std::shared_ptr<Session> session, std::vector<std::string> payloads, SubmitOptions options) {
  return session->submit_all(std::move(payloads), std::move(options));
}
asio::awaitable<bool> cancel(std::shared_ptr<Session> session, std::shared_ptr<Pending> pending) {
  return session->cancel(pending->queue, pending->id);
}

asio::awaitable<void> until_ended(std::shared_ptr<Pending> pending) {
  const auto executor = co_await asio::this_coro::executor;
  const auto ended =
      std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  // Posted to where this runs, so not before the wait has begun.
  pending->when_ended([executor, ended] { asio::post(executor, [ended] { ended->cancel(); }); });
  if (!pending->ended()) (void)co_await ended->async_wait(asio::as_tuple(asio::use_awaitable));
  if (!pending->ended()) throw boost::system::system_error(asio::error::operation_aborted);
}

}  // namespace deferd::inline v1::detail
