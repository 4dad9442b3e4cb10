#include "dispatch/push_loop.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <random>
#include <utility>

#include "base/assert.h"
#include "base/header_text.h"
#include "base/log.h"
#include "dispatch/http_override.h"
#include "dispatch/redirect.h"
#include "dispatch/request_head.h"

namespace deferd {
namespace {

// No attempt is shorter, so that a deadline never lies before its start; none is longer, so that no
// sum overflows.
constexpr Micros timeout_min = Millis(1);
constexpr Micros timeout_max = std::chrono::hours(24 * 30);

// What callers hand over while the loop is busy is taken at once; this many are kept room for.
constexpr std::size_t arrivals_expected = 256;

// How many pushes a connection carries for its target before it makes room for one that has none,
// when all are taken. A new connection costs about as much as two or three pushes on a kept one, so
// 32 lose a tenth to fairness at worst.
constexpr std::uint64_t pushes_a_turn = 32;

std::size_t share(std::size_t all, std::size_t parts) {
  return std::max<std::size_t>(1, all / parts);
}

// Each counter has one writer.
void count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}
void uncount(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

Wall wall_now() {
  return Wall(
      std::chrono::duration_cast<Micros>(std::chrono::system_clock::now().time_since_epoch()));
}

std::string hex_text(std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; number >>= 4) text[i] = digits[number & 15];
  return text;
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

// An application says 429 of its task, not of itself (CT-123).
Strain strain_of(std::int16_t status, bool of_app) {
  if (status == 503 || (status == 429 && !of_app)) return Strain::overloaded;
  if (of_app) return Strain::none;
  const bool no_answer = status == status_timeout || status == status_unreachable;
  return no_answer || status >= 500 ? Strain::failing : Strain::none;
}

AttemptResult shutting_down() { return {status_unreachable, "deferd is shutting down", Micros(0)}; }

}  // namespace

PushLoop::PushLoop(Shared& shared, std::size_t parts)
    : shared_(shared),
      per_target_max_(share(shared.options.connections_per_target_max, parts)),
      connections_max_(share(shared.options.connections_max, parts)),
      context_(1),  // a hint: one thread runs it, others post to it
      work_(context_.get_executor()),
      names_(context_, *shared.lookups, NameCache::Options{.keep = shared.options.dns_keep}),
      log_ids_(random_seed()),
      timer_(context_.get_executor()) {
  inbox_.reserve(arrivals_expected);
  arrivals_.reserve(arrivals_expected);
  gate_.run(executor(), keep_time(), [] {});
  thread_ = std::thread([this] { context_.run(); });
  pthread_setname_np(thread_.native_handle(), "deferd-push");
}

PushLoop::~PushLoop() {
  DEFERD_ASSERT(!thread_.joinable());
  DEFERD_ASSERT(deadlines_.empty());
  DEFERD_ASSERT(tokens_awaited_.empty());
  DEFERD_ASSERT(connections_.empty());
}

asio::ssl::context& PushLoop::tls() {
  std::call_once(shared_.tls_roots, [this] {
    ErrorCode error;
    shared_.tls.set_default_verify_paths(error);
    if (error) log_error("dispatch.no_roots", {{"reason", error.message()}});
  });
  return shared_.tls;
}

void PushLoop::start(Attempt attempt, Callback<void(AttemptResult)> done) {
  bool was_empty = false;
  {
    const std::lock_guard lock(inbox_mutex_);
    was_empty = inbox_.empty();
    inbox_.push_back({std::move(attempt), std::move(done), Steady::now()});
  }
  // Once for all that come before it runs.
  if (was_empty) asio::post(context_, [this] { take_arrivals(); });
}

void PushLoop::cancel(const QueueName& queue, TaskId task) {
  asio::post(context_, [this, queue, task] {
    take_arrivals();  // it may be among them
    cut_off_attempts(queue, task);
  });
}

void PushLoop::stop() {
  asio::post(context_, [this] { cut_all(); });
  thread_.join();
  token_mail_->close();
  for (;;) {  // what was started while the loop stopped
    {
      const std::lock_guard lock(inbox_mutex_);
      arrivals_.swap(inbox_);
    }
    if (arrivals_.empty()) break;
    for (Arrival& arrival : arrivals_) arrival.done(shutting_down());
    arrivals_.clear();
  }
}

void PushLoop::cut_all() {
  stopping_ = true;
  take_arrivals();
  while (!deadlines_.empty()) {
    Push& push = *deadlines_.begin();
    if (push.connection != nullptr) push.connection->release();
    finish(push, shutting_down());
  }
  for (Connection& connection : connections_) {
    leave_idle(connection);
    connection.cut();
  }
  timer_.cancel();
  work_.reset();
}

void PushLoop::take_arrivals() {
  {
    const std::lock_guard lock(inbox_mutex_);
    arrivals_.swap(inbox_);
  }
  for (Arrival& arrival : arrivals_) arrive(std::move(arrival));
  arrivals_.clear();
}

void PushLoop::arrive(Arrival arrival) {
  count(counters_.started);
  if (stopping_) {
    count(counters_.unreachable);
    arrival.done(shutting_down());
    return;
  }
  auto made = std::make_unique<Push>();
  made->attempt = std::move(arrival.attempt);
  made->done = std::move(arrival.done);
  made->deadline = arrival.at + std::clamp(made->attempt.timeout, timeout_min, timeout_max);

  const auto refuse = [&](std::string why) {
    count(counters_.refused);
    made->done({status_refused, std::move(why), Micros(0)});
  };
  if (made->attempt.task.payload == nullptr) return refuse("the task has no payload to push");
  Result<PushRequestView> request = decode_push_request_view(*made->attempt.task.payload);
  if (!request) return refuse(request.error().message);
  made->request = std::move(*request);
  if (const HttpTarget* const target = made->attempt.http_target.get();
      target != nullptr && !is_app_push(made->request)) {
    made->own_url = overridden_url(*target, made->request.url);
    made->request.url = made->own_url;
    override_request(*target, made->request);
  }
  if (Result<void> aimed = aim(*made); !aimed) return refuse(aimed.error().message);
  if (Result<void> headers = check_request_headers(made->request); !headers) {
    return refuse(headers.error().message);
  }
  if (made->request.token && shared_.options.tokens == nullptr) {
    return refuse("the task asks for a token, and this server is not set up to issue any");
  }

  Push& push = *made.release();  // finish() deletes it
  deadlines_.insert(push);
  wake_no_later_than(push.deadline);
  if (push.request.token) {
    ask_for_token(push);
  } else {
    set_out(push);
  }
}

void PushLoop::ask_for_token(Push& push) {
  push.token_awaited = ++last_token_asked_;
  tokens_awaited_.emplace(push.token_awaited, &push);
  shared_.options.tokens->token(
      *push.request.token, push.request.url, wall_now(),
      [mail = token_mail_, number = push.token_awaited](Result<std::string> token) {
        mail->bring(number, std::move(token));
      });
}

void TokenMail::bring(std::uint64_t number, Result<std::string> token) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  asio::post(loop_->context_, [loop = loop_, number, token = std::move(token)]() mutable {
    loop->token_came(number, std::move(token));
  });
}

void TokenMail::close() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

void PushLoop::token_came(std::uint64_t number, Result<std::string> token) {
  const auto awaited = tokens_awaited_.find(number);
  if (awaited == tokens_awaited_.end()) return;  // the attempt has ended meanwhile
  Push& push = *awaited->second;
  tokens_awaited_.erase(awaited);
  push.token_awaited = 0;
  if (!token) {
    const Reason reason = token.error().reason;
    const bool later = reason == Reason::timeout || reason == Reason::overloaded;
    finish(push, {later ? status_unreachable : status_refused, "token: " + token.error().message,
                  Micros(0)});
    return;
  }
  if (token->empty() || !is_header_value(*token)) {
    finish(push, {status_refused, "token: what was issued cannot be sent as a header", Micros(0)});
    return;
  }
  push.authorization = std::move(*token);
  set_out(push);
}

void PushLoop::set_out(Push& push) {
  const auto [found, is_new] =
      targets_.try_emplace(TargetKey{push.url.host, push.url.port, push.url.tls, push.chosen_by});
  if (is_new) found->second.key = &found->first;
  push.target = &found->second;
  place(push);
}

Result<void> PushLoop::aim(Push& push) {
  const PushRequestView& request = push.request;
  if (!is_app_push(request)) {
    Result<TargetUrl> url = parse_target_url(request.url);
    if (!url) return fail(url.error());
    push.url = std::move(*url);
    return {};
  }
  const std::string& project = push.attempt.queue->project;
  const AppEnginePushOptions& options = shared_.options.appengine;
  auto app = std::make_unique<AppPush>();
  const std::shared_ptr<const Routes> routes = shared_.current_routes();
  if (request.url.starts_with('/')) {
    if (Result<void> path = check_target_path(request.url); !path) return fail(path.error());
    const std::string* const target = push.attempt.target.get();
    Route route =
        routes->resolve(project, target == nullptr ? std::string_view() : std::string_view(*target),
                        host_header(request), request.url);
    push.url = std::move(route.url);
    app->host = std::move(route.host);
    app->hostname = std::move(route.hostname);
    push.chosen_by = ChosenBy::operator_;
  } else {
    Result<TargetUrl> url = parse_target_url(request.url);
    if (!url) return fail(url.error());
    push.url = std::move(*url);
    app->host = push.url.authority();
    app->hostname = routes->hostname(project);
  }
  if (options.ticket) app->ticket = options.ticket(project, push.attempt.timeout, wall_now());
  app->log_id = hex_text(log_ids_.next()) + hex_text(log_ids_.next());
  push.app = std::move(app);
  return {};
}

void PushLoop::place(Push& push) {
  Target& target = *push.target;
  if (!target.idle.empty()) {
    Connection& connection = target.idle.front();
    leave_idle(connection);
    push.connection = &connection;
    connection.carry(push);
    return;
  }
  if (may_open(target)) {
    open(push);
    return;
  }
  target.waiting.push_back(push);
  count(counters_.waiting);
  if (target.connections < per_target_max_) {  // it is the loop that is full
    wait_in_line(target);
    close_an_idle_one();
  }
}

bool PushLoop::may_open(const Target& target) const {
  return target.connections < per_target_max_ && connections_.size() < connections_max_;
}

void PushLoop::open(Push& push) {
  DEFERD_ASSERT(may_open(*push.target));
  Connection& connection = *new Connection(*this, *push.target, push);  // ended() deletes it
  push.connection = &connection;
  connections_.push_back(connection);
  ++push.target->connections;
  count(counters_.connections);
  count(counters_.connections_opened);
  gate_.run(executor(), connection.run(), [this, &connection] { ended(connection); });
}

void PushLoop::ended(Connection& connection) {
  const std::unique_ptr<Connection> owner(&connection);
  Target& target = connection.target();
  Push* push = connection.push();
  connections_.erase(connections_.iterator_to(connection));
  --target.connections;
  uncount(counters_.connections);

  if (push != nullptr) {
    push->connection = nullptr;
    if (connection.stale() && !push->retried) {
      push->retried = true;
      count(counters_.retried_stale);
      open(*push);  // in the place that has just become free
    } else {
      finish(*push, {connection.refused() ? status_refused : status_unreachable,
                     connection.failure(), Micros(0)});
    }
  }
  if (!target.waiting.empty()) {
    wait_in_line(target);
  } else {
    forget_if_unused(target);
  }
  serve_line();
}

void PushLoop::wait_in_line(Target& target) {
  if (target.in_line) return;
  target.in_line = true;
  line_.push_back(&target);
}

// One connection a turn, so that a target with many waiting does not take all places that become
// free.
void PushLoop::serve_line() {
  while (!line_.empty() && connections_.size() < connections_max_) {
    Target& target = *line_.front();
    line_.pop_front();
    target.in_line = false;
    if (!target.waiting.empty() && may_open(target)) {
      Push& push = target.waiting.front();
      target.waiting.pop_front();
      uncount(counters_.waiting);
      open(push);
    }
    if (!target.waiting.empty() && target.connections < per_target_max_) {
      wait_in_line(target);
    } else {
      forget_if_unused(target);
    }
  }
}

void PushLoop::forget_if_unused(Target& target) {
  if (target.connections > 0 || target.in_line || !target.waiting.empty()) return;
  targets_.erase(targets_.find(*target.key));
}

bool PushLoop::redirect(Push& push, int status, std::string_view location) {
  if (push.redirects >= shared_.options.redirects_max || location.empty() || !is_redirect(status) ||
      push.app != nullptr) {  // App Engine follows none (CT-112)
    return false;
  }
  std::optional<TargetUrl> to = resolve_location(push.url, location);
  if (!to) return false;
  const bool same_place =
      to->tls == push.url.tls && to->host == push.url.host && to->port == push.url.port;
  redirect_request(status, same_place, push.request);
  if (!same_place) push.authorization.clear();
  push.url = std::move(*to);
  push.retried = false;
  ++push.redirects;
  count(counters_.redirected);
  return true;
}

bool PushLoop::answered(Connection& connection, AttemptResult result, const std::string& location,
                        bool reusable) {
  Push& push = *connection.push();
  const bool redirected = redirect(push, result.status, location);
  Target& target = connection.target();
  connection.release();
  push.connection = nullptr;
  // While targets stand in line for a connection of theirs, none rests, and none serves one target
  // for ever.
  const bool others_wait = !line_.empty();
  if (reusable && !target.waiting.empty() &&
      !(others_wait && connection.served() % pushes_a_turn == 0)) {
    Push& next = target.waiting.front();
    target.waiting.pop_front();
    uncount(counters_.waiting);
    next.connection = &connection;
    connection.carry(next);
  } else if (reusable && !others_wait) {
    make_idle(connection);
  } else {
    reusable = false;
  }
  if (redirected) {
    set_out(push);
  } else {
    finish(push, std::move(result));
  }
  return reusable;
}

void PushLoop::make_idle(Connection& connection) {
  connection.idle_since = Steady::now();
  connection.target().idle.push_front(connection);
  idle_by_age_.push_back(connection);
  count(counters_.connections_idle);
  wake_no_later_than(connection.idle_since + shared_.options.idle_timeout);
}

void PushLoop::leave_idle(Connection& connection) {
  if (!static_cast<ConnectionHook<IdleByAgeTag>&>(connection).is_linked()) return;
  idle_by_age_.erase(idle_by_age_.iterator_to(connection));
  Target& target = connection.target();
  target.idle.erase(target.idle.iterator_to(connection));
  uncount(counters_.connections_idle);
}

bool PushLoop::close_an_idle_one() {
  if (idle_by_age_.empty()) return false;
  Connection& oldest = idle_by_age_.front();
  leave_idle(oldest);
  oldest.cut();
  return true;
}

void PushLoop::finish(Push& push, AttemptResult result) {
  const std::unique_ptr<Push> owner(&push);
  deadlines_.erase(deadlines_.iterator_to(push));
  if (push.token_awaited != 0) tokens_awaited_.erase(push.token_awaited);
  if (static_cast<boost::intrusive::list_base_hook<>&>(push).is_linked()) {
    push.target->waiting.erase(push.target->waiting.iterator_to(push));
    uncount(counters_.waiting);
  }
  result.strain = strain_of(result.status, push.app != nullptr);
  switch (result.status) {
    case status_timeout:
      count(counters_.timed_out);
      break;
    case status_unreachable:
      count(counters_.unreachable);
      break;
    case status_refused:
      count(counters_.refused);
      break;
    case status_cancelled:
      count(counters_.cancelled);
      break;
    default:
      count(result.status >= 200 && result.status < 300 ? counters_.answered_2xx
                                                        : counters_.answered_other);
  }
  push.done(std::move(result));
}

// One timer for all: it runs no later than the next instant at which something is due, often
// earlier, for nothing. So an attempt that is answered in time costs no timer.
Co<void> PushLoop::keep_time() {
  while (!stopping_) {
    timer_at_ = next_instant();
    timer_.expires_at(timer_at_);
    co_await timer_.async_wait(awaiting);
    expire(Steady::now());
  }
}

Steady::time_point PushLoop::next_instant() const {
  Steady::time_point next = Steady::time_point::max();
  if (!deadlines_.empty()) next = deadlines_.begin()->deadline;
  if (!idle_by_age_.empty()) {
    next = std::min(next, idle_by_age_.front().idle_since + shared_.options.idle_timeout);
  }
  return next;
}

void PushLoop::wake_no_later_than(Steady::time_point instant) {
  if (instant >= timer_at_) return;
  timer_at_ = instant;
  timer_.cancel();  // keep_time() looks again
}

void PushLoop::expire(Steady::time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->deadline <= now) {
    Push& push = *deadlines_.begin();
    AttemptResult result{status_timeout, "the deadline passed while ", Micros(0)};
    if (push.connection != nullptr) {
      result.detail += push.connection->stage();
    } else if (push.target != nullptr) {
      result.detail += "waiting for one of " + std::to_string(push.target->connections) +
                       " connections to " + push.target->key->host;
    } else {
      result.detail += "waiting for its token";
    }
    cut_off(push, std::move(result));
  }
  while (!idle_by_age_.empty() &&
         idle_by_age_.front().idle_since + shared_.options.idle_timeout <= now) {
    close_an_idle_one();
  }
}

void PushLoop::cut_off(Push& push, AttemptResult result) {
  Target* const target = push.target;
  Connection* const connection = push.connection;
  if (connection != nullptr) connection->release();
  finish(push, std::move(result));
  if (connection != nullptr) {
    connection->cut();
  } else if (target != nullptr) {
    forget_if_unused(*target);
  }
}

// Looks at all that run: cancelling is rare, and so nothing is kept for it.
void PushLoop::cut_off_attempts(const QueueName& queue, TaskId task) {
  for (auto next = deadlines_.begin(); next != deadlines_.end();) {
    Push& push = *next++;
    if (push.attempt.task.id != task || *push.attempt.queue != queue) continue;
    cut_off(push, {status_cancelled, "the task was cancelled", Micros(0)});
  }
}

void PushLoop::add_to(PushStats& stats) const {
  const auto add = [](std::uint64_t& sum, const std::atomic<std::uint64_t>& counter) {
    sum += counter.load(std::memory_order_relaxed);
  };
  add(stats.started, counters_.started);
  add(stats.answered_2xx, counters_.answered_2xx);
  add(stats.answered_other, counters_.answered_other);
  add(stats.timed_out, counters_.timed_out);
  add(stats.unreachable, counters_.unreachable);
  add(stats.refused, counters_.refused);
  add(stats.cancelled, counters_.cancelled);
  add(stats.retried_stale, counters_.retried_stale);
  add(stats.redirected, counters_.redirected);
  add(stats.connections_opened, counters_.connections_opened);
  add(stats.connections, counters_.connections);
  add(stats.connections_idle, counters_.connections_idle);
  add(stats.waiting, counters_.waiting);
}

}  // namespace deferd
