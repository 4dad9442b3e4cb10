#include "api/http/server.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <vector>

#include "api/http/tls_identity.h"
#include "api/http/worker.h"
#include "base/log.h"

namespace deferd {
namespace {

using http::Acceptor;
using http::Counters;
using http::Socket;
using http::Worker;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr int backlog = 4096;
constexpr Millis look_interval = Millis(50);

// An address that is listened at. All on the first worker's thread, once that runs.
struct Listener {
  std::string_view setting;
  std::string asked;  // HOST:PORT
  bool http2_only;
  Acceptor acceptor;
  http::Timer retry;
  std::string address = {};  // as it is bound
  std::uint16_t port = 0;

  tl::unexpected<Error> bad(std::string_view why) const {
    return fail(Reason::invalid,
                std::string(setting) + " \"" + asked + "\": " + std::string(why) +
                    "; give HOST:PORT, as in 127.0.0.1:8123",
                std::string(setting));
  }
  Result<tcp::endpoint> resolve();
  Result<void> open();
};

Result<tcp::endpoint> Listener::resolve() {
  const std::size_t colon = asked.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad("no host or no port");
  std::string host = asked.substr(0, colon);
  const std::string digits = asked.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const bool number =
      !digits.empty() && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!number || digits.size() > 5 || std::stoi(digits) > 65535) return bad("no such port");
  boost::system::error_code error;
  tcp::resolver resolver(acceptor.get_executor());
  const auto found = resolver.resolve(host, digits, tcp::resolver::passive, error);
  if (error || found.empty()) return bad(error.message());
  return found.begin()->endpoint();
}

Result<void> Listener::open() {
  const Result<tcp::endpoint> endpoint = resolve();
  if (!endpoint) return fail(endpoint.error());
  boost::system::error_code error;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(backlog, error);
  if (!error) acceptor.non_blocking(true, error);
  if (error) return bad(error.message());
  const tcp::endpoint bound = acceptor.local_endpoint(error);
  port = bound.port();
  const std::string host = bound.address().to_string();
  address = (bound.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
  return {};
}

class Server final : public HttpServer {
 public:
  Server(const HttpOptions& options, HttpHandler& handler) : options_(options) {
    options_.threads = std::max<std::uint32_t>(1, options_.threads);
    for (std::uint32_t i = 0; i < options_.threads; ++i) {
      workers_.push_back(std::make_shared<Worker>(options_, handler, counters_));
    }
  }

  ~Server() override { stop(Millis(0)); }

  Result<void> listen() {
    if (auto ok = add_listener("listen", options_.listen, false); !ok) return ok;
    if (!options_.grpc_listen.empty()) {
      if (auto ok = add_listener("grpc_listen", options_.grpc_listen, true); !ok) return ok;
    }
    accepting_ = listeners_.size();
    for (const auto& listener : listeners_) accept_next(*listener);
    for (const auto& worker : workers_) worker->start();
    running_ = true;
    return {};
  }

  std::string address() const override { return listeners_.front()->address; }
  std::uint16_t port() const override { return listeners_.front()->port; }
  std::string grpc_address() const override {
    return listeners_.size() > 1 ? listeners_.back()->address : "";
  }

  HttpStats stats() const override {
    HttpStats stats;
    stats.connections =
        counters_.connections.load(std::memory_order_relaxed) + counters_.handed_over.look();
    stats.connections_total = counters_.connections_total.load(std::memory_order_relaxed);
    stats.connections_refused = counters_.connections_refused.load(std::memory_order_relaxed);
    stats.handshakes_failed = counters_.handshakes_failed.load(std::memory_order_relaxed);
    if (options_.tls != nullptr) stats.certificate_not_after = options_.tls->not_after();
    stats.requests_total = counters_.requests_total.load(std::memory_order_relaxed);
    stats.requests_refused = counters_.requests_refused.load(std::memory_order_relaxed);
    stats.buffered_bytes = counters_.buffered_bytes.load(std::memory_order_relaxed);
    return stats;
  }

  void stop_accepting() override {
    if (!running_) return;
    workers_.front()->post([this] {
      boost::system::error_code ignored;
      for (const auto& listener : listeners_) {
        listener->acceptor.close(ignored);
        listener->retry.cancel();
      }
    });
    for (const auto& worker : workers_) {
      worker->post([raw = worker.get()] { raw->begin_stop(); });
    }
  }

  void stop(Millis grace) override {
    if (!running_) return;
    stop_accepting();
    const auto deadline = std::chrono::steady_clock::now() + grace;
    // Polled, as connections end without a signal of their own and this happens once in a server's
    // life.
    while (accepting_ > 0 ||
           (stats().connections > 0 && std::chrono::steady_clock::now() < deadline)) {
      std::this_thread::sleep_for(Millis(2));
    }
    for (const auto& worker : workers_) worker->stop();
    running_ = false;
    if (const std::uint64_t left = counters_.connections.load(); left > 0) {
      log_info("http.connections_cut", {{"connections", left}});
    }
    boost::system::error_code ignored;
    for (const auto& listener : listeners_) listener->acceptor.close(ignored);
  }

 private:
  Result<void> add_listener(std::string_view setting, const std::string& listen, bool http2_only) {
    asio::io_context& context = workers_.front()->context();
    listeners_.push_back(std::make_unique<Listener>(
        Listener{setting, listen, http2_only, Acceptor(context), http::Timer(context)}));
    return listeners_.back()->open();
  }

  // Connections go to the threads in turn: with few callers, as with many, each thread gets its
  // share.
  void accept_next(Listener& listener) {
    Worker& worker = *workers_[next_worker_++ % workers_.size()];
    listener.acceptor.async_accept(
        worker.context(),
        [this, &worker, &listener](const boost::system::error_code& error, Socket socket) {
          if (error == asio::error::operation_aborted || !listener.acceptor.is_open()) {
            --accepting_;
            return;
          }
          if (error) return accept_failed(listener, error);
          accepted(worker, std::move(socket), listener.http2_only);
          accept_next(listener);
        });
  }

  bool is_full() {
    const std::uint64_t ours = counters_.connections.load();
    if (ours + counters_.handed_over.count() < options_.connections_max) return false;
    // Some may have ended since, but looking after them all for each refusal would be a gift to
    // whoever floods us.
    const auto now = std::chrono::steady_clock::now();
    if (now < looked_at_ + look_interval) return true;
    looked_at_ = now;
    return ours + counters_.handed_over.look() >= options_.connections_max;
  }

  void accepted(Worker& worker, Socket socket, bool http2_only) {
    counters_.connections_total.fetch_add(1, std::memory_order_relaxed);
    if (is_full()) {
      counters_.connections_refused.fetch_add(1, std::memory_order_relaxed);
      const std::string body =
          error_json(503, "UNAVAILABLE",
                     "too many connections are open; try again later, and reuse connections");
      const std::string answer =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + body;
      static_cast<void>(::send(socket.native_handle(), answer.data(), answer.size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT));
      return;
    }
    counters_.connections.fetch_add(1);
    if (worker.is_current()) {
      worker.adopt(std::move(socket), http2_only);
    } else {
      worker.post([&worker, http2_only, moved = std::move(socket)]() mutable {
        worker.adopt(std::move(moved), http2_only);
      });
    }
  }

  // Out of file descriptors, mostly. The waiting connection stays in the kernel; asking again at
  // once would spin.
  void accept_failed(Listener& listener, const boost::system::error_code& error) {
    log_warn("http.accept_failed", {{"why", error.message()}});
    listener.retry.expires_after(Millis(100));
    listener.retry.async_wait([this, &listener](const boost::system::error_code& cancelled) {
      if (cancelled || !listener.acceptor.is_open()) {
        --accepting_;
        return;
      }
      accept_next(listener);
    });
  }

  HttpOptions options_;
  Counters counters_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // of listen, then of grpc_listen
  // Listeners that wait for a caller, or to wait again. What waits holds a socket of any thread's
  // loop, in the loop of the first: all of it is let go while every loop is there.
  std::atomic<std::size_t> accepting_ = 0;
  std::size_t next_worker_ = 0;                      // on the first worker's thread
  std::chrono::steady_clock::time_point looked_at_;  // the same
  bool running_ = false;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                      HttpHandler& handler) {
  raise_open_files_limit();
  auto server = std::make_unique<Server>(options, handler);
  if (auto ok = server->listen(); !ok) return fail(ok.error());
  return std::unique_ptr<HttpServer>(std::move(server));
}

std::uint64_t raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return limit.rlim_cur;
}

}  // namespace deferd
