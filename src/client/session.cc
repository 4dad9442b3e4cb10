#include "client/session.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>
#include <utility>

namespace deferd::inline v1::detail {

namespace asio = boost::asio;

Session::Session(const asio::any_io_executor& executor, ClientOptions options)
    : strand(asio::make_strand(executor)),
      queue_(options.queue),
      link_(HttpLink::make(strand, options)),
      poller_(std::make_shared<ResultPoller>(strand, link_)) {}

Session::Co<std::shared_ptr<const Answer>> Session::exchange(Request request) {
  const auto self = shared_from_this();
  Answer answer = co_await link_->exchange(std::move(request));
  co_return std::make_shared<const Answer>(std::move(answer));
}

Session::Co<std::shared_ptr<Pending>> Session::submit(std::string payload, SubmitOptions options) {
  const auto self = shared_from_this();
  const std::string queue = options.queue.empty() ? queue_ : options.queue;
  NewTask task;
  task.json = std::move(payload);
  task.name = options.name;
  task.delay = options.delay;
  task.priority = options.priority;
  task.key = options.key;
  task.keep_result = options.keep_result;
  Call<Task> call = add_task(queue, task);
  const Answer answer = co_await link_->exchange(std::move(call.request));
  auto pending = std::make_shared<Pending>(queue, call.read(answer).id);
  poller_->watch(pending);
  co_return pending;
}

Session::Co<bool> Session::cancel(std::string queue, std::string task) {
  const auto self = shared_from_this();
  Request request = act_on_task(queue, task, "cancel").request;
  try {
    co_await link_->exchange(std::move(request));
  } catch (const NotFound&) {
    co_return false;
  }
  co_return true;
}

void Session::close() {
  asio::dispatch(strand, [self = shared_from_this()] { self->link_->close(); });
}

}  // namespace deferd::inline v1::detail
