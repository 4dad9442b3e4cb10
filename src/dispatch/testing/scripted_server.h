// A server on loopback for tests: each connection runs a script, on a thread of its own, with
// blocking calls, so that a test reads like the conversation it is about. On destruction all
// connections are shut down and scripts end.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace deferd {

struct SeenRequest {
  std::string head;  // request line and headers with their line breaks, without the empty line
  std::string body;

  // The value of the first such header, as spelled; "(none)".
  std::string header(std::string_view name) const {
    const std::string key = "\r\n" + std::string(name) + ": ";
    const std::size_t at = head.find(key);
    if (at == std::string::npos) return "(none)";
    const std::size_t begin = at + key.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

// The server's end of one connection.
class Peer {
 public:
  Peer(int fd, int index) : fd_(fd), index_(index) {}
  ~Peer() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (fd_ >= 0) ::close(fd_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  int index() const { return index_; }  // 0 for the first connection

  bool accept_tls(SSL_CTX* context) {
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    return SSL_accept(ssl_) == 1;
  }

  // False when the client closed.
  bool read_some() {
    char bytes[65536];
    const auto size = ssl_ != nullptr ? static_cast<ssize_t>(SSL_read(ssl_, bytes, sizeof(bytes)))
                                      : ::recv(fd_, bytes, sizeof(bytes), 0);
    if (size <= 0) return false;
    read_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  bool read_request(SeenRequest& request) {
    std::size_t end = 0;
    while ((end = read_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return false;
    }
    request.head = read_.substr(0, end + 2);
    read_.erase(0, end + 4);
    const std::string length = request.header("Content-Length");
    const std::size_t body_bytes = length == "(none)" ? 0 : std::stoul(length);
    while (read_.size() < body_bytes) {
      if (!read_some()) return false;
    }
    request.body = read_.substr(0, body_bytes);
    read_.erase(0, body_bytes);
    return true;
  }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto size =
          ssl_ != nullptr
              ? static_cast<ssize_t>(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  void wait_until_closed() {
    while (read_some()) {
    }
  }

  // Closes with a reset instead of an orderly end.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  int index_;
  SSL* ssl_ = nullptr;
  std::string read_;
};

inline std::string answer(int status, std::string_view headers = "", std::string_view body = "") {
  return "HTTP/1.1 " + std::to_string(status) +
         " Whatever\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedServer(Script script, SSL_CTX* tls = nullptr)
      : script_(std::move(script)), tls_(tls) {
    ::signal(SIGPIPE, SIG_IGN);  // SSL_write() to a client that has gone
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    const bool listens =
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        ::listen(listener_, 4096) == 0 &&
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    EXPECT_TRUE(listens);
    port_ = ntohs(address.sin_port);
    if (script_) accepting_ = std::thread([this] { accept_all(); });
  }

  // Completes connections (in the kernel) and never says anything.
  static std::unique_ptr<ScriptedServer> silent() {
    return std::make_unique<ScriptedServer>(Script());
  }

  // Answers each request with the same.
  static Script always(std::string bytes) {
    return [bytes](Peer& peer) {
      SeenRequest request;
      while (peer.read_request(request) && peer.write(bytes)) {
      }
    };
  }

  ~ScriptedServer() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
    }
    ::shutdown(listener_, SHUT_RDWR);
    if (accepting_.joinable()) accepting_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view path = "/") const {
    return (tls_ != nullptr ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_) +
           std::string(path);
  }
  int connections() const { return connections_; }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int index = connections_++;
      const std::lock_guard lock(mutex_);
      if (closing_) {
        ::close(fd);
        return;
      }
      fds_.push_back(fd);
      threads_.emplace_back([this, fd, index] {
        {
          Peer peer(fd, index);
          if (tls_ == nullptr || peer.accept_tls(tls_)) script_(peer);
          const std::lock_guard closing(mutex_);
          std::erase(fds_, fd);
        }
      });
    }
  }

  const Script script_;
  SSL_CTX* const tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread accepting_;

  std::mutex mutex_;
  bool closing_ = false;
  std::vector<int> fds_;
  std::vector<std::thread> threads_;
};

}  // namespace deferd
