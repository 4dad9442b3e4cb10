// One thread of the server: its event loop, its connections, and the inbox through which other
// threads hand it work. Everything here but post(), is_current() and the counters is used on that
// thread only.
#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/http/handed_over.h"
#include "api/http/http.h"
#include "api/http/request_head.h"
#include "api/http/server.h"

namespace deferd::http {

namespace asio = boost::asio;

// A concrete executor: type erasure would cost at every step.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

class Connection;
class Http2Relay;

struct Counters {
  std::atomic<std::uint64_t> connections{0};  // but those handed over
  HandedOver handed_over;
  std::atomic<std::uint64_t> connections_total{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> handshakes_failed{0};
  std::atomic<std::uint64_t> requests_total{0};
  std::atomic<std::uint64_t> requests_refused{0};
  std::atomic<std::uint64_t> buffered_bytes{0};
};

class Worker final : public HttpThread, public std::enable_shared_from_this<Worker> {
 public:
  // The references outlive the thread.
  Worker(const HttpOptions& options, HttpHandler& handler, Counters& counters);
  ~Worker() override;

  void start();
  // Ends the loop and joins; connections are cut off, and what is or comes into the inbox is
  // dropped.
  void stop();
  // On the thread: idle connections end, others after their answer; relays when whoever took their
  // other end closes it.
  void begin_stop();

  void post(Callback<void()> work) override;
  bool is_current() const override;
  void after_round(const void* key, Callback<void()> work) override;
  void answer(HttpExchange exchange, HttpResponse response) override;
  void answer_by(HttpExchange exchange, Millis from_now, Callback<HttpResponse()> late) override;
  void when_gone(HttpExchange exchange, Callback<void()> gone) override;

  // On the thread: takes a new connection, or one that goes on as a relay. release() destroys it.
  void adopt(Socket socket, bool http2_only);
  void adopt(std::unique_ptr<Http2Relay> relay);
  void release(std::uint32_t slot);
  void release(Http2Relay& relay);

  asio::io_context& context() { return context_; }
  const HttpOptions& options() const { return options_; }
  HttpHandler& handler() { return handler_; }
  Counters& counters() { return counters_; }
  bool stopping() const { return stopping_; }
  std::uint64_t next_serial() { return ++serial_; }

  // "Date: ...\r\n", made anew once a second.
  const std::string& date_line() const { return date_line_; }
  // Milliseconds of a monotonic clock; cheap, exact to a few of them.
  static std::int64_t now_ms();

  // On the thread: there is a sweep by then (on the clock of now_ms()).
  void sweep_by(std::int64_t deadline_ms);

  // Of what connections have buffered. False: over the bound, nothing was taken.
  bool take_budget(std::uint64_t bytes);
  void give_budget(std::uint64_t bytes);

  // Shared by the connections of this thread: a head is parsed and handed to the door in one go.
  RequestHead scratch_head;

 private:
  void drain();
  void end_round();
  void sweep();
  void arm_sweep(std::int64_t at_ms);
  void refresh_date();
  Connection* find(HttpExchange exchange);

  const HttpOptions& options_;
  HttpHandler& handler_;
  Counters& counters_;
  const std::uint64_t buffered_bytes_max_;

  asio::io_context context_{1};
  Timer sweep_timer_{context_};
  std::int64_t sweep_at_ms_ = 0;
  std::thread thread_;
  bool stopping_ = false;
  std::uint64_t serial_ = 0;
  std::uint64_t buffered_bytes_ = 0;
  std::string date_line_;
  std::int64_t date_second_ = 0;

  std::vector<std::unique_ptr<Connection>> slots_;  // after context_: sockets end before their loop
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<Http2Relay*, std::unique_ptr<Http2Relay>> relays_;

  std::vector<std::pair<const void*, Callback<void()>>> after_round_;

  std::mutex inbox_mutex_;  // protects the next three
  std::vector<Callback<void()>> inbox_;
  bool drain_posted_ = false;
  bool inbox_closed_ = false;
};

}  // namespace deferd::http
