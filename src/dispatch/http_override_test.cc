#include "dispatch/http_override.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deferd {
namespace {

using testing::ElementsAre;
using testing::Pair;
using Scheme = HttpTarget::Scheme;

constexpr std::string_view own = "http://example.com:81/a/b?c=d#e";

HttpTarget target(void (*set)(HttpTarget&), bool always = true) {
  HttpTarget made;
  set(made);
  if (!always) made.enforce = HttpTarget::Enforce::if_not_exists;
  return made;
}

// CT-209
TEST(HttpOverride, EachPartOfTheUrlIsReplacedAlone) {
  const struct {
    void (*set)(HttpTarget&);
    std::string_view url;
  } cases[] = {
      {[](HttpTarget&) {}, "http://example.com:81/a/b?c=d"},
      {[](HttpTarget& t) { t.scheme = Scheme::https; }, "https://example.com:81/a/b?c=d"},
      {[](HttpTarget& t) { t.scheme = Scheme::http; }, "http://example.com:81/a/b?c=d"},
      {[](HttpTarget& t) { t.host = "other.test"; }, "http://other.test:81/a/b?c=d"},
      {[](HttpTarget& t) { t.host = "[::1]"; }, "http://[::1]:81/a/b?c=d"},
      {[](HttpTarget& t) { t.port = 8080; }, "http://example.com:8080/a/b?c=d"},
      {[](HttpTarget& t) { t.port = 0; }, "http://example.com/a/b?c=d"},
      {[](HttpTarget& t) { t.path = "/x"; }, "http://example.com:81/x?c=d"},
      {[](HttpTarget& t) { t.path = "x/y"; }, "http://example.com:81/x/y?c=d"},
      {[](HttpTarget& t) { t.path = ""; }, "http://example.com:81?c=d"},
      {[](HttpTarget& t) { t.query = "q=1"; }, "http://example.com:81/a/b?q=1"},
      {[](HttpTarget& t) { t.query = ""; }, "http://example.com:81/a/b"},
  };
  for (const auto& [set, url] : cases) EXPECT_EQ(overridden_url(target(set), own), url);

  const HttpTarget all = target([](HttpTarget& t) {
    t.scheme = Scheme::https;
    t.host = "h";
    t.port = 1;
    t.path = "/p";
    t.query = "q";
  });
  for (const std::string_view url :
       {own, std::string_view("http://[::1]"), std::string_view("https://example.com?x")}) {
    EXPECT_EQ(overridden_url(all, url), "https://h:1/p?q");
  }
}

TEST(HttpOverride, ABracketedHostKeepsItsColons) {
  const HttpTarget port = target([](HttpTarget& t) { t.port = 8; });
  EXPECT_EQ(overridden_url(port, "http://[::1]/"), "http://[::1]:8/");
  EXPECT_EQ(overridden_url(port, "http://[::1]:9/"), "http://[::1]:8/");
  // What is no URL may give anything, but no crash.
  for (const std::string_view url : {"", "x", "://", "http://", "http://[", "http://[:", "#", "?"})
    overridden_url(port, url);
}

// CT-210
TEST(HttpOverride, IfNotExistsLeavesWhatTheTaskSays) {
  const HttpTarget all = target(
      [](HttpTarget& t) {
        t.scheme = Scheme::https;
        t.host = "h";
        t.port = 1;
        t.path = "/p";
        t.query = "q";
      },
      false);
  EXPECT_EQ(overridden_url(all, "http://example.com:81/a?c"), "http://example.com:81/a?c");
  EXPECT_EQ(overridden_url(all, "http://example.com/a?c"), "http://example.com:1/a?c");
  EXPECT_EQ(overridden_url(all, "http://example.com:81?c"), "http://example.com:81/p?c");
  EXPECT_EQ(overridden_url(all, "http://example.com:81/a"), "http://example.com:81/a?q");
  EXPECT_EQ(overridden_url(all, "http://example.com"), "http://example.com:1/p?q");
}

PushRequestView own_request() {
  PushRequestView request;
  request.door = Door::cloudtasks;
  request.url = own;
  request.headers = {{"x-one", "task"}, {"Content-Type", "text/plain"}, {"X-Two", "task"}};
  request.body = "body";
  return request;
}

// CT-210
TEST(HttpOverride, AMethodWithoutABodyDropsIt) {
  for (const HttpMethod method :
       {HttpMethod::get, HttpMethod::head, HttpMethod::del, HttpMethod::options}) {
    PushRequestView request = own_request();
    HttpTarget over;
    over.method = method;
    override_request(over, request);
    EXPECT_EQ(request.method, method);
    EXPECT_EQ(request.body, "");
    EXPECT_THAT(request.headers, ElementsAre(Pair("x-one", "task"), Pair("X-Two", "task")));
  }
  PushRequestView request = own_request();
  HttpTarget over;
  over.method = HttpMethod::put;
  override_request(over, request);
  EXPECT_EQ(request.method, HttpMethod::put);
  EXPECT_EQ(request.body, "body");
}

// CT-211
TEST(HttpOverride, HeadersReplaceThoseOfTheSameNameInAnyCase) {
  PushRequestView request = own_request();
  HttpTarget over;
  over.headers = {{"X-ONE", "queue"},     {"X-New", "queue"},      {"Host", "evil"},
                  {"user-agent", "x"},    {"CONTENT-LENGTH", "7"}, {"X-Google-A", "x"},
                  {"x-appengine-b", "x"}, {"X-CloudTasks-C", "x"}, {"x-new", "again"}};
  override_request(over, request);
  EXPECT_THAT(request.headers,
              ElementsAre(Pair("Content-Type", "text/plain"), Pair("X-Two", "task"),
                          Pair("X-ONE", "queue"), Pair("x-new", "again")));
  EXPECT_EQ(request.body, "body");
}

// CT-211
TEST(HttpOverride, AQueuesTokenBeatsTheTasks) {
  PushRequestView request = own_request();
  request.token = PushToken{PushToken::Kind::oauth, "task@example.com", "", "s"};
  override_request(HttpTarget{}, request);
  EXPECT_EQ(request.token->email, "task@example.com");
  HttpTarget over;
  over.token = PushToken{PushToken::Kind::oidc, "queue@example.com", "a", ""};
  override_request(over, request);
  EXPECT_EQ(request.token, over.token);
}

}  // namespace
}  // namespace deferd
