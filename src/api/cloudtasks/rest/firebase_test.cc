// Firebase's tools (CT-spec 15.9).
#include <gtest/gtest.h>

#include "api/cloudtasks/rest/json_values.h"
#include "api/cloudtasks/rest/testing/door_harness.h"

namespace deferd::cloudtasks::rest {
namespace {

class RestFirebase : public RestTest {
 protected:
  static constexpr const char* queue = "/projects/p/locations/l/queues/q";
  static constexpr const char* tasks = "/projects/p/locations/l/queues/q/tasks";
  static constexpr const char* owner = "Authorization: Bearer owner\r\n";

  Answer enqueue(std::string_view members) {
    std::string time;
    append_timestamp(CloudTasksTest::later(http_task()).schedule_time(), time);
    return call("POST", tasks,
                R"({"task":{"scheduleTime":")" + time + R"(","dispatchDeadline":"300s",)" +
                    std::string(members) + "}}",
                owner);
  }
};

// CT-249: the server's side.
TEST_F(RestFirebase, AnEmptyUrlIsTheQueuesDefault) {
  const Answer made = call("POST", queue, R"({"retryConfig":{"maxAttempts":5,"maxRetrySeconds":null,
      "minBackoffSeconds":0.5},"rateLimits":{"maxDispatchesPerSecond":7},"timeoutSeconds":10,
      "retry":false,"memory":null,"labels":{"a":"b"},
      "defaultUri":"http://127.0.0.1:5001/p/us/fn?x=1"})");
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.text_at("taskQueueConfig.defaultUri"), "http://127.0.0.1:5001/p/us/fn?x=1");
  const Answer there = get("/v2" + std::string(queue));
  EXPECT_EQ(there.text_at("retryConfig.maxAttempts"), "5");
  EXPECT_EQ(there.text_at("retryConfig.minBackoff"), "0.500s");
  EXPECT_EQ(there.text_at("rateLimits.maxDispatchesPerSecond"), "7");
  EXPECT_EQ(there.at("httpTarget"), nullptr);

  const std::string_view id = R"("name":"projects/p/locations/l/queues/q/tasks/a",)";
  const std::string_view request =
      R"("httpRequest":{"url":"","body":"e30=","headers":{"Content-Type":"application/json"},)"
      R"("oidcToken":{"serviceAccountEmail":"emulated-service-acct@email.com"}})";
  const Answer task = enqueue(std::string(id) + std::string(request));
  ASSERT_EQ(task.status, 200) << task.text;
  EXPECT_EQ(task.text_at("httpRequest.url"), "http://127.0.0.1:5001/p/us/fn?x=1");
  EXPECT_EQ(enqueue(std::string(id) + std::string(request)).status, 409);
  EXPECT_EQ(enqueue(R"("httpRequest":{"url":"http://own/"})").text_at("httpRequest.url"),
            "http://own/");

  const Answer deleted = call("DELETE", std::string(tasks) + "/a", "", owner);
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.text, "{}");
  EXPECT_EQ(call("DELETE", std::string(tasks) + "/a", "", owner).status, 404);

  // Registered anew, with less: what is not said is Firebase's default again.
  ASSERT_EQ(call("POST", queue, R"({"defaultUri":"https://[::1]/"})").status, 200);
  const Answer anew = get("/v2" + std::string(queue));
  EXPECT_EQ(anew.text_at("retryConfig.maxAttempts"), "3");
  EXPECT_EQ(anew.text_at("retryConfig.minBackoff"), "0.100s");
  EXPECT_EQ(anew.text_at("retryConfig.maxDoublings"), "16");
  EXPECT_EQ(anew.text_at("rateLimits.maxDispatchesPerSecond"), "500");
  EXPECT_EQ(enqueue(R"("httpRequest":{"url":""})").text_at("httpRequest.url"), "https://[::1]/");
}

// CT-250: the server's side.
TEST_F(RestFirebase, TheScheduleTimeIsKept) {
  ASSERT_EQ(call("POST", queue, R"({"defaultUri":"http://h/"})").status, 200);
  const Answer task = enqueue(R"("httpRequest":{"url":""})");
  std::string time;
  append_timestamp(CloudTasksTest::later(http_task()).schedule_time(), time);
  EXPECT_EQ(task.text_at("scheduleTime"), time);
}

// CT-249
TEST_F(RestFirebase, WithoutADefaultItSaysWhatToDo) {
  ASSERT_EQ(call("POST", queue, "{}").status, 200);
  const Answer refused = enqueue(R"("httpRequest":{"url":""})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(refused.text_at("error.message").ends_with("set its httpTarget.uriOverride.host."))
      << refused.text;
  EXPECT_EQ(call("POST", queue, R"({"defaultUri":"nowhere"})").status, 400);
  // No other path takes an empty one.
  EXPECT_EQ(post("/v2" + std::string(tasks), R"({"task":{"httpRequest":{"url":""}}})")
                .text_at("error.message"),
            "HttpRequest.url is required.");
}

}  // namespace
}  // namespace deferd::cloudtasks::rest
