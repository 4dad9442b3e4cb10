#include "worker/work_loop.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "worker/end_reports.h"
#include "worker/held_leases.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
template <class T>
using Co = asio::awaitable<T>;
constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

constexpr Micros retry_first = Millis(200);
constexpr Micros retry_longest = Seconds(10);
// Tasks that are shorter than this on average are leased ahead: else a call, which ends with the
// server's fsync, would cost more than they do.
constexpr Micros short_task = Millis(50);

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

// A task that runs.
struct Work {
  LeasedTask task;
  std::uint64_t run = 0;  // of the sandboxes
  bool lost = false;      // the lease is another's: nothing to tell the server
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
        room_(io, asio::steady_timer::time_point::max()),
        leases_(HeldLeases::make(io, link, options_.lease,
                                 [this](const std::string& id) { lose(id); })),
        reports_(EndReports::make(io, link, options_.lease, [this] { more_room(); })) {}

  void begin() { asio::co_spawn(io_, lease_tasks(), asio::detached); }

  void drain() override {
    if (std::exchange(draining_, true)) return;
    link_.stop_waiting();
    room_.cancel();
    for (const LeasedTask& task : std::exchange(waiting_, {})) return_task(task);
    tell_if_idle();
  }
  void stop() override {
    drain();
    for (const auto& [id, work] : works_) sandboxes_.kill(work->run);
  }

 private:
  // ---- Leasing

  // How many may be leased now; 0: it is not yet worth a call.
  std::size_t room() const {
    const std::size_t ahead = mean_wall_ < short_task ? 2 * options_.concurrency : 0;
    const std::size_t most = options_.concurrency + ahead;
    const std::size_t held = works_.size() + waiting_.size();
    if (held >= most || reports_->under_way() > 4 * most) return 0;
    if (ahead > 0 && held > most / 2) return 0;
    return std::min<std::size_t>(most - held, 1000);
  }
  void more_room() {
    if (room() > 0) room_.cancel();
    tell_if_idle();
  }

  Co<void> lease_tasks() {
    Micros pause = retry_first;
    while (!draining_) {
      const std::size_t count = room();
      if (!sandboxes_.ready()) {
        co_await rest(Millis(100));
        continue;
      }
      if (count == 0) {
        (void)co_await room_.async_wait(awaiting);
        continue;
      }
      auto tasks =
          co_await link_.lease(static_cast<std::uint32_t>(count), options_.lease, options_.wait);
      if (!tasks) {
        log_warn("lease.failed", {{"error", tasks.error().message}});
        co_await rest(pause);
        pause = std::min(pause * 2, retry_longest);
        continue;
      }
      pause = retry_first;
      for (LeasedTask& task : *tasks) {
        if (draining_) {
          return_task(task);
          continue;
        }
        leases_->add(task);
        waiting_.push_back(std::move(task));
      }
      run_waiting();
    }
    leasing_ = false;
    tell_if_idle();
  }

  // Not longer than until drain().
  Co<void> rest(Micros span) {
    const auto until = asio::steady_timer::clock_type::now() + span;
    while (!draining_ && asio::steady_timer::clock_type::now() < until) {
      asio::steady_timer timer(io_, std::min<Micros>(span, Millis(100)));
      (void)co_await timer.async_wait(awaiting);
    }
  }

  void return_task(const LeasedTask& task) {
    leases_->remove(task.id);
    reports_->add(give_back(task));
  }

  // ---- Running

  void run_waiting() {
    while (!waiting_.empty() && works_.size() < options_.concurrency) {
      const auto work = std::make_shared<Work>();
      work->task = std::move(waiting_.front());
      waiting_.pop_front();
      run(work);
    }
  }

  void run(const std::shared_ptr<Work>& work) {
    log_info("task.started", {{"task", work->task.id}, {"attempt", work->task.attempt}});
    works_.emplace(work->task.id, work);
    work->run = sandboxes_.start(job_of(work->task),
                                 [this, work](const SandboxExit& exit) { ended(*work, exit); });
  }

  SandboxJob job_of(LeasedTask& task) const {
    SandboxJob job;
    job.task = {options_.queue, task.id, task.name, task.attempt, task.keep_result};
    if (options_.input == TaskInput::on_stdin) {
      job.input = std::move(task.body);
    } else {
      job.arguments = arguments_of(task.body);
    }
    return job;
  }

  void ended(const Work& work, const SandboxExit& exit) {
    mean_wall_ = (mean_wall_ * 7 + exit.usage.wall) / 8;
    log_end(work, exit);
    leases_->remove(work.task.id);
    if (!work.lost) {
      reports_->add(make_report(work.task, exit, options_.limits, options_.never_again_code));
    }
    works_.erase(work.task.id);
    run_waiting();
    more_room();
  }

  // Waiting or running; nothing is told of it.
  void lose(const std::string& id) {
    std::erase_if(waiting_, [&id](const LeasedTask& task) { return task.id == id; });
    const auto at = works_.find(id);
    if (at == works_.end()) return;
    at->second->lost = true;
    sandboxes_.kill(at->second->run);
  }

  static void log_end(const Work& work, const SandboxExit& exit) {
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
    if (!draining_ || leasing_ || !works_.empty() || reports_->under_way() > 0 || !idle_) return;
    leases_->stop();
    std::exchange(idle_, nullptr)();
  }

  asio::io_context& io_;
  const WorkOptions options_;
  QueueLink& link_;
  Sandboxes& sandboxes_;
  Callback<void()> idle_;
  asio::steady_timer room_;         // cancelled when there is room, or when draining
  std::deque<LeasedTask> waiting_;  // leased ahead
  std::unordered_map<std::string, std::shared_ptr<Work>> works_;  // by id
  Micros mean_wall_ = short_task;  // of the last tasks, later ones counting more
  bool draining_ = false;
  bool leasing_ = true;
  const std::unique_ptr<HeldLeases> leases_;
  const std::unique_ptr<EndReports> reports_;
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
