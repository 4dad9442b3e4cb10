// Responses that are given back, as the outcome of their task is kept.
#include <gtest/gtest.h>

#include "dispatch/testing/pushes.h"
#include "dispatch/testing/scripted_server.h"

namespace deferd {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

Attempt keeping(const PushRequest& request, std::vector<std::string> headers = {}) {
  Attempt attempt = attempt_of(request, ample);
  TaskOptions options;
  options.keep_result = Seconds(60);
  options.result_headers = std::move(headers);
  attempt.task.options = std::make_shared<const TaskOptions>(std::move(options));
  return attempt;
}

std::shared_ptr<const ResultBody> response_of(PushDispatcher& pushes, const Attempt& attempt) {
  return begin(pushes, attempt).get().response;
}

TEST(PushResponse, IsGivenBackWithTheHeadersThatTheTaskNames) {
  ScriptedServer server(ScriptedServer::always(
      answer(201, "content-type: text/html\r\nX-OTHER: no\r\nx-one: 1\r\nX-Two: 2\r\nX-One: 3\r\n",
             "hello")));
  auto pushes = dispatcher();
  const AttemptResult result =
      begin(*pushes, keeping(post(server.url()), {"X-One", "x-two", "X-Three"})).get();
  EXPECT_EQ(result.status, 201);
  ASSERT_NE(result.response, nullptr);
  EXPECT_EQ(result.response->headers,
            (Headers{{"Content-Type", "text/html"}, {"X-One", "1, 3"}, {"x-two", "2"}}));
  EXPECT_EQ(result.response->body, "hello");
  EXPECT_FALSE(result.response->truncated);

  Attempt with_callback = attempt_of(post(server.url()), ample);
  TaskOptions options;
  options.callback_url = "http://callback/";
  with_callback.task.options = std::make_shared<const TaskOptions>(options);
  EXPECT_EQ(response_of(*pushes, with_callback)->body, "hello");
  EXPECT_EQ(response_of(*pushes, attempt_of(post(server.url()), ample)), nullptr);
  EXPECT_EQ(server.connections(), 1);
}

TEST(PushResponse, OfAFailureToo) {
  ScriptedServer server(ScriptedServer::always(answer(500, "", "why")));
  auto pushes = dispatcher();
  EXPECT_EQ(response_of(*pushes, keeping(post(server.url())))->body, "why");
  auto silent = ScriptedServer::silent();
  Attempt attempt = keeping(post(silent->url()));
  attempt.timeout = Millis(10);
  const AttemptResult timeout = begin(*pushes, attempt).get();
  EXPECT_EQ(timeout.status, status_timeout);
  EXPECT_EQ(timeout.response, nullptr);
}

TEST(PushResponse, EndsHoweverTheTargetEndsIt) {
  struct Case {
    std::string bytes;
    std::string body;
    bool closes = false;
  };
  const Case cases[] = {
      {"HTTP/1.1 204 No Content\r\n\r\n", ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
      {"HTTP/1.1 103 Hints\r\nContent-Type: no\r\n\r\nHTTP/1.1 200 OK\r\n"
       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-One: late\r\n\r\n",
       "abcde"},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", true},
  };
  for (const auto& [bytes, body, closes] : cases) {
    ScriptedServer server([&](Peer& peer) {
      SeenRequest request;
      while (peer.read_request(request) && peer.write(bytes)) {
        if (closes) return;
      }
    });
    auto pushes = dispatcher();
    const auto response = response_of(*pushes, keeping(post(server.url())));
    ASSERT_NE(response, nullptr) << bytes;
    EXPECT_EQ(response->headers, Headers{}) << bytes;
    EXPECT_EQ(response->body, body) << bytes;
    EXPECT_FALSE(response->truncated) << bytes;
  }
  ScriptedServer server(ScriptedServer::always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
  auto pushes = dispatcher();
  PushRequest head = post(server.url());
  head.method = HttpMethod::head;
  EXPECT_EQ(response_of(*pushes, keeping(head))->body, "");
}

TEST(PushResponse, ABodyIsCutAtItsLimit) {
  const std::string most(result_bytes_max, 'x');
  const std::string more = most + std::string(result_bytes_max, 'y');
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + more + "\r\n0\r\n\r\n";
  struct Case {
    std::string bytes;
    bool truncated;
    int connections;  // after two pushes
  };
  for (const auto& [bytes, truncated, connections] :
       {Case{answer(200, "", most), false, 1}, Case{answer(200, "", more), true, 2},
        Case{chunked, true, 2}}) {
    ScriptedServer server(ScriptedServer::always(bytes));
    auto pushes = dispatcher();
    for (int i = 0; i < 2; ++i) {
      const AttemptResult result = begin(*pushes, keeping(post(server.url()))).get();
      EXPECT_EQ(result.status, 200);
      ASSERT_NE(result.response, nullptr);
      EXPECT_TRUE(result.response->body == most);
      EXPECT_EQ(result.response->truncated, truncated);
    }
    EXPECT_EQ(server.connections(), connections);
  }
}

TEST(PushResponse, IsTheLastOneAfterARedirect) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    peer.write(answer(302, "Location: /new\r\nContent-Type: no\r\n", "no"));
    if (peer.read_request(request)) peer.write(answer(200, "", "yes"));
  });
  PushOptions options;
  options.redirects_max = 1;
  auto pushes = dispatcher(options);
  const auto response = response_of(*pushes, keeping(post(server.url())));
  ASSERT_NE(response, nullptr);
  EXPECT_EQ(response->body, "yes");
  EXPECT_EQ(response->headers, Headers{});
}

TEST(PushResponse, WhatAllHoldIsBounded) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      peer.write(answer(200, "", std::string(std::stoul(request.body), 'x')));
    }
  });
  PushOptions options;
  options.kept_responses_bytes_max = 300'000;
  auto pushes = dispatcher(options);
  const auto get = [&](std::size_t bytes) {
    return response_of(*pushes, keeping(post(server.url(), std::to_string(bytes))));
  };
  auto held = get(150'000);
  EXPECT_EQ(held->body.size(), 150'000u);
  EXPECT_FALSE(held->truncated);
  const auto cut = get(250'000);
  EXPECT_LT(cut->body.size(), 250'000u);
  EXPECT_TRUE(cut->truncated);
  EXPECT_FALSE(get(100)->truncated);
  held.reset();
  EXPECT_FALSE(get(100'000)->truncated);
  // What is cut off gives back what it held.
  ScriptedServer stalls([](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(90'000, 'x'));
    peer.wait_until_closed();
  });
  for (int i = 0; i < 10; ++i) {
    Attempt attempt = keeping(post(stalls.url()));
    attempt.timeout = Millis(20);
    EXPECT_EQ(begin(*pushes, attempt).get().status, status_timeout);
  }
  EXPECT_FALSE(get(100'000)->truncated);
  pushes.reset();
  EXPECT_TRUE(cut->truncated) << "a response outlives its dispatcher";
}

}  // namespace
}  // namespace deferd
