// Cloud Tasks over HTTP/JSON (CT-spec 1.2, 1.3).
#include <google/rpc/error_details.pb.h>

#include <algorithm>

#include "api/cloudtasks/rest/errors.h"
#include "api/cloudtasks/rest/json_values.h"
#include "api/cloudtasks/rest/rules.h"
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

// CT-007
TEST_F(RestDoor, ProjectsWithColons) {
  for (const std::string_view project : {"example.com:app", "example.com%3Aapp"}) {
    const std::string at = "/v2/projects/" + std::string(project) + "/locations/l/queues";
    const std::string id = project.find('%') == project.npos ? "raw" : "encoded";
    const std::string name = "projects/example.com:app/locations/l/queues/" + id;
    EXPECT_EQ(post(at, R"({"name":")" + name + "\"}").text_at("name"), name);
    EXPECT_EQ(get(at + "/" + id).text_at("name"), name);
    EXPECT_EQ(post(at + "/" + id + ":pause").text_at("state"), "PAUSED");
    EXPECT_EQ(post(at + "/" + id + "/tasks", later(R"("httpRequest":{"url":"http://e/"})")).status,
              200);
  }
  EXPECT_EQ(get("/v2/projects/a%3/locations/l/queues").status, 400);
}

// CT-181
TEST_F(RestDoor, Errors) {
  const Answer missing = get(queue);
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(
      missing.text,
      R"({"error":{"code":404,"message":"Queue does not exist. If you just created the queue, )"
      R"(wait at least a minute for the queue to initialize.","status":"NOT_FOUND"}})");
  const Answer named =
      post(std::string(location) + "/queues", R"({"name":"projects/p/locations/l/queues/a_b"})");
  EXPECT_EQ(named.status, 400);
  EXPECT_EQ(named.text_at("error.status"), "INVALID_ARGUMENT");
  EXPECT_EQ(
      json::serialize(named.at("error.details")),
      R"([{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":)"
      R"("Definition of queue name","url":"https://cloud.google.com/tasks/docs/reference/rest/)"
      R"(v2/projects.locations.queues#Queue.FIELDS.name"}]}])");
  make_queue();
  const Answer again =
      post(std::string(location) + "/queues", R"({"name":"projects/p/locations/l/queues/q"})");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.text_at("error.status"), "ALREADY_EXISTS");
}

TEST_F(RestDoor, PathsThatAreNone) {
  for (const char* path : {"/v2/", "/v2/projects", "/v2/projects/p/locations/l/queues/q/x",
                           "/v2/projects/p/locations/l/queues/q:fly", "/v2/projects//locations/l",
                           "/v2/projects/p/locations/l/queues/", "/v2beta2/projects/p:x",
                           "/v2beta2/projects/p/locations/l/cmekConfig",
                           "/v2/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s"}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.text_at("error.status"), "NOT_FOUND") << path;
  }
  const Answer put = call("PUT", queue);
  EXPECT_EQ(put.status, 404);
  EXPECT_TRUE(put.text_at("error.message").ends_with("it takes GET, PATCH, DELETE.")) << put.text;
}

// CT-183
TEST_F(RestDoor, EnumsAsNumbers) {
  make_queue();
  EXPECT_EQ(get(queue).text_at("state"), "RUNNING");
  for (const char* query : {"$alt=json;enum-encoding=int", "$alt=json%3Benum-encoding=int",
                            "%24alt=json%3Benum-encoding%3Dint", "$alt=json;enum-encoding%3Dint"}) {
    EXPECT_EQ(get(std::string(queue) + "?" + query).text_at("state"), "1") << query;
  }
  EXPECT_EQ(get(std::string(queue) + "?alt=sse").text_at("state"), "RUNNING");
}

// CT-184
TEST_F(RestDoor, ViewsByNameAndNumber) {
  make_queue();
  const std::string task = later(
      R"("name":"projects/p/locations/l/queues/q/tasks/t","httpRequest":{"url":"http://e/","body":"YQ"})");
  EXPECT_EQ(post(tasks, task).at("httpRequest.body"), nullptr);
  for (const char* view : {"responseView=FULL", "responseView=2", "response_view=FULL"}) {
    EXPECT_EQ(get(std::string(tasks) + "/t?" + view).text_at("httpRequest.body"), "YQ==") << view;
  }
  EXPECT_EQ(get(std::string(tasks) + "/t?responseView=BASIC").at("httpRequest.body"), nullptr);
  EXPECT_EQ(get(std::string(tasks) + "/t?responseView=ALL").status, 400);
}

// CT-185
TEST_F(RestDoor, MasksInBothCases) {
  make_queue();
  const std::string_view body =
      R"({"rateLimits":{"maxDispatchesPerSecond":5,"maxConcurrentDispatches":7}})";
  for (const char* mask : {"updateMask=rate_limits.max_dispatches_per_second%2Cretry_config",
                           "updateMask=rateLimits.maxDispatchesPerSecond,retryConfig",
                           "update_mask=rateLimits.maxDispatchesPerSecond"}) {
    const Answer answer = call("PATCH", std::string(queue) + "?" + mask, body);
    EXPECT_EQ(answer.text_at("rateLimits.maxDispatchesPerSecond"), "5") << answer.text;
    EXPECT_EQ(answer.text_at("rateLimits.maxConcurrentDispatches"), "1000") << answer.text;
  }
  EXPECT_EQ(call("PATCH", std::string(queue) + "?updateMask=nothing", body).status, 400);
}

// CT-186
TEST_F(RestDoor, SystemParametersAreNoErrors) {
  make_queue();
  for (const char* parameter :
       {"alt=json", "$alt=media", "$prettyPrint=true", "prettyPrint=false", "$fields=name",
        "fields=*", "$key=a", "key=a", "access_token=a", "oauth_token=a", "quotaUser=a",
        "callback=f", "$.xgafv=2", "uploadType=media", "upload_protocol=raw", "userIp=1"}) {
    EXPECT_EQ(get(std::string(queue) + "?" + parameter).status, 200) << parameter;
    EXPECT_EQ(post(std::string(queue) + ":pause?" + parameter).status, 200) << parameter;
  }
  // A misspelled mask would else change everything.
  const Answer unknown = call("PATCH", std::string(queue) + "?updatemask=rateLimits", "{}");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(
      unknown.text_at("error.message"),
      R"(Invalid JSON payload received. Unknown name "updatemask": Cannot bind query parameter. )"
      R"(Field 'updatemask' could not be found in request message.)");
  EXPECT_EQ(get(std::string(queue) + "?a=%zz").status, 400);
}

// CT-187
TEST_F(RestDoor, VerbsTakeNoBodyAndAnEmptyOne) {
  make_queue();
  ASSERT_EQ(
      post(
          tasks,
          later(
              R"("name":"projects/p/locations/l/queues/q/tasks/t","httpRequest":{"url":"http://e/"})"))
          .status,
      200);
  for (const char* body : {"", "{}"}) {
    for (const char* verb : {":pause", ":resume", ":purge"})
      EXPECT_EQ(post(std::string(queue) + verb, body).status, 200) << verb;
  }
  for (const char* body : {"", "{}"}) {
    EXPECT_EQ(post(std::string(queue) + ":getIamPolicy", body).status, 200);
    const std::string task = later(R"("httpRequest":{"url":"http://e/"})");
    const std::string name = post(tasks, task).text_at("name");
    EXPECT_EQ(post("/v2/" + name + ":run", body).status, 200);
  }
}

// CT-188
TEST_F(RestDoor, BadBodies) {
  const Answer unknown = post(tasks, R"({"task":{"x":1}})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.text_at("error.message"),
            R"(Invalid JSON payload received. Unknown name "x" at 'task': Cannot find field.)");
  EXPECT_EQ(unknown.text_at("error.status"), "INVALID_ARGUMENT");
  EXPECT_EQ(json::serialize(unknown.at("error.details").as_array()[0].at("@type")),
            R"("type.googleapis.com/google.rpc.BadRequest")");
  EXPECT_EQ(post(tasks, "{").status, 400);
  EXPECT_EQ(call("POST", tasks, "abc", "Content-Encoding: gzip\r\n").status, 400);
}

// CT-189
TEST_F(RestDoor, ThePathWins) {
  make_queue();
  const Answer unnamed =
      call("PATCH", std::string(queue) + "?updateMask=rateLimits", R"({"rateLimits":{}})");
  EXPECT_EQ(unnamed.text_at("name"), "projects/p/locations/l/queues/q");
  const Answer other = call("PATCH", std::string(queue) + "?updateMask=rateLimits",
                            R"({"name":"projects/p/locations/l/queues/other"})");
  EXPECT_EQ(other.text_at("name"), "projects/p/locations/l/queues/q");
  EXPECT_EQ(get(std::string(queue) + "?name=projects/p/locations/l/queues/other").status, 200);
}

// CT-190
TEST_F(RestDoor, FormsOfValues) {
  make_queue();
  const Answer made = get(queue);
  EXPECT_EQ(made.text_at("retryConfig.minBackoff"), "0.100s");
  EXPECT_EQ(made.text_at("retryConfig.maxBackoff"), "3600s");
  const Answer task = post(tasks, later(R"("httpRequest":{"url":"http://e/"})"));
  EXPECT_TRUE(task.text_at("createTime").ends_with('Z')) << task.text;
  EXPECT_EQ(task.text_at("dispatchDeadline"), "600s");
  EXPECT_EQ(task.at("dispatchCount"), nullptr);
  const Answer stats = get("/v2beta3/projects/p/locations/l/queues/q?readMask=stats");
  EXPECT_EQ(json::serialize(stats.at("stats.tasksCount")), R"("1")");
}

// CT-191
TEST_F(RestDoor, Locations) {
  for (const char* version : {"/v1", "/v2", "/v2beta3", "/v2beta2"}) {
    const std::string at = std::string(version) + "/projects/p/locations";
    EXPECT_EQ(json::serialize(get(at).at("locations").as_array()[0].at("name")),
              R"("projects/p/locations/local")");
    const Answer one = get(at + "/here?extraLocationTypes=x");
    EXPECT_EQ(one.text_at("locationId"), "here") << one.text;
  }
  EXPECT_TRUE(is_cloud_tasks_path("/v1/projects/p/locations"));
  EXPECT_FALSE(is_cloud_tasks_path("/v1/projects/p/locations/l/queues"));
  EXPECT_FALSE(is_cloud_tasks_path("/v1/queues"));
}

TEST_F(RestDoor, PostMayMeanPatch) {
  make_queue();
  const Answer answer =
      call("POST", std::string(queue) + "?updateMask=rateLimits&$alt=json;enum-encoding%3Dint",
           R"({"rateLimits":{"maxConcurrentDispatches":3}})", "x-http-method-override: PATCH\r\n");
  EXPECT_EQ(answer.text_at("rateLimits.maxConcurrentDispatches"), "3");
  EXPECT_EQ(answer.text_at("state"), "1");
  // Of nothing but POST.
  EXPECT_EQ(call("GET", queue, "", "x-http-method-override: DELETE\r\n").status, 200);
}

TEST_F(RestDoor, PagesOfForeignSitesMayChangeNothing) {
  const std::string_view body = R"({"name":"projects/p/locations/l/queues/q"})";
  const Answer refused =
      call("POST", std::string(location) + "/queues", body, "Origin: http://evil.example\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.text_at("error.status"), "PERMISSION_DENIED");
  EXPECT_EQ(get(queue).status, 404);
}

TEST_F(RestDoor, ATooLargeBodyIsRefused) {
  body_bytes_max_ = rest_options_.request_bytes_max = 1000;
  const Answer answer = post(tasks, std::string(2000, ' '));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.text_at("error.message"), "Request payload size exceeds the limit: 1000 bytes.");
}

// A call that nobody waits for any more is not begun.
TEST_F(RestDoor, Deadlines) {
  make_queue();
  EXPECT_EQ(call("GET", queue, "", "X-Server-Timeout: 20\r\n").status, 200);
  EXPECT_EQ(call("GET", queue, "", "grpc-timeout: 300S\r\n").status, 200);  // CT-194
  EXPECT_EQ(call("GET", queue, "", "X-Server-Timeout: soon\r\n").status, 200);
  EXPECT_EQ(call("GET", queue, "", "grpc-timeout: 0n\r\n").status, 504);
}

// CT-180: nobody adds a method and forgets how HTTP calls it.
TEST(RestRules, EveryMethodHasOne) {
  for (const Method& method : methods()) {
    if (method.name == "UploadQueueYaml") continue;  // the native door's: /api/queue/update
    const bool found = std::ranges::any_of(all_rules(), [&](const Rules& rules) {
      return rules.service == method.service &&
             std::ranges::any_of(rules.rules,
                                 [&](const Rule& rule) { return rule.method == method.name; });
    });
    EXPECT_TRUE(found) << method.path;
  }
}

TEST(RestErrors, WhenToTryAgain) {
  Failure failure;
  failure.set_code(google::rpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error_response(failure).headers, "Retry-After: 1\r\n");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  retry.mutable_retry_delay()->set_nanos(1);
  failure.add_details()->PackFrom(retry);
  EXPECT_EQ(error_response(failure).status, 429);
  EXPECT_EQ(error_response(failure).headers, "Retry-After: 3\r\n");
}

}  // namespace
}  // namespace deferd::cloudtasks::rest
