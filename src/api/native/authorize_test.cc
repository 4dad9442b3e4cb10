// Who may make which call of /v1, over real sockets.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "api/http/server.h"
#include "api/http/testing/raw_client.h"
#include "api/native/native.h"
#include "runtime/testing/held_dispatcher.h"
#include "runtime/testing/stepped_clock.h"
#include "store/memory/store.h"

namespace deferd::native {
namespace {

class AuthorizeTest : public testing::Test {
 protected:
  AuthorizeTest() {
    for (const Role& role : roles()) know(std::string(role.name), {{role.permissions, {}, {}}});
    know("stranger", {});
    auto runtime = Runtime::start({.shards = 1}, clock_, store_, dispatcher_);
    EXPECT_TRUE(runtime);
    runtime_ = std::move(*runtime);
    NativeDoorOptions options;
    options.access = &access_;
    door_ = make_native_door(std::move(options), *runtime_, clock_);
    auto started = HttpServer::start({.listen = "127.0.0.1:0", .threads = 1}, *door_);
    EXPECT_TRUE(started);
    server_ = std::move(*started);
    client_.emplace(server_->port());
    EXPECT_EQ(status("admin", "PUT", "/v1/queues/push"), 201);
    EXPECT_EQ(status("admin", "PUT", "/v1/queues/pull", R"({"mode":"pull"})"), 201);
  }
  ~AuthorizeTest() override {
    server_->stop(Millis(0));
    dispatcher_.finish(200);
    runtime_.reset();
  }

  void know(const std::string& key, std::vector<Grant> grants) {
    rules_.keys.push_back({key + "@example.com", hash_of_key(key), std::move(grants)});
    access_.set_rules(rules_);
  }
  RawResponse call(std::string_view key, std::string_view method, std::string_view target,
                   std::string_view body = {}) {
    const std::string header =
        key.empty() ? std::string() : "Authorization: Bearer " + std::string(key) + "\r\n";
    auto response = client_->call(method, target, body, header);
    EXPECT_TRUE(response) << method << " " << target;
    return response.value_or(RawResponse{});
  }
  int status(std::string_view key, std::string_view method, std::string_view target,
             std::string_view body = {}) {
    return call(key, method, target, body).status;
  }

  SteppedClock clock_;
  HeldDispatcher dispatcher_;
  MemoryStore store_;
  const Tickets tickets_{Tickets::Key{}, {}};
  AccessRules rules_;
  std::vector<RoleBinding> policy_;
  Access access_{{tickets_, [this](const QueueSettings&) { return policy_; }}, {}};
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

TEST_F(AuthorizeTest, EachRoleMayMakeItsCallsAndNoOthers) {
  const std::string leases = R"({"leases":[{"id":"t","lease":"0000000000000001"}]})";
  struct Case {
    const char* method;
    const char* target;
    std::string body;
    const char* roles;  // that may, beside admin and editor
  };
  const Case cases[] = {
      {"POST", "/v1/queues/pull/tasks", "{}", "enqueuer"},
      {"POST", "/v1/queues/pull/tasks:batch", R"({"tasks":[{}]})", "enqueuer"},
      {"POST", "/v1/queues/pull/tasks:lease", "{}", "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:ack", leases, "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:renew", leases, "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:release", leases, "taskRunner"},
      {"GET", "/v1/queues/pull/tasks", "", "viewer taskDeleter"},
      {"GET", "/v1/queues/pull/tasks?view=full", "", ""},
      {"GET", "/v1/queues/pull/tasks/t", "", "viewer taskDeleter"},
      {"DELETE", "/v1/queues/pull/tasks/t", "", "taskDeleter"},
      {"POST", "/v1/queues/push/tasks/t:run", "", "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:fail", leases, "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:watch", R"({"ids":["t"]})", "taskRunner"},
      {"POST", "/v1/queues/pull/tasks:results", R"({"ids":["t"]})", "viewer taskDeleter"},
      {"GET", "/v1/queues/pull/tasks/t/result", "", "viewer taskDeleter"},
      {"POST", "/v1/queues/pull/tasks/t:cancel", "", "taskDeleter"},
      {"GET", "/v1/queues/pull/dead", "", "viewer taskDeleter"},
      {"GET", "/v1/queues/pull/dead?view=full", "", ""},
      {"GET", "/v1/queues/pull/dead/t", "", "viewer taskDeleter"},
      {"DELETE", "/v1/queues/pull/dead/t", "", "taskDeleter"},
      {"POST", "/v1/queues/pull/dead/t:retry", "", "taskDeleter"},
      {"POST", "/v1/queues/pull/dead:retry", R"({"plan":true})", "taskDeleter"},
      {"POST", "/v1/queues/pull/dead:delete", R"({"plan":true})", "taskDeleter"},
      {"GET", "/v1/queues", "", "viewer queueAdmin"},
      {"PUT", "/v1/queues/push", "{}", "queueAdmin"},
      {"GET", "/v1/queues/push", "", "viewer queueAdmin"},
      {"GET", "/v1/queues/push/stats", "", "viewer queueAdmin"},
      {"POST", "/v1/queues/push:pause", "", "queueAdmin"},
      {"POST", "/v1/queues/push:resume", "", "queueAdmin"},
      {"POST", "/v1/queues/push:purge", "", "queueAdmin"},
      {"DELETE", "/v1/queues/none", "", "queueAdmin"},
      {"POST", "/v1/queues:apply", "queue:", "queueAdmin"},
      {"POST", "/api/queue/update", "queue:", "queueAdmin"},
      {"GET", "/v1/cron", "", "viewer queueAdmin"},
      {"POST", "/v1/cron", "cron:", ""},
      {"GET", "/metrics", "", "viewer queueAdmin"},
      {"GET", "/v1/config", "", "viewer queueAdmin"},
  };
  for (const Case& each : cases) {
    const std::string what = std::string(each.method) + " " + each.target;
    for (const Role& role : roles()) {
      const bool may =
          role.name == "admin" || role.name == "editor" ||
          (" " + std::string(each.roles) + " ").find(" " + std::string(role.name) + " ") !=
              std::string::npos;
      EXPECT_EQ(status(role.name, each.method, each.target, each.body) == 403, !may)
          << role.name << " " << what;
    }
    EXPECT_EQ(status("stranger", each.method, each.target, each.body), 403) << what;
    EXPECT_EQ(status("", each.method, each.target, each.body), 401) << what;
    EXPECT_EQ(status("owner", each.method, each.target, each.body), 401) << what;
  }
}

TEST_F(AuthorizeTest, WhetherItLivesIsForEverybody) {
  EXPECT_EQ(status("", "GET", "/healthz"), 200);
  EXPECT_EQ(status("", "GET", "/readyz"), 200);
  EXPECT_EQ(status("unknown", "GET", "/readyz"), 200);
}

TEST_F(AuthorizeTest, ARefusalSaysWhatIsMissing) {
  const RawResponse denied = call("viewer", "POST", "/v1/queues/pull/tasks", "{}");
  EXPECT_EQ(denied.body,
            R"({"error":{"code":403,"status":"PERMISSION_DENIED","message":"viewer@example.com )"
            R"(lacks the permission cloudtasks.tasks.create for )"
            R"(projects/default/locations/local/queues/pull; a role that has it can be given in )"
            R"(access.yaml, or in the policy of a queue"}})");
  const RawResponse unknown = call("", "GET", "/v1/queues");
  EXPECT_NE(unknown.head.find("WWW-Authenticate: Bearer\r\n"), std::string::npos);
}

TEST_F(AuthorizeTest, AKeyMayStandInTheQuery) {
  EXPECT_EQ(status("", "GET", "/v1/queues?key=viewer"), 200);
  EXPECT_EQ(status("", "GET", "/v1/queues?page_size=1&key=viewer"), 200);
  EXPECT_EQ(status("", "GET", "/v1/queues?key=wrong"), 401);
}

TEST_F(AuthorizeTest, RightsEndWithTheirProjectAndQueue) {
  know("shop", {{find_role("admin")->permissions, "shop", {}}});
  know("one", {{find_role("enqueuer")->permissions, "default", {"pull"}}});
  EXPECT_EQ(status("shop", "GET", "/v1/projects/shop/locations/local/queues"), 200);
  EXPECT_EQ(status("shop", "GET", "/v1/queues"), 403);
  EXPECT_EQ(status("shop", "GET", "/metrics"), 403);  // of all projects
  EXPECT_EQ(status("shop", "POST", "/api/queue/update?app_id=s~shop", "queue:"), 405);
  EXPECT_EQ(status("shop", "POST", "/api/queue/update?app_id=bank", "queue:"), 403);
  EXPECT_EQ(status("one", "POST", "/v1/queues/pull/tasks", "{}"), 201);
  EXPECT_EQ(status("one", "POST", "/v1/queues/push/tasks", R"({"url":"http://localhost/"})"), 403);
}

// The whole request comes along when the queue has to be asked first.
TEST_F(AuthorizeTest, APolicyOfTheQueueLetsItsMembersIn) {
  policy_ = {{"roles/cloudtasks.enqueuer", {"user:stranger@example.com"}},
             {"roles/cloudtasks.viewer", {"allUsers"}}};
  EXPECT_EQ(status("stranger", "POST", "/v1/queues/pull/tasks", R"({"body":"text"})"), 201);
  EXPECT_EQ(status("stranger", "POST", "/v1/queues/none/tasks", "{}"), 403);
  EXPECT_EQ(status("stranger", "DELETE", "/v1/queues/pull"), 403);
  EXPECT_EQ(status("", "GET", "/v1/queues/pull"), 200);
  EXPECT_EQ(status("", "POST", "/v1/queues/pull/tasks", "{}"), 401);
}

}  // namespace
}  // namespace deferd::native
