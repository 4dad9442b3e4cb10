#include "client/session.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>
#include <utility>

namespace deferd::inline v1::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t batch_tasks_max = 1000;

NewTask new_task(std::string payload, const SubmitOptions& options) {
  NewTask task;
  task.json = std::move(payload);
  task.name = options.name;
  task.delay = options.delay;
  task.priority = options.priority;
  task.key = options.key;
  task.retry = options.retry;
  task.keep_result = options.keep_result;
  return task;
}

}  // namespace

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
  Call<Task> call = add_task(queue, new_task(std::move(payload), options));
  const Answer answer = co_await link_->exchange(std::move(call.request));
  co_return watch(queue, call.read(answer));
}

Session::Co<std::vector<Outcome<std::shared_ptr<Pending>>>> Session::submit_all(
    std::vector<std::string> payloads, SubmitOptions options) {
  const auto self = shared_from_this();
  const std::string queue = options.queue.empty() ? queue_ : options.queue;
  std::vector<Outcome<std::shared_ptr<Pending>>> all;
  for (std::size_t begin = 0; begin < payloads.size(); begin += batch_tasks_max) {
    std::vector<NewTask> tasks;
    for (std::size_t i = begin; i < std::min(begin + batch_tasks_max, payloads.size()); ++i)
      tasks.push_back(new_task(std::move(payloads[i]), options));
    Call<std::vector<Outcome<Task>>> call = add_tasks(queue, tasks);
    const Answer answer = co_await link_->exchange(std::move(call.request));
    for (const Outcome<Task>& added : call.read(answer))
      all.push_back(added.map([&](const Task& task) { return watch(queue, task); }));
  }
  co_return all;
}

std::shared_ptr<Pending> Session::watch(const std::string& queue, const Task& task) {
  auto pending = std::make_shared<Pending>(queue, task.id);
  poller_->watch(pending);
  return pending;
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
