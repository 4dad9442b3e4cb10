// Cloud Tasks over HTTP/JSON (CT-spec 1.2, 1.3).
#include "api/cloudtasks/rest/json_values.h"
#include "api/cloudtasks/rest/testing/door_harness.h"

namespace deferd::cloudtasks::rest {
namespace {

constexpr std::string_view location = "/v2/projects/p/locations/l";
constexpr std::string_view queue = "/v2/projects/p/locations/l/queues/q";
constexpr std::string_view tasks = "/v2/projects/p/locations/l/queues/q/tasks";

class RestDoor : public RestTest {
 protected:
  void make_queue(std::string_view id = "q") {
    const std::string body = R"({"name":"projects/p/locations/l/queues/)" + std::string(id) + "\"}";
    ASSERT_EQ(post(std::string(location) + "/queues", body).status, 200);
  }
  // A task that nothing starts for an hour.
  std::string later(std::string_view members) {
    const V2::Task task = CloudTasksTest::later(http_task());
    std::string text;
    append_timestamp(task.schedule_time(), text);
    return R"({"task":{"scheduleTime":")" + text + "\"," + std::string(members) + "}}";
  }
};

// CT-180
TEST_F(RestDoor, EveryBindingAnswers) {
  for (const std::string_view version : {"v2", "v2beta3", "v2beta2"}) {
    const std::string at = "/" + std::string(version) + "/projects/p/locations/l";
    const std::string q = at + "/queues/" + std::string(version);
    const bool beta2 = version == "v2beta2";
    const std::string name = q.substr(version.size() + 2);
    struct Case {
      std::string method;
      std::string path;
      std::string body;
    };
    const std::string task =
        later(R"("name":")" + name + R"(/tasks/t","httpRequest":{"url":"http://e/"})");
    const std::string other =
        later(R"("name":")" + name + R"(/tasks/u","httpRequest":{"url":"http://e/"})");
    std::vector<Case> cases = {
        {"POST", at + "/queues", R"({"name":")" + name + "\"}"},
        {"GET", at + "/queues", ""},
        {"GET", q, ""},
        {"PATCH", q + "?updateMask=rateLimits", R"({"rateLimits":{}})"},
        {"POST", q + ":purge", "{}"},
        {"POST", q + ":pause", "{}"},
        {"POST", q + ":resume", "{}"},
        {"POST", q + ":getIamPolicy", "{}"},
        {"POST", q + ":setIamPolicy", R"({"policy":{}})"},
        {"POST", q + ":testIamPermissions", R"({"permissions":["cloudtasks.queues.get"]})"},
        {"POST", q + "/tasks", task},
        {"GET", q + "/tasks", ""},
        {"GET", q + "/tasks/t", ""},
        {"DELETE", q + "/tasks/t", ""},
        {"POST", q + "/tasks", other},
        {"POST", q + "/tasks/u:run", "{}"},
        {"GET", "/" + std::string(version) + "/projects/p/locations", ""},
        {"GET", at, ""},
        {"GET", at + "/operations/none", ""},
    };
    if (beta2) {
      const std::string pull = at + "/queues/pull";
      const std::string pull_name = pull.substr(version.size() + 2);
      cases.push_back(
          {"POST", at + "/queues", R"({"name":")" + pull_name + R"(","pullTarget":{}})"});
      cases.push_back({"POST", pull + "/tasks:lease", R"({"maxTasks":1,"leaseDuration":"10s"})"});
      for (const std::string_view verb : {"acknowledge", "renewLease", "cancelLease"}) {
        cases.push_back({"POST", pull + "/tasks/t:" + std::string(verb),
                         R"({"scheduleTime":"2026-01-01T00:00:00Z"})"});
      }
    } else {
      cases.push_back({"POST", q + "/tasks:batchCreate",
                       R"({"requests":[{"parent":")" + name +
                           R"(","task":{"httpRequest":{"url":"http://e/"}}}]})"});
      cases.push_back(
          {"POST", q + "/tasks:batchDelete", R"({"names":[")" + name + R"(/tasks/t"]})"});
      cases.push_back({"GET", at + "/cmekConfig", ""});
      cases.push_back({"PATCH", at + "/cmekConfig?updateMask=kmsKey", R"({"kmsKey":"k"})"});
    }
    cases.push_back({"DELETE", q, ""});
    for (const Case& one : cases) {
      const Answer answer = call(one.method, one.path, one.body);
      // Those that name a task or an operation which is not there reach their method all the same.
      const std::string message = answer.text_at("error.message");
      EXPECT_TRUE(answer.status == 200 || (answer.status == 404 && !message.starts_with("There")) ||
                  message.starts_with("lease_duration"))
          << one.method << " " << one.path << ": " << answer.text;
    }
  }
}

// CT-181: each detail is an object with its type, as clients unpack it.
TEST_F(RestDoor, DetailsOfFailuresAreObjects) {
  const Answer answer = post("/v2/projects/p/locations/l/queues",
                             R"({"name":"projects/p/locations/l/queues/under_score"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(
      answer.text_at("error.details"),
      R"([{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Definition of queue name",)"
      R"("url":"https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#Queue.FIELDS.name"}]}])");
}

// CT-096, CT-182, CT-097 (REST)
TEST_F(RestDoor, EmptyAnswersAreObjects) {
  make_queue();
  EXPECT_EQ(get(tasks).text, "{}");
  ASSERT_EQ(
      post(
          tasks,
          later(
              R"("name":"projects/p/locations/l/queues/q/tasks/t","httpRequest":{"url":"http://e/"})"))
          .status,
      200);
  const Answer deleted = call("DELETE", std::string(tasks) + "/t");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.text, "{}");
  EXPECT_EQ(call("DELETE", queue).text, "{}");  // CT-023
}

// CT-189: Node's client has nothing left for the body, and says so with an empty text.
TEST_F(RestDoor, AnEmptyTextIsAnEmptyBody) {
  make_queue();
  EXPECT_EQ(call("PATCH", queue, R"("")").status, 200);
  EXPECT_EQ(call("PATCH", queue, R"("x")").status, 400);
  EXPECT_EQ(call("PATCH", queue, "[]").status, 400);
}

}  // namespace
}  // namespace deferd::cloudtasks::rest
