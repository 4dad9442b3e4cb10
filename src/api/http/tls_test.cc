// The port under TLS: who gets in, what is spoken, and the bytes of HTTP/2 connections on their way
// to whoever takes them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "api/http/server.h"
#include "api/http/testing/tls_client.h"
#include "api/http/tls_identity.h"
#include "base/testing/certificates.h"

namespace deferd {
namespace {

const std::string http1 = "\x08http/1.1";
const std::string http2 = "\x02h2";
const std::string both = http2 + http1;
constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class EchoHandler final : public HttpHandler {
 public:
  void handle(const HttpRequest& request, HttpReply reply) override {
    HttpResponse response;
    response.body = request.body;
    if (request.path == "/big") response.body.assign(8 << 20, 'b');
    reply.send(std::move(response));
  }
};

// What the port hands over, as a library would take it.
class Taken {
 public:
  ~Taken() {
    for (const int fd : fds_) ::close(fd);
  }
  void take(int fd) {
    const std::lock_guard lock(mutex_);
    fds_.push_back(fd);
    changed_.notify_all();
  }
  // The next one that came; the caller owns it. -1 after 20 s.
  int next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, Seconds(20), [&] { return !fds_.empty(); })) return -1;
    const int fd = fds_.front();
    fds_.erase(fds_.begin());
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> fds_;
};

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + Seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(Millis(2));
  }
  return true;
}

class TlsTest : public testing::Test {
 protected:
  void start(HttpOptions options = {}, TlsVersion version_min = TlsVersion::v1_2) {
    authority_.write(localhost("first"), certificate_, key_);
    auto identity = TlsIdentity::load({certificate_.path(), key_.path(), version_min});
    ASSERT_TRUE(identity) << identity.error().message;
    identity_ = std::move(*identity);
    options.listen = "127.0.0.1:0";
    options.grpc_listen = "127.0.0.1:0";
    options.sweep_interval = Millis(10);
    options.tls = identity_;
    options.take_http2 = [this](int fd) { taken_.take(fd); };
    auto server = HttpServer::start(options, handler_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }
  static CertificateRequest localhost(const char* name) {
    CertificateRequest request;
    request.name = name;
    request.alternative_names = "DNS:localhost";
    return request;
  }
  TlsClient connect(std::string alpn, int version_max = TLS1_3_VERSION) {
    return TlsClient(server_->port(), {authority_.file(), std::move(alpn), version_max});
  }
  TlsClient connect_to_grpc(std::string alpn) {
    const std::string address = server_->grpc_address();
    const int port = std::stoi(address.substr(address.rfind(':') + 1));
    return TlsClient(static_cast<std::uint16_t>(port), {authority_.file(), std::move(alpn)});
  }

  TestAuthority authority_;
  TestFile certificate_;
  TestFile key_;
  EchoHandler handler_;
  Taken taken_;
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(TlsTest, HttpIsSpokenWithAlpnAndWithout) {
  start();
  for (const std::string& alpn : {http1, std::string()}) {
    TlsClient client = connect(alpn);
    ASSERT_TRUE(client.shaken());
    EXPECT_EQ(client.protocol(), alpn.empty() ? "" : "http/1.1");
    for (int i = 0; i < 10; ++i) {
      const auto response = client.call("POST", "/echo", std::to_string(i));
      ASSERT_TRUE(response);
      EXPECT_EQ(response->body, std::to_string(i));
    }
  }
  EXPECT_EQ(server_->stats().requests_total, 20u);
}

TEST_F(TlsTest, ClientsOfGrpcGetHttp2AndBrowsersHttp1) {
  start();
  TlsClient grpc = connect(http2);
  EXPECT_EQ(grpc.protocol(), "h2");
  TlsClient browser = connect(both);
  EXPECT_EQ(browser.protocol(), "http/1.1");
  EXPECT_EQ(browser.call("POST", "/echo", "x")->body, "x");
  TlsClient proxy = connect_to_grpc(both);
  EXPECT_EQ(proxy.protocol(), "h2");
}

TEST_F(TlsTest, WhoOffersNothingWeSpeakIsRefused) {
  start();
  EXPECT_FALSE(connect("\x04spdy").shaken());
  EXPECT_FALSE(connect_to_grpc(http1).shaken());
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().handshakes_failed, 2u);
}

TEST_F(TlsTest, OldVersionsAreRefused) {
  start();
  EXPECT_FALSE(connect(http1, TLS1_1_VERSION).shaken());
  TlsClient client = connect(http1, TLS1_2_VERSION);
  ASSERT_TRUE(client.shaken());
  EXPECT_EQ(client.version(), "TLSv1.2");
  EXPECT_EQ(client.call("POST", "/echo", "x")->body, "x");
}

TEST_F(TlsTest, TheOldestVersionCanBeSet) {
  start({}, TlsVersion::v1_3);
  EXPECT_FALSE(connect(http1, TLS1_2_VERSION).shaken());
  EXPECT_EQ(connect(http1).version(), "TLSv1.3");
}

TEST_F(TlsTest, PlainTextIsToldToUseTls) {
  start();
  for (const std::string_view wire : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "{}", "G"}) {
    RawClient client(server_->port());
    ASSERT_TRUE(client.send(wire));
    const auto response = client.read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 400);
    EXPECT_NE(response->body.find("this address speaks TLS; use https"), std::string::npos);
    EXPECT_TRUE(client.at_end());
  }
  RawClient http2_client(server_->port());
  ASSERT_TRUE(http2_client.send(preface));
  EXPECT_TRUE(http2_client.at_end());
  EXPECT_EQ(server_->stats().requests_total, 0u);
}

TEST_F(TlsTest, PlainTextMayBeSpokenBesideTls) {
  HttpOptions options;
  options.plaintext = true;
  start(options);
  EXPECT_EQ(RawClient(server_->port()).call("POST", "/echo", "x")->body, "x");
  RawClient http2_client(server_->port());
  ASSERT_TRUE(http2_client.send(preface));
  const int fd = taken_.next();
  char first[64];
  EXPECT_EQ(::recv(fd, first, sizeof first, 0), static_cast<ssize_t>(preface.size()));
  ::close(fd);
  EXPECT_EQ(connect(http1).call("POST", "/echo", "x")->body, "x");
}

TEST_F(TlsTest, GarbageAndSlowHandshakesAreCutOff) {
  HttpOptions options;
  options.head_timeout = Millis(100);
  start(options);
  RawClient silent(server_->port());
  RawClient slow(server_->port());
  ASSERT_TRUE(slow.send("\x16\x03\x01"));
  RawClient garbage(server_->port());
  ASSERT_TRUE(garbage.send(std::string("\x16\x03\x01\x00\x20", 5) + std::string(32, 'x')));
  EXPECT_TRUE(silent.at_end());
  EXPECT_TRUE(slow.at_end());
  garbage.read();  // perhaps an alert
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().handshakes_failed, 2u);
}

TEST_F(TlsTest, LargeBodiesAndAnswersPass) {
  start();
  TlsClient client = connect(http1);
  const std::string body(8 << 20, 'x');
  const auto echoed = client.call("POST", "/echo", body);
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->body, body);
  EXPECT_EQ(client.call("GET", "/big")->body.size(), 8u << 20);
}

TEST_F(TlsTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  TlsClient client = connect(http1);
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += RawClient::request("POST", "/echo", std::to_string(i));
  ASSERT_TRUE(client.send(wire));
  for (int i = 0; i < 1000; ++i) {
    const auto response = client.read();
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->body, std::to_string(i));
  }
}

TEST_F(TlsTest, AClosedConnectionWasToldItsEnd) {
  start();
  TlsClient client = connect(http1);
  ASSERT_TRUE(client.call("GET", "/", {}, "Connection: close\r\n"));
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(client.was_told_the_end());
}

TEST_F(TlsTest, ManyConnections) {
  HttpOptions options;
  options.threads = 2;
  start(options);
  std::vector<TlsClient> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(connect(i % 2 == 0 ? http1 : http2));
    ASSERT_TRUE(clients.back().shaken()) << i;
  }
  EXPECT_EQ(server_->stats().connections, 300u);
  for (int i = 0; i < 300; i += 2) EXPECT_EQ(clients[i].call("POST", "/echo", "x")->body, "x");
  clients.clear();
  for (int i = 0; i < 150; ++i) ::close(taken_.next());
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

// ---- HTTP/2's bytes

TEST_F(TlsTest, BytesPassBothWaysAndWhoReadsSlowlySlowsTheWriterDown) {
  start();
  TlsClient client = connect(http2);
  const int fd = taken_.next();
  ASSERT_TRUE(client.send(preface));
  char first[64];
  EXPECT_EQ(::recv(fd, first, sizeof first, 0), static_cast<ssize_t>(preface.size()));

  // The client reads nothing: only what sockets hold is taken.
  const std::string piece(64 << 10, 'p');
  std::size_t taken = 0;
  const timeval quarter{.tv_sec = 0, .tv_usec = 250'000};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &quarter, sizeof quarter);
  for (ssize_t sent = 0; (sent = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL)) > 0;) {
    taken += static_cast<std::size_t>(sent);
    ASSERT_LT(taken, 64u << 20);
  }
  EXPECT_GT(taken, 0u);
  // And it all arrives.
  std::size_t read = 0;
  char bytes[16384];
  while (read < taken) {
    const ssize_t got = client.receive_some(bytes, sizeof bytes);
    ASSERT_GT(got, 0);
    read += static_cast<std::size_t>(got);
  }
  EXPECT_EQ(read, taken);

  // The same towards whoever took the connection, while it reads nothing: the client blocks.
  std::atomic<std::size_t> sent{0};
  std::thread sending([&] {
    for (int i = 0; i < 512; ++i) {
      if (!client.send(piece)) return;
      sent += piece.size();
    }
  });
  std::size_t last = 1;
  while (sent != last) {
    last = sent;
    std::this_thread::sleep_for(Millis(250));
  }
  EXPECT_LT(sent, 512 * piece.size());
  std::size_t received = 0;
  while (received < 512 * piece.size()) {
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    ASSERT_GT(got, 0);
    received += static_cast<std::size_t>(got);
  }
  sending.join();
  ::close(fd);
}

TEST_F(TlsTest, EachSidesEndIsPassedOn) {
  start();
  TlsClient client = connect(http2);
  const int fd = taken_.next();
  ASSERT_TRUE(client.send("last question"));
  client.end();
  char bytes[64];
  EXPECT_EQ(::recv(fd, bytes, sizeof bytes, MSG_WAITALL), 13);  // and then the end
  EXPECT_EQ(::send(fd, "last words", 10, MSG_NOSIGNAL), 10);
  ::close(fd);
  std::string heard;
  for (ssize_t got = 0; (got = client.receive_some(bytes, sizeof bytes)) > 0;) {
    heard.append(bytes, static_cast<std::size_t>(got));
  }
  EXPECT_EQ(heard, "last words");
  EXPECT_TRUE(client.was_told_the_end());
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(TlsTest, AClientThatVanishesEndsTheConnection) {
  start();
  TlsClient client = connect(http2);
  const int fd = taken_.next();
  client.reset();
  char byte = 0;
  EXPECT_LE(::recv(fd, &byte, 1, 0), 0);
  ::close(fd);
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(TlsTest, AnHttp2ClientThatReadsNothingIsCutOff) {
  HttpOptions options;
  options.write_timeout = Millis(100);
  start(options);
  TlsClient client = connect(http2);
  const int fd = taken_.next();
  const std::string piece(64 << 10, 'p');
  while (::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
  }
  ::close(fd);
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(TlsTest, StoppingCutsWhatIsLeft) {
  start();
  TlsClient first = connect(http1);
  TlsClient second = connect(http2);
  const int fd = taken_.next();
  server_->stop(Millis(10));
  EXPECT_TRUE(first.at_end());
  EXPECT_TRUE(second.at_end());
  char byte = 0;
  EXPECT_EQ(::recv(fd, &byte, 1, 0), 0);
  ::close(fd);
}

// ---- Certificates

TEST_F(TlsTest, ACertificateIsReplacedWhileTheServerRuns) {
  start();
  TlsClient before = connect(http1);
  EXPECT_EQ(before.server_name(), "first");
  authority_.write(localhost("second"), certificate_, key_);
  ASSERT_TRUE(identity_->reload());
  EXPECT_EQ(connect(http1).server_name(), "second");
  EXPECT_EQ(before.call("POST", "/echo", "x")->body, "x");

  // Half-written files change nothing.
  TestFile other;
  authority_.write(localhost("third"), certificate_, other);
  const auto failed = identity_->reload();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().field, "tls_key");
  EXPECT_EQ(connect(http1).server_name(), "second");
}

TEST_F(TlsTest, WhenTheCertificateEndsIsKnown) {
  CertificateRequest request = localhost("ends");
  request.days = 30;
  authority_.write(request, certificate_, key_);
  const auto identity = TlsIdentity::load({certificate_.path(), key_.path()});
  ASSERT_TRUE(identity);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto left = (*identity)->not_after() - Wall(std::chrono::duration_cast<Micros>(now));
  EXPECT_NEAR(static_cast<double>(left / Seconds(1)), 30.0 * 24 * 3600, 60);
}

TEST_F(TlsTest, AnExpiredCertificateIsServedAllTheSame) {
  CertificateRequest request = localhost("expired");
  request.days = -1;
  authority_.write(request, certificate_, key_);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(TlsIdentity::load({certificate_.path(), key_.path()}));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("tls.certificate_expired"),
            std::string::npos);
}

TEST(TlsIdentity, FilesThatCannotBeUsedAreTold) {
  const TestAuthority authority;
  TestFile certificate;
  TestFile key;
  TestFile other_key;
  TestFile text;
  TestFile empty;
  authority.write({}, certificate, other_key);
  authority.write({}, certificate, key);
  text.write("no PEM\n");
  struct Case {
    std::string certificate;
    std::string key;
    std::string field;
    std::string words;
  };
  const std::vector<Case> cases = {
      {"/no/such.pem", key.path(), "tls_cert", "tls_cert: /no/such.pem: No such file or directory"},
      {certificate.path(), "/no/such.pem", "tls_key",
       "tls_key: /no/such.pem: No such file or directory"},
      {"/tmp", key.path(), "tls_cert", "tls_cert: /tmp: Is a directory"},
      {empty.path(), key.path(), "tls_cert", "is empty"},
      {text.path(), key.path(), "tls_cert", "holds no certificate in PEM"},
      {certificate.path(), text.path(), "tls_key", "holds no private key in PEM"},
      {certificate.path(), certificate.path(), "tls_key", "holds no private key in PEM"},
      {certificate.path(), other_key.path(), "tls_key",
       "is not the key of the certificate in " + certificate.path()},
  };
  for (const Case& one : cases) {
    const auto identity = TlsIdentity::load({one.certificate, one.key});
    ASSERT_FALSE(identity) << one.words;
    EXPECT_EQ(identity.error().field, one.field);
    EXPECT_NE(identity.error().message.find(one.words), std::string::npos)
        << identity.error().message;
  }
}

TEST(TlsIdentity, AKeyWithAPassphraseIsToldAndNotAskedFor) {
  const TestAuthority authority;
  TestFile certificate;
  TestFile key;
  authority.write({}, certificate, key);
  const Key secret(EVP_EC_gen("P-256"));
  char passphrase[] = "secret";
  ASSERT_EQ(PEM_write_PrivateKey(key.open(), secret.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                                 passphrase),
            1);
  key.close();
  const auto identity = TlsIdentity::load({certificate.path(), key.path()});
  ASSERT_FALSE(identity);
  EXPECT_NE(identity.error().message.find("passphrase"), std::string::npos);
}

}  // namespace
}  // namespace deferd
