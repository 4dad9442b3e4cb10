#include "api/http/server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "api/http/testing/raw_client.h"

namespace deferd {
namespace {

// /echo answers with method, path, query and body; /later hands its reply to another thread; /hold
// keeps it until release(); /drop forgets it; /throw throws; /big answers with a megabyte.
class TestHandler final : public HttpHandler {
 public:
  void handle(const HttpRequest& request, HttpReply reply) override {
    if (request.path == "/hold") {
      reply.when_gone([this] {
        const std::scoped_lock lock(mutex_);
        ++gone_;
        changed_.notify_all();
      });
      const std::scoped_lock lock(mutex_);
      held_.push_back(std::move(reply));
      changed_.notify_all();
      return;
    }
    if (request.path == "/drop") return;
    if (request.path == "/throw") throw std::runtime_error("thrown by the test");
    HttpResponse response;
    response.content_type = "text/plain";
    response.body.append(request.method)
        .append(" ")
        .append(request.path)
        .append("?")
        .append(request.query);
    response.body.append(" ").append(request.body);
    if (request.path == "/big") response.body.assign(1 << 20, 'b');
    if (request.path == "/later") {
      std::thread([moved = std::move(reply), response = std::move(response)]() mutable {
        moved.send(std::move(response));
      }).detach();
      return;
    }
    reply.send(std::move(response));
  }

  std::vector<HttpReply> take_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, Seconds(20), [&] { return held_.size() >= count; });
    return std::move(held_);
  }
  bool wait_gone(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, Seconds(20), [&] { return gone_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HttpReply> held_;
  int gone_ = 0;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(HttpOptions options = {}) {
    options.listen = "127.0.0.1:0";
    if (options.sweep_interval == HttpOptions().sweep_interval) options.sweep_interval = Millis(10);
    auto started = HttpServer::start(options, handler_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  RawClient connect() { return RawClient(server_->port()); }

  TestHandler handler_;  // outlives the server
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  start();
  RawClient client = connect();
  for (int i = 0; i < 100; ++i) {
    const auto response =
        client.call("POST", i % 2 == 0 ? "/echo?q=1" : "/later?q=1", std::to_string(i));
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body,
              (i % 2 == 0 ? "POST /echo?q=1 " : "POST /later?q=1 ") + std::to_string(i));
  }
  EXPECT_EQ(server_->stats().connections_total, 1u);
  EXPECT_EQ(server_->stats().requests_total, 100u);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  RawClient client = connect();
  std::string wire;
  for (int i = 0; i < 500; ++i) {
    wire += RawClient::request("POST", i % 3 == 0 ? "/later" : "/echo", std::to_string(i));
  }
  ASSERT_TRUE(client.send(wire));
  for (int i = 0; i < 500; ++i) {
    const auto response = client.read();
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->body.substr(response->body.find_last_of(' ') + 1), std::to_string(i));
  }
}

TEST_F(HttpServerTest, RequestsMayComeByteByByte) {
  start();
  RawClient client = connect();
  const std::string fixed = RawClient::request("POST", "/echo", "hello");
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char c : fixed + chunked) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  EXPECT_EQ(client.read()->body, "POST /echo? hello");
  EXPECT_EQ(client.read()->body, "POST /echo? abcde");
}

TEST_F(HttpServerTest, LargeBodiesAndAnswersPass) {
  start();
  RawClient client = connect();
  const std::string body(3 << 20, 'x');
  const auto response = client.call("POST", "/echo", body);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "POST /echo? " + body);
  EXPECT_EQ(client.call("GET", "/big")->body.size(), 1u << 20);
  std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 3; ++i) chunked += "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
  ASSERT_TRUE(client.send(chunked + "0\r\n\r\n"));
  EXPECT_EQ(client.read()->body, "POST /echo? " + body);
}

TEST_F(HttpServerTest, AnswersToHeadHaveNoBody) {
  start();
  RawClient client = connect();
  ASSERT_TRUE(
      client.send(RawClient::request("HEAD", "/echo") + RawClient::request("GET", "/echo")));
  // Were a body there, the second answer would not follow right behind the first head.
  std::string head = "HEAD";
  RawResponse first;
  const auto second_body = [&] {
    const auto response = client.read();
    return response ? response->body : std::string("none");
  };
  // The announced length is that of the answer to GET, so the client is told not to wait for it:
  // read it raw.
  const std::string body = second_body();
  EXPECT_EQ(body.substr(0, 8), "HTTP/1.1");
}

TEST_F(HttpServerTest, ABodyOverTheLimitIsRefusedBeforeItIsRead) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  start(options);
  RawClient announced = connect();
  ASSERT_TRUE(announced.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"));
  auto response = announced.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_EQ(
      response->body,
      R"({"error":{"code":413,"status":"INVALID_ARGUMENT","message":"the request's body is 1001 bytes; at most )"
      R"(1000 are accepted"}})");

  RawClient chunked = connect();
  ASSERT_TRUE(
      chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"));
  EXPECT_EQ(chunked.read()->status, 413);

  RawClient expecting = connect();
  ASSERT_TRUE(expecting.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(expecting.read()->status, 413);
  EXPECT_EQ(server_->stats().requests_total, 0u);
}

// A client that is still sending its body must read the refusal, not a reset.
TEST_F(HttpServerTest, ARefusalReachesAClientThatIsStillSending) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  start(options);
  RawClient client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" +
              std::string(8'000'000, 'x'));
  const auto response = client.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 413);
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  start();
  RawClient client = connect();
  ASSERT_TRUE(client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  ASSERT_EQ(client.read()->status, 100);
  ASSERT_TRUE(client.send("hello"));
  EXPECT_EQ(client.read()->body, "POST /echo? hello");
}

TEST_F(HttpServerTest, MalformedRequestsAre400AndTheConnectionEnds) {
  start();
  for (const std::string_view wire :
       {"GET / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "\x16\x03\x01\x02\x01\x01", "{\"json\":1}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RawClient client = connect();
    ASSERT_TRUE(client.send(wire));
    const auto response = client.read();
    ASSERT_TRUE(response) << wire;
    EXPECT_EQ(response->status, 400) << wire;
    EXPECT_NE(response->body.find("INVALID_ARGUMENT"), std::string::npos);
    EXPECT_TRUE(client.at_end()) << wire;
  }
  EXPECT_EQ(connect().call("GET", "/echo")->status, 200);
}

TEST_F(HttpServerTest, AHeadOverTheLimitIs431) {
  HttpOptions options;
  options.head_bytes_max = 4096;
  start(options);
  RawClient client = connect();
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'x')));
  EXPECT_EQ(client.read()->status, 431);
}

TEST_F(HttpServerTest, AHalfClosedConnectionGetsItsAnswer) {
  start();
  RawClient quick = connect();
  ASSERT_TRUE(quick.send(RawClient::request("POST", "/echo", "x")));
  quick.half_close();
  EXPECT_EQ(quick.read()->body, "POST /echo? x");
  EXPECT_TRUE(quick.at_end());

  RawClient slow = connect();
  ASSERT_TRUE(slow.send(RawClient::request("POST", "/hold", "x")));
  slow.half_close();
  ASSERT_TRUE(handler_.wait_gone(1));
  for (HttpReply& reply : handler_.take_held(1)) {
    HttpResponse response;
    response.body = "held";
    reply.send(std::move(response));
  }
  EXPECT_EQ(slow.read()->body, "held");
  EXPECT_TRUE(slow.at_end());

  RawClient partial = connect();
  ASSERT_TRUE(partial.send("GET / HT"));
  partial.half_close();
  EXPECT_EQ(partial.read()->status, 400);
}

TEST_F(HttpServerTest, AClientThatVanishesWhileItsRequestRunsIsReported) {
  start();
  RawClient closed = connect();
  ASSERT_TRUE(closed.send(RawClient::request("GET", "/hold")));
  const auto first = handler_.take_held(1);
  closed.close();
  EXPECT_TRUE(handler_.wait_gone(1));

  RawClient reset = connect();
  ASSERT_TRUE(reset.send(RawClient::request("GET", "/hold")));
  auto second = handler_.take_held(1);
  reset.reset();
  EXPECT_TRUE(handler_.wait_gone(2));
  second.front().send(HttpResponse{});  // to nobody: harmless
}

// The thread of a reply that somebody has outlives the others: nothing of theirs is left in it.
TEST_F(HttpServerTest, AReplyMayOutliveTheServer) {
  for (int i = 0; i < 100; ++i) {
    HttpOptions options;
    options.threads = 2;
    start(options);
    RawClient client = connect();
    client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    std::vector<HttpReply> held = handler_.take_held(1);
    ASSERT_EQ(held.size(), 1U);
    server_.reset();
    HttpResponse late;
    held.front().send(std::move(late));  // is dropped
  }
}

TEST_F(HttpServerTest, ADroppedReplyAndAThrowingHandlerAre500) {
  start();
  RawClient client = connect();
  EXPECT_EQ(client.call("GET", "/drop")->status, 500);
  EXPECT_EQ(client.call("GET", "/throw")->status, 500);
  EXPECT_EQ(client.call("GET", "/echo")->status, 200);
}

// Slow loris: a head, and a body, that come one byte at a time for ever.
TEST_F(HttpServerTest, ClientsThatNeverFinishAreCutOff) {
  HttpOptions options;
  options.head_timeout = Millis(100);
  options.body_timeout = Millis(100);
  start(options);
  RawClient head = connect();
  RawClient body = connect();
  RawClient chunks = connect();
  ASSERT_TRUE(head.send("GET / HTTP/1.1\r\nHost: a\r\nX: "));
  ASSERT_TRUE(body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"));
  ASSERT_TRUE(
      chunks.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"));
  std::atomic<bool> stop{false};
  std::thread dripping([&] {
    while (!stop) {
      head.send("x");
      body.send("x");
      chunks.send("x");
      std::this_thread::sleep_for(Millis(5));
    }
  });
  EXPECT_EQ(head.read()->status, 408);
  EXPECT_EQ(body.read()->status, 408);
  EXPECT_EQ(chunks.read()->status, 408);
  stop = true;
  dripping.join();
}

// The other side of it: a slow body that makes progress is waited for.
TEST_F(HttpServerTest, ABodyThatMakesProgressIsNotCutOff) {
  HttpOptions options;
  options.body_timeout = Millis(300);
  options.body_progress_bytes = 100;
  start(options);
  RawClient client = connect();
  ASSERT_TRUE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"));
  for (int i = 0; i < 10; ++i) {  // takes longer than body_timeout in all
    std::this_thread::sleep_for(Millis(50));
    ASSERT_TRUE(client.send(std::string(100, 'x')));
  }
  EXPECT_EQ(client.read()->status, 200);
}

TEST_F(HttpServerTest, IdleConnectionsEndAfterTheirTime) {
  HttpOptions options;
  options.idle_timeout = Millis(50);
  start(options);
  RawClient fresh = connect();
  EXPECT_TRUE(fresh.at_end());
}

TEST_F(HttpServerTest, AClientThatDoesNotReadItsAnswerIsCutOff) {
  HttpOptions options;
  options.write_timeout = Millis(100);
  start(options);
  RawClient client = connect();
  for (int i = 0; i < 64; ++i) client.send(RawClient::request("GET", "/big"));
  while (server_->stats().requests_total == 0) std::this_thread::yield();
  while (server_->stats().connections > 0) std::this_thread::yield();
}

TEST_F(HttpServerTest, TenThousandIdleConnectionsDoNotDisturbAnother) {
  const std::uint64_t files = raise_open_files_limit();
  const std::size_t count =
      std::min<std::uint64_t>(10'000, files > 2000 ? (files - 1000) / 2 : 100);
  HttpOptions options;
  options.threads = 2;
  options.sweep_interval = Millis(100);
  start(options);
  std::vector<RawClient> idle;
  idle.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(connect());
    ASSERT_TRUE(idle.back().connected()) << i;
  }
  RawClient client = connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.call("POST", "/echo", "x")->status, 200);
  EXPECT_EQ(server_->stats().connections, count + 1);
  for (std::size_t i = 0; i < count; i += 997) EXPECT_EQ(idle[i].call("GET", "/echo")->status, 200);
}

TEST_F(HttpServerTest, MoreConnectionsThanAllowedAreToldSo) {
  HttpOptions options;
  options.connections_max = 2;
  start(options);
  RawClient first = connect();
  RawClient second = connect();
  ASSERT_EQ(first.call("GET", "/echo")->status, 200);
  ASSERT_EQ(second.call("GET", "/echo")->status, 200);
  RawClient third = connect();
  EXPECT_EQ(third.read()->status, 503);
  EXPECT_EQ(first.call("GET", "/echo")->status, 200);
}

TEST_F(HttpServerTest, WhatAllClientsSendAtOnceIsBounded) {
  HttpOptions options;
  options.buffered_bytes_max = 1 << 20;
  start(options);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n";
  const std::string half(450'000, 'x');
  RawClient first = connect();
  ASSERT_TRUE(first.send(head + half));
  while (server_->stats().buffered_bytes < half.size()) std::this_thread::yield();
  RawClient second = connect();
  second.send(head + half + half);
  const auto refused = second.read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->header("Retry-After"), "1");
  ASSERT_TRUE(first.send(half));
  EXPECT_EQ(first.read()->status, 200);
  EXPECT_EQ(server_->stats().buffered_bytes, 0u);
}

TEST_F(HttpServerTest, StopLetsRunningRequestsFinish) {
  start();
  RawClient idle = connect();
  ASSERT_EQ(idle.call("GET", "/echo")->status, 200);
  RawClient busy = connect();
  ASSERT_TRUE(busy.send(RawClient::request("GET", "/hold")));
  auto held = handler_.take_held(1);
  std::thread stopping([&] { server_->stop(Seconds(20)); });
  EXPECT_TRUE(idle.at_end());
  held.front().send(HttpResponse{});
  const auto response = busy.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->header("Connection"), "close");
  busy.close();
  stopping.join();
  EXPECT_EQ(server_->stats().connections, 0u);
}

TEST_F(HttpServerTest, RepliesAfterTheServersEndAreHarmless) {
  start();
  RawClient client = connect();
  ASSERT_TRUE(client.send(RawClient::request("GET", "/hold")));
  auto held = handler_.take_held(1);
  server_->stop(Millis(0));
  server_.reset();
  held.front().send(HttpResponse{});
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServerTest, AnHttp2PrefaceIsHandedOverUnread) {
  std::atomic<int> taken{-1};
  HttpOptions options;
  options.take_http2 = [&taken](int fd) { taken = fd; };
  start(options);
  constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  RawClient client = connect();
  ASSERT_TRUE(client.send(preface));
  while (taken < 0) std::this_thread::yield();
  char first[64];
  EXPECT_EQ(::recv(taken, first, sizeof first, 0), static_cast<ssize_t>(preface.size()));
  ::close(taken);
  EXPECT_EQ(connect().call("GET", "/echo")->status, 200);
}

TEST_F(HttpServerTest, AConnectionThatWasHandedOverCountsUntilItIsClosed) {
  std::atomic<int> taken{-1};
  HttpOptions options;
  options.connections_max = 1;
  options.take_http2 = [&taken](int fd) { taken = fd; };
  start(options);
  RawClient first = connect();
  ASSERT_TRUE(first.send("PRI * HTTP/2.0\r\n\r\n"));
  // What served a connection lives a little longer than what its client can see, and is counted.
  const auto counted = [this] { return server_->stats().connections; };
  while (taken < 0 || counted() > 1) std::this_thread::yield();
  EXPECT_EQ(counted(), 1u);
  EXPECT_EQ(connect().read()->status, 503);
  while (counted() > 1) std::this_thread::yield();
  ::close(taken);
  EXPECT_EQ(counted(), 0u);
  EXPECT_EQ(connect().call("GET", "/echo")->status, 200);
}

TEST_F(HttpServerTest, TheAddressOfGrpcSpeaksNothingElse) {
  std::atomic<int> taken{-1};
  HttpOptions options;
  options.grpc_listen = "127.0.0.1:0";
  options.take_http2 = [&taken](int fd) { taken = fd; };
  start(options);
  const std::string address = server_->grpc_address();
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  ASSERT_NE(port, server_->port());
  EXPECT_EQ(RawClient(port).call("GET", "/echo")->status, 400);
  RawClient client(port);
  ASSERT_TRUE(client.send("PRI * HTTP/2.0\r\n\r\n"));
  while (taken < 0) std::this_thread::yield();
  ::close(taken);
}

TEST(HttpServer, AnAddressThatIsNoneIsRefused) {
  TestHandler handler;
  for (const char* listen :
       {"", "nonsense", "127.0.0.1:", "127.0.0.1:99999", ":1", "256.1.1.1:80"}) {
    HttpOptions options;
    options.listen = listen;
    const auto server = HttpServer::start(options, handler);
    ASSERT_FALSE(server) << listen;
    EXPECT_EQ(server.error().field, "listen");
    options.grpc_listen = std::exchange(options.listen, "127.0.0.1:0");
    const auto beside = HttpServer::start(options, handler);
    ASSERT_EQ(bool(beside), options.grpc_listen.empty()) << listen;
    if (!beside) EXPECT_EQ(beside.error().field, "grpc_listen");
  }
}

}  // namespace
}  // namespace deferd
