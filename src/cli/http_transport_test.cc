// The real transport against a peer that behaves, dies or dawdles, on a loopback socket.
#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <functional>
#include <latch>
#include <thread>

#include "cli/transport.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

// Takes one connection after the other and hands each to `serve`; ends with the last of `serves`.
class Peer {
 public:
  explicit Peer(std::vector<std::function<void(tcp::socket&)>> serves)
      : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        thread_([this, serves = std::move(serves)] {
          for (const auto& serve : serves) {
            tcp::socket socket(io_);
            acceptor_.accept(socket);
            serve(socket);
          }
        }) {}
  ~Peer() { thread_.join(); }

  TargetUrl url() const {
    return TargetUrl{
        .tls = false, .host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .path = "/"};
  }

 private:
  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::thread thread_;
};

// Reads a request and writes `answer`; returns the request.
http::request<http::string_body> answer_one(tcp::socket& socket, const std::string& answer) {
  beast::flat_buffer buffer;
  http::request<http::string_body> request;
  beast::error_code error;
  http::read(socket, buffer, request, error);
  asio::write(socket, asio::buffer(answer), error);
  return request;
}

void wait_for_close(tcp::socket& socket) {
  char byte = 0;
  beast::error_code error;
  asio::read(socket, asio::buffer(&byte, 1), error);
}

constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

TEST(HttpTransport, KeepsItsConnectionBetweenCalls) {
  std::vector<std::string> seen;
  {
    Peer peer({[&](tcp::socket& socket) {
      for (int i = 0; i < 2; ++i) {
        const auto request = answer_one(socket, ok);
        seen.push_back(std::string(request.method_string()) + " " + std::string(request.target()) +
                       " " + request.body());
      }
    }});
    const auto transport = open_http_transport();
    const auto first =
        transport->call(peer.url(), {.method = "POST", .target = "/a", .body = "{\"x\":1}"});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->status, 200);
    EXPECT_EQ(first->body, "{}");
    const auto second = transport->call(peer.url(), {.method = "GET", .target = "/b", .body = ""});
    ASSERT_TRUE(second) << second.error().message;
  }  // the peer's thread has ended: what it saw is complete
  EXPECT_EQ(seen, (std::vector<std::string>{"POST /a {\"x\":1}", "GET /b "}));
}

TEST(HttpTransport, TellsWhenNobodyListens) {
  tcp::endpoint nobody;
  {
    asio::io_context io;
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    nobody = acceptor.local_endpoint();
  }
  const auto transport = open_http_transport();
  const auto answer = transport->call(
      TargetUrl{.tls = false, .host = "127.0.0.1", .port = nobody.port(), .path = "/"},
      {.method = "GET", .target = "/", .body = ""});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::not_found);
}

TEST(HttpTransport, ASilentPeerIsATimeout) {
  Peer peer({[](tcp::socket& socket) {
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    beast::error_code error;
    http::read(socket, buffer, request, error);
    wait_for_close(socket);
  }});
  const auto transport = open_http_transport();
  const auto answer = transport->call(
      peer.url(), {.method = "GET", .target = "/", .body = "", .timeout = Millis(50)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Reason::timeout);
}

TEST(HttpTransport, APeerThatDiesOrTalksNonsenseIsAnError) {
  Peer peer({[](tcp::socket& socket) { answer_one(socket, ""); },
             [](tcp::socket& socket) { answer_one(socket, "SSH-2.0-OpenSSH\r\n"); },
             [](tcp::socket& socket) {
               answer_one(socket, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{");
             }});
  const auto transport = open_http_transport();
  for (int i = 0; i < 3; ++i) {
    const auto answer =
        transport->call(peer.url(), {.method = "POST", .target = "/", .body = "{}"});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, Reason::internal) << answer.error().message;
  }
}

// The server closed while nobody looked: a new connection, not an error; nothing is sent twice.
TEST(HttpTransport, AConnectionThatWasClosedBetweenCallsIsMadeAnew) {
  std::latch closed(1);
  Peer peer({[&](tcp::socket& socket) {
               answer_one(socket, ok);
               socket.shutdown(tcp::socket::shutdown_both);
               socket.close();
               closed.count_down();
             },
             [&](tcp::socket& socket) { answer_one(socket, ok); }});
  const auto transport = open_http_transport();
  ASSERT_TRUE(transport->call(peer.url(), {.method = "GET", .target = "/", .body = ""}));
  closed.wait();
  const auto answer = transport->call(peer.url(), {.method = "POST", .target = "/", .body = "{}"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpTransport, ARefusalWhileStillSendingIsRead) {
  Peer peer({[](tcp::socket& socket) {
    beast::flat_buffer buffer;
    http::request_parser<http::empty_body> parser;
    parser.body_limit(UINT64_MAX);
    beast::error_code error;
    http::read_header(socket, buffer, parser, error);
    asio::write(socket,
                asio::buffer(std::string("HTTP/1.1 413 Too Large\r\nRetry-After: "
                                         "7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")),
                error);
    wait_for_close(socket);  // reads one byte of the body; the rest stays unread
    socket.shutdown(tcp::socket::shutdown_send, error);
    char sink[65536];
    while (!error) (void)socket.read_some(asio::buffer(sink), error);
  }});
  const auto transport = open_http_transport();
  const auto answer = transport->call(
      peer.url(), {.method = "POST", .target = "/", .body = std::string(32 << 20, 'x')});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->retry_after, Seconds(7));
}

}  // namespace
}  // namespace deferd
