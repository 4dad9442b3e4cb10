#include "api/http/server.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <vector>

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

tl::unexpected<Error> bad_listen(const std::string& listen, std::string_view why) {
  return fail(
      Reason::invalid,
      "listen \"" + listen + "\": " + std::string(why) + "; give HOST:PORT, as in 127.0.0.1:8123",
      "listen");
}

Result<tcp::endpoint> resolve(asio::io_context& context, const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad_listen(listen, "no host or no port");
  std::string host = listen.substr(0, colon);
  const std::string port = listen.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const bool digits =
      !port.empty() && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || port.size() > 5 || std::stoi(port) > 65535)
    return bad_listen(listen, "no such port");
  boost::system::error_code error;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, port, tcp::resolver::passive, error);
  if (error || found.empty()) return bad_listen(listen, error.message());
  return found.begin()->endpoint();
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
    auto endpoint = resolve(workers_.front()->context(), options_.listen);
    if (!endpoint) return fail(endpoint.error());
    boost::system::error_code error;
    acceptor_ = std::make_unique<Acceptor>(workers_.front()->context());
    acceptor_->open(endpoint->protocol(), error);
    if (!error) acceptor_->set_option(Acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(*endpoint, error);
    if (!error) acceptor_->listen(backlog, error);
    if (!error) acceptor_->non_blocking(true, error);
    if (error) return bad_listen(options_.listen, error.message());
    const tcp::endpoint bound = acceptor_->local_endpoint(error);
    port_ = bound.port();
    address_ = (bound.address().is_v6() ? "[" + bound.address().to_string() + "]"
                                        : bound.address().to_string()) +
               ":" + std::to_string(port_);
    retry_ = std::make_unique<http::Timer>(workers_.front()->context());
    accept_next();
    for (const auto& worker : workers_) worker->start();
    running_ = true;
    return {};
  }

  std::string address() const override { return address_; }
  std::uint16_t port() const override { return port_; }

  HttpStats stats() const override {
    HttpStats stats;
    stats.connections = counters_.connections.load(std::memory_order_relaxed);
    stats.connections_total = counters_.connections_total.load(std::memory_order_relaxed);
    stats.connections_refused = counters_.connections_refused.load(std::memory_order_relaxed);
    stats.requests_total = counters_.requests_total.load(std::memory_order_relaxed);
    stats.requests_refused = counters_.requests_refused.load(std::memory_order_relaxed);
    stats.buffered_bytes = counters_.buffered_bytes.load(std::memory_order_relaxed);
    return stats;
  }

  void stop_accepting() override {
    if (!running_) return;
    workers_.front()->post([this] {
      boost::system::error_code ignored;
      acceptor_->close(ignored);
      retry_->cancel();
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
    while (counters_.connections.load() > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(Millis(2));
    }
    for (const auto& worker : workers_) worker->stop();
    running_ = false;
    if (const std::uint64_t left = counters_.connections.load(); left > 0) {
      log_info("http.connections_cut", {{"connections", left}});
    }
    boost::system::error_code ignored;
    acceptor_->close(ignored);
  }

 private:
  // Connections go to the threads in turn: with few callers, as with many, each thread gets its
  // share.
  void accept_next() {
    Worker& worker = *workers_[next_worker_++ % workers_.size()];
    acceptor_->async_accept(worker.context(),
                            [this, &worker](const boost::system::error_code& error, Socket socket) {
                              if (error == asio::error::operation_aborted || !acceptor_->is_open())
                                return;
                              if (error) return accept_failed(error);
                              accepted(worker, std::move(socket));
                              accept_next();
                            });
  }

  void accepted(Worker& worker, Socket socket) {
    counters_.connections_total.fetch_add(1, std::memory_order_relaxed);
    if (counters_.connections.load() >= options_.connections_max) {
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
      worker.adopt(std::move(socket));
    } else {
      worker.post(
          [&worker, moved = std::move(socket)]() mutable { worker.adopt(std::move(moved)); });
    }
  }

  // Out of file descriptors, mostly. The waiting connection stays in the kernel; asking again at
  // once would spin.
  void accept_failed(const boost::system::error_code& error) {
    log_warn("http.accept_failed", {{"why", error.message()}});
    retry_->expires_after(Millis(100));
    retry_->async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled && acceptor_->is_open()) accept_next();
    });
  }

  HttpOptions options_;
  Counters counters_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::unique_ptr<Acceptor> acceptor_;  // on the first worker's thread, once that runs
  std::unique_ptr<http::Timer> retry_;  // as acceptor_
  std::size_t next_worker_ = 0;
  std::string address_;
  std::uint16_t port_ = 0;
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
