#include "api/http/request_head.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

using namespace std::string_view_literals;

int status_of(std::string_view text) {
  RequestHead head;
  return parse_request_head(text, head).status;
}

TEST(RequestHead, GivesMethodTargetHeadersAndFraming) {
  const std::string text =
      "POST /v1/queues/default/tasks?x=1 HTTP/1.1\r\nHost: localhost\r\ncontent-length: 12\r\nX-A: "
      " b \r\n"
      "Expect: 100-Continue\r\n\r\n";
  RequestHead head;
  ASSERT_FALSE(parse_request_head(text, head));
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/queues/default/tasks?x=1");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  ASSERT_EQ(head.headers.size(), 4u);
  EXPECT_EQ(head.headers[2].name, "X-A");
  EXPECT_EQ(head.headers[2].value, "b");
}

TEST(RequestHead, ConnectionHeaderAndVersionDecideKeepAlive) {
  RequestHead head;
  ASSERT_FALSE(parse_request_head("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", head));
  EXPECT_FALSE(head.keep_alive);
  ASSERT_FALSE(parse_request_head("GET / HTTP/1.0\r\n\r\n", head));
  EXPECT_FALSE(head.keep_alive);
  ASSERT_FALSE(parse_request_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head));
  EXPECT_TRUE(head.keep_alive);
}

// Each of these has made two HTTP programs in a row disagree about where a request ends.
TEST(RequestHead, AmbiguousFramingIsRefused) {
  const std::string line = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(status_of(line + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length: -3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length: 99999999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length: 3, 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Transfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(status_of(line + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of(line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "X: a\r\n b\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + "Content-Length : 3\r\n\r\n"), 400);
}

TEST(RequestHead, MalformedHeadsAreRefused) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("G@T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nbad name: b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv), 400);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (std::size_t i = 0; i < request_headers_max; ++i) many += "X: y\r\n";
  EXPECT_EQ(status_of(many + "\r\n"), 431);
}

TEST(RequestHead, TargetSplitsIntoPathAndQuery) {
  const struct {
    std::string_view target, path, query;
  } cases[] = {
      {"/v1/queues", "/v1/queues", ""},
      {"/v1/queues?a=b?c", "/v1/queues", "a=b?c"},
      {"http://host:1/v1?x", "/v1", "x"},
      {"http://host", "/", ""},
      {"*", "*", ""},
      {"/a://b", "/a://b", ""},
  };
  for (const auto& each : cases) {
    std::string_view path, query;
    split_target(each.target, path, query);
    EXPECT_EQ(path, each.path) << each.target;
    EXPECT_EQ(query, each.query) << each.target;
  }
}

constexpr std::string_view chunked_head =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(ChunkedBody, ComesTogetherHoweverItIsCut) {
  const std::string wire = "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nX-Check: 7\r\n\r\n";
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    ChunkedBody body(chunked_head, 100);
    std::string waiting;
    for (std::size_t at = 0; at < wire.size(); at += step) {
      waiting += wire.substr(at, step);
      HttpRefusal refusal;
      waiting.erase(0, body.take(waiting, refusal));
      ASSERT_FALSE(refusal) << refusal.message;
    }
    EXPECT_TRUE(body.done()) << step;
    EXPECT_EQ(body.body(), "abc0123456789");
    EXPECT_EQ(waiting, "");
  }
}

TEST(ChunkedBody, StopsAtItsEndAndLeavesTheNextRequest) {
  ChunkedBody body(chunked_head, 100);
  HttpRefusal refusal;
  const std::string wire = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
  EXPECT_EQ(body.take(wire, refusal), 11u);
  EXPECT_TRUE(body.done());
}

TEST(ChunkedBody, OverTheLimitIsRefusedFromTheChunksHeadAlready) {
  ChunkedBody body(chunked_head, 10);
  HttpRefusal refusal;
  body.take("5\r\nabcde\r\n6\r\n", refusal);
  EXPECT_EQ(refusal.status, 413);
  EXPECT_EQ(body.body(), "abcde");
}

TEST(ChunkedBody, MalformedChunksAreRefused) {
  for (const std::string_view wire :
       {"x\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0\r\nContent-Length: 7\r\n\r\n",
        "fffffffffffffffff\r\n", "-1\r\n", "3 \r\rabc"}) {
    ChunkedBody body(chunked_head, 1000);
    HttpRefusal refusal;
    body.take(wire, refusal);
    EXPECT_NE(refusal.status, 0) << wire;
  }
}

// Boost.Beast 1.81 asserted on an empty body that came byte by byte: any client could end the
// process.
TEST(ChunkedBody, MayComeInPiecesOfAnySize) {
  for (const std::string_view text :
       {"0\r\n\r\n", "1\r\na\r\n0\r\n\r\n", "3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n", "0;e\r\n\r\n",
        "00\r\nT:\r\n\r\n"}) {
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
      ChunkedBody body("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 100);
      HttpRefusal refusal;
      std::string received;
      for (std::size_t at = 0; at < text.size(); at += piece) {
        received += text.substr(at, piece);
        received.erase(0, body.take(received, refusal));
        ASSERT_FALSE(refusal) << refusal.message;
      }
      EXPECT_TRUE(body.done()) << text << " in pieces of " << piece;
      EXPECT_EQ(received, "");
    }
  }
}

}  // namespace
}  // namespace deferd
