// BufferTask (CT-spec 9.11).
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "api/cloudtasks/rest/default_url.h"
#include "api/cloudtasks/rest/testing/door_harness.h"

namespace deferd::cloudtasks::rest {
namespace {

class RestBuffer : public RestTest {
 protected:
  // Paused, so that nothing starts.
  void make_queue(const std::optional<HttpTarget>& target) {
    ASSERT_EQ(
        post("/v2/projects/p/locations/l/queues", R"({"name":"projects/p/locations/l/queues/q"})")
            .status,
        200);
    ASSERT_EQ(post("/v2/projects/p/locations/l/queues/q:pause").status, 200);
    set_target(target);
  }
  void set_target(const std::optional<HttpTarget>& target) {
    ConfigureQueue command;
    command.queue = *QueueName::parse("p", "l", "q");
    command.change = [target](const QueueSettings* there) -> Result<QueueSettings> {
      QueueSettings settings = *there;
      settings.http_target = target;
      return settings;
    };
    AnswerThreads threads(1);
    std::promise<bool> set;
    service().submit({std::shared_ptr<CallThread>(std::shared_ptr<void>(), &threads)},
                     std::move(command), [&set](const Result<ConfigureQueue::Answer>& answer) {
                       set.set_value(answer.has_value());
                     });
    ASSERT_TRUE(set.get_future().get());
  }
  Answer buffer(std::string_view path, std::string_view body, std::string_view headers = {}) {
    return call("POST", "/v2/projects/p/locations/l/queues/q/tasks" + std::string(path), body,
                headers);
  }
  Answer full(std::string_view name) {
    return get("/v2/" + std::string(name) + "?responseView=FULL");
  }
};

// CT-213
TEST_F(RestBuffer, TheBodyIsTheTasks) {
  make_queue(HttpTarget{.scheme = HttpTarget::Scheme::http,
                        .host = "example.com",
                        .port = 8080,
                        .path = "/in",
                        .query = "a=b"});
  const Answer made =
      buffer(":buffer", "something",
             "Content-Type: text/plain\r\nX-Mine: yes\r\nAuthorization: Bearer s\r\n"
             "X-Goog-Api-Key: k\r\nX-CloudTasks-Any: x\r\nConnection: keep-alive, "
             "X-Hop\r\nX-Hop: 1\r\n");
  ASSERT_EQ(made.status, 200) << made.text;
  const Answer task = full(made.text_at("task.name"));
  EXPECT_EQ(task.text_at("httpRequest.url"), "http://example.com:8080/in?a=b");
  EXPECT_EQ(task.text_at("httpRequest.httpMethod"), "POST");
  EXPECT_EQ(task.text_at("httpRequest.body"), "c29tZXRoaW5n");
  EXPECT_EQ(  // in any order
      task.at("httpRequest.headers"),
      json::parse(
          R"({"User-Agent":"Google-Cloud-Tasks","X-Mine":"yes","Content-Type":"text/plain"})"));
  const Answer named = buffer("/t-1:buffer", "");
  EXPECT_EQ(named.text_at("task.name"), "projects/p/locations/l/queues/q/tasks/t-1");
  EXPECT_EQ(buffer("/t-1:buffer", "").status, 409);
  EXPECT_EQ(buffer("/a.b:buffer", "").status, 400);
}

// CT-213
TEST_F(RestBuffer, EveryVersionHasIt) {
  make_queue(HttpTarget{.host = "example.com"});
  for (const std::string version : {"v2", "v2beta3", "v2beta2"}) {
    const std::string at = "/" + version + "/projects/p/locations/l/queues/q/tasks";
    const Answer made = post(at + "/" + version + ":buffer", "x");
    EXPECT_EQ(made.text_at("task.httpRequest.url"), "https://example.com/") << made.text;
    EXPECT_EQ(post(at + ":buffer", "x").status, 200);
  }
}

// CT-213
TEST_F(RestBuffer, DiscoveryClientsWrapTheBody) {
  make_queue(HttpTarget{.host = "example.com"});
  const std::string_view json_header = "Content-Type: application/json\r\n";
  const auto stored = [&](std::string_view body, std::string_view headers) {
    const Answer made = buffer(":buffer", body, headers);
    const Answer task = full(made.text_at("task.name"));
    return task.text_at("httpRequest.headers.Content-Type") + " " +
           task.text_at("httpRequest.body");
  };
  EXPECT_EQ(stored(R"({"body":{"contentType":"text/plain","data":"YQ=="}})", json_header),
            "text/plain YQ==");
  EXPECT_EQ(stored(R"({"body":{"data":"YQ"}})", json_header), "null YQ==");
  // What only looks like it is what it is.
  EXPECT_EQ(stored(R"({"body":{"data":"YQ==","x":1}})", json_header),
            "application/json eyJib2R5Ijp7ImRhdGEiOiJZUT09IiwieCI6MX19");
  EXPECT_EQ(stored(R"({"body":{}})", json_header), "application/json eyJib2R5Ijp7fX0=");
  EXPECT_EQ(stored(R"({"a":1})", json_header), "application/json eyJhIjoxfQ==");
  EXPECT_EQ(stored(R"({"body":{"data":"YQ=="}})", "Content-Type: text/plain\r\n"),
            "text/plain eyJib2R5Ijp7ImRhdGEiOiJZUT09In19");
}

// CT-214
TEST_F(RestBuffer, AQueueWithoutATargetHasNowhereToSendIt) {
  const Answer missing = buffer(":buffer", "x");
  EXPECT_EQ(missing.status, 404);
  make_queue(std::nullopt);
  const Answer refused = buffer(":buffer", "x");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.text_at("error.status"), "FAILED_PRECONDITION");
  set_target(HttpTarget{.path = "/x"});
  EXPECT_EQ(buffer(":buffer", "x").status, 400);
}

// What a body is coded with is its target's business.
TEST_F(RestBuffer, CodedBodies) {
  make_queue(HttpTarget{.host = "example.com"});
  const Answer made = buffer(":buffer", "\x1f\x8b", "Content-Encoding: gzip\r\n");
  EXPECT_EQ(made.text_at("task.httpRequest.headers.Content-Encoding"), "gzip") << made.text;
}

// CT-249: a queue that Firebase's command line has not registered.
TEST_F(RestBuffer, FirebasesTasksGoThereToo) {
  make_queue(HttpTarget{.host = "example.com", .path = "/in"});
  EXPECT_EQ(post("/projects/p/locations/l/queues/q/tasks", R"({"task":{"httpRequest":{"url":""}}})")
                .text_at("httpRequest.url"),
            "https://example.com/in");
}

TEST(RestDefaultUrl, PartsThatAreNotSaid) {
  EXPECT_EQ(url_of({.host = "h"}), "https://h/");
  EXPECT_EQ(url_of({.host = "h", .port = 0, .path = "", .query = ""}), "https://h/");
  EXPECT_EQ(url_of({.scheme = HttpTarget::Scheme::http, .host = "h", .port = 80, .path = "a"}),
            "http://h:80/a");
}

}  // namespace
}  // namespace deferd::cloudtasks::rest
