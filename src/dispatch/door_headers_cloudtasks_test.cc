// The headers of Cloud Tasks' HTTP tasks, name by name, as CT-spec 9.12 has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/request_head.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;

Attempt first_attempt() {
  Attempt attempt;
  attempt.queue = std::make_shared<const QueueName>(*QueueName::parse("shop", "l", "mail"));
  attempt.task.id = TaskId{1'795'000'000'000'123};
  attempt.task.place.eta = wall_from_micros(1'795'000'001'000'042);
  return attempt;
}

std::string head(const Attempt& attempt, const PushRequestView& request) {
  std::string out;
  EXPECT_TRUE(check_request_headers(request).has_value());
  write_request_head({attempt, request, *parse_target_url(request.url), nullptr, {}}, out);
  return out;
}

PushRequestView post() {
  PushRequestView request;
  request.door = Door::cloudtasks;
  request.url = "https://example.com/work?a=%20";
  return request;
}

// CT-100, CT-101, CT-102: names as they were given, Content-Length though there is no body.
TEST(CloudTasksHead, OfAFirstAttempt) {
  PushRequestView request = post();
  request.headers = {{"X-mIXed", "As Is"}, {"User-Agent", "Google-Cloud-Tasks"}};
  EXPECT_EQ(head(first_attempt(), request),
            "POST /work?a=%20 HTTP/1.1\r\n"
            "Host: example.com\r\n"
            "X-mIXed: As Is\r\n"
            "User-Agent: Google-Cloud-Tasks\r\n"
            "X-CloudTasks-QueueName: mail\r\n"
            "X-CloudTasks-TaskName: 00001795000000000123\r\n"
            "X-CloudTasks-TaskRetryCount: 0\r\n"
            "X-CloudTasks-TaskExecutionCount: 0\r\n"
            "X-CloudTasks-TaskETA: 1795000001.000042\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
}

// CT-101, CT-104, CT-105
TEST(CloudTasksHead, OfARetryOfANamedTask) {
  Attempt attempt = first_attempt();
  TaskOptions options;
  options.name = "welcome-7";
  attempt.task.options = std::make_shared<const TaskOptions>(options);
  attempt.task.progress.attempts = 4;
  attempt.task.progress.responses = 3;
  attempt.task.progress.executions = 2;
  attempt.task.progress.last_status = 404;
  PushRequestView request = post();
  request.method = HttpMethod::get;
  const std::string text = head(attempt, request);
  EXPECT_THAT(text, HasSubstr("\r\nX-CloudTasks-TaskName: welcome-7\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nX-CloudTasks-TaskRetryCount: 4\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nX-CloudTasks-TaskExecutionCount: 2\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nX-CloudTasks-TaskPreviousResponse: 404\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nX-CloudTasks-TaskRetryReason: \r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Content-Length")));
  for (const std::int16_t status : {status_timeout, status_unreachable, status_refused}) {
    attempt.task.progress.last_status = status;
    EXPECT_THAT(head(attempt, request),
                HasSubstr("\r\nX-CloudTasks-TaskPreviousResponse: 504\r\n"));
  }
}

// CT-082, CT-108
TEST(CloudTasksHead, WhatItsSenderMayNotSayIsLeftOut) {
  PushRequestView request = post();
  request.body = "x";
  request.headers = {{"user-agent", "mine"},
                     {"HOST", "evil.example.com"},
                     {"content-length", "999"},
                     {"x-cloudtasks-taskretrycount", "7"},
                     {"X-CLOUDTASKS-other", "7"},
                     {"X-Google-Internal-SkipAdminCheck", "true"},
                     {"x-appengine-cron", "true"},
                     {"X-Deferd-Task", "other"},
                     {"Connection", "close"},
                     {"Keep-Alive", "5"},
                     {"TE", "trailers"},
                     {"Upgrade", "h2c"},
                     {"Transfer-Encoding", "chunked"},
                     {"Proxy-Authorization", "secret"},
                     {"Proxy-Whatever", "x"},
                     {"X-Stays", "x"}};
  EXPECT_EQ(head(first_attempt(), request),
            "POST /work?a=%20 HTTP/1.1\r\n"
            "Host: example.com\r\n"
            "X-Stays: x\r\n"
            "User-Agent: Google-Cloud-Tasks\r\n"
            "X-CloudTasks-QueueName: mail\r\n"
            "X-CloudTasks-TaskName: 00001795000000000123\r\n"
            "X-CloudTasks-TaskRetryCount: 0\r\n"
            "X-CloudTasks-TaskExecutionCount: 0\r\n"
            "X-CloudTasks-TaskETA: 1795000001.000042\r\n"
            "Content-Length: 1\r\n"
            "\r\n");
}

}  // namespace
}  // namespace deferd
