#include "model/http_target.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

HttpTarget whole() {
  HttpTarget target;
  target.scheme = HttpTarget::Scheme::https;
  target.host = "example.com";
  target.port = 8080;
  target.path = "/a";
  target.query = "";
  target.enforce = HttpTarget::Enforce::if_not_exists;
  target.method = HttpMethod::options;
  target.headers = {{"X-One", "1"}, {"X-Two", ""}};
  target.token = PushToken{PushToken::Kind::oauth, "a@example.com", "", "scope"};
  return target;
}

TEST(HttpTarget, ReadsBackWhatWasWritten) {
  EXPECT_EQ(decode_http_target(encode(HttpTarget{})).value(), HttpTarget{});
  EXPECT_EQ(decode_http_target(encode(whole())).value(), whole());
  HttpTarget removes;
  removes.port = 0;
  removes.path = "";
  EXPECT_EQ(decode_http_target(encode(removes)).value(), removes);
}

TEST(HttpTarget, RefusesEveryCutAndWhatFollows) {
  const std::string bytes = encode(whole());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_http_target(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_http_target(bytes + "x"));
}

}  // namespace
}  // namespace deferd
