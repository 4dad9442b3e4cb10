#include "dispatch/answer_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "model/target_url.h"

namespace deferd {
namespace {

// Feeds an answer in pieces of `piece` bytes; ends the connection after the last.
AnswerReader::State read(AnswerReader& reader, std::string_view bytes, std::size_t piece,
                         bool to_head = false, std::unique_ptr<KeptResponse> kept = nullptr) {
  reader.begin(to_head, std::move(kept));
  while (!bytes.empty()) {
    const std::span<char> space = reader.space();
    const std::size_t size = std::min({piece, bytes.size(), space.size()});
    std::copy_n(bytes.begin(), size, space.begin());
    bytes.remove_prefix(size);
    const AnswerReader::State state = reader.received(size);
    if (state != AnswerReader::State::reading) return state;
  }
  return reader.ended();
}

TEST(AnswerReader, ReadsAnAnswerInAnyPieces) {
  struct Case {
    std::string_view bytes;
    int status;
    bool reusable;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", 204, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 503 \r\n"
       "Content-Length: 0\r\n\r\n",
       503, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n"
       "000\r\nX: y\r\nZ: w\r\n\r\n",
       200, true},
      // Boost.Beast 1.81 aborts over this one when "0\r\n\r\n" comes in more than one piece.
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, true},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, false},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, true},
      {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 101, false},
  };
  for (const Case& c : cases) {
    for (std::size_t piece = 1; piece <= c.bytes.size(); ++piece) {
      AnswerReader reader(1000);
      ASSERT_EQ(read(reader, c.bytes, piece), AnswerReader::State::answered)
          << c.bytes << " in pieces of " << piece << ": " << reader.why();
      EXPECT_EQ(reader.status(), c.status) << c.bytes;
      EXPECT_EQ(reader.reusable(), c.reusable) << c.bytes << " in pieces of " << piece;
    }
  }
}

TEST(AnswerReader, ReadsOneAfterTheOther) {
  AnswerReader reader(1000);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(read(reader, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 1\r\n\r\nx", 9),
              AnswerReader::State::answered);
    EXPECT_EQ(reader.retry_after(), "7");
    ASSERT_EQ(read(reader, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 9, true),
              AnswerReader::State::answered);
    EXPECT_EQ(reader.retry_after(), "");
    EXPECT_TRUE(reader.reusable());
  }
}

TEST(AnswerReader, WhatFollowsAnAnswerSpoilsTheConnection) {
  AnswerReader reader(1000);
  ASSERT_EQ(read(reader, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", 1000),
            AnswerReader::State::answered);
  EXPECT_FALSE(reader.reusable());
}

TEST(AnswerReader, ALongBodyIsNotWaitedFor) {
  for (const std::string_view head :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n"}) {
    AnswerReader reader(1000);
    EXPECT_EQ(read(reader, std::string(head) + std::string(1001, 'x'), 100),
              AnswerReader::State::answered)
        << head;
    EXPECT_EQ(reader.status(), 200);
    EXPECT_FALSE(reader.reusable()) << head;
  }
}

TEST(AnswerReader, SaysWhereTheConnectionEnded) {
  AnswerReader reader(1000);
  reader.begin(false);
  EXPECT_EQ(reader.ended(), AnswerReader::State::failed);
  EXPECT_EQ(reader.why(), "connection closed without an answer");
  EXPECT_FALSE(reader.heard());
  for (const std::string_view part :
       {"H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    AnswerReader one(1000);
    EXPECT_EQ(read(one, part, 1000), AnswerReader::State::failed) << part;
    EXPECT_EQ(one.why(), "connection closed in the middle of the answer") << part;
    EXPECT_TRUE(one.heard());
  }
}

TEST(AnswerReader, HeadsAreBounded) {
  const std::string line = "X-Header: " + std::string(100, 'x') + "\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{113}, std::size_t{10000}}) {
    std::string head = "HTTP/1.1 200 OK\r\n";
    while (head.size() < answer_head_bytes_max * 2) head += line;
    AnswerReader many(1000);
    EXPECT_EQ(read(many, head, piece), AnswerReader::State::failed);
    EXPECT_EQ(many.why(), "the answer is not HTTP: header limit exceeded");
    AnswerReader one(1000);
    EXPECT_EQ(read(one, "HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x'), piece),
              AnswerReader::State::failed);
    AnswerReader fits(1000);
    EXPECT_EQ(read(fits, "HTTP/1.1 200 OK\r\nX: " + std::string(12000, 'x') + "\r\n\r\n", piece),
              AnswerReader::State::answered);
  }
}

TEST(AnswerReader, KeepsTheLocationOfARedirectAlone) {
  const std::string head = "Location: /new?x\r\nContent-Length: 0\r\n\r\n";
  AnswerReader reader(1000);
  ASSERT_EQ(read(reader, "HTTP/1.1 302 Found\r\n" + head, 1), AnswerReader::State::answered);
  EXPECT_EQ(reader.location(), "/new?x");
  ASSERT_EQ(read(reader, "HTTP/1.1 201 Created\r\n" + head, 1), AnswerReader::State::answered);
  EXPECT_EQ(reader.location(), "");
  const std::string path(target_url_bytes_max, 'x');
  ASSERT_EQ(
      read(reader, "HTTP/1.1 301 M\r\nLocation: /" + path + "\r\nContent-Length: 0\r\n\r\n", 100),
      AnswerReader::State::answered);
  EXPECT_EQ(reader.location(), "") << "longer than a URL may be";
}

TEST(AnswerReader, KeepsWhatIsAskedForInAnyPieces) {
  const std::string_view answers[] = {
      "HTTP/1.1 103 Hints\r\nX-One: no\r\n\r\nHTTP/1.1 200 OK\r\nX-Other: no\r\nx-one: a\r\n"
      "Content-Length: 10\r\n\r\n0123456789",
      "HTTP/1.1 500 No\r\nX-ONE: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "7\r\n0123456\r\n3\r\n789\r\n0\r\n\r\n",
      "HTTP/1.0 200 OK\r\nX-One: a\r\n\r\n0123456789",
  };
  const auto budget = std::make_shared<ResponseBudget>(100);
  const auto options =
      std::make_shared<const TaskOptions>(TaskOptions{.result_headers = {"X-One"}});
  for (const std::string_view bytes : answers) {
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
      AnswerReader reader(5);  // of bodies that nobody keeps
      ASSERT_EQ(read(reader, bytes, piece, false, std::make_unique<KeptResponse>(budget, options)),
                AnswerReader::State::answered)
          << bytes << " in pieces of " << piece << ": " << reader.why();
      const auto response = KeptResponse::share(reader.take_kept());
      ASSERT_EQ(response->headers.size(), 1u);
      EXPECT_EQ(response->headers[0], std::pair(std::string("X-One"), std::string("a")));
      EXPECT_EQ(response->body, "0123456789");
      EXPECT_FALSE(response->truncated);
    }
  }
}

}  // namespace
}  // namespace deferd
