#include "client/local_worker.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <iostream>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "deferd/async_client.h"

namespace deferd::inline v1::detail {
namespace {

namespace asio = boost::asio;
template <class T>
using Co = asio::awaitable<T>;
using Clock = std::chrono::steady_clock;

constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);
constexpr Duration pause_first = std::chrono::milliseconds(200);
constexpr Duration pause_longest = std::chrono::seconds(10);
constexpr Duration wait = std::chrono::seconds(20);

// How run() ended, and what the server is told.
enum class EndKind : std::uint8_t { done, again, never_again };
struct End {
  EndKind kind;
  Report report;
};
constexpr const char* to_string(EndKind kind) {
  switch (kind) {
    case EndKind::done:
      return "done";
    case EndKind::again:
      return "again later";
    case EndKind::never_again:
      return "never again";
  }
  return "";
}

// A task in hand.
struct Work {
  Work(asio::io_context& io, Task leased) : task(std::move(leased)), changed(io) {}

  const Task task;
  std::stop_source stop;
  std::optional<End> end;
  bool lost = false;           // nothing to tell the server
  asio::steady_timer changed;  // cancelled when `end` is there
  asio::cancellation_signal watch_cancelled;
};

std::string this_process() {
  char host[64] = "";
  (void)gethostname(host, sizeof host - 1);
  return std::string(host) + '/' + std::to_string(getpid());
}

class LocalWorker {
 public:
  LocalWorker(const Worker& worker, const LocalOptions& options)
      : worker_(worker),
        options_(options),
        signals_(io_, SIGTERM, SIGINT),
        slot_free_(io_, Clock::time_point::max()),
        client_(io_.get_executor(), options.client),
        threads_(static_cast<std::size_t>(options.concurrency)) {}

  void run() {
    asio::co_spawn(io_, heed_signals(), asio::detached);
    asio::co_spawn(io_, lease_tasks(), [this](std::exception_ptr failure) {
      failure_ = std::move(failure);
      drain();
      leasing_ = false;
      end_if_idle();
    });
    io_.run();
    threads_.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  Co<void> heed_signals() {
    while (true) {
      const auto [error, signal] = co_await signals_.async_wait(awaiting);
      if (error) co_return;
      if (draining_) {
        for (const auto& work : works_) work->stop.request_stop();
      }
      drain();
    }
  }

  void drain() {
    if (std::exchange(draining_, true)) return;
    // What was granted in this very moment is given back by the server.
    lease_cancelled_.emit(asio::cancellation_type::terminal);
    slot_free_.cancel();
  }

  void end_if_idle() {
    if (leasing_ || !works_.empty()) return;
    signals_.cancel();
  }

  Co<void> lease_tasks() {
    Duration pause = pause_first;
    std::cerr << "worker: runs tasks of " << options_.queue << '\n';
    while (!draining_) {
      const int free = options_.concurrency - static_cast<int>(works_.size());
      if (free == 0) {
        (void)co_await slot_free_.async_wait(awaiting);
        continue;
      }
      const LeaseRequest request{
          .max = free, .lease = options_.lease, .wait = wait, .worker = name_};
      auto [failure, tasks] = co_await client_.lease_tasks(
          options_.queue, request)(asio::bind_cancellation_slot(lease_cancelled_.slot(), awaiting));
      if (failure && !draining_) {
        rethrow_if_final(failure);
        asio::steady_timer timer(io_, pause);
        (void)co_await timer.async_wait(
            asio::bind_cancellation_slot(lease_cancelled_.slot(), awaiting));
        pause = std::min(pause * 2, pause_longest);
        continue;
      }
      pause = pause_first;
      for (Task& task : tasks) begin(std::move(task));
    }
  }

  // A server that is away, or has too much to do, comes back.
  static void rethrow_if_final(const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const ApiError& error) {
      if (error.code() != 429 && error.code() < 500) throw;
      std::cerr << "worker: " << error.what() << '\n';
    } catch (const Unreachable& error) {
      std::cerr << "worker: " << error.what() << '\n';
    }
  }

  void begin(Task task) {
    const auto work = std::make_shared<Work>(io_, std::move(task));
    works_.push_back(work);
    asio::post(threads_, [this, work] {
      End end = run_task(*work);
      asio::post(io_, [work, end = std::move(end)]() mutable {
        work->end = std::move(end);
        work->changed.cancel();
        work->watch_cancelled.emit(asio::cancellation_type::terminal);
      });
    });
    asio::co_spawn(io_, watch(work), asio::detached);
    asio::co_spawn(io_, keep(work), asio::detached);
  }

  // On a thread of its own.
  End run_task(const Work& work) const {
    Context context;
    context.queue = options_.queue;
    context.task = work.task.name.empty() ? work.task.id : work.task.name;
    context.attempt = work.task.attempts;
    context.stop = work.stop.get_token();
    try {
      return {EndKind::done, {.json = worker_.run_payload(work.task.body.value_or(""), context)}};
    } catch (const NeverAgain& error) {
      return {EndKind::never_again, {.error = error.what()}};
    } catch (const std::exception& error) {
      return {EndKind::again, {.error = error.what()}};
    } catch (...) {
      return {EndKind::again, {.error = "the task threw what is no std::exception"}};
    }
  }

  // Renews until it ends, three times a lease, so that one lost call loses none; then tells the
  // server.
  Co<void> keep(std::shared_ptr<Work> work) {
    while (!work->end) {
      work->changed.expires_after(options_.lease / 3);
      (void)co_await work->changed.async_wait(awaiting);
      if (work->end || work->lost) continue;
      const std::vector<LeaseEnd> leases = {work->task};
      auto [failure, renewed] =
          co_await client_.renew_leases(options_.queue, leases, options_.lease)(awaiting);
      if (!failure && !renewed.empty() && !renewed.front().ok()) lose(*work);
    }
    if (!work->lost) co_await tell(*work);
    log(*work);
    std::erase(works_, work);
    slot_free_.cancel_one();
    end_if_idle();
  }

  // Another worker has it, or it was cancelled: what runs here is of no use to anybody.
  static void lose(Work& work) {
    work.lost = true;
    work.stop.request_stop();
  }

  // Hears of its cancelling sooner than by the next renewal.
  Co<void> watch(std::shared_ptr<Work> work) {
    while (!work->end && !work->lost) {
      const std::vector<std::string> ids = {work->task.id};
      auto [failure, ended] = co_await client_.watch_tasks(options_.queue, ids, wait)(
          asio::bind_cancellation_slot(work->watch_cancelled.slot(), awaiting));
      if (failure) co_return;
      if (!ended.empty() && !work->end) lose(*work);
    }
  }

  // As long as the lease may still be ours; after that the task runs again, as its server thinks.
  Co<void> tell(const Work& work) {
    const auto until = Clock::now() + options_.lease;
    const std::vector<LeaseEnd> ends = {{work.task, work.end->report}};
    while (true) {
      auto [failure, told] = co_await end(work.end->kind, ends)(awaiting);
      if (!failure || Clock::now() > until) co_return;
      asio::steady_timer timer(io_, pause_first);
      (void)co_await timer.async_wait(awaiting);
    }
  }

  Operation<std::vector<Outcome<Done>>> end(EndKind kind, const std::vector<LeaseEnd>& ends) {
    switch (kind) {
      case EndKind::done:
        return client_.ack_tasks(options_.queue, ends, name_);
      case EndKind::again:
        return client_.release_tasks(options_.queue, ends, std::nullopt, name_);
      case EndKind::never_again:
        break;
    }
    return client_.fail_tasks(options_.queue, ends, name_);
  }

  static void log(const Work& work) {
    const Report& report = work.end->report;
    std::cerr << "worker: " << work.task.id << ' '
              << (work.lost ? "lost" : to_string(work.end->kind))
              << (report.error.empty() ? "" : ": ") << report.error << '\n';
  }

  const Worker& worker_;
  const LocalOptions& options_;
  const std::string name_ = this_process();
  asio::io_context io_{1};
  asio::signal_set signals_;
  asio::steady_timer slot_free_;  // cancelled when a slot is, or when draining
  asio::cancellation_signal lease_cancelled_;
  AsyncClient client_;
  asio::thread_pool threads_;
  std::list<std::shared_ptr<Work>> works_;
  std::exception_ptr failure_;
  bool draining_ = false;
  bool leasing_ = true;
};

}  // namespace

int run_here(const Worker& worker, const LocalOptions& options) {
  LocalWorker(worker, options).run();
  return 0;
}

}  // namespace deferd::inline v1::detail
