#include "worker/end_reports.h"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <deque>
#include <optional>
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

constexpr Micros retry_first = Millis(200);
constexpr Micros retry_longest = Seconds(10);
// Of one call.
constexpr std::size_t tasks_max = 500;
constexpr std::size_t bytes_max = 4 << 20;

struct Waiting {
  std::string text;  // the item
  std::optional<Micros> delay;
  Clock::time_point until;
};

class GatheredReports final : public EndReports {
 public:
  GatheredReports(asio::io_context& io, QueueLink& link, Micros patience,
                  std::function<void()> changed)
      : io_(io), link_(link), patience_(patience), changed_(std::move(changed)) {}

  void add(TaskReport report) override {
    ++under_way_;
    Lane& lane = lanes_.at(static_cast<std::size_t>(report.verb));
    lane.waiting.push_back(
        {boost::json::serialize(report.item), report.delay, Clock::now() + patience_});
    if (std::exchange(lane.busy, true)) return;
    asio::co_spawn(io_, tell(report.verb, lane), asio::detached);
  }
  std::size_t under_way() const override { return under_way_; }

 private:
  struct Lane {
    std::deque<Waiting> waiting;
    bool busy = false;
  };

  Co<void> tell(TaskReport::Verb verb, Lane& lane) {
    Micros pause = retry_first;
    while (!lane.waiting.empty()) {
      const std::size_t count = batch_of(lane);
      std::vector<std::string_view> items;
      for (std::size_t i = 0; i < count; ++i) items.emplace_back(lane.waiting[i].text);
      const auto told = co_await link_.end(verb, items, lane.waiting.front().delay);
      if (told) {
        for (const Error& error : *told) log_warn("report.failed", {{"error", error.message}});
        forget(lane, count);
        pause = retry_first;
        continue;
      }
      log_warn("report.failed", {{"error", told.error().message}});
      // A call that the server refuses as a whole is no better the next time.
      const bool final = told.error().reason == Reason::invalid ||
                         told.error().reason == Reason::too_large ||
                         told.error().reason == Reason::queue_missing;
      if (final) {
        forget(lane, count);
        continue;
      }
      asio::steady_timer timer(io_, pause);
      (void)co_await timer.async_wait(awaiting);
      pause = std::min(pause * 2, retry_longest);
      const auto now = Clock::now();
      forget(lane, static_cast<std::size_t>(std::ranges::distance(
                       lane.waiting.begin(),
                       std::ranges::find_if(
                           lane.waiting, [now](const Waiting& one) { return one.until > now; }))));
    }
    lane.busy = false;
  }

  // The delay is one for all of a call.
  static std::size_t batch_of(const Lane& lane) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (count < lane.waiting.size() && count < tasks_max && bytes < bytes_max &&
           lane.waiting[count].delay == lane.waiting.front().delay)
      bytes += lane.waiting[count++].text.size();
    return count;
  }

  void forget(Lane& lane, std::size_t count) {
    lane.waiting.erase(lane.waiting.begin(),
                       lane.waiting.begin() + static_cast<std::ptrdiff_t>(count));
    under_way_ -= count;
    changed_();
  }

  asio::io_context& io_;
  QueueLink& link_;
  const Micros patience_;
  const std::function<void()> changed_;
  std::array<Lane, 3> lanes_;  // by verb
  std::size_t under_way_ = 0;
};

}  // namespace

std::unique_ptr<EndReports> EndReports::make(asio::io_context& io, QueueLink& link, Micros patience,
                                             std::function<void()> changed) {
  return std::make_unique<GatheredReports>(io, link, patience, std::move(changed));
}

}  // namespace deferd
