#include "bench/client/http.h"

#include <gtest/gtest.h>

#include <string>

namespace deferd::bench {
namespace {

TEST(Http, AMessageIsNothingUntilItsLastByte) {
  const std::string_view whole = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(parse_http(whole.substr(0, bytes))) << bytes;
  }
  const std::string followed = std::string(whole) + "HTTP/1.1 404";
  const auto message = parse_http(followed);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body, "hello");
  EXPECT_EQ(message->bytes, whole.size());
  EXPECT_EQ(http_status(message->head), 200);
}

TEST(Http, AHeaderIsFoundWhateverItsCaseAndPlace) {
  const std::string_view head = "POST / HTTP/1.1\r\nHost: a\r\nX-Bench-ETA-us:  17\r\nX-Last: z";
  EXPECT_EQ(http_header(head, "x-bench-eta-us"), "17");
  EXPECT_EQ(http_header(head, "x-last"), "z");
  EXPECT_EQ(http_header(head, "host"), "a");
  EXPECT_EQ(http_header(head, "x-bench"), "");
  EXPECT_EQ(http_header(head, "post"), "");
}

}  // namespace
}  // namespace deferd::bench
