// The dispatcher against servers that do what servers do: every test is one conversation over
// loopback.
#include "dispatch/push_dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <future>

#include "base/testing/certificates.h"
#include "dispatch/testing/pushes.h"
#include "dispatch/testing/scripted_server.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Push, SendsARequestAndReportsTheStatus) {
  Seen<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request);
      peer.write(answer(204));
    }
  });
  auto pushes = dispatcher();
  PushRequest request = post(server.url("/a%20b?c=d"), "hello");
  request.headers = {{"Content-Type", "text/plain"}, {"X-mIXed", "As Is"}};
  const AttemptResult result = push(*pushes, request);
  EXPECT_EQ(result.status, 204);
  EXPECT_EQ(result.detail, "");
  EXPECT_EQ(result.retry_after, Micros(0));

  const SeenRequest got = seen.take();
  EXPECT_TRUE(got.head.starts_with("POST /a%20b?c=d HTTP/1.1\r\n")) << got.head;
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.header("Host"), "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(got.header("Content-Length"), "5");
  EXPECT_EQ(got.header("Content-Type"), "text/plain");
  EXPECT_EQ(got.header("X-mIXed"), "As Is");
  EXPECT_EQ(got.header("User-Agent"), "deferd");
  EXPECT_EQ(got.header("X-Deferd-Queue"), "mail");
  EXPECT_EQ(got.header("X-Deferd-Task"), "00001795000000000001");
  EXPECT_EQ(got.header("X-Deferd-Attempt"), "1");
  EXPECT_EQ(pushes->stats().answered_2xx, 1u);
}

TEST(Push, EveryStatusIsAnAnswer) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      peer.write(answer(std::stoi(request.body), "Location: http://169.254.169.254/\r\n"));
    }
  });
  auto pushes = dispatcher();
  for (const int status : {200, 201, 299, 300, 301, 302, 307, 308, 400, 404, 429, 500, 503, 599}) {
    EXPECT_EQ(push(*pushes, post(server.url(), std::to_string(status))).status, status);
  }
  EXPECT_EQ(server.connections(), 1);  // kept alive, and no redirect followed
}

TEST(Push, KeepsAConnectionForTheNextPush) {
  ScriptedServer server(ScriptedServer::always(answer(200, "", "body to be dropped")));
  auto pushes = dispatcher();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(push(*pushes, post(server.url(), "x")).status, 200);
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(pushes->stats().connections_opened, 1u);
}

TEST(Push, ClosesAConnectionThatRestedLongEnough) {
  Seen<std::string> closed;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) peer.write(answer(200));
    closed.put("closed");
  });
  PushOptions options;
  options.idle_timeout = 20ms;
  auto pushes = dispatcher(options);
  ASSERT_EQ(push(*pushes, post(server.url())).status, 200);
  EXPECT_EQ(closed.take(), "closed");
  ASSERT_EQ(push(*pushes, post(server.url())).status, 200);
  EXPECT_EQ(server.connections(), 2);
}

TEST(Push, HonoursConnectionCloseAndOldProtocols) {
  for (const std::string& bytes :
       {std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        std::string("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        std::string("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        std::string("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        std::string("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")}) {
    ScriptedServer server([&](Peer& peer) {
      SeenRequest request;
      if (peer.read_request(request)) peer.write(bytes);
    });
    auto pushes = dispatcher();
    EXPECT_EQ(push(*pushes, post(server.url())).status, 200) << bytes;
    EXPECT_EQ(push(*pushes, post(server.url())).status, 200) << bytes;
    EXPECT_EQ(server.connections(), 2) << bytes;
  }
}

TEST(Push, ReplacesAConnectionThatTurnsOutClosed) {
  // The first connection answers once and is closed when the second request has come: nobody could
  // have known.
  for (const bool reset : {false, true}) {
    ScriptedServer server([&](Peer& peer) {
      SeenRequest request;
      if (!peer.read_request(request)) return;
      peer.write(answer(200));
      if (!peer.read_request(request)) return;
      if (peer.index() == 0) {
        if (reset) peer.reset();
        return;
      }
      peer.write(answer(201));
    });
    auto pushes = dispatcher();
    ASSERT_EQ(push(*pushes, post(server.url(), "one")).status, 200);
    ASSERT_EQ(push(*pushes, post(server.url(), "two")).status, 200) << "on a fresh connection";
    EXPECT_EQ(server.connections(), 2);
    EXPECT_EQ(pushes->stats().retried_stale, 1u);
    EXPECT_EQ(push(*pushes, post(server.url(), "three")).status, 201);
  }
}

TEST(Push, DoesNotRepeatAPushOnAFreshConnection) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    peer.read_request(request);
  });
  auto pushes = dispatcher();
  const AttemptResult result = push(*pushes, post(server.url()));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_EQ(result.detail, "connection closed without an answer");
  EXPECT_EQ(server.connections(), 1);
}

TEST(Push, DoesNotRepeatAPushThatWasPartlyAnswered) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    peer.write(answer(200));
    if (peer.read_request(request)) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
  });
  auto pushes = dispatcher();
  ASSERT_EQ(push(*pushes, post(server.url())).status, 200);
  const AttemptResult result = push(*pushes, post(server.url()));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_EQ(result.detail, "connection closed in the middle of the answer");
  EXPECT_EQ(server.connections(), 1);
}

TEST(Push, OneDeadlineCoversEveryStage) {
  struct Case {
    std::string stage;
    ScriptedServer::Script script;
    std::string detail;
  };
  const Case cases[] = {
      {"no answer", [](Peer& peer) { peer.wait_until_closed(); }, "waiting for the answer"},
      {"half a head",
       [](Peer& peer) {
         peer.write("HTTP/1.1 200 OK\r\nContent-Le");
         peer.wait_until_closed();
       },
       "waiting for the answer"},
      {"half a body",
       [](Peer& peer) {
         peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
         peer.wait_until_closed();
       },
       "waiting for the answer"},
      {"interim answers without end",
       [](Peer& peer) {
         while (peer.write("HTTP/1.1 102 Processing\r\n\r\n")) std::this_thread::sleep_for(1ms);
       },
       "waiting for the answer"},
      {"a byte at a time",
       [](Peer& peer) {
         peer.write("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
         while (peer.write("x")) std::this_thread::sleep_for(1ms);
       },
       "waiting for the answer"},
  };
  auto pushes = dispatcher();
  for (const Case& c : cases) {
    ScriptedServer server(c.script);
    const auto began = std::chrono::steady_clock::now();
    const AttemptResult result = push(*pushes, post(server.url()), 100ms);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 100ms) << c.stage;
    EXPECT_EQ(result.status, status_timeout) << c.stage << ": " << result.detail;
    EXPECT_THAT(result.detail, HasSubstr(c.detail)) << c.stage;
  }
  EXPECT_EQ(pushes->stats().timed_out, 5u);
}

TEST(Push, DeadlinePassesWhileALargeBodyIsNotRead) {
  auto server = ScriptedServer::silent();
  auto pushes = dispatcher();
  const PushRequest request = post(server->url(), std::string(32 << 20, 'x'));
  EXPECT_EQ(push(*pushes, request, 100ms).status, status_timeout);
}

TEST(Push, DeadlinePassesWhileConnecting) {
  // A full listen queue: the kernel does not answer further connects.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";

  const int first = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(first, reinterpret_cast<sockaddr*>(&address), size), 0);

  auto pushes = dispatcher();
  AttemptResult result = push(*pushes, post(url), 100ms);
  EXPECT_EQ(result.status, status_timeout);
  EXPECT_EQ(result.detail, "the deadline passed while connecting");

  PushOptions options;
  options.connect_timeout = 50ms;
  auto impatient = dispatcher(options);
  result = push(*impatient, post(url));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_THAT(result.detail, HasSubstr("no answer within 50ms"));
  ::close(first);
  ::close(listener);
}

TEST(Push, SendsALargeBodyWhole) {
  Seen<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(std::move(request));
      peer.write(answer(200));
    }
  });
  auto pushes = dispatcher();
  std::string body(20 << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + (i >> 13));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(push(*pushes, post(server.url(), body)).status, 200);
    EXPECT_TRUE(seen.take().body == body);
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Push, AnAnswerBeforeTheBodyWasSentCounts) {
  ScriptedServer server([](Peer& peer) {
    peer.read_some();
    peer.write(answer(413));
    peer.wait_until_closed();
  });
  auto pushes = dispatcher();
  EXPECT_EQ(push(*pushes, post(server.url(), std::string(32 << 20, 'x'))).status, 413);
  EXPECT_EQ(push(*pushes, post(server.url(), std::string(32 << 20, 'x'))).status, 413);
  EXPECT_EQ(server.connections(), 2);  // the rest of the body would be taken for a request
  EXPECT_EQ(pushes->stats().retried_stale, 0u);  // the first was not used again
}

TEST(Push, ReadsChunkedAnswersInAnyPieces) {
  const std::string whole =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
      "5;ext=1\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n";
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      const std::size_t piece = std::stoul(request.body);
      for (std::size_t at = 0; at < whole.size(); at += piece) {
        if (!peer.write(whole.substr(at, piece))) return;
        if (piece < 8) std::this_thread::yield();
      }
    }
  });
  auto pushes = dispatcher();
  for (const int piece : {1, 2, 3, 7, 64, 1000}) {
    EXPECT_EQ(push(*pushes, post(server.url(), std::to_string(piece))).status, 200) << piece;
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Push, AnswersWithoutBodiesEndWithTheirHead) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      if (request.head.starts_with("HEAD ")) {
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
      } else if (request.head.starts_with("GET /204")) {
        peer.write("HTTP/1.1 204 No Content\r\n\r\n");
      } else {
        peer.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
      }
    }
  });
  auto pushes = dispatcher();
  PushRequest request = post(server.url("/"));
  request.method = HttpMethod::head;
  EXPECT_EQ(push(*pushes, request).status, 200);
  request.method = HttpMethod::get;
  request.url = server.url("/204");
  EXPECT_EQ(push(*pushes, request).status, 204);
  request.url = server.url("/304");
  EXPECT_EQ(push(*pushes, request).status, 304);
  EXPECT_EQ(push(*pushes, request).status, 304);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Push, InterimAnswersAreSkipped) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      peer.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
      peer.write(answer(202));
    }
  });
  auto pushes = dispatcher();
  EXPECT_EQ(push(*pushes, post(server.url(), "x")).status, 202);
  EXPECT_EQ(push(*pushes, post(server.url(), "x")).status, 202);
  EXPECT_EQ(server.connections(), 1);
}

// CT-120
TEST(Push, ALongAnswerEndsItsConnectionAndItsStatusCounts) {
  const std::string chunk = "400\r\n" + std::string(1024, 'x') + "\r\n";
  const std::pair<std::string, std::string> answers[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "never ends"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk},
      {"HTTP/1.1 200 OK\r\n\r\n", std::string(1024, 'x')},
  };
  for (const auto& [head, piece] : answers) {
    ScriptedServer server([&](Peer& peer) {
      SeenRequest request;
      if (!peer.read_request(request)) return;
      peer.write(head);
      while (peer.write(piece)) {
      }
    });
    auto pushes = dispatcher();
    EXPECT_EQ(push(*pushes, post(server.url())).status, 200) << head;
    EXPECT_EQ(push(*pushes, post(server.url())).status, 200) << head;
    EXPECT_EQ(server.connections(), 2) << head;
  }
}

TEST(Push, WhatIsNotHttpIsUnreachable) {
  std::string many_headers = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 2000; ++i) many_headers += "X-Header-" + std::to_string(i) + ": value\r\n";
  many_headers += "Content-Length: 0\r\n\r\n";
  const std::string garbage[] = {
      "SSH-2.0-OpenSSH_9.2\r\n",
      "<html>\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x') + "\r\nContent-Length: 0\r\n\r\n",
      many_headers,
      std::string(100000, '\0'),
      std::string(100000, 'H'),
  };
  for (const std::string& bytes : garbage) {
    ScriptedServer server([&](Peer& peer) {
      SeenRequest request;
      if (peer.read_request(request) && peer.write(bytes)) peer.wait_until_closed();
    });
    auto pushes = dispatcher();
    const AttemptResult result = push(*pushes, post(server.url()));
    EXPECT_EQ(result.status, status_unreachable) << bytes.substr(0, 60);
    EXPECT_THAT(result.detail, HasSubstr("the answer is not HTTP")) << bytes.substr(0, 60);
  }
}

TEST(Push, TakesRetryAfter) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      peer.write(answer(503, "retry-after: " + request.body + "\r\n"));
    }
  });
  auto pushes = dispatcher();
  EXPECT_EQ(push(*pushes, post(server.url(), "17")).retry_after, 17s);
  EXPECT_EQ(push(*pushes, post(server.url(), "999999")).retry_after, 24h);
  EXPECT_EQ(push(*pushes, post(server.url(), "soon")).retry_after, 0s);
  EXPECT_EQ(push(*pushes, post(server.url(), "Mon, 01 Jan 2035 00:00:00 GMT")).retry_after, 24h);
  EXPECT_EQ(push(*pushes, post(server.url(), "Thu, 01 Jan 1970 00:00:00 GMT")).retry_after, 0s);
}

TEST(Push, SaysWhyThereWasNoConnection) {
  std::string url;
  {
    url = ScriptedServer::silent()->url();
  }  // its port is free again
  auto pushes = dispatcher();
  const AttemptResult result = push(*pushes, post(url));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_THAT(result.detail, HasSubstr("connect to 127.0.0.1:"));
  EXPECT_THAT(result.detail, HasSubstr("connection refused"));
  EXPECT_EQ(pushes->stats().connections, 0u);
}

TEST(Push, RefusesWhatItCannotSend) {
  auto pushes = dispatcher();
  PushRequest request = post("ftp://example.com/");
  EXPECT_EQ(push(*pushes, request).status, status_refused);
  request.url = "http://127.0.0.1/";
  request.headers = {{"X", "a\r\nY: b"}};
  const AttemptResult result = push(*pushes, request);
  EXPECT_EQ(result.status, status_refused);
  EXPECT_EQ(result.detail, "header \"X\" cannot be sent as one line");

  std::promise<AttemptResult> damaged;
  Attempt attempt = attempt_of(request, ample);
  attempt.task.payload = share("\xff not a payload");
  pushes->start(std::move(attempt), [&](AttemptResult got) { damaged.set_value(got); });
  EXPECT_EQ(damaged.get_future().get().status, status_refused);

  std::promise<AttemptResult> missing;
  attempt = attempt_of(request, ample);
  attempt.task.payload = nullptr;
  pushes->start(std::move(attempt), [&](AttemptResult got) { missing.set_value(got); });
  EXPECT_EQ(missing.get_future().get().status, status_refused);
}

// --- names ---

Addresses addresses(std::initializer_list<std::string_view> texts) {
  Addresses all;
  for (const std::string_view text : texts) all.push_back(*IpAddress::parse(text));
  return all;
}

TEST(PushToName, LooksUpOnceAndTriesTheAddressesInTurn) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  std::atomic<int> lookups{0};
  PushOptions options;
  options.lookup = [&](const std::string& host) -> Result<Addresses> {
    ++lookups;
    EXPECT_EQ(host, "service.test");
    return addresses({"127.0.0.2", "127.0.0.1"});  // nobody listens at the first
  };
  auto pushes = dispatcher(options);
  const std::string url = "http://Service.TEST:" + std::to_string(server.port()) + "/";
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 20; ++i) running.push_back(begin(*pushes, post(url)));
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
  EXPECT_EQ(lookups, 1);
}

TEST(PushToName, SaysThatANameDoesNotResolve) {
  PushOptions options;
  options.lookup = [](const std::string&) -> Result<Addresses> {
    return fail(Reason::not_found, "Name or service not known");
  };
  auto pushes = dispatcher(options);
  const AttemptResult result = push(*pushes, post("http://nowhere.test/"));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_EQ(result.detail, "dns: nowhere.test: Name or service not known");
}

TEST(PushToName, TheSystemKnowsLocalhost) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  auto pushes = dispatcher();
  EXPECT_EQ(push(*pushes, post("http://localhost:" + std::to_string(server.port()) + "/")).status,
            200);
}

TEST(PushToName, ASlowResolverHoldsUpItsOwnNamesOnly) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  // Shared with lookups that outlive the dispatcher.
  auto release = std::make_shared<std::promise<void>>();
  PushOptions options;
  options.dns_timeout = 100ms;
  options.lookup =
      [until = release->get_future().share()](const std::string& host) -> Result<Addresses> {
    if (host == "slow.test") until.wait();
    return Addresses{*IpAddress::parse("127.0.0.1")};
  };
  auto pushes = dispatcher(options);
  const std::string port = std::to_string(server.port());
  auto slow = begin(*pushes, post("http://slow.test:" + port + "/"));
  auto slow_short = begin(*pushes, post("http://slow.test:" + port + "/"), 10ms);
  EXPECT_EQ(push(*pushes, post("http://quick.test:" + port + "/")).status, 200);
  EXPECT_EQ(push(*pushes, post(server.url())).status, 200);
  EXPECT_EQ(slow_short.get().status, status_timeout);
  const AttemptResult result = slow.get();
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_EQ(result.detail, "dns: no answer for slow.test within 100ms");
  pushes.reset();  // does not wait for the lookup
  release->set_value();
}

TEST(PushToName, AnOldAnswerServesWhileANewOneIsFetched) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    if (peer.read_request(request)) {
      peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
  });
  auto release = std::make_shared<std::promise<void>>();
  std::atomic<int> lookups{0};
  PushOptions options;
  options.dns_keep = 1ms;
  options.lookup =
      [&lookups, until = release->get_future().share()](const std::string&) -> Result<Addresses> {
    if (++lookups > 1) until.wait();
    return Addresses{*IpAddress::parse("127.0.0.1")};
  };
  auto pushes = dispatcher(options);
  const std::string url = "http://service.test:" + std::to_string(server.port()) + "/";
  while (lookups < 2) ASSERT_EQ(push(*pushes, post(url)).status, 200);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(push(*pushes, post(url)).status, 200);
  EXPECT_EQ(lookups, 2);
  release->set_value();
}

// --- the target guard ---

TEST(PushGuard, RefusesAddressesHoweverTheyAreNamed) {
  PushOptions options;
  options.lookup = [](const std::string&) -> Result<Addresses> {
    return addresses({"169.254.169.254"});
  };
  auto pushes = dispatcher(options);
  for (const std::string url :
       {"http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/", "http://metadata.test/", "http://[fe80::1]/",
        "http://0.0.0.0/", "http://2852039166/", "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/", "http://169.254.169.254./", "https://[fd00:ec2::254]/"}) {
    const AttemptResult result = push(*pushes, post(url));
    EXPECT_EQ(result.status, status_refused) << url << ": " << result.detail;
  }
  EXPECT_EQ(push(*pushes, post("http://metadata.test/")).detail,
            "target guard: 169.254.169.254 is a metadata address (metadata.test)");
  EXPECT_EQ(pushes->stats().connections, 0u);
}

TEST(PushGuard, ConnectsOnlyToTheAddressesThatPass) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  PushOptions options;
  options.lookup = [](const std::string&) -> Result<Addresses> {
    return addresses({"169.254.169.254", "127.0.0.1"});
  };
  auto pushes = dispatcher(options);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(push(*pushes, post("http://mixed.test:" + std::to_string(server.port()) + "/")).status,
            200);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);  // a connect timeout is 10 s
}

TEST(PushGuard, AsksAgainForEachConnection) {
  // First an honest answer, then another one for the same name: only the first connection is made.
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    if (peer.read_request(request)) {
      peer.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
  });
  std::atomic<int> lookups{0};
  PushOptions options;
  options.dns_keep = 0ms;
  options.lookup = [&](const std::string&) -> Result<Addresses> {
    return addresses({++lookups == 1 ? "127.0.0.1" : "169.254.169.254"});
  };
  auto pushes = dispatcher(options);
  const std::string url = "http://rebinding.test:" + std::to_string(server.port()) + "/";
  AttemptResult result = push(*pushes, post(url));
  ASSERT_EQ(result.status, 200);
  while (result.status == 200) result = push(*pushes, post(url));
  EXPECT_EQ(result.status, status_refused);
}

TEST(PushGuard, RefusesDeferdItself) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  const std::string port = std::to_string(server.port());
  for (const std::string& own : {"127.0.0.1:" + port, "0.0.0.0:" + port, "[::]:" + port}) {
    PushOptions options;
    options.guard.own = {own};
    auto pushes = dispatcher(options);
    for (const std::string host : {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"}) {
      const AttemptResult result = push(*pushes, post("http://" + host + ":" + port + "/"));
      // localhost may have ::1 too, where nobody listens.
      EXPECT_LT(result.status, 0) << own << " " << host;
      if (host != "localhost") {
        EXPECT_THAT(result.detail, HasSubstr("is deferd's own")) << own << " " << host;
      }
    }
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(PushGuard, RefusesWhatTheOperatorDenies) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  PushOptions options;
  options.guard.deny = {"loopback"};
  auto pushes = dispatcher(options);
  const AttemptResult result = push(*pushes, post(server.url()));
  EXPECT_EQ(result.status, status_refused);
  EXPECT_EQ(result.detail, "target guard: 127.0.0.1 is in 127.0.0.0/8, which is denied");

  options.guard.deny = {"nonsense"};
  EXPECT_FALSE(make_push_dispatcher(options).has_value());
}

// --- TLS ---

TEST(PushTls, VerifiesTheServer) {
  const TestAuthority authority;
  struct Case {
    std::string what;
    CertificateRequest certificate;
    bool self_signed;
    std::string failure;  // empty: goes through
  };
  CertificateRequest good;
  good.alternative_names = "IP:127.0.0.1";
  CertificateRequest wrong_host = good;
  wrong_host.alternative_names = "IP:127.0.0.2,DNS:example.test";
  CertificateRequest no_names;
  no_names.name = "127.0.0.1";
  CertificateRequest expired = good;
  expired.days = -1;
  const Case cases[] = {
      {"good", good, false, ""},
      {"wrong host", wrong_host, false, "IP address mismatch"},
      {"no names", no_names, false, "IP address mismatch"},
      {"expired", expired, false, "certificate has expired"},
      {"self-signed", good, true, "self-signed certificate"},
  };
  PushOptions options;
  options.ca_file = authority.file();
  auto pushes = dispatcher(options);
  for (const Case& c : cases) {
    const TlsContext context = authority.serve(c.certificate, c.self_signed);
    ScriptedServer server(ScriptedServer::always(answer(200, "", "over TLS")), context.get());
    for (int i = 0; i < 3; ++i) {
      const AttemptResult result = push(*pushes, post(server.url(), std::string(100'000, 'x')));
      if (c.failure.empty()) {
        EXPECT_EQ(result.status, 200) << c.what << ": " << result.detail;
      } else {
        EXPECT_EQ(result.status, status_unreachable) << c.what;
        EXPECT_THAT(result.detail, HasSubstr("tls: " + c.failure)) << c.what;
      }
    }
    if (c.failure.empty()) EXPECT_EQ(server.connections(), 1) << c.what;
  }
}

TEST(PushTls, VerifiesNamesAndSendsThem) {
  const TestAuthority authority;
  CertificateRequest request;
  request.alternative_names = "DNS:service.test";
  const TlsContext context = authority.serve(request);
  Seen<std::string> names;
  SSL_CTX_set_tlsext_servername_callback(
      context.get(), +[](SSL* ssl, int*, void* argument) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        static_cast<Seen<std::string>*>(argument)->put(name != nullptr ? name : "");
        return SSL_TLSEXT_ERR_OK;
      });
  SSL_CTX_set_tlsext_servername_arg(context.get(), &names);
  ScriptedServer server(ScriptedServer::always(answer(200)), context.get());
  PushOptions options;
  options.ca_file = authority.file();
  options.lookup = [](const std::string&) -> Result<Addresses> { return addresses({"127.0.0.1"}); };
  auto pushes = dispatcher(options);
  const std::string port = std::to_string(server.port());
  const AttemptResult good = push(*pushes, post("https://service.test:" + port + "/"));
  EXPECT_EQ(good.status, 200) << good.detail;
  EXPECT_EQ(names.take(), "service.test");
  const AttemptResult other = push(*pushes, post("https://other.test:" + port + "/"));
  EXPECT_EQ(other.status, status_unreachable);
  EXPECT_EQ(other.detail, "tls: hostname mismatch");
}

TEST(PushTls, TrustsNobodyUnasked) {
  const TestAuthority authority;
  CertificateRequest request;
  request.alternative_names = "IP:127.0.0.1";
  const TlsContext context = authority.serve(request);
  ScriptedServer server(ScriptedServer::always(answer(200)), context.get());
  auto pushes = dispatcher();  // without the authority
  const AttemptResult result = push(*pushes, post(server.url()));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_THAT(result.detail, HasSubstr("unable to get local issuer certificate"));
}

TEST(PushTls, DeadlinePassesInTheHandshake) {
  auto server = ScriptedServer::silent();
  auto pushes = dispatcher();
  const AttemptResult result =
      push(*pushes, post("https://127.0.0.1:" + std::to_string(server->port()) + "/"), 100ms);
  EXPECT_EQ(result.status, status_timeout);
  EXPECT_EQ(result.detail, "the deadline passed while in the TLS handshake");
}

TEST(PushTls, SaysThatTheOtherSideDoesNotSpeakIt) {
  ScriptedServer server([](Peer& peer) {
    peer.read_some();
    peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  auto pushes = dispatcher();
  const AttemptResult result =
      push(*pushes, post("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
  EXPECT_EQ(result.status, status_unreachable);
  EXPECT_THAT(result.detail, HasSubstr("tls: wrong version number"));
}

TEST(PushTls, NeedsAReadableCaFile) {
  PushOptions options;
  options.ca_file = "/nonexistent/ca.pem";
  const auto made = make_push_dispatcher(options);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().field, "ca_file");
}

// --- slots ---

TEST(PushSlots, HangingPushesToOneHostDoNotDelayAnother) {
  auto hanging = ScriptedServer::silent();
  ScriptedServer quick(ScriptedServer::always(answer(200)));
  PushOptions options;
  options.connections_per_target_max = 500;  // so that half of them wait here
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> stuck;
  for (int i = 0; i < 1000; ++i) stuck.push_back(begin(*pushes, post(hanging->url())));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(push(*pushes, post(quick.url())).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_EQ(pushes->stats().waiting, 500u);
  EXPECT_LE(pushes->stats().connections, 501u);
  pushes.reset();
  for (auto& future : stuck) EXPECT_EQ(future.get().status, status_unreachable);
}

TEST(PushSlots, AWaitingPushTakesTheNextFreeConnection) {
  std::atomic<int> at_once{0};
  std::atomic<int> at_once_max{0};
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      const int now = ++at_once;
      int seen = at_once_max;
      while (seen < now && !at_once_max.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::yield();
      --at_once;
      if (!peer.write(answer(200))) return;
    }
  });
  PushOptions options;
  options.connections_per_target_max = 3;
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 300; ++i) running.push_back(begin(*pushes, post(server.url())));
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
  EXPECT_LE(at_once_max, 3);
  EXPECT_LE(server.connections(), 3);
  EXPECT_EQ(pushes->stats().waiting, 0u);
}

TEST(PushSlots, DeadlinesRunWhileWaiting) {
  auto hanging = ScriptedServer::silent();
  PushOptions options;
  options.connections_per_target_max = 1;
  auto pushes = dispatcher(options);
  auto first = begin(*pushes, post(hanging->url()));
  const AttemptResult result = push(*pushes, post(hanging->url()), 50ms);
  EXPECT_EQ(result.status, status_timeout);
  EXPECT_EQ(result.detail,
            "the deadline passed while waiting for one of 1 connections to 127.0.0.1");
  pushes.reset();
  EXPECT_EQ(first.get().status, status_unreachable);
}

TEST(PushSlots, TargetsShareTheConnectionsOfAllInTurn) {
  // Many targets, few connections: idle ones make room, and every push gets through.
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  for (int i = 0; i < 12; ++i) {
    servers.push_back(std::make_unique<ScriptedServer>(ScriptedServer::always(answer(200))));
  }
  PushOptions options;
  options.connections_max = 3;
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 240; ++i) {
    running.push_back(begin(*pushes, post(servers[static_cast<std::size_t>(i) % 12]->url())));
  }
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
  EXPECT_LE(pushes->stats().connections, 3u);
  for (auto& server : servers) EXPECT_EQ(push(*pushes, post(server->url())).status, 200);
}

TEST(PushSlots, ABusyTargetMakesRoomForAnother) {
  ScriptedServer busy(ScriptedServer::always(answer(200)));
  ScriptedServer other(ScriptedServer::always(answer(200)));
  PushOptions options;
  options.connections_max = 1;
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 500; ++i) running.push_back(begin(*pushes, post(busy.url())));
  std::promise<int> turn;
  pushes->start(attempt_of(post(other.url()), ample), [&](AttemptResult result) {
    EXPECT_EQ(result.status, 200);
    turn.set_value(static_cast<int>(pushes->stats().answered_2xx));
  });
  EXPECT_LT(turn.get_future().get(), 500);
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
}

TEST(PushSlots, RunningOutOfFileDescriptorsFailsAttemptsAndNothingElse) {
  auto hanging = ScriptedServer::silent();
  auto pushes = dispatcher();
  const int next = ::dup(0);  // the lowest free descriptor
  ::close(next);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(next + 20);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 40; ++i) running.push_back(begin(*pushes, post(hanging->url()), 300ms));
  int timed_out = 0;
  for (auto& future : running) {
    const AttemptResult result = future.get();
    if (result.status == status_timeout) {
      ++timed_out;
    } else {
      EXPECT_EQ(result.status, status_unreachable);
      EXPECT_THAT(result.detail, HasSubstr("too many open files"));
    }
  }
  EXPECT_GT(timed_out, 0);
  EXPECT_LT(timed_out, 40);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(PushSlots, OptionsThatCannotWorkAreRefused) {
  for (std::size_t PushOptions::* option :
       {&PushOptions::threads, &PushOptions::connections_per_target_max,
        &PushOptions::connections_max, &PushOptions::dns_threads_max}) {
    PushOptions options;
    options.*option = 0;
    const auto made = make_push_dispatcher(options);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().reason, Reason::invalid);
    EXPECT_FALSE(made.error().field.empty());
  }
}

TEST(PushSlots, SeveralThreadsDivideTheWork) {
  ScriptedServer server(ScriptedServer::always(answer(200)));
  PushOptions options;
  options.threads = 3;
  options.connections_per_target_max = 6;
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 300; ++i) running.push_back(begin(*pushes, post(server.url())));
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
  EXPECT_LE(server.connections(), 6);
  EXPECT_EQ(pushes->stats().started, 300u);
}

// --- stopping ---

TEST(PushStop, ReportsWhatItCutsOff) {
  const TestAuthority authority;
  auto hanging = ScriptedServer::silent();
  ScriptedServer quick(ScriptedServer::always(answer(200)));
  auto release = std::make_shared<std::promise<void>>();
  PushOptions options;
  options.connections_per_target_max = 2;
  options.lookup = [until =
                        release->get_future().share()](const std::string&) -> Result<Addresses> {
    until.wait();
    return fail(Reason::not_found, "too late");
  };
  auto pushes = dispatcher(options);
  ASSERT_EQ(push(*pushes, post(quick.url())).status, 200);  // leaves an idle connection
  const std::string port = std::to_string(hanging->port());
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 5; ++i) {
    running.push_back(begin(*pushes, post(hanging->url())));  // answering, waiting
    running.push_back(begin(*pushes, post("https://127.0.0.1:" + port + "/")));  // handshake
    running.push_back(begin(*pushes, post("http://slow.test:" + port + "/")));   // resolving
    running.push_back(begin(*pushes, post(hanging->url(), std::string(8 << 20, 'x'))));  // writing
  }
  pushes.reset();
  for (auto& future : running) {
    ASSERT_EQ(future.wait_for(0s), std::future_status::ready)
        << "reported before the destructor ends";
    const AttemptResult result = future.get();
    EXPECT_EQ(result.status, status_unreachable);
    EXPECT_EQ(result.detail, "deferd is shutting down");
  }
  release->set_value();
}

TEST(PushStop, WhatIsStartedByACallbackMeanwhileIsReportedToo) {
  auto hanging = ScriptedServer::silent();
  auto pushes = dispatcher();
  std::promise<AttemptResult> second;
  PushDispatcher* raw = pushes.get();
  const PushRequest request = post(hanging->url());
  pushes->start(attempt_of(request, ample), [&, raw](AttemptResult first) {
    EXPECT_EQ(first.status, status_unreachable);
    raw->start(attempt_of(request, ample), [&](AttemptResult got) { second.set_value(got); });
  });
  pushes.reset();
  EXPECT_EQ(second.get_future().get().status, status_unreachable);
}

}  // namespace
}  // namespace deferd
