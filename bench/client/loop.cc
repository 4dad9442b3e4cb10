#include "bench/client/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>

namespace deferd::bench {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "deferd_bench_client: %s\n", what.c_str());
  std::exit(1);
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die(std::string("socket: ") + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    die("connect to 127.0.0.1:" + std::to_string(port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

struct Caller {
  int fd = -1;
  Role role = Role::producer;
  std::unique_ptr<Script> script;
  std::string out;
  std::size_t out_sent = 0;
  std::vector<char> in = std::vector<char>(64 << 10);
  std::size_t in_bytes = 0;
  bool waits_to_send = false;
  Clock::time_point said{};
};

class Loop {
 public:
  explicit Loop(const LoadOptions& options)
      : options_(options), meter_(options.server_pids), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::uint32_t i = 0; i < options.producers; ++i) add_caller(Role::producer, i);
    for (std::uint32_t i = 0; i < options.consumers; ++i) add_caller(Role::consumer, i);
  }

  ~Loop() {
    for (const auto& caller : callers_) ::close(caller->fd);
    ::close(epoll_);
  }

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  LoadReport run() {
    now_ = Clock::now();
    measuring_ = options_.total > 0;
    const auto seconds = [](double s) {
      return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
    };
    const Clock::time_point begin = now_ + seconds(options_.warmup_seconds);
    const Clock::time_point end = begin + seconds(options_.seconds);
    meter_.start();
    for (const auto& caller : callers_) say(*caller);
    while (options_.total > 0 ? added_ < options_.total : now_ < end) {
      wait(options_.total > 0 ? Clock::time_point::max() : measuring_ ? end : begin);
      if (!measuring_ && now_ >= begin) {
        measuring_ = true;
        meter_.start();
      }
    }
    report_.cost = meter_.stop();
    report_.tasks = options_.consumers > 0 ? report_.tasks : report_.added;
    return std::move(report_);
  }

 private:
  void add_caller(Role role, std::uint32_t number) {
    auto caller = std::make_unique<Caller>();
    caller->fd = connect_to(options_.port);
    caller->role = role;
    caller->script = make_script(options_.script, role, number);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = caller.get()}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, caller->fd, &event) != 0) die("epoll_ctl");
    callers_.push_back(std::move(caller));
  }

  // Events until `until` at the latest, or until something happened. A caller's pause is the other
  // reason to wake.
  void wait(Clock::time_point until) {
    if (!pausing_.empty()) until = std::min(until, pausing_.front().since + options_.pause);
    int timeout_ms = 1000;
    if (until != Clock::time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now_);
      timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
    }
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_, events, 64, timeout_ms);
    now_ = Clock::now();
    for (int i = 0; i < count; ++i) {
      auto& caller = *static_cast<Caller*>(events[i].data.ptr);
      if (caller.waits_to_send) send(caller);
      if ((events[i].events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(caller);
    }
    while (!pausing_.empty() && pausing_.front().since + options_.pause <= now_) {
      Caller& caller = *pausing_.front().caller;
      pausing_.pop_front();
      say(caller);
    }
  }

  bool must_rest(const Caller& caller) const {
    if (caller.role == Role::consumer) return false;
    if (options_.total > 0) return said_ >= options_.total;
    if (options_.consumers == 0) return false;
    return options_.preloaded + said_ >= finished_ + options_.backlog_max;
  }

  void say(Caller& caller) {
    if (must_rest(caller)) {
      resting_.push_back(&caller);
      return;
    }
    if (caller.role == Role::producer) said_ += options_.script.batch;
    caller.said = now_;
    caller.script->say(caller.out);
    send(caller);
  }

  void send(Caller& caller) {
    while (caller.out_sent < caller.out.size()) {
      const ssize_t sent = ::send(caller.fd, caller.out.data() + caller.out_sent,
                                  caller.out.size() - caller.out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) break;
      if (sent < 0) die(std::string("send: ") + std::strerror(errno));
      caller.out_sent += static_cast<std::size_t>(sent);
    }
    const bool all_sent = caller.out_sent == caller.out.size();
    if (all_sent) {
      caller.out.clear();
      caller.out_sent = 0;
    }
    if (caller.waits_to_send == all_sent) {
      caller.waits_to_send = !all_sent;
      epoll_event event{.events = all_sent ? EPOLLIN : EPOLLIN | EPOLLOUT,
                        .data = {.ptr = &caller}};
      ::epoll_ctl(epoll_, EPOLL_CTL_MOD, caller.fd, &event);
    }
  }

  void receive(Caller& caller) {
    if (caller.in_bytes == caller.in.size()) caller.in.resize(2 * caller.in.size());
    const ssize_t got = ::recv(caller.fd, caller.in.data() + caller.in_bytes,
                               caller.in.size() - caller.in_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) die(std::string("recv: ") + std::strerror(errno));
    if (got == 0) {
      die("the server closed a connection after: " +
          std::string(caller.in.data(), std::min<std::size_t>(caller.in_bytes, 300)));
    }
    caller.in_bytes += static_cast<std::size_t>(got);

    std::size_t used = 0;
    while (used < caller.in_bytes) {
      const Script::Heard heard =
          caller.script->hear({caller.in.data() + used, caller.in_bytes - used}, caller.out);
      used += heard.bytes;
      if (heard.round_done) {
        round_done(caller, heard.tasks);
        break;  // what would follow is no answer to anything yet
      }
      if (heard.bytes == 0) break;
    }
    caller.in_bytes -= used;
    std::memmove(caller.in.data(), caller.in.data() + used, caller.in_bytes);
    if (!caller.out.empty() && !caller.waits_to_send) send(caller);
  }

  void round_done(Caller& caller, std::uint32_t tasks) {
    const bool producer = caller.role == Role::producer;
    if (!caller.script->error().empty()) {
      if (report_.errors++ == 0) report_.first_error = caller.script->error();
      if (report_.errors >= errors_max) {
        die("gave up after " + std::to_string(errors_max) +
            " errors, the first: " + report_.first_error);
      }
      if (producer) said_ -= options_.script.batch;
    }
    (producer ? added_ : finished_) += tasks;
    if (measuring_) {
      (producer ? report_.added : report_.tasks) += tasks;
      const bool counted = producer == (options_.consumers == 0);
      if (counted && tasks > 0) report_.rounds.add((now_ - caller.said).count());
    }
    if (options_.pause.count() > 0) {
      pausing_.push_back({&caller, now_});
    } else {
      say(caller);
    }
    while (!producer && !resting_.empty() && !must_rest(*resting_.front())) {
      Caller& rested = *resting_.front();
      resting_.pop_front();
      say(rested);
    }
  }

  struct Pausing {
    Caller* caller;
    Clock::time_point since;
  };

  const LoadOptions options_;
  Meter meter_;
  int epoll_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::deque<Caller*> resting_;  // producers that found enough waiting
  std::deque<Pausing> pausing_;  // in the order in which they wake
  Clock::time_point now_{};
  bool measuring_ = false;
  std::uint64_t said_ = 0;   // tasks that producers have sent, answered or not
  std::uint64_t added_ = 0;  // answered
  std::uint64_t finished_ = 0;
  LoadReport report_;
};

}  // namespace

LoadReport run_load(const LoadOptions& options) { return Loop(options).run(); }

}  // namespace deferd::bench
