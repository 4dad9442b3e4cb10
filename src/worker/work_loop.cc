#include "worker/work_loop.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base/log.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
template <class T>
using Co = asio::awaitable<T>;
constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

constexpr Micros retry_first = Millis(200);
constexpr Micros retry_longest = Seconds(10);

std::vector<std::string> arguments_of(const std::string& payload) {
  boost::system::error_code error;
  const json::value value = json::parse(payload, error);
  const auto is_text = [](const json::value& one) { return one.is_string(); };
  if (error || !value.is_array() || !std::ranges::all_of(value.as_array(), is_text))
    return {payload};
  std::vector<std::string> arguments;
  for (const json::value& one : value.as_array()) arguments.emplace_back(one.as_string());
  return arguments;
}

// A task in hand.
struct Work {
  explicit Work(asio::io_context& io) : changed(io) {}

  LeasedTask task;
  std::uint64_t run = 0;  // of the sandboxes
  std::optional<SandboxExit> exit;
  bool lost = false;           // the lease is another's: nothing to tell the server
  asio::steady_timer changed;  // cancelled when `exit` is there
};

class SandboxWork final : public WorkLoop {
 public:
  SandboxWork(asio::io_context& io, WorkOptions options, QueueLink& link, Sandboxes& sandboxes,
              Callback<void()> idle)
      : io_(io),
        options_(std::move(options)),
        link_(link),
        sandboxes_(sandboxes),
        idle_(std::move(idle)),
        slot_free_(io, asio::steady_timer::time_point::max()) {}

  void begin() { asio::co_spawn(io_, lease_tasks(), asio::detached); }

  void drain() override {
    if (std::exchange(draining_, true)) return;
    link_.stop_waiting();
    slot_free_.cancel();
  }
  void stop() override {
    drain();
    for (const auto& work : works_) sandboxes_.kill(work->run);
  }

 private:
  std::uint32_t free_slots() const {
    return options_.concurrency - static_cast<std::uint32_t>(works_.size());
  }

  Co<void> lease_tasks() {
    Micros pause = retry_first;
    while (!draining_) {
      if (free_slots() == 0) {
        (void)co_await slot_free_.async_wait(awaiting);
        continue;
      }
      auto tasks = co_await link_.lease(free_slots(), options_.lease, options_.wait);
      if (!tasks) {
        log_warn("lease.failed", {{"error", tasks.error().message}});
        co_await rest(pause);
        pause = std::min(pause * 2, retry_longest);
        continue;
      }
      pause = retry_first;
      for (LeasedTask& task : *tasks) {
        const auto work = std::make_shared<Work>(io_);
        work->task = std::move(task);
        works_.push_back(work);
        asio::co_spawn(io_, run(work), asio::detached);
      }
    }
    leasing_ = false;
    tell_if_idle();
  }

  // Not longer than until drain().
  Co<void> rest(Micros span) {
    asio::steady_timer timer(io_, span);
    const auto until = asio::steady_timer::clock_type::now() + span;
    while (!draining_ && asio::steady_timer::clock_type::now() < until) {
      timer.expires_after(std::min<Micros>(span, Millis(100)));
      (void)co_await timer.async_wait(awaiting);
    }
  }

  SandboxJob job_of(LeasedTask& task) const {
    SandboxJob job;
    job.command = options_.command;
    job.environment = options_.environment;
    job.environment.push_back("DEFERD_QUEUE=" + options_.queue);
    job.environment.push_back("DEFERD_TASK=" + (task.name.empty() ? task.id : task.name));
    job.environment.push_back("DEFERD_ATTEMPT=" + std::to_string(task.attempt));
    job.limits = options_.limits;
    job.task = {options_.queue, task.id, task.name, task.attempt, task.keep_result};
    if (options_.input == TaskInput::on_stdin) {
      job.input = std::move(task.body);
    } else {
      for (std::string& argument : arguments_of(task.body))
        job.command.push_back(std::move(argument));
    }
    return job;
  }

  Co<void> run(std::shared_ptr<Work> work) {
    log_info("task.started", {{"task", work->task.id}, {"attempt", work->task.attempt}});
    work->run = sandboxes_.start(job_of(work->task), [work](SandboxExit exit) {
      work->exit = std::move(exit);
      work->changed.cancel();
    });
    // Three times a lease, so that one lost call loses none.
    while (!work->exit) {
      work->changed.expires_after(options_.lease / 3);
      (void)co_await work->changed.async_wait(awaiting);
      if (work->exit || work->lost) continue;
      const auto renewed = co_await link_.renew(work->task, options_.lease);
      if (renewed || !is_over(renewed.error())) continue;
      // Another worker has it, or it was deleted: what runs here is of no use to anybody.
      work->lost = true;
      log_warn("task.lost", {{"task", work->task.id}, {"error", renewed.error().message}});
      sandboxes_.kill(work->run);
    }
    if (!work->lost) co_await tell_server(*work);
    log_end(*work);
    std::erase(works_, work);
    slot_free_.cancel_one();
    tell_if_idle();
  }

  static bool is_over(const Error& error) {
    return error.reason == Reason::lease_lost || error.reason == Reason::task_missing;
  }

  bool is_done(const SandboxExit& exit) const {
    return exit.cause == ExitCause::exited &&
           (exit.code == 0 || exit.code == options_.never_again_code);
  }

  // As long as the lease may still be ours; after that the task runs again, as its server thinks.
  Co<void> tell_server(const Work& work) {
    const auto until = asio::steady_timer::clock_type::now() + options_.lease;
    Micros pause = retry_first;
    while (true) {
      const auto told =
          is_done(*work.exit) ? co_await link_.ack(work.task) : co_await link_.release(work.task);
      if (told) co_return;
      log_warn("report.failed", {{"task", work.task.id}, {"error", told.error().message}});
      if (is_over(told.error()) || asio::steady_timer::clock_type::now() > until) co_return;
      asio::steady_timer timer(io_, pause);
      (void)co_await timer.async_wait(awaiting);
      pause = std::min(pause * 2, retry_longest);
    }
  }

  static void log_end(const Work& work) {
    const SandboxExit& exit = *work.exit;
    const bool well = exit.cause == ExitCause::exited && exit.code == 0;
    log(well ? LogLevel::info : LogLevel::warn, "task.ended",
        {{"task", work.task.id},
         {"cause", to_string(exit.cause)},
         {"code", exit.code},
         {"signal", exit.signal},
         {"detail", exit.detail},
         {"wall_ms", exit.usage.wall.count() / 1000},
         {"cpu_ms", exit.usage.cpu.count() / 1000},
         {"memory_peak_bytes", exit.usage.memory_peak_bytes},
         {"log", exit.log}});
  }

  void tell_if_idle() {
    if (!draining_ || leasing_ || !works_.empty() || !idle_) return;
    std::exchange(idle_, nullptr)();
  }

  asio::io_context& io_;
  const WorkOptions options_;
  QueueLink& link_;
  Sandboxes& sandboxes_;
  Callback<void()> idle_;
  asio::steady_timer slot_free_;  // cancelled when a slot is, or when draining
  std::vector<std::shared_ptr<Work>> works_;
  bool draining_ = false;
  bool leasing_ = true;
};

}  // namespace

std::unique_ptr<WorkLoop> WorkLoop::start(asio::io_context& io, WorkOptions options,
                                          QueueLink& link, Sandboxes& sandboxes,
                                          Callback<void()> idle) {
  auto loop =
      std::make_unique<SandboxWork>(io, std::move(options), link, sandboxes, std::move(idle));
  loop->begin();
  return loop;
}

}  // namespace deferd
