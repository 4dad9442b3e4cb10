// App Engine's headers, name by name, as GAE-spec 6.1, 6.3 and 9.2 have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/request_head.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string user_agent = "AppEngine-Google; (+http://code.google.com/appengine)";

Attempt first_attempt(std::string_view queue = "mail") {
  Attempt attempt;
  attempt.queue = std::make_shared<const QueueName>(*QueueName::parse("shop", "l", queue));
  attempt.task.id = TaskId{1'795'000'000'000'123};
  attempt.task.place.eta = wall_from_micros(1'795'000'001'000'042);
  attempt.timeout = Seconds(600);
  return attempt;
}

PushRequestView post(std::string_view path = "/work") {
  PushRequestView request;
  request.door = Door::appengine;
  request.url = path;
  return request;
}

AppPush app_push() { return {"v1.worker.shop.example.com", "shop.example.com", "ticket", "0af1"}; }

std::string head(const Attempt& attempt, const PushRequestView& request,
                 const AppEngineHeaderOptions& options = {}, bool tls = false) {
  TargetUrl target;
  target.tls = tls;
  target.host = "10.0.0.1";
  target.port = 8080;
  target.path = request.url;
  const AppPush app = app_push();
  std::string out;
  EXPECT_TRUE(check_request_headers(request).has_value());
  write_request_head({attempt, request, target, &app, options}, out);
  return out;
}

// The value of the only such header; "(none)" without one.
std::string value(const std::string& head, std::string_view name) {
  const std::string start = "\r\n" + std::string(name) + ": ";
  const std::size_t at = head.find(start);
  if (at == std::string::npos) return "(none)";
  EXPECT_EQ(head.find(start, at + 1), std::string::npos) << name << " is there twice\n" << head;
  const std::size_t begin = at + start.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// GAE-135
TEST(AppEngineHead, OfAFirstAttempt) {
  PushRequestView request = post("/work?x=%2F&y");
  request.headers = {{"host", "v1.worker.shop.example.com"}, {"X-Mine", "a"}, {"X-Mine", "b"}};
  request.body = "12345";
  EXPECT_EQ(head(first_attempt(), request),
            "POST /work?x=%2F&y HTTP/1.1\r\n"
            "Host: v1.worker.shop.example.com\r\n"
            "X-Mine: a\r\n"
            "X-Mine: b\r\n"
            "User-Agent: AppEngine-Google; (+http://code.google.com/appengine)\r\n"
            "Content-Type: application/octet-stream\r\n"
            "X-AppEngine-QueueName: mail\r\n"
            "X-AppEngine-TaskName: 00001795000000000123\r\n"
            "X-AppEngine-TaskRetryCount: 0\r\n"
            "X-AppEngine-TaskExecutionCount: 0\r\n"
            "X-AppEngine-TaskETA: 1795000001.000042\r\n"
            "X-AppEngine-User-IP: 0.1.0.2\r\n"
            "X-AppEngine-API-Ticket: ticket\r\n"
            "X-AppEngine-Default-Version-Hostname: shop.example.com\r\n"
            "X-AppEngine-HTTPS: off\r\n"
            "X-AppEngine-Country: ZZ\r\n"
            "X-AppEngine-Timeout-Ms: 600000\r\n"
            "X-AppEngine-Request-Log-Id: 0af1\r\n"
            "X-Google-Internal-SkipAdminCheck: true\r\n"
            "X-Forwarded-For: 0.1.0.2\r\n"
            "Content-Length: 5\r\n"
            "\r\n");
}

// GAE-136
TEST(AppEngineHead, OnlyARetryTellsOfTheAttemptBefore) {
  Attempt attempt = first_attempt();
  EXPECT_THAT(head(attempt, post()), Not(HasSubstr("Previous")));
  EXPECT_THAT(head(attempt, post()), Not(HasSubstr("RetryReason")));

  TaskOptions options;
  options.name = "welcome-7";
  attempt.task.options = std::make_shared<const TaskOptions>(options);
  attempt.task.progress.attempts = 4;
  attempt.task.progress.responses = 3;
  attempt.task.progress.executions = 1;  // that is Cloud Tasks' way to count
  attempt.task.progress.last_status = 500;
  const std::string text = head(attempt, post());
  EXPECT_EQ(value(text, "X-AppEngine-TaskName"), "welcome-7");
  EXPECT_EQ(value(text, "X-AppEngine-TaskRetryCount"), "4");
  EXPECT_EQ(value(text, "X-AppEngine-TaskExecutionCount"), "3");
  EXPECT_EQ(value(text, "X-AppEngine-TaskPreviousResponse"), "500");
  EXPECT_EQ(value(text, "X-AppEngine-TaskRetryReason"), "App Error");

  for (const std::int16_t status : {status_timeout, status_unreachable, status_refused}) {
    attempt.task.progress.last_status = status;
    const std::string unanswered = head(attempt, post());
    EXPECT_EQ(value(unanswered, "X-AppEngine-TaskPreviousResponse"), "0");
    EXPECT_EQ(value(unanswered, "X-AppEngine-TaskRetryReason"), "Instance Unavailable");
  }
}

// GAE-140, GAE-197
TEST(AppEngineHead, NoTaskSaysWhatIsOursToSay) {
  PushRequestView request = post();
  request.headers = {{"X-AppEngine-QueueName", "spoof"},
                     {"x-appengine-queuename", "spoof"},
                     {"X-APPENGINE-CRON", "spoof"},
                     {"X-Appengine-Cron", "spoof"},
                     {"X-AppEngine-User-IP", "spoof"},
                     {"x-AppEngine-FailFast", "spoof"},
                     {"X-AppEngine-API-Ticket", "spoof"},
                     {"X-AppEngine-Anything", "spoof"},
                     {"X-Google-Internal-SkipAdminCheck", "spoof"},
                     {"X-Google-Anything", "spoof"},
                     {"X-CloudTasks-QueueName", "spoof"},
                     {"X-Deferd-Queue", "spoof"},
                     {"X-Forwarded-For", "spoof"},
                     {"Referer", "spoof"},
                     {"Content-Length", "spoof"},
                     {"Connection", "spoof"},
                     {"Transfer-Encoding", "spoof"},
                     {"TE", "spoof"},
                     {"Upgrade", "spoof"},
                     {"Keep-Alive", "spoof"},
                     {"Proxy-Authorization", "spoof"},
                     {"Proxy-Anything", "spoof"},
                     {"Host", "spoof"}};
  const std::string text = head(first_attempt(), request);
  EXPECT_THAT(text, Not(HasSubstr("spoof")));
  EXPECT_THAT(text, Not(HasSubstr("Cron")));
  EXPECT_EQ(value(text, "X-AppEngine-QueueName"), "mail");
  EXPECT_EQ(value(text, "X-AppEngine-User-IP"), "0.1.0.2");

  // Handlers that serve native tasks too may believe these headers.
  request.door = Door::native;
  request.url = "http://h/";
  const Result<TargetUrl> target = parse_target_url(request.url);
  std::string native;
  write_request_head({first_attempt(), request, *target, nullptr, {}}, native);
  for (char& c : native) c = static_cast<char>(std::tolower(c));
  EXPECT_THAT(native, Not(HasSubstr("x-appengine-")));
}

// GAE-141
TEST(AppEngineHead, NamespacesArrive) {
  PushRequestView request = post();
  request.headers = {{"X-AppEngine-Current-Namespace", ""},
                     {"x-appengine-default-namespace", "example.com"}};
  const std::string text = head(first_attempt(), request);
  EXPECT_EQ(value(text, "X-AppEngine-Current-Namespace"), "");
  EXPECT_EQ(value(text, "x-appengine-default-namespace"), "example.com");
}

// GAE-142
TEST(AppEngineHead, OurUserAgentFollowsTheTasks) {
  for (const std::string name : {"User-Agent", "user-agent", "USER-AGENT"}) {
    PushRequestView request = post();
    request.headers = {{name, "foo"}};
    const std::string text = head(first_attempt(), request);
    EXPECT_EQ(value(text, name), "foo " + user_agent);
  }
  EXPECT_EQ(value(head(first_attempt(), post()), "User-Agent"), user_agent);
}

// GAE-143
TEST(AppEngineHead, ContentTypeIsTheTasksOrSaysBytes) {
  PushRequestView request = post();
  EXPECT_THAT(head(first_attempt(), request), Not(HasSubstr("Content-Type")));
  request.body = "x";
  EXPECT_EQ(value(head(first_attempt(), request), "Content-Type"), "application/octet-stream");
  for (const std::string name : {"Content-Type", "content-type", "CONTENT-TYPE"}) {
    request.headers = {{name, "text/plain; charset=utf-8"}};
    const std::string text = head(first_attempt(), request);
    EXPECT_EQ(value(text, name), "text/plain; charset=utf-8");
    EXPECT_THAT(text, Not(HasSubstr("octet-stream")));
  }
}

// GAE-144
TEST(AppEngineHead, MethodPathAndQueryArriveAsWritten) {
  for (const auto& [method, start] :
       {std::pair{HttpMethod::get, "GET"}, std::pair{HttpMethod::head, "HEAD"},
        std::pair{HttpMethod::put, "PUT"}, std::pair{HttpMethod::del, "DELETE"},
        std::pair{HttpMethod::post, "POST"}}) {
    PushRequestView request = post("/a%20b/%zz/../c?d=%0A&&e=[f]{g}|h;i");
    request.method = method;
    const std::string text = head(first_attempt(), request);
    EXPECT_TRUE(text.starts_with(std::string(start) + " " + std::string(request.url) +
                                 " HTTP/1.1\r\nHost: v1.worker.shop.example.com\r\n"))
        << text;
    const bool with_length = method == HttpMethod::post || method == HttpMethod::put;
    EXPECT_EQ(value(text, "Content-Length"), with_length ? "0" : "(none)") << text;
  }
}

// GAE-151
TEST(AppEngineHead, TimeoutIsTheDeadlineInMilliseconds) {
  Attempt attempt = first_attempt();
  attempt.timeout = Seconds(15);
  EXPECT_EQ(value(head(attempt, post()), "X-AppEngine-Timeout-Ms"), "15000");
  attempt.timeout = std::chrono::hours(24);
  EXPECT_EQ(value(head(attempt, post()), "X-AppEngine-Timeout-Ms"), "86400000");
  attempt.timeout = Micros(15'000'001);
  EXPECT_EQ(value(head(attempt, post()), "X-AppEngine-Timeout-Ms"), "15001");
}

// GAE-191
TEST(AppEngineHead, OfACronJob) {
  Attempt attempt = first_attempt("__cron");
  PushRequestView request = post("/tasks/summary");
  request.method = HttpMethod::get;
  const std::string text = head(attempt, request);
  EXPECT_TRUE(text.starts_with("GET /tasks/summary HTTP/1.1\r\n")) << text;
  EXPECT_EQ(value(text, "X-AppEngine-Cron"), "true");
  EXPECT_EQ(value(text, "X-AppEngine-QueueName"), "__cron");
  EXPECT_EQ(value(text, "X-AppEngine-User-IP"), "0.1.0.1");
  EXPECT_EQ(value(text, "X-Forwarded-For"), "0.1.0.1");
  EXPECT_THAT(value(text, "X-AppEngine-TaskName"), testing::MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(value(text, "Content-Length"), "(none)");
  EXPECT_EQ(value(head(attempt, request, {.cron_user_ip = "0.1.0.2"}), "X-AppEngine-User-IP"),
            "0.1.0.2");
}

// GAE-191
TEST(AppEngineHead, AFiringKeepsItsNameOverRetries) {
  const auto name = [](const Attempt& attempt) {
    return value(head(attempt, post()), "X-AppEngine-TaskName");
  };
  const Attempt first = first_attempt("__cron");
  Attempt retry = first;
  retry.task.progress.attempts = 1;
  retry.task.progress.run_due = first.task.place.eta;
  retry.task.place.eta += Seconds(10);
  EXPECT_EQ(name(retry), name(first));

  Attempt next = first;
  next.task.place.eta += Seconds(60);
  EXPECT_NE(name(next), name(first));
  Attempt other = first;
  ++other.task.id.value;
  EXPECT_NE(name(other), name(first));
  Attempt elsewhere = first;
  elsewhere.queue = std::make_shared<const QueueName>(*QueueName::parse("blog", "l", "__cron"));
  EXPECT_NE(name(elsewhere), name(first));
}

// GAE-226
TEST(AppEngineHead, CloudTasksWithARelativeUrlHaveTheSame) {
  PushRequestView request = post("/work");
  request.headers = {{"X-CloudTasks-TaskName", "spoof"}};
  request.body = "x";
  const std::string of_appengine = head(first_attempt(), request);
  request.door = Door::cloudtasks;
  EXPECT_TRUE(is_app_push(request));
  EXPECT_EQ(head(first_attempt(), request), of_appengine);
  request.url = "http://h/";
  EXPECT_FALSE(is_app_push(request));
  request.door = Door::native;
  request.url = "/work";
  EXPECT_FALSE(is_app_push(request));
}

TEST(AppEngineHead, SettingsOfTheOperator) {
  EXPECT_EQ(
      value(head(first_attempt(), post(), {.eta_whole_seconds = true}), "X-AppEngine-TaskETA"),
      "1795000001");
  PushRequestView request = post();
  request.headers = {{"X-Forwarded-For", "203.0.113.7"}};
  EXPECT_EQ(value(head(first_attempt(), request, {.forwarded_for = false}), "X-Forwarded-For"),
            "203.0.113.7");
  EXPECT_EQ(value(head(first_attempt(), post(), {}, true), "X-AppEngine-HTTPS"), "on");
}

}  // namespace
}  // namespace deferd
