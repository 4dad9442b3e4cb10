#include "worker/held_leases.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
template <class T>
using Co = asio::awaitable<T>;
constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t tasks_max = 1000;       // of one call
constexpr Micros watched_after = Seconds(1);  // what ends sooner is not worth a call
constexpr Micros watch_wait = Seconds(30);
constexpr Micros watch_pause = Seconds(1);  // between two calls, at least

struct Held {
  std::string token;
  Clock::time_point since;
  Clock::time_point renewed;
};

class RenewedLeases final : public HeldLeases {
 public:
  RenewedLeases(asio::io_context& io, QueueLink& link, Micros lease,
                std::function<void(const std::string& id)> lost)
      : link_(link),
        lease_(lease),
        lost_(std::move(lost)),
        renew_timer_(io),
        watch_timer_(io),
        look_timer_(io) {}

  void begin(asio::io_context& io) {
    asio::co_spawn(io, renew(), asio::detached);
    asio::co_spawn(io, watch(), asio::detached);
    look_again();
  }

  void add(const LeasedTask& task) override {
    const auto now = Clock::now();
    held_.insert_or_assign(task.id, Held{task.token, now, now});
  }
  void remove(const std::string& id) override { held_.erase(id); }
  void stop() override {
    stopped_ = true;
    renew_timer_.cancel();
    watch_timer_.cancel();
    look_timer_.cancel();
    link_.cut_watch();
  }

 private:
  // A sixth of a lease apart: so each lease is renewed when a third to a half of it is over.
  Co<void> renew() {
    while (!stopped_) {
      renew_timer_.expires_after(lease_ / 6);
      (void)co_await renew_timer_.async_wait(awaiting);
      if (stopped_) co_return;
      std::vector<TaskRef> due;
      const auto before = Clock::now() - lease_ / 3;
      for (const auto& [id, one] : held_) {
        if (one.renewed <= before && due.size() < tasks_max) due.push_back({id, one.token});
      }
      if (due.empty()) continue;
      const auto now = Clock::now();
      const auto answers = co_await link_.renew(due, lease_);
      if (!answers) {
        log_warn("renew.failed", {{"error", answers.error().message}});
        continue;
      }
      for (std::size_t i = 0; i < due.size() && i < answers->size(); ++i) {
        const auto at = held_.find(due[i].id);
        if (at == held_.end()) continue;
        const auto& error = (*answers)[i];
        if (!error) {
          at->second.renewed = now;
        } else if (is_over(*error)) {
          lose(due[i].id, error->message);
        }
      }
    }
  }

  // One call for all that have run for a while.
  Co<void> watch() {
    while (!stopped_) {
      watched_ = old_ones();
      const auto began = Clock::now();
      if (!watched_.empty()) {
        const auto ended = co_await link_.watch({watched_.begin(), watched_.end()}, watch_wait);
        if (ended) {
          for (const std::string& id : *ended) {
            if (held_.contains(id)) lose(id, "it lives no more");
          }
        } else if (ended.error().reason != Reason::stopping) {
          log_warn("watch.failed", {{"error", ended.error().message}});
        }
        watched_.clear();
      }
      if (stopped_) co_return;
      watch_timer_.expires_at(began + watch_pause);
      (void)co_await watch_timer_.async_wait(awaiting);
    }
  }

  // A call under way that lacks one is cut short, and made anew.
  void look_again() {
    look_timer_.expires_after(watch_pause);
    look_timer_.async_wait([this](boost::system::error_code error) {
      if (error || stopped_) return;
      if (!watched_.empty() && !std::ranges::includes(watched_, old_ones())) link_.cut_watch();
      look_again();
    });
  }

  std::set<std::string> old_ones() const {
    std::set<std::string> ids;
    const auto before = Clock::now() - watched_after;
    for (const auto& [id, one] : held_) {
      if (one.since <= before && ids.size() < tasks_max) ids.insert(id);
    }
    return ids;
  }

  void lose(const std::string& id, const std::string& why) {
    log_warn("task.lost", {{"task", id}, {"error", why}});
    held_.erase(id);
    lost_(id);
  }

  static bool is_over(const Error& error) {
    return error.reason == Reason::lease_lost || error.reason == Reason::task_missing;
  }

  QueueLink& link_;
  const Micros lease_;
  const std::function<void(const std::string& id)> lost_;
  std::map<std::string, Held> held_;  // by id
  std::set<std::string> watched_;     // by the call under way
  asio::steady_timer renew_timer_;
  asio::steady_timer watch_timer_;
  asio::steady_timer look_timer_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<HeldLeases> HeldLeases::make(asio::io_context& io, QueueLink& link, Micros lease,
                                             std::function<void(const std::string& id)> lost) {
  auto leases = std::make_unique<RenewedLeases>(io, link, lease, std::move(lost));
  leases->begin(io);
  return leases;
}

}  // namespace deferd
