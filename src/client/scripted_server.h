// For tests: an HTTP server that answers calls one after the other as it was told, or hangs up.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace deferd::testing {

struct Scripted {
  int status = 200;
  std::string body;
  std::map<std::string, std::string> headers;
  enum class Then : std::uint8_t { stay, hang_up, never_answer, close_after } then = Then::stay;
};
inline Scripted hang_up() { return {.then = Scripted::Then::hang_up}; }

class ScriptedServer {
 public:
  struct Call {
    std::string line;  // "GET /v1/queues"
    std::string body;
    std::string authorization;
    int connection = 0;
  };

  explicit ScriptedServer(std::deque<Scripted> script)
      : script_(std::move(script)), acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accepting_ = std::thread([this] { accept(); });
  }
  ~ScriptedServer() {
    // Wakes the accept; sockets are ended under those who read from them.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    for (auto& socket : sockets_) ::shutdown(socket.native_handle(), SHUT_RDWR);
    for (auto& thread : serving_) thread.join();
  }

  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  std::vector<Call> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  void accept() {
    while (true) {
      boost::system::error_code error;
      Socket socket = acceptor_.accept(error);
      if (error) return;
      sockets_.push_back(std::move(socket));
      serving_.emplace_back(
          [this, &accepted = sockets_.back(), number = static_cast<int>(sockets_.size())] {
            serve(accepted, number);
          });
    }
  }

  void serve(Socket& socket, int number) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    while (true) {
      boost::system::error_code error;
      http::request<http::string_body> request;
      http::read(socket, buffer, request, error);
      if (error) return;
      const Scripted answer = next(request, number);
      if (answer.then == Scripted::Then::never_answer) continue;
      if (answer.then != Scripted::Then::hang_up) {
        http::response<http::string_body> response(static_cast<http::status>(answer.status), 11,
                                                   answer.body);
        for (const auto& [name, value] : answer.headers) response.set(name, value);
        response.prepare_payload();
        http::write(socket, response, error);
      }
      if (answer.then != Scripted::Then::stay) {
        socket.shutdown(Socket::shutdown_both, error);
        return;
      }
    }
  }

  template <class Request>
  Scripted next(const Request& request, int number) {
    const std::lock_guard lock(mutex_);
    calls_.push_back({std::string(request.method_string()) + " " + std::string(request.target()),
                      request.body(),
                      std::string(request[boost::beast::http::field::authorization]), number});
    if (script_.empty()) return {.status = 500, .body = "the script is over"};
    Scripted answer = std::move(script_.front());
    script_.pop_front();
    return answer;
  }

  mutable std::mutex mutex_;
  std::deque<Scripted> script_;
  std::vector<Call> calls_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::thread accepting_;
  std::list<Socket> sockets_;
  std::list<std::thread> serving_;
};

// An error of /v1.
inline Scripted refusal(int code, const std::string& status) {
  return {.status = code,
          .body = R"({"error": {"code": )" + std::to_string(code) + R"(, "status": ")" + status +
                  R"(", "message": "no", "field": "f"}})"};
}

inline Scripted task_answer(const std::string& id) {
  return {.status = 201, .body = R"({"id": ")" + id + R"(", "queue": "q", "state": "ready"})"};
}

}  // namespace deferd::testing
