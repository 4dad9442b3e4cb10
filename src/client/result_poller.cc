#include "client/result_poller.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace deferd::inline v1::detail {
namespace {

namespace asio = boost::asio;

constexpr int polls_max = 4;
constexpr std::size_t tasks_max = 1000;  // of one poll
constexpr Duration long_wait = std::chrono::seconds(20);
constexpr Duration short_wait = std::chrono::seconds(1);
constexpr Duration pause_when_away = std::chrono::seconds(1);

// Whether asking again makes sense: the server is away, or has too much to do.
bool comes_back(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Unreachable&) {
    return true;
  } catch (const ApiError& error) {
    return error.code() == 429 || error.code() > 500;
  } catch (...) {
    return false;
  }
}

void end(Pending& pending, const Outcome<TaskResult>& outcome) {
  try {
    pending.end(outcome.value());
  } catch (const ApiError&) {
    pending.end(std::current_exception());
  }
}

void end_all(const std::map<std::string, std::weak_ptr<Pending>, std::less<>>& batch,
             const std::exception_ptr& error) {
  for (const auto& [id, waiting] : batch) {
    if (const auto pending = waiting.lock()) pending->end(error);
  }
}

}  // namespace

void ResultPoller::watch(const std::shared_ptr<Pending>& pending) {
  asio::post(
      strand_, [self = shared_from_this(), waiting = Waiting(pending), name = pending->queue] {
        Queue& queue = self->queues_[name];
        queue.idle.push_back(waiting);
        if (queue.polls == polls_max) return;
        ++queue.polls;
        // The coroutine holds the poller.
        asio::co_spawn(self->strand_, self->poll(name), [self](const std::exception_ptr&) {});
      });
}

ResultPoller::Batch ResultPoller::take(Queue& queue) {
  Batch batch;
  while (!queue.idle.empty() && batch.size() < tasks_max) {
    if (const auto pending = queue.idle.front().lock())
      batch.emplace(pending->id, queue.idle.front());
    queue.idle.pop_front();
  }
  return batch;
}

asio::awaitable<void> ResultPoller::poll(std::string name) {
  Queue& queue = queues_[name];  // never erased
  while (true) {
    Batch batch = take(queue);
    if (batch.empty()) break;
    const bool more = queue.polls == polls_max || !queue.idle.empty();
    co_await ask(name, batch, more ? short_wait : long_wait);
    for (auto& [id, waiting] : batch) queue.idle.push_back(std::move(waiting));
  }
  --queue.polls;
}

// Leaves in `batch` what is still pending.
asio::awaitable<void> ResultPoller::ask(const std::string& queue, Batch& batch, Duration wait) {
  std::vector<std::string> ids;
  ids.reserve(batch.size());
  for (const auto& [id, waiting] : batch) ids.push_back(id);
  Call<Results> call = get_results(queue, ids, wait);
  std::exception_ptr failure;
  try {
    const Results results = call.read(co_await link_->exchange(std::move(call.request)));
    for (const ResultOf& one : results.ended) {
      auto found = batch.find(one.name);
      if (found == batch.end()) found = batch.find(one.id);
      if (found == batch.end()) continue;
      const auto pending = found->second.lock();
      batch.erase(found);
      if (pending) end(*pending, one.result);
    }
    co_return;
  } catch (...) {
    failure = std::current_exception();
  }
  if (link_->closed() || !comes_back(failure)) {
    end_all(batch, failure);
    batch.clear();
    co_return;
  }
  co_await link_->pause(pause_when_away);
}

}  // namespace deferd::inline v1::detail
