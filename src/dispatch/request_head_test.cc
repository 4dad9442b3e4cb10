#include "dispatch/request_head.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

Attempt first_attempt() {
  Attempt attempt;
  attempt.queue = std::make_shared<const QueueName>(*QueueName::parse("p", "l", "mail"));
  attempt.task.id = TaskId{1'795'000'000'000'123};
  attempt.task.place.eta = wall_from_micros(1'795'000'001'000'042);
  return attempt;
}

std::string head(const Attempt& attempt, const PushRequestView& request) {
  const Result<TargetUrl> target = parse_target_url(request.url);
  EXPECT_TRUE(target.has_value());
  std::string out = "left from before";
  EXPECT_TRUE(check_request_headers(request).has_value());
  write_request_head({attempt, request, *target, nullptr, {}}, out);
  return out;
}

PushRequestView post(std::string_view url) {
  PushRequestView request;
  request.url = url;
  return request;
}

TEST(RequestHead, OfAFirstAttempt) {
  PushRequestView request = post("https://Example.com:8443/a%20b?c=%0A#d");
  request.headers = {{"content-TYPE", "text/plain"}, {"X-Mine", "a:  b"}, {"Empty", ""}};
  request.body = "12345";
  EXPECT_EQ(head(first_attempt(), request),
            "POST /a%20b?c=%0A HTTP/1.1\r\n"
            "Host: example.com:8443\r\n"
            "content-TYPE: text/plain\r\n"
            "X-Mine: a:  b\r\n"
            "Empty: \r\n"
            "User-Agent: deferd\r\n"
            "X-Deferd-Queue: mail\r\n"
            "X-Deferd-Task: 00001795000000000123\r\n"
            "X-Deferd-Attempt: 1\r\n"
            "X-Deferd-Retry-Count: 0\r\n"
            "X-Deferd-Execution-Count: 0\r\n"
            "X-Deferd-ETA: 1795000001.000042\r\n"
            "Content-Length: 5\r\n"
            "\r\n");
}

TEST(RequestHead, OfARetryOfANamedTask) {
  Attempt attempt = first_attempt();
  TaskOptions options;
  options.name = "welcome-7";
  attempt.task.options = std::make_shared<const TaskOptions>(options);
  attempt.task.progress.attempts = 3;
  attempt.task.progress.executions = 2;
  attempt.task.progress.last_status = 503;
  const std::string text = head(attempt, post("http://[::1]:80/"));
  EXPECT_NE(text.find("Host: [::1]\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Deferd-Task: welcome-7\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Deferd-Attempt: 4\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Deferd-Retry-Count: 3\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Deferd-Execution-Count: 2\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("X-Deferd-Previous-Status: 503\r\n"), std::string::npos) << text;

  attempt.task.progress.last_status = status_timeout;
  EXPECT_NE(head(attempt, post("http://h/")).find("X-Deferd-Previous-Status: 0\r\n"),
            std::string::npos);
}

TEST(RequestHead, LengthIsSentWhereABodyIsExpected) {
  struct Case {
    HttpMethod method;
    std::string_view body;
    std::string_view length;  // "": no such header
  };
  const Case cases[] = {
      {HttpMethod::post, "", "Content-Length: 0\r\n"},
      {HttpMethod::put, "", "Content-Length: 0\r\n"},
      {HttpMethod::patch, "", "Content-Length: 0\r\n"},
      {HttpMethod::patch, "ab", "Content-Length: 2\r\n"},
      {HttpMethod::get, "", ""},
      {HttpMethod::head, "", ""},
      {HttpMethod::del, "", ""},
      {HttpMethod::options, "", ""},
      {HttpMethod::del, "abc", "Content-Length: 3\r\n"},
  };
  for (const Case& c : cases) {
    PushRequestView request = post("http://h/");
    request.method = c.method;
    request.body = c.body;
    const std::string text = head(first_attempt(), request);
    EXPECT_TRUE(text.starts_with(std::string(to_string(c.method)) + " / HTTP/1.1\r\n")) << text;
    if (c.length.empty()) {
      EXPECT_EQ(text.find("Content-Length"), std::string::npos) << text;
    } else {
      EXPECT_NE(text.find(c.length), std::string::npos) << text;
    }
    EXPECT_EQ(text.find("Content-Type"), std::string::npos) << text;
  }
}

TEST(RequestHead, LeavesOutWhatIsNotTheTasksToSay) {
  PushRequestView request = post("http://h/");
  request.headers = {{"host", "evil"},
                     {"Content-Length", "99"},
                     {"Transfer-Encoding", "chunked"},
                     {"CONNECTION", "close"},
                     {"Keep-Alive", "1"},
                     {"Upgrade", "h2c"},
                     {"TE", "trailers"},
                     {"Trailer", "X"},
                     {"Expect", "100-continue"},
                     {"Proxy-Connection", "x"},
                     {"X-Deferd-Queue", "other"},
                     {"x-deferd-attempt", "9"},
                     {"X-Deferd-Anything", "x"},
                     {"User-Agent", "mine/1"}};
  const std::string text = head(first_attempt(), request);
  for (const std::string_view wrong :
       {"evil", "99", "chunked", "close", "Keep-Alive", "h2c", "railer", "Expect", "Proxy", "other",
        "x-deferd-attempt", "Anything", "User-Agent: deferd"}) {
    EXPECT_EQ(text.find(wrong), std::string::npos) << wrong << "\n" << text;
  }
  EXPECT_NE(text.find("User-Agent: mine/1\r\n"), std::string::npos);
  EXPECT_NE(text.find("Host: h\r\n"), std::string::npos);
}

TEST(RequestHead, RefusesWhatWouldBecomeASecondLine) {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, std::string_view> wrong[] = {
      {"X", "a\r\nY: b"}, {"X", "a\nb"}, {"X", "a\rb"}, {"X", "a\0b"sv}, {"X\r\nY", "a"},
      {"X Y", "a"},       {"X:", "a"},   {"", "a"},     {"X\0"sv, "a"},  {"X\xc3", "a"},
  };
  for (const auto& header : wrong) {
    PushRequestView request = post("http://h/");
    request.headers = {header};
    const Result<void> checked = check_request_headers(request);
    ASSERT_FALSE(checked.has_value()) << header.first;
    EXPECT_TRUE(checked.error().message.starts_with("header \"")) << checked.error().message;
  }
}

}  // namespace
}  // namespace deferd
