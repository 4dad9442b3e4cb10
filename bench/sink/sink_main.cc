// deferd_bench_sink: the trivial target. Answers every request with 200 and no body, from one
// thread, and counts; what it does beyond that is told by the path:
//
//   /hold    counted, never answered (an attempt that is under way when the dispatcher dies)
//   /stats   not counted; answers what was: requests, instant of the first and of the last, and how
//   late tasks came
//            after the instant in their header X-Bench-Eta-Us (microseconds of wall time)
//   /reset   not counted; forgets all that
//
// Prints its port once it listens.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/client/histogram.h"
#include "bench/client/http.h"

namespace deferd::bench {
namespace {

std::int64_t wall_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Seen {
  std::uint64_t requests = 0;
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
  std::int64_t earliest_us = 0;  // the most that a task came before its ETA; 0 when none did
  Histogram late;
};

class Sink {
 public:
  // Handles every whole request at the front of `in`, appends the answers, returns how many bytes
  // it used.
  std::size_t answer(std::string_view in, std::string& out) {
    std::size_t used = 0;
    std::int64_t now_us = 0;
    while (const auto request = parse_http(in.substr(used))) {
      used += request->bytes;
      if (now_us == 0) now_us = wall_us();
      const std::size_t space = request->head.find(' ');
      const std::string_view path = request->head.substr(std::min(space + 1, request->head.size()));
      if (path.starts_with("/stats ")) {
        append_stats(out);
      } else if (path.starts_with("/reset ")) {
        seen_ = Seen();
        out += ok_empty;
      } else {
        count(*request, now_us);
        if (!path.starts_with("/hold")) out += ok_empty;
      }
    }
    return used;
  }

 private:
  static constexpr std::string_view ok_empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  void count(const HttpMessage& request, std::int64_t now_us) {
    if (seen_.requests++ == 0) seen_.first_us = now_us;
    seen_.last_us = now_us;
    const std::string_view eta = http_header(request.head, "x-bench-eta-us");
    std::int64_t eta_us = 0;
    if (std::from_chars(eta.data(), eta.data() + eta.size(), eta_us).ec != std::errc()) return;
    seen_.earliest_us = std::max(seen_.earliest_us, eta_us - now_us);
    seen_.late.add((now_us - eta_us) * 1000);
  }

  void append_stats(std::string& out) const {
    char body[512];
    const int bytes = std::snprintf(
        body, sizeof(body),
        "{\"requests\":%llu,\"first_us\":%lld,\"last_us\":%lld,\"early_us\":%lld,\"timed\":%llu,"
        "\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f}",
        static_cast<unsigned long long>(seen_.requests), static_cast<long long>(seen_.first_us),
        static_cast<long long>(seen_.last_us), static_cast<long long>(seen_.earliest_us),
        static_cast<unsigned long long>(seen_.late.count()), seen_.late.percentile_ms(0.5),
        seen_.late.percentile_ms(0.99), seen_.late.percentile_ms(0.999));
    out += "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    out += std::to_string(bytes) + "\r\n\r\n";
    out.append(body, static_cast<std::size_t>(bytes));
  }

  Seen seen_;
};

struct Connection {
  std::string in;
  std::string out;
};

void die(const char* what) {
  std::fprintf(stderr, "deferd_bench_sink: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) != 0) die("bind");
  if (::listen(fd, 4096) != 0) die("listen");
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

// Answers are short and a client reads one before it sends the next, so a send is never short; one
// that is, ends the connection.
bool serve(int fd, Connection& connection, Sink& sink) {
  char buffer[64 << 10];
  const ssize_t got = ::recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  connection.out.clear();
  const std::string_view arrived(buffer, static_cast<std::size_t>(got));
  if (connection.in.empty()) {
    connection.in = arrived.substr(sink.answer(arrived, connection.out));
  } else {
    connection.in += arrived;
    connection.in.erase(0, sink.answer(connection.in, connection.out));
  }
  if (connection.out.empty()) return true;
  const ssize_t sent = ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(connection.out.size());
}

[[noreturn]] void run(std::uint16_t port) {
  const int listener = listen_on(port);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  };
  watch(listener);
  Sink sink;
  std::unordered_map<int, Connection> connections;
  for (;;) {
    epoll_event events[128];
    const int count = ::epoll_wait(epoll, events, 128, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) continue;
        const int on = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connections.emplace(accepted, Connection());
        watch(accepted);
      } else if (const auto it = connections.find(fd); !serve(fd, it->second, sink)) {
        connections.erase(it);
        ::close(fd);
      }
    }
  }
}

}  // namespace
}  // namespace deferd::bench

int main(int argc, char** argv) {
  // The only argument is a port; 0, or none, chooses a free one.
  const int port = argc > 1 ? std::atoi(argv[1]) : 0;
  deferd::bench::run(static_cast<std::uint16_t>(port));
}
