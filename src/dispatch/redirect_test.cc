#include "dispatch/redirect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace deferd {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::string resolved(std::string_view location) {
  const auto to = resolve_location(*parse_target_url("https://h.test:8443/a/b?c=d"), location);
  if (!to) return "(none)";
  return (to->tls ? "https://" : "http://") + to->authority() + to->path;
}

TEST(Redirect, ResolvesALocationAsRfc3986Has) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"http://other.test/x?y#z", "http://other.test/x?y"},
      {"HTTPS://Other.Test", "https://other.test/"},
      {"//other.test/x", "https://other.test/x"},
      {"/x?y", "https://h.test:8443/x?y"},
      {"/x/../y/./z/..", "https://h.test:8443/y/"},
      {"/../../x", "https://h.test:8443/x"},
      {"x", "https://h.test:8443/a/x"},
      {"../x:y", "https://h.test:8443/x:y"},
      {"../../x", "https://h.test:8443/x"},
      {"./", "https://h.test:8443/a/"},
      {"?e", "https://h.test:8443/a/b?e"},
      {"", "https://h.test:8443/a/b?c=d"},
      {"#f", "https://h.test:8443/a/b?c=d"},
      {"ftp://other.test/", "(none)"},
      {"mailto:x", "(none)"},
      {"http://user:pass@other.test/", "(none)"},
      {"http://", "(none)"},
      {"/a b", "(none)"},
      {"/\x01", "(none)"},
      {"http://2130706433/", "(none)"},
  };
  for (const auto& [location, url] : cases) EXPECT_EQ(resolved(location), url) << location;
}

PushRequestView request_of(HttpMethod method) {
  PushRequestView request;
  request.method = method;
  request.headers = {
      {"AUTHORIZATION", "secret"}, {"Cookie", "c"}, {"Content-Type", "t"}, {"X-Other", "o"}};
  request.body = "body";
  return request;
}

// CT-spec 9.12: as browsers do.
TEST(Redirect, MethodAndBodyFollowTheStatus) {
  for (const int status : {301, 302, 303, 307, 308}) {
    PushRequestView post = request_of(HttpMethod::post);
    redirect_request(status, true, post);
    const bool becomes_get = status <= 303;
    EXPECT_EQ(post.method, becomes_get ? HttpMethod::get : HttpMethod::post) << status;
    EXPECT_EQ(post.body, becomes_get ? "" : "body") << status;
    EXPECT_EQ(post.headers.size(), becomes_get ? 3u : 4u) << "no type without a body";
    PushRequestView put = request_of(HttpMethod::put);
    redirect_request(status, true, put);
    EXPECT_EQ(put.method, status == 303 ? HttpMethod::get : HttpMethod::put) << status;
    PushRequestView head = request_of(HttpMethod::head);
    redirect_request(status, true, head);
    EXPECT_EQ(head.method, HttpMethod::head) << status;
  }
}

// CT-113
TEST(Redirect, NothingSecretGoesToAnotherPlace) {
  PushRequestView request = request_of(HttpMethod::put);
  redirect_request(307, false, request);
  EXPECT_THAT(request.headers, ElementsAre(Pair("Content-Type", "t"), Pair("X-Other", "o")));
}

}  // namespace
}  // namespace deferd
