// A client for tests that sends exactly the bytes it is told: fragments, garbage, half-closes,
// resets. Blocking, with a timeout on every call, so that a test that waits for what never comes
// fails instead of hanging.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace deferd {

struct RawResponse {
  int status = 0;
  std::string head;
  std::string body;

  // The value of a header line, empty when it is not there. `name` as the server spells it.
  std::string header(std::string_view name) const {
    const std::string line = "\r\n" + std::string(name) + ": ";
    const std::size_t at = head.find(line);
    if (at == std::string::npos) return {};
    const std::size_t from = at + line.size();
    return head.substr(from, head.find("\r\n", from) - from);
  }
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval timeout{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  virtual ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        received_(std::move(other.received_)) {}
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;

  bool connected() const { return connected_; }

  virtual bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // Closes with a reset, as a process that is killed with unread bytes does.
  void reset() {
    linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // The next response; empty when the connection ended (or nothing came for 20 s) before it was
  // whole.
  std::optional<RawResponse> read() {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::nullopt;
    }
    RawResponse response;
    response.head = received_.substr(0, end + 2);
    response.status = std::atoi(response.head.c_str() + 9);
    received_.erase(0, end + 4);
    if (response.status == 100) return response;
    const auto length =
        static_cast<std::size_t>(std::atoll(response.header("Content-Length").c_str()));
    while (received_.size() < length) {
      if (!receive()) return std::nullopt;
    }
    response.body = received_.substr(0, length);
    received_.erase(0, length);
    return response;
  }

  // Whether the server ended the connection without sending more.
  bool at_end() { return received_.empty() && !receive(); }

  static std::string request(std::string_view method, std::string_view target,
                             std::string_view body = {}, std::string_view headers = {}) {
    std::string out;
    out.append(method)
        .append(" ")
        .append(target)
        .append(" HTTP/1.1\r\nHost: test\r\n")
        .append(headers);
    if (!body.empty() || method == "POST" || method == "PUT") {
      out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    return out.append("\r\n").append(body);
  }

  std::optional<RawResponse> call(std::string_view method, std::string_view target,
                                  std::string_view body = {}, std::string_view headers = {}) {
    if (!send(request(method, target, body, headers))) return std::nullopt;
    return read();
  }

 protected:
  int fd() const { return fd_; }
  // Up to `size` bytes; 0 or less: the end.
  virtual ssize_t receive_some(char* to, std::size_t size) { return ::recv(fd_, to, size, 0); }

 private:
  bool receive() {
    char bytes[16384];
    const ssize_t got = receive_some(bytes, sizeof bytes);
    if (got <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  bool connected_ = false;
  std::string received_;
};

}  // namespace deferd
