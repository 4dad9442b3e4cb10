#include "api/http/worker.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdio>
#include <ctime>

#include "api/http/connection.h"
#include "api/http/http2_relay.h"
#include "base/assert.h"
#include "base/log.h"

namespace deferd::http {
namespace {

thread_local const Worker* current_worker = nullptr;

}  // namespace

Worker::Worker(const HttpOptions& options, HttpHandler& handler, Counters& counters)
    : options_(options),
      handler_(handler),
      counters_(counters),
      buffered_bytes_max_(options.buffered_bytes_max / options.threads) {
  refresh_date();
}

Worker::~Worker() { DEFERD_ASSERT(!thread_.joinable()); }

void Worker::start() {
  arm_sweep(now_ms() + options_.sweep_interval.count());
  thread_ = std::thread([this] {
    current_worker = this;
    // OpenSSL writes to sockets whose peers may be gone (tls_session.h).
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    const auto work = asio::make_work_guard(context_);
    context_.run();
    // Here, so that connections see this as their thread while they end.
    for (auto& slot : slots_) {
      const std::unique_ptr<Connection> ended = std::move(slot);
    }
    relays_.clear();
  });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  context_.stop();
  thread_.join();
  std::vector<Callback<void()>>
      dropped;  // destroyed without the lock: a dropped reply comes back to post()
  {
    const std::scoped_lock lock(inbox_mutex_);
    inbox_closed_ = true;
    dropped.swap(inbox_);
  }
}

void Worker::begin_stop() {
  stopping_ = true;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot] != nullptr) slots_[slot]->begin_stop();
  }
}

bool Worker::is_current() const { return current_worker == this; }

void Worker::post(Callback<void()> work) {
  {
    const std::scoped_lock lock(inbox_mutex_);
    if (inbox_closed_) return;
    inbox_.push_back(std::move(work));
    if (drain_posted_) return;  // one wake-up for all that gather until the thread comes to it
    drain_posted_ = true;
  }
  asio::post(context_, [this] { drain(); });
}

void Worker::drain() {
  std::vector<Callback<void()>> work;
  {
    const std::scoped_lock lock(inbox_mutex_);
    work.swap(inbox_);
    drain_posted_ = false;
  }
  for (Callback<void()>& each : work) std::move(each)();
  work.clear();
  const std::scoped_lock lock(inbox_mutex_);
  if (inbox_.empty()) inbox_.swap(work);  // keep the allocation
}

// The loop runs what is ready in order, so what is posted now comes after it.
void Worker::after_round(const void* key, Callback<void()> work) {
  DEFERD_ASSERT(is_current());
  for (const auto& [taken, ignored] : after_round_) {
    if (taken == key) return;
  }
  after_round_.emplace_back(key, std::move(work));
  if (after_round_.size() == 1) asio::post(context_, [this] { end_round(); });
}

void Worker::end_round() {
  auto due = std::move(after_round_);
  after_round_.clear();
  for (auto& [key, work] : due) std::move(work)();
}

Connection* Worker::find(HttpExchange exchange) {
  DEFERD_ASSERT(is_current());
  if (exchange.slot >= slots_.size()) return nullptr;
  Connection* connection = slots_[exchange.slot].get();
  return connection != nullptr && connection->serial() == exchange.serial ? connection : nullptr;
}

void Worker::answer(HttpExchange exchange, HttpResponse response) {
  if (Connection* connection = find(exchange)) connection->answer(std::move(response));
}

void Worker::answer_by(HttpExchange exchange, Millis from_now, Callback<HttpResponse()> late) {
  if (Connection* connection = find(exchange)) connection->answer_by(from_now, std::move(late));
}

void Worker::when_gone(HttpExchange exchange, Callback<void()> gone) {
  if (Connection* connection = find(exchange)) connection->when_gone(std::move(gone));
}

void Worker::adopt(Socket socket, bool http2_only) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot] = std::make_unique<Connection>(*this, std::move(socket), slot, http2_only);
  slots_[slot]->start();
}

void Worker::release(std::uint32_t slot) {
  slots_[slot].reset();
  free_slots_.push_back(slot);
  counters_.connections.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::adopt(std::unique_ptr<Http2Relay> relay) {
  Http2Relay& started = *relay;
  relays_.emplace(&started, std::move(relay));
  counters_.connections.fetch_add(1, std::memory_order_relaxed);
  started.start();
}

void Worker::release(Http2Relay& relay) {
  relays_.erase(&relay);
  counters_.connections.fetch_sub(1, std::memory_order_relaxed);
}

bool Worker::take_budget(std::uint64_t bytes) {
  if (bytes > buffered_bytes_max_ - std::min(buffered_bytes_max_, buffered_bytes_)) return false;
  buffered_bytes_ += bytes;
  counters_.buffered_bytes.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void Worker::give_budget(std::uint64_t bytes) {
  buffered_bytes_ -= bytes;
  counters_.buffered_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

std::int64_t Worker::now_ms() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);  // a fifth of the price of the exact one
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// One timer a thread looks after all its connections: a timer for each read would cost more than
// the read.
void Worker::arm_sweep(std::int64_t at_ms) {
  sweep_at_ms_ = at_ms;
  sweep_timer_.expires_after(Millis(std::max<std::int64_t>(0, at_ms - now_ms())));
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // armed anew, for an earlier instant, or the end
    sweep();
  });
}

void Worker::sweep_by(std::int64_t deadline_ms) {
  if (deadline_ms < sweep_at_ms_) arm_sweep(deadline_ms);
}

void Worker::sweep() {
  refresh_date();
  const std::int64_t now = now_ms();
  sweep_at_ms_ = now + options_.sweep_interval.count();
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot] == nullptr) continue;
    if (slots_[slot]->deadline_ms() <= now) {
      slots_[slot]->expire();
    } else if (slots_[slot]->deadline_is_exact()) {
      sweep_at_ms_ = std::min(sweep_at_ms_, slots_[slot]->deadline_ms());
    }
  }
  for (auto relay = relays_.begin(); relay != relays_.end();) {
    Http2Relay& looked_at = *relay->first;
    ++relay;  // expire() may release it
    if (looked_at.deadline_ms() <= now) looked_at.expire();
  }
  // Not sooner than the clock can tell apart, however short the deadlines of callers are.
  constexpr std::int64_t sweep_gap_ms = 4;
  arm_sweep(std::max(sweep_at_ms_, now + sweep_gap_ms));
}

void Worker::refresh_date() {
  const std::time_t now = std::time(nullptr);
  if (now == date_second_) return;
  date_second_ = now;
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[64];
  const std::size_t size =
      std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  date_line_.assign(text, size);
}

}  // namespace deferd::http
