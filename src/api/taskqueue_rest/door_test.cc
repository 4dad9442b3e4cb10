// The whole door over real sockets, with the engine and the memory store behind it: what a client
// of taskqueue/v1beta2 sends, and what it gets.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <future>
#include <optional>
#include <string>

#include "api/http/server.h"
#include "api/http/testing/raw_client.h"
#include "api/taskqueue_rest/taskqueue_rest.h"
#include "model/push_request.h"
#include "runtime/runtime.h"
#include "runtime/testing/stepped_clock.h"
#include "store/memory/store.h"

namespace deferd {
namespace {

namespace json = boost::json;

class NoDispatcher final : public Dispatcher {
 public:
  void start(Attempt, Callback<void(AttemptResult)>) override { ADD_FAILURE() << "a push"; }
};

struct Answer {
  int status = 0;
  json::value body;
  std::string head;

  std::string text(std::string_view pointer) const {
    boost::system::error_code error;
    const json::value* found = body.find_pointer(pointer, error);
    if (found == nullptr) return "(absent)";
    if (const json::string* string = found->if_string()) return std::string(string->c_str());
    return json::serialize(*found);
  }
  std::string message() const { return text("/error/message"); }
};

class RestDoorTest : public testing::Test {
 protected:
  RestDoorTest() {
    options_.shards = 2;
    runtime_ = std::move(*Runtime::start(options_, clock_, store_, dispatcher_));
    open();
  }
  ~RestDoorTest() override {
    client_.reset();
    std::promise<void> idle;
    runtime_->stop(clock_.now().mono, [&idle] { idle.set_value(); });
    idle.get_future().wait();
    runtime_.reset();  // its replies are owed to the HTTP server's threads
    server_.reset();
  }

  void open(TaskqueueRestOptions rest = {}) {
    client_.reset();
    server_.reset();
    door_ = make_taskqueue_rest_door(std::move(rest), *runtime_, clock_);
    HttpOptions http;
    http.listen = "127.0.0.1:0";
    http.threads = 1;
    auto started = HttpServer::start(http, *door_);
    ASSERT_TRUE(started);
    server_ = std::move(*started);
    client_.emplace(server_->port());
  }

  static QueueName name(const std::string& queue) {
    return *QueueName::parse("app", "local", queue);
  }
  template <class T, class Command>
  Result<T> ask(Command command) {
    std::promise<Result<T>> promise;
    command.reply = [&promise](Result<T> answer) { promise.set_value(std::move(answer)); };
    runtime_->submit(Command(std::move(command)));
    return promise.get_future().get();
  }
  void make_queue(const std::string& queue, QueueMode mode = QueueMode::pull,
                  std::function<void(QueueSettings&)> change = {}) {
    ConfigureQueue command;
    command.queue = name(queue);
    command.change = [mode, change](const QueueSettings*) -> Result<QueueSettings> {
      QueueSettings settings = QueueSettings::defaults(mode);
      if (change) change(settings);
      return settings;
    };
    ASSERT_TRUE(ask<ConfigureQueue::Answer>(std::move(command)));
  }

  Answer call(std::string_view method, const std::string& target, std::string_view body = {},
              std::string_view headers = {}) {
    const auto response =
        client_->call(method, target.starts_with('/') ? target : root + target, body, headers);
    EXPECT_TRUE(response) << method << " " << target;
    if (!response) return {};
    if (!response->body.empty())
      return {response->status, json::parse(response->body), response->head};
    return {response->status, {}, response->head};
  }
  Answer add(const std::string& queue, const std::string& task) {
    Answer answer = call("POST", queue + "/tasks", task);
    EXPECT_EQ(answer.status, 200) << answer.message();
    return answer;
  }
  Answer lease(const std::string& queue, const std::string& query = "numTasks=10&leaseSecs=60") {
    return call("POST", queue + "/tasks/lease?" + query);
  }

  inline static const std::string root = "/taskqueue/v1beta2/projects/app/taskqueues/";

  SteppedClock clock_;
  MemoryStore store_;
  NoDispatcher dispatcher_;
  RuntimeOptions options_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

// GAE-212
TEST_F(RestDoorTest, ATaskIsInsertedLeasedExtendedAndDeleted) {
  make_queue("q");
  const Answer added = add("q", R"({"payloadBase64":"aGk","id":"one","tag":"red"})");
  EXPECT_EQ(json::serialize(added.body),
            R"({"kind":"taskqueues#task","id":"one","queueName":"q","payloadBase64":"aGk=",)"
            R"("enqueueTimestamp":"1800000000000000","leaseTimestamp":"0","retry_count":0,)"
            R"("tag":"red"})");

  const Answer leased = lease("q");
  EXPECT_EQ(leased.status, 200);
  EXPECT_EQ(json::serialize(leased.body),
            R"({"kind":"taskqueue#tasks","items":[{"kind":"taskqueues#task","id":"one",)"
            R"("queueName":"projects/app/taskqueues/q","payloadBase64":"aGk=",)"
            R"("enqueueTimestamp":"1800000000000000","leaseTimestamp":"1800000060000000",)"
            R"("retry_count":1,"tag":"red"}]})");

  const Answer updated = call("POST", "q/tasks/one?newLeaseSeconds=120",
                              json::serialize(leased.body.at_pointer("/items/0")));
  EXPECT_EQ(updated.status, 200) << updated.message();
  EXPECT_EQ(updated.text("/leaseTimestamp"), "1800000120000000");
  EXPECT_EQ(updated.text("/retry_count"), "1");

  EXPECT_EQ(call("DELETE", "q/tasks/one").status, 204);
  EXPECT_EQ(call("GET", "q/tasks/one").status, 404);
  EXPECT_EQ(call("DELETE", "q/tasks/one").status, 404);
}

TEST_F(RestDoorTest, ATaskWithoutIdGetsOne) {
  make_queue("q");
  const std::string id = add("q", R"({"payloadBase64":""})").text("/id");
  EXPECT_GE(id.size(), 17U);
  EXPECT_LE(id.size(), 20U);
  EXPECT_EQ(id.find_first_not_of("0123456789"), id.npos);
  EXPECT_EQ(call("GET", "q/tasks/" + id).text("/payloadBase64"), "");
}

// GAE-212
TEST_F(RestDoorTest, AListShowsLeasedTasksToo_AtMostAHundred_WithoutPayloads) {
  make_queue("q");
  EXPECT_EQ(json::serialize(call("GET", "q/tasks").body), R"({"kind":"taskqueues#tasks"})");
  for (int i = 0; i < 103; ++i) {
    add("q", R"({"payloadBase64":"aGk=","id":"t)" + std::to_string(i) + "\"}");
  }
  ASSERT_EQ(lease("q", "numTasks=1&leaseSecs=60").text("/items/0/id"), "t0");
  const Answer listed = call("GET", "q/tasks");
  EXPECT_EQ(listed.text("/kind"), "taskqueues#tasks");
  EXPECT_EQ(listed.body.at("items").as_array().size(), 100U);
  EXPECT_EQ(listed.text("/items/0/payloadBase64"), "");
  EXPECT_EQ(listed.text("/items/0/leaseTimestamp"), "1800000060000000");
  EXPECT_EQ(listed.text("/items/1/leaseTimestamp"), "0");
  EXPECT_EQ(listed.text("/items/1/queueName"), "q");
}

// GAE-211
TEST_F(RestDoorTest, ALeaseSaysHowManyAndHowLong) {
  make_queue("q");
  const Answer empty = lease("q");
  EXPECT_EQ(empty.status, 200);
  EXPECT_EQ(json::serialize(empty.body), R"({"kind":"taskqueue#tasks"})");
  EXPECT_EQ(lease("q", "leaseSecs=60").message(), "Required parameter: numTasks");
  EXPECT_EQ(lease("q", "numTasks=1").message(), "Required parameter: leaseSecs");
  for (const char* query :
       {"numTasks=0&leaseSecs=60", "numTasks=1001&leaseSecs=60", "numTasks=1&leaseSecs=-1",
        "numTasks=1&leaseSecs=604801", "numTasks=x&leaseSecs=60", "numTasks=1&leaseSecs=1.5",
        "numTasks=1&leaseSecs=60&groupByTag=perhaps", "numTasks=1&leaseSecs=60&tag=red",
        "numTasks=1&leaseSecs=60&groupByTag=false&tag=red", "numTasks=1&leaseSecs=60&tag=%4"}) {
    EXPECT_EQ(lease("q", query).status, 400) << query;
  }
  EXPECT_EQ(lease("q", "numTasks=1000&leaseSecs=604800").status, 200);
}

// GAE-211
TEST_F(RestDoorTest, LeasesByTag) {
  make_queue("q");
  for (const char* tag : {"red", "blue", "red", "blue"}) {
    add("q", R"({"payloadBase64":"","tag":")" + std::string(tag) + "\"}");
    clock_.advance(Millis(1));
  }
  add("q", R"({"payloadBase64":""})");
  const Answer blue = lease("q", "numTasks=10&leaseSecs=60&groupByTag=true&tag=blue");
  ASSERT_EQ(blue.body.at("items").as_array().size(), 2U);
  EXPECT_EQ(blue.text("/items/0/tag"), "blue");
  EXPECT_EQ(blue.text("/items/1/tag"), "blue");
  const Answer oldest = lease("q", "numTasks=10&leaseSecs=60&groupByTag=true");
  ASSERT_EQ(oldest.body.at("items").as_array().size(), 2U);
  EXPECT_EQ(oldest.text("/items/0/tag"), "red");
  // The oldest has no tag now: only those without one.
  const Answer untagged = lease("q", "numTasks=10&leaseSecs=60&groupByTag=true&tag=");
  ASSERT_EQ(untagged.body.at("items").as_array().size(), 1U);
  EXPECT_EQ(untagged.text("/items/0/tag"), "(absent)");
}

TEST_F(RestDoorTest, ALeaseThatRanOutIsGrantedAgainAndCounted) {
  make_queue("q");
  add("q", R"({"payloadBase64":"aGk="})");
  ASSERT_EQ(lease("q").text("/items/0/retry_count"), "1");
  EXPECT_EQ(lease("q").text("/items"), "(absent)");
  clock_.advance(Seconds(60));
  EXPECT_EQ(lease("q").text("/items/0/retry_count"), "2");
  // Nothing holds a lease of no length.
  clock_.advance(Seconds(60));
  EXPECT_EQ(lease("q", "numTasks=1&leaseSecs=0").text("/items/0/retry_count"), "3");
  EXPECT_EQ(lease("q", "numTasks=1&leaseSecs=0").text("/items/0/retry_count"), "4");
}

std::string lease_change(const std::string& id, const std::string& end) {
  return R"({"id":")" + id + R"(","leaseTimestamp":")" + end + "\"}";
}

// GAE-214
TEST_F(RestDoorTest, OnlyTheHolderOfALeaseChangesIt) {
  make_queue("q");
  add("q", R"({"payloadBase64":"aGk=","id":"t"})");
  const std::string first = lease("q").text("/items/0/leaseTimestamp");
  const std::string update = "q/tasks/t?newLeaseSeconds=";

  const Answer stale = call("POST", update + "60", lease_change("t", "1800000060000001"));
  EXPECT_EQ(stale.status, 400);
  EXPECT_EQ(stale.message(), "The task lease has expired");

  clock_.advance(Seconds(10));
  const Answer longer = call("POST", update + "60", lease_change("t", first));
  ASSERT_EQ(longer.status, 200) << longer.message();
  const std::string second = longer.text("/leaseTimestamp");
  EXPECT_EQ(second, "1800000070000000");
  EXPECT_EQ(call("POST", update + "60", lease_change("t", first)).message(),
            "The task lease has expired");

  clock_.advance(Seconds(61));
  EXPECT_EQ(call("POST", update + "60", lease_change("t", second)).message(),
            "The task lease has expired");
  EXPECT_EQ(call("POST", update + "60", lease_change("missing", second)).status, 404);
  EXPECT_EQ(call("POST", update + "60", lease_change("no name", second)).status, 404);
  EXPECT_EQ(call("POST", update + "-1", lease_change("t", second)).status, 400);
  EXPECT_EQ(call("POST", "q/tasks/t", lease_change("t", second)).message(),
            "Required parameter: newLeaseSeconds");
}

// GAE-214
TEST_F(RestDoorTest, NewLeaseSecondsZeroGivesTheTaskBack) {
  make_queue("q");
  add("q", R"({"payloadBase64":"aGk=","id":"t"})");
  const std::string end = lease("q").text("/items/0/leaseTimestamp");
  const Answer back = call("POST", "q/tasks/t?newLeaseSeconds=0", lease_change("t", end));
  EXPECT_EQ(back.status, 200) << back.message();
  EXPECT_EQ(back.text("/leaseTimestamp"), "0");
  EXPECT_EQ(lease("q").text("/items/0/retry_count"), "2");
}

TEST_F(RestDoorTest, ALeaseTimestampInSecondsIsUnderstood) {
  make_queue("q");
  add("q", R"({"payloadBase64":"aGk=","id":"t"})");
  clock_.advance(Millis(250));
  ASSERT_EQ(lease("q").text("/items/0/leaseTimestamp"), "1800000060250000");
  const std::string update = "q/tasks/t?newLeaseSeconds=600";
  EXPECT_EQ(call("POST", update, lease_change("t", "1800000061")).status, 400);
  const Answer changed = call("POST", update, lease_change("t", "1800000060"));
  EXPECT_EQ(changed.status, 200) << changed.message();
  EXPECT_EQ(changed.text("/leaseTimestamp"), "1800000600250000");
}

// GAE-214
TEST_F(RestDoorTest, APatchNamesItsQueue) {
  make_queue("q");
  add("q", R"({"payloadBase64":"aGk=","id":"t"})");
  const std::string patch = "q/tasks/t?newLeaseSeconds=600";
  EXPECT_EQ(call("PATCH", patch, R"({"queueName":"q"})").message(), "The task lease has expired");
  ASSERT_EQ(lease("q").status, 200);
  EXPECT_EQ(call("PATCH", patch, "{}").message(), "queueName is invalid.");
  EXPECT_EQ(call("PATCH", patch, R"({"queueName":"r"})").message(), "queueName cannot be updated.");
  EXPECT_EQ(call("PATCH", patch, R"({"queueName":"q","id":"u"})").message(),
            "Task ID cannot be updated.");
  const Answer changed = call("PATCH", patch, R"({"queueName":"q"})");
  EXPECT_EQ(changed.status, 200) << changed.message();
  EXPECT_EQ(changed.text("/leaseTimestamp"), "1800000600000000");
  const Answer stale =
      call("PATCH", patch, R"({"queueName":"q","leaseTimestamp":"1800000060000000"})");
  EXPECT_EQ(stale.message(), "The task lease has expired");
  // As Java says it.
  const Answer overridden =
      call("POST", patch, R"({"queueName":"q"})", "X-HTTP-Method-Override: PATCH\r\n");
  EXPECT_EQ(overridden.status, 200) << overridden.message();
}

// GAE-215
TEST_F(RestDoorTest, AQueueTellsItsLimitAndItsStatistics) {
  make_queue("q");
  EXPECT_EQ(json::serialize(call("GET", "q").body),
            R"({"kind":"taskqueues#taskqueue","id":"q",)"
            R"("acl":{"consumerEmails":[],"producerEmails":[],"adminEmails":[]}})");
  EXPECT_EQ(call("GET", "q?getStats=false").text("/stats"), "(absent)");
  EXPECT_EQ(call("GET", "q?getStats=true").text("/stats"),
            R"({"totalTasks":0,"oldestTask":"0","leasedLastMinute":"0","leasedLastHour":"0"})");
  add("q", R"({"payloadBase64":""})");
  clock_.advance(Seconds(5));
  add("q", R"({"payloadBase64":""})");
  EXPECT_EQ(
      call("GET", "q?getStats=true").text("/stats"),
      R"({"totalTasks":2,"oldestTask":"1800000000","leasedLastMinute":"0","leasedLastHour":"0"})");
  ASSERT_EQ(lease("q", "numTasks=1&leaseSecs=60").status, 200);
  // A leased task stands at the end of its lease.
  EXPECT_EQ(
      call("GET", "q?getStats=true").text("/stats"),
      R"({"totalTasks":2,"oldestTask":"1800000005","leasedLastMinute":"1","leasedLastHour":"1"})");
  make_queue("limited", QueueMode::pull, [](QueueSettings& settings) {
    settings.retry.max_attempts = 4;
    settings.appengine.user_emails = {"user@example.com"};
    settings.appengine.writer_emails = {"writer@example.com"};
  });
  const Answer limited = call("GET", "limited");
  EXPECT_EQ(limited.text("/maxLeases"), "4");
  EXPECT_EQ(limited.text("/acl/consumerEmails/0"), "user@example.com");
  EXPECT_EQ(limited.text("/acl/producerEmails/0"), "writer@example.com");
}

// GAE-215
TEST_F(RestDoorTest, APushQueueAndAnUnknownOneAreRefused) {
  make_queue("push", QueueMode::push);
  const std::string task = R"({"payloadBase64":""})";
  struct Case {
    const char* method;
    const char* target;
    std::string body;
  };
  for (const Case& each :
       {Case{"GET", "", ""}, Case{"GET", "/tasks", ""}, Case{"POST", "/tasks", task},
        Case{"GET", "/tasks/t", ""}, Case{"POST", "/tasks/lease?numTasks=1&leaseSecs=1", ""},
        Case{"POST", "/tasks/t?newLeaseSeconds=1", lease_change("t", "1")},
        Case{"DELETE", "/tasks/t", ""}}) {
    const Answer push = call(each.method, "push" + std::string(each.target), each.body);
    EXPECT_EQ(push.status, 400) << each.method << each.target;
    EXPECT_EQ(push.message(), "The REST API is only applicable to pull queues.");
    const Answer missing = call(each.method, "missing" + std::string(each.target), each.body);
    EXPECT_EQ(missing.status, 404) << each.method << each.target;
    EXPECT_EQ(missing.text("/error/code"), "404");
    EXPECT_EQ(missing.text("/error/errors/0/reason"), "notFound");
  }
}

TEST_F(RestDoorTest, NothingIsLeasedFromAPausedQueue) {
  make_queue("q");
  add("q", R"({"payloadBase64":""})");
  SetQueueState pause;
  pause.queue = name("q");
  pause.state = QueueState::paused;
  ASSERT_TRUE(ask<QueueInfo>(std::move(pause)));
  const Answer refused = lease("q");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.text("/error/errors/0/reason"), "conditionNotMet");
}

// GAE-216
TEST_F(RestDoorTest, AnApplicationIsTheSameWithItsPartition) {
  make_queue("q");
  const std::string prefixed = "/taskqueue/v1beta2/projects/s~app/taskqueues/q/tasks";
  ASSERT_EQ(call("POST", prefixed, R"({"payloadBase64":"","id":"t"})").status, 200);
  EXPECT_EQ(call("GET", "q/tasks/t").status, 200);
  EXPECT_EQ(call("POST", prefixed + "/lease?numTasks=1&leaseSecs=60").text("/items/0/queueName"),
            "projects/s~app/taskqueues/q");
}

TEST_F(RestDoorTest, ANameIsTakenWhileItsTaskLivesAndAWhileLonger) {
  make_queue("q");
  const std::string task = R"({"payloadBase64":"","id":"t"})";
  add("q", task);
  const Answer taken = call("POST", "q/tasks", task);
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.text("/error/errors/0/reason"), "duplicate");
  ASSERT_EQ(call("DELETE", "q/tasks/t").status, 204);
  EXPECT_EQ(call("POST", "q/tasks", task).status, 409);
  EXPECT_EQ(call("GET", "q/tasks/t").status, 404);
}

TEST_F(RestDoorTest, PartialResponses) {
  make_queue("q");
  const Answer added =
      call("POST", "q/tasks?fields=id,tag", R"({"payloadBase64":"aGk=","id":"t"})");
  EXPECT_EQ(json::serialize(added.body), R"({"id":"t"})");
  EXPECT_EQ(json::serialize(lease("q", "numTasks=1&leaseSecs=60&fields=items(id%2CretryCount)")
                                .body.at_pointer("/error/message")),
            R"("Invalid field selection retryCount")");
  EXPECT_EQ(json::serialize(lease("q", "numTasks=1&leaseSecs=60&fields=items(id)").body),
            R"({"items":[{"id":"t"}]})");
  EXPECT_EQ(json::serialize(call("GET", "q?fields=id&alt=json&prettyPrint=true&key=k").body),
            R"({"id":"q"})");
}

TEST_F(RestDoorTest, MethodsAndPathsThatAreNotThere) {
  make_queue("q");
  const Answer method = call("PUT", "q/tasks/t", "{}");
  EXPECT_EQ(method.status, 405);
  EXPECT_NE(method.head.find("Allow: GET, POST, PATCH, DELETE\r\n"), std::string::npos);
  EXPECT_EQ(call("DELETE", "q").status, 405);
  EXPECT_EQ(call("POST", "/discovery/v1/apis/taskqueue/v1beta2/rest").status, 405);
  EXPECT_EQ(call("GET", "q/task").status, 404);
  EXPECT_EQ(call("GET", "/taskqueue/v1beta1/projects/app/taskqueues/q").status, 404);
  EXPECT_EQ(call("GET", "a.b").status, 400);
  EXPECT_EQ(call("POST", "q/tasks", "{").status, 400);
  EXPECT_EQ(call("POST", "q/tasks", "{}").message(), "payloadBase64 must be specified.");
  // "lease" is a method for POST alone.
  add("q", R"({"payloadBase64":"","id":"lease"})");
  EXPECT_EQ(call("GET", "q/tasks/lease").text("/id"), "lease");
  EXPECT_EQ(call("DELETE", "q/tasks/lease").status, 204);
}

TEST_F(RestDoorTest, AWebPageOfAnotherOriginChangesNothing) {
  make_queue("q");
  const std::string task = R"({"payloadBase64":""})";
  EXPECT_EQ(call("POST", "q/tasks", task, "Origin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(call("POST", "q/tasks", task, "Origin: http://test\r\n").status, 200);
}

// GAE-217
TEST_F(RestDoorTest, AccessListsHoldWhenAuthenticationIsOn) {
  const Tickets tickets(Tickets::Key{}, {"admin"});
  AccessRules rules;
  for (const std::string who : {"user", "writer", "other", "lister"})
    rules.keys.push_back({who + "@example.com", hash_of_key(who), {}});
  rules.keys.back().grants = {{Permission::tasks_list, "app", {}}};
  Access access({tickets, [](const QueueSettings&) { return std::vector<RoleBinding>(); }}, rules);
  TaskqueueRestOptions rest;
  rest.access = &access;
  open(std::move(rest));
  make_queue("q", QueueMode::pull, [](QueueSettings& settings) {
    settings.appengine.user_emails = {"user@example.com"};
    settings.appengine.writer_emails = {"writer@example.com"};
  });
  make_queue("closed");
  const std::string user = "Authorization: Bearer user\r\n";
  const std::string writer = "Authorization: bearer writer\r\n";
  const std::string admin = "Authorization: Bearer admin\r\n";
  const std::string task = R"({"payloadBase64":"","id":"t"})";
  const std::string lease_path = "q/tasks/lease?numTasks=1&leaseSecs=60";

  const Answer nobody = call("POST", lease_path);
  EXPECT_EQ(nobody.status, 401);
  EXPECT_NE(nobody.head.find("WWW-Authenticate: Bearer\r\n"), std::string::npos);
  EXPECT_EQ(call("POST", "q/tasks", task, user).status, 403);
  EXPECT_EQ(call("POST", "q/tasks", task, writer).status, 200);
  EXPECT_EQ(call("GET", "q/tasks", "", writer).status, 403);
  EXPECT_EQ(call("GET", "q/tasks/t", "", writer).status, 403);
  EXPECT_EQ(call("POST", lease_path, "", writer).status, 403);
  EXPECT_EQ(call("DELETE", "q/tasks/t", "", writer).status, 403);
  EXPECT_EQ(call("GET", "q", "", writer).status, 200);
  EXPECT_EQ(call("GET", "q?oauth_token=writer").status, 200);
  EXPECT_EQ(call("GET", "q?access_token=other").status, 403);
  EXPECT_EQ(call("GET", "q", "", "Authorization: Basic user\r\n").status, 401);
  EXPECT_EQ(call("GET", "q/tasks", "", user).status, 200);
  EXPECT_EQ(call("GET", "q/tasks/t", "", user).status, 200);
  const Answer leased = call("POST", lease_path, "", user);
  EXPECT_EQ(leased.text("/items/0/id"), "t");
  const std::string change = lease_change("t", leased.text("/items/0/leaseTimestamp"));
  EXPECT_EQ(call("POST", "q/tasks/t?newLeaseSeconds=9", change, writer).status, 403);
  EXPECT_EQ(call("POST", "q/tasks/t?newLeaseSeconds=9", change, user).status, 200);
  EXPECT_EQ(call("DELETE", "q/tasks/t", "", user).status, 204);
  // A queue that names nobody is for admins.
  EXPECT_EQ(call("POST", "closed/tasks", task, user).status, 403);
  EXPECT_EQ(call("POST", "closed/tasks", task, admin).status, 200);
  // A role needs no list.
  const std::string lister = "Authorization: Bearer lister\r\n";
  EXPECT_EQ(call("GET", "closed/tasks", "", lister).status, 200);
  EXPECT_EQ(call("POST", "closed/tasks", task, lister).status, 403);
  // Nor does a stranger learn which queues there are.
  EXPECT_EQ(call("GET", "none", "", user).status, 403);
  EXPECT_EQ(call("GET", "none", "", admin).status, 404);
  EXPECT_EQ(call("GET", "none").status, 401);
  // The document that clients are built from is for everybody.
  EXPECT_EQ(call("GET", "/discovery/v1/apis/taskqueue/v1beta2/rest").text("/id"),
            "taskqueue:v1beta2");
}

TEST_F(RestDoorTest, WhatIsTooLargeIsRefused) {
  make_queue("q");
  TaskqueueRestOptions rest;
  rest.task_bytes_max = 1000;
  open(std::move(rest));
  EXPECT_EQ(
      call("POST", "q/tasks", R"({"payloadBase64":")" + std::string(1200, 'A') + "\"}").status,
      200);
  EXPECT_EQ(
      call("POST", "q/tasks", R"({"payloadBase64":")" + std::string(1400, 'A') + "\"}").status,
      413);
}

}  // namespace
}  // namespace deferd
