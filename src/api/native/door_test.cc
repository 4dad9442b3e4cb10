// The whole door over real sockets, with a fake runtime behind it: what a client sends, and the
// bytes it gets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <thread>

#include "api/http/server.h"
#include "api/http/testing/raw_client.h"
#include "api/http/text.h"
#include "api/native/native.h"
#include "api/native/testing/fake_runtime.h"
#include "apply/cron_uploads.h"
#include "apply/uploads.h"
#include "runtime/clock.h"

namespace deferd {
namespace {

class NativeDoorTest : public testing::Test {
 protected:
  NativeDoorTest() {
    NativeDoorOptions options;
    options.config_json = [] { return std::string(R"({"listen":"127.0.0.1:8123"})"); };
    options.metrics_text = [] { return std::string("deferd_up 1\n"); };
    options.health = [this] { return health_; };
    options.uploads = uploads_.get();
    options.cron = cron_.get();
    door_ = make_native_door(std::move(options), runtime_, clock_);
    HttpOptions http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    http.body_bytes_max = 100'000;
    auto started = HttpServer::start(http, *door_);
    EXPECT_TRUE(started);
    server_ = std::move(*started);
    client_.emplace(server_->port());
  }

  RawResponse call(std::string_view method, std::string_view target, std::string_view body = {}) {
    auto response = client_->call(method, target, body);
    EXPECT_TRUE(response) << method << " " << target;
    return response.value_or(RawResponse{});
  }
  // As "201 {body}".
  std::string say(std::string_view method, std::string_view target, std::string_view body = {}) {
    const RawResponse response = call(method, target, body);
    return std::to_string(response.status) + (response.body.empty() ? "" : " " + response.body);
  }
  void make_queue(std::string_view name, std::string_view settings = "{}") {
    ASSERT_EQ(call("PUT", "/v1/queues/" + std::string(name), settings).status, 201);
  }
  // The text behind "name":" in an answer.
  static std::string member(const RawResponse& response, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":\"";
    const std::size_t at = response.body.find(key);
    if (at == std::string::npos) return {};
    return response.body.substr(at + key.size(),
                                response.body.find('"', at + key.size()) - at - key.size());
  }

  ManualClock clock_;
  Health health_;
  FakeRuntime runtime_{clock_};
  std::unique_ptr<QueueUploads> uploads_ = QueueUploads::make(runtime_, QueueYamlLimits::deferd);
  std::unique_ptr<CronUploads> cron_ = CronUploads::make(
      runtime_, clock_, {CronMissed::run, [](const std::string&) { return "localhost:8080"; }});
  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

TEST_F(NativeDoorTest, AQueueIsMadeChangedReadAndDeleted) {
  const std::string defaults =
      R"({"name":"emails","project":"default","location":"local","mode":"push","state":"running",)"
      R"("created":"2027-01-15T08:00:00.000000Z","rate":"500/s","burst":100,"concurrency":1000,"timeout":"10m",)"
      R"("priority":5,"retry":{"max_attempts":100,"max_age":"0s","min_backoff":"100ms","max_backoff":"1h",)"
      R"("max_doublings":16},"max_tasks":0,"max_bytes":0,"tombstone":"1h","task_ttl":"0s",)"
      R"("dead":{"keep":"7d","max_bytes":67108864,"queue":""},"history":10,"results":{"max_bytes":268435456}})";
  EXPECT_EQ(say("PUT", "/v1/queues/emails"), "201 " + defaults);
  EXPECT_EQ(say("PUT", "/v1/queues/emails", "{}"), "200 " + defaults);
  EXPECT_EQ(say("GET", "/v1/queues/emails"), "200 " + defaults);
  EXPECT_EQ(say("GET", "/v1/projects/default/locations/local/queues/emails"), "200 " + defaults);
  const RawResponse changed = call("PUT", "/v1/queues/emails", R"({"rate":"0.25/s"})");
  EXPECT_EQ(member(changed, "rate"), "0.25/s");
  EXPECT_EQ(member(changed, "timeout"), "10m");
  EXPECT_EQ(say("DELETE", "/v1/queues/emails"), "204");
  EXPECT_EQ(call("GET", "/v1/queues/emails").status, 404);
}

TEST_F(NativeDoorTest, APullQueueShowsNoPaceOfItsOwn) {
  EXPECT_EQ(
      say("PUT", "/v1/queues/jobs", R"({"mode":"pull"})"),
      R"(201 {"name":"jobs","project":"default","location":"local","mode":"pull","state":"running",)"
      R"("created":"2027-01-15T08:00:00.000000Z","priority":5,"retry":{"max_attempts":-1,"max_age":"0s",)"
      R"("min_backoff":"100ms","max_backoff":"1h","max_doublings":16},"max_tasks":0,"max_bytes":0,)"
      R"("tombstone":"1h","task_ttl":"0s","dead":{"keep":"7d","max_bytes":67108864,"queue":""},)"
      R"("poison_after":3,"history":10,"results":{"max_bytes":268435456}})");
  const RawResponse refused = call("PUT", "/v1/queues/jobs", R"({"rate":"1/s"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(member(refused, "field"), "rate");
}

TEST_F(NativeDoorTest, QueuesAreListedInPages) {
  for (const char* name : {"c", "a", "b"}) make_queue(name);
  ASSERT_EQ(call("PUT", "/v1/projects/other/locations/local/queues/z").status, 201);
  const RawResponse first = call("GET", "/v1/queues?page_size=2");
  EXPECT_EQ(member(first, "next_page_token"), "b");
  const RawResponse second = call("GET", "/v1/queues?page_size=2&page_token=b");
  EXPECT_EQ(member(second, "name"), "c");
  EXPECT_EQ(member(second, "next_page_token"), "");
  EXPECT_EQ(member(call("GET", "/v1/projects/other/locations/local/queues"), "name"), "z");
}

TEST_F(NativeDoorTest, AQueueIsPausedResumedAndPurged) {
  make_queue("q");
  EXPECT_EQ(member(call("POST", "/v1/queues/q:pause"), "state"), "paused");
  EXPECT_EQ(call("POST", "/v1/queues/q/tasks", R"({"url":"http://a/"})").status,
            201);  // it still takes tasks
  EXPECT_EQ(member(call("POST", "/v1/queues/q:resume", "{}"), "state"), "running");
  EXPECT_EQ(member(call("POST", "/v1/queues/q:purge"), "purged"), "2027-01-15T08:00:00.000000Z");
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks"), R"(200 {"tasks":[]})");
}

TEST_F(NativeDoorTest, StatisticsAreNumbers) {
  make_queue("q");
  EXPECT_EQ(
      say("GET", "/v1/queues/q/stats"),
      R"(200 {"queue":"q","tasks":0,"bytes":0,"scheduled":0,"ready":0,"in_flight":0,"leased":0,"counted":true,)"
      R"("oldest_ready":null,"executed_minute":0,"executed_hour":0,"failed_minute":0,"failed_hour":0,)"
      R"("failure_rate":0,"added_total":0,"executed_total":0,"failed_total":0,"completed_total":0,)"
      R"("dropped_total":0,"cancelled_total":0,"dead_total":0,"poisoned_total":0,"forwarded_total":0,)"
      R"("dead":0,"dead_bytes":0,"outgoing":0,"forward_error":null,)"
      R"("results":0,"result_bytes":0,"usage":{"cpu":0,"wall":0,"memory_peak_max":0,"causes":{"exited":0,)"
      R"("signalled":0,"out_of_memory":0,"cpu_time":0,"wall_time":0,"output":0,"killed":0,"not_started":0}},)"
      R"("execution":{"count":0,"mean":0,"p50":0,"p95":0,"p99":0},)"
      R"("delay":{"count":0,"mean":0,"p50":0,"p95":0,"p99":0},"enforced_rate":0,"tokens":0})");
}

TEST_F(NativeDoorTest, ATaskIsAddedReadListedRunAndDeleted) {
  make_queue("q");
  const std::string common =
      R"("queue":"q","state":"scheduled","priority":7,"eta":"2027-01-15T08:01:30.000000Z",)"
      R"("created":"2027-01-15T08:00:00.000000Z","attempts":0,"responses":0,"key":"k","timeout":"5s",)"
      R"("retry":{"max_attempts":3},"size":98,"url":"http://127.0.0.1:9/x","method":"PUT","headers":{"X-A":"\"b\""})";
  EXPECT_EQ(
      say("POST", "/v1/queues/q/tasks",
          R"({"url":"http://127.0.0.1:9/x","method":"PUT","headers":{"X-A":"\"b\""},"body":"hi","name":"n",)"
          R"("delay":"1m30s","priority":7,"key":"k","timeout":5,"retry":{"max_attempts":3}})"),
      R"(201 {"id":"00001800000000000001","name":"n",)" + common + "}");
  const std::string full =
      R"({"id":"00001800000000000001","name":"n",)" + common + R"(,"body":"hi"})";
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks/n"), "200 " + full);
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks/00001800000000000001"), "200 " + full);
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks"),
            R"(200 {"tasks":[{"id":"00001800000000000001","name":"n",)" + common + "}]}");
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks?view=full&state=scheduled"),
            R"(200 {"tasks":[)" + full + "]}");
  EXPECT_EQ(say("GET", "/v1/queues/q/tasks?state=leased"), R"(200 {"tasks":[]})");
  EXPECT_EQ(member(call("POST", "/v1/queues/q/tasks/n:run"), "state"), "in_flight");
  EXPECT_EQ(say("DELETE", "/v1/queues/q/tasks/n"), "204");
  EXPECT_EQ(say("DELETE", "/v1/queues/q/tasks/n"),
            R"(404 {"error":{"code":404,"status":"NOT_FOUND","message":"no such task"}})");
}

TEST_F(NativeDoorTest, ABodyThatIsNotTextIsShownAsBase64) {
  make_queue("jobs", R"({"mode":"pull"})");
  ASSERT_EQ(call("POST", "/v1/queues/jobs/tasks", R"({"name":"b","body_base64":"AP8="})").status,
            201);
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/tasks/b"), "body_base64"), "AP8=");
}

TEST_F(NativeDoorTest, TasksAreListedInPagesThatStayExact) {
  make_queue("jobs", R"({"mode":"pull"})");
  for (int i = 0; i < 5; ++i)
    call("POST", "/v1/queues/jobs/tasks", R"({"name":"t)" + std::to_string(i) + "\"}");
  const RawResponse first = call("GET", "/v1/queues/jobs/tasks?page_size=2");
  EXPECT_EQ(member(first, "next_page_token"), "00001800000000000002");
  ASSERT_EQ(call("DELETE", "/v1/queues/jobs/tasks/t1").status,
            204);  // the page's last goes while we read
  const RawResponse second =
      call("GET", "/v1/queues/jobs/tasks?page_size=2&page_token=00001800000000000002");
  EXPECT_EQ(member(second, "name"), "t2");
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/tasks?page_token=x"), "field"), "page_token");
}

TEST_F(NativeDoorTest, OneBadTaskAmongGoodOnesFailsAlone) {
  make_queue("q");
  const RawResponse response = call(
      "POST", "/v1/queues/q/tasks:batch",
      R"({"tasks":[{"url":"http://a/","name":"a"},{"url":"http://a/","priority":10},{"url":"http://a/","name":"a"},)"
      R"({"body":"no url"},{"url":"http://a/"}]})");
  EXPECT_EQ(response.status, 200);
  const auto at = [&](std::string_view text) { return response.body.find(text); };
  EXPECT_LT(at(R"({"results":[{"task":{"id":"00001800000000000001","name":"a")"),
            std::string::npos);
  EXPECT_LT(
      at(R"({"error":{"code":400,"status":"INVALID_ARGUMENT","message":"priority is 10; give a whole number )"
         R"(from 0 to 9","field":"tasks[1].priority"}})"),
      at(R"({"error":{"code":409,"status":"ALREADY_EXISTS","message":"a task of this name is alive",)"
         R"("field":"tasks[2].name"}})"));
  EXPECT_LT(at(R"("message":"a push task needs a url","field":"tasks[3].url"}})"),
            at(R"({"task":{"id":"00001800000000000002")"));
  EXPECT_EQ(call("POST", "/v1/queues/q/tasks:batch", R"({"tasks":[{"x":1}]})").status, 200);
}

TEST_F(NativeDoorTest, TasksAreLeasedRenewedReleasedAndAcknowledged) {
  make_queue("jobs", R"({"mode":"pull"})");
  ASSERT_EQ(call("POST", "/v1/queues/jobs/tasks", R"({"body":"work","key":"k"})").status, 201);
  EXPECT_EQ(
      say("POST", "/v1/queues/jobs/tasks:lease", R"({"max":10,"lease":"30s","key":"k"})"),
      R"(200 {"tasks":[{"id":"00001800000000000001","queue":"jobs","state":"leased","priority":5,)"
      R"("eta":"2027-01-15T08:00:00.000000Z","lease_token":"000000000000abc1",)"
      R"("lease_expires":"2027-01-15T08:00:30.000000Z","created":"2027-01-15T08:00:00.000000Z","attempts":1,)"
      R"("responses":0,"key":"k","size":72,"body":"work"}]})");
  const std::string lease = R"({"id":"00001800000000000001","lease_token":"000000000000abc1"})";
  EXPECT_EQ(
      say("POST", "/v1/queues/jobs/tasks:renew", R"({"tasks":[)" + lease + R"(],"lease":"1m"})"),
      R"(200 {"results":[{"task":{"id":"00001800000000000001","queue":"jobs","state":"leased","priority":5,)"
      R"("eta":"2027-01-15T08:00:00.000000Z","lease_token":"000000000000abc1",)"
      R"("lease_expires":"2027-01-15T08:01:00.000000Z","created":"2027-01-15T08:00:00.000000Z","attempts":1,)"
      R"("responses":0,"key":"k","size":72}}]})");
  EXPECT_EQ(
      say("POST", "/v1/queues/jobs/tasks:release", R"({"tasks":[)" + lease + R"(],"delay":0})"),
      R"(200 {"results":[{}]})");
  // Its token is worth nothing any more; and the next lease has another.
  const std::string lost =
      R"(200 {"results":[{"error":{"code":409,"status":"FAILED_PRECONDITION","message":"the lease is over",)"
      R"("field":"tasks[0]"}}]})";
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:ack", R"({"tasks":[)" + lease + "]}"), lost);
  const RawResponse again = call("POST", "/v1/queues/jobs/tasks:lease");
  EXPECT_EQ(member(again, "last_failure"), "released");
  const std::string second =
      R"({"id":"00001800000000000001","lease_token":")" + member(again, "lease_token") + "\"}";
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:ack", R"({"tasks":[)" + second + "]}"),
            R"(200 {"results":[{}]})");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:lease"), R"(200 {"tasks":[]})");
}

TEST_F(NativeDoorTest, AResultIsShownWithWhatItsWorkerTold) {
  make_queue("jobs", R"({"mode":"pull"})");
  ASSERT_EQ(call("POST", "/v1/queues/jobs/tasks", R"({"name":"n","keep_result":"1h"})").status,
            201);
  EXPECT_EQ(say("GET", "/v1/queues/jobs/tasks/n/result"),
            R"(200 {"queue":"jobs","id":"00001800000000000001","name":"n","state":"pending",)"
            R"("task_state":"ready","attempts":0})");
  const RawResponse leased = call("POST", "/v1/queues/jobs/tasks:lease", R"({"worker":"host/1"})");
  EXPECT_EQ(member(leased, "keep_result"), "1h");
  const std::string lease =
      R"({"id":"n","lease_token":")" + member(leased, "lease_token") + R"(",)";
  EXPECT_EQ(
      say("POST", "/v1/queues/jobs/tasks:ack",
          R"({"worker":"host/1","tasks":[)" + lease +
              R"("result":{"json":{"a":[1, 2]}},)"
              R"("usage":{"cpu":0.25,"wall":"1.5s","memory_peak":4096,"cause":"exited","code":0}}]})"),
      R"(200 {"results":[{}]})");
  EXPECT_EQ(
      say("GET", "/v1/queues/jobs/tasks/n/result?history=true"),
      R"(200 {"queue":"jobs","id":"00001800000000000001","name":"n","state":"succeeded","attempts":1,)"
      R"("created":"2027-01-15T08:00:00.000000Z","ended":"2027-01-15T08:00:00.000000Z",)"
      R"("kept_until":"2027-01-15T09:00:00.000000Z","result":{"body":"{\"a\":[1, 2]}",)"
      R"("headers":{"Content-Type":"application/json"}},"usage":{"cpu":0.25,"wall":1.5,)"
      R"("memory_peak":4096,"cause":"exited","code":0},"worker":"host/1","history":[]})");
  EXPECT_EQ(call("GET", "/v1/queues/jobs/tasks/other/result").status, 404);
  call("POST", "/v1/queues/jobs/tasks", R"({"name":"plain"})");
  const RawResponse plain = call("GET", "/v1/queues/jobs/tasks/plain/result");
  EXPECT_EQ(plain.status, 400);
  EXPECT_EQ(member(plain, "status"), "FAILED_PRECONDITION");
}

// Errors stand beside results, and what is pending is counted only.
TEST_F(NativeDoorTest, ResultsOfManyTasksAreAskedForAtOnce) {
  make_queue("jobs", R"({"mode":"pull"})");
  for (const char* name : {"a", "b"}) {
    call("POST", "/v1/queues/jobs/tasks",
         R"({"keep_result":"1h","name":")" + std::string(name) + "\"}");
  }
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:results", R"({"ids":["a","b"]})"),
            R"(200 {"results":[],"pending":2})");
  RawClient caller(server_->port());
  ASSERT_TRUE(caller.send(RawClient::request("POST", "/v1/queues/jobs/tasks:results",
                                             R"({"ids":["a","b"],"wait":"20s"})")));
  while (runtime_.waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/tasks/b:cancel"), "state"), "ready");
  const auto response = caller.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(member(*response, "name"), "b");
  EXPECT_EQ(member(*response, "state"), "cancelled");
  EXPECT_NE(response->body.find(R"("pending":1})"), std::string::npos);
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:results", R"({"ids":["a","none"]})"),
            R"(200 {"results":[{"id":"none","error":{"code":404,"status":"NOT_FOUND",)"
            R"("message":"no such task"}}],"pending":1})");
  EXPECT_EQ(call("POST", "/v1/queues/jobs/tasks/b:cancel").status, 404);
}

TEST_F(NativeDoorTest, AWorkerIsToldWhenItsTaskIsCancelled) {
  make_queue("jobs", R"({"mode":"pull"})");
  call("POST", "/v1/queues/jobs/tasks", R"({"name":"n"})");
  call("POST", "/v1/queues/jobs/tasks:lease", R"({"worker":"w"})");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:watch", R"({"ids":["n"]})"), R"(200 {"ended":[]})");
  RawClient worker(server_->port());
  ASSERT_TRUE(worker.send(
      RawClient::request("POST", "/v1/queues/jobs/tasks:watch", R"({"ids":["n"],"wait":20})")));
  while (runtime_.waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/tasks/n:cancel"), "state"), "leased");
  const auto response = worker.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, R"({"ended":["n"]})");
}

// A caller that has only half-closed is answered at once: nobody waits on for it.
TEST_F(NativeDoorTest, AWaitEndsWithItsConnection) {
  make_queue("jobs", R"({"mode":"pull"})");
  call("POST", "/v1/queues/jobs/tasks", R"({"name":"n","keep_result":60})");
  RawClient caller(server_->port());
  ASSERT_TRUE(
      caller.send(RawClient::request("GET", "/v1/queues/jobs/tasks/n/result?wait=20s", {})));
  while (runtime_.waiting() == 0) std::this_thread::yield();
  caller.half_close();
  const auto response = caller.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 504);
}

TEST_F(NativeDoorTest, DeadLettersAreShownRetriedAndDeleted) {
  make_queue("jobs", R"({"mode":"pull"})");
  for (const char* key : {"a", "a", "b"}) {
    call("POST", "/v1/queues/jobs/tasks", R"({"body":"x","key":")" + std::string(key) + "\"}");
    const RawResponse leased = call("POST", "/v1/queues/jobs/tasks:lease");
    EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:fail",
                  R"({"worker":"host/1","tasks":[{"error":"no such user","log":"line\n","id":")" +
                      member(leased, "id") + R"(","lease_token":")" +
                      member(leased, "lease_token") + R"("}]})"),
              R"(200 {"results":[{}]})");
  }
  const std::string first =
      R"({"id":"00001800000000000001","queue":"jobs","state":"dead","reason":"failed","priority":5,)"
      R"("died":"2027-01-15T08:00:00.000000Z",)";
  const std::string rest =
      R"("created":"2027-01-15T08:00:00.000000Z","attempts":1,"responses":0,"last_failure":"failed",)"
      R"("key":"a","size":69)";
  const RawResponse page = call("GET", "/v1/queues/jobs/dead?page_size=1");
  const std::string token = member(page, "next_page_token");
  EXPECT_EQ(page.body,
            R"({"tasks":[)" + first + rest + R"(}],"next_page_token":")" + token + "\"}");
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/dead?page_size=1&page_token=" + token), "id"),
            "00001800000000000003");
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/dead?key=b&failure=failed&view=full"), "body"),
            "x");
  EXPECT_EQ(
      say("GET", "/v1/queues/jobs/dead/00001800000000000001"),
      "200 " + first + R"("error":"no such user",)" + rest +
          R"(,"body":"x","history":[{"attempt":1,"started":"2027-01-15T08:00:00.000000Z",)"
          R"("duration":1.5,"failure":"failed","error":"no such user","worker":"host/1","log":"line\n"}]})");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/dead:retry", R"({"key":"a","plan":true})"),
            R"(200 {"matched":2})");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/dead:retry", R"({"key":"a"})"),
            R"(200 {"matched":2,"retried":2})");
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/tasks/00001800000000000001"), "state"), "ready");
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/dead/00001800000000000005:retry"), "state"),
            "ready");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/dead:delete"), R"(200 {"matched":0,"deleted":0})");
  EXPECT_EQ(call("DELETE", "/v1/queues/jobs/dead/00001800000000000005").status, 404);
  EXPECT_EQ(member(call("GET", "/v1/queues/jobs/dead?page_token=x"), "field"), "page_token");
  EXPECT_EQ(member(call("PUT", "/v1/queues/jobs", R"({"dead":{"queue":"jobs"}})"), "field"),
            "dead.queue");
}

TEST_F(NativeDoorTest, AnExpiredLeaseIsLost) {
  make_queue("jobs", R"({"mode":"pull"})");
  call("POST", "/v1/queues/jobs/tasks", "{}");
  const std::string token =
      member(call("POST", "/v1/queues/jobs/tasks:lease", R"({"lease":"1s"})"), "lease_token");
  clock_.advance(Seconds(2));
  const std::string body =
      R"({"tasks":[{"id":"00001800000000000001","lease_token":")" + token + "\"}]}";
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/tasks:ack", body), "status"),
            "FAILED_PRECONDITION");
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/tasks:renew", body), "status"),
            "FAILED_PRECONDITION");
  EXPECT_EQ(member(call("POST", "/v1/queues/jobs/tasks:release", body), "status"),
            "FAILED_PRECONDITION");
}

TEST_F(NativeDoorTest, APausedQueueLeasesNothing) {
  make_queue("jobs", R"({"mode":"pull"})");
  call("POST", "/v1/queues/jobs/tasks", "{}");
  call("POST", "/v1/queues/jobs:pause");
  EXPECT_EQ(say("POST", "/v1/queues/jobs/tasks:lease"), R"(200 {"tasks":[]})");
}

TEST_F(NativeDoorTest, ALongPollIsAnsweredWhenATaskComes) {
  make_queue("jobs", R"({"mode":"pull"})");
  RawClient worker(server_->port());
  ASSERT_TRUE(
      worker.send(RawClient::request("POST", "/v1/queues/jobs/tasks:lease", R"({"wait":20})")));
  while (runtime_.waiting() == 0) std::this_thread::yield();
  call("POST", "/v1/queues/jobs/tasks", R"({"body":"late"})");
  const auto response = worker.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(member(*response, "body"), "late");
}

// The fake grants the lease although the caller has gone: the door gives the task back at once.
TEST_F(NativeDoorTest, WhatWasLeasedForACallerThatVanishedIsGivenBack) {
  make_queue("jobs", R"({"mode":"pull"})");
  for (const bool half : {false, true}) {
    RawClient worker(server_->port());
    ASSERT_TRUE(worker.send(
        RawClient::request("POST", "/v1/queues/jobs/tasks:lease", R"({"wait":20,"lease":"1h"})")));
    while (runtime_.waiting() == 0) std::this_thread::yield();
    const std::uint64_t connections = server_->stats().connections;
    if (half) {
      worker.half_close();
      const auto response = worker.read();  // half-closed: an answer, and an empty one
      ASSERT_TRUE(response);
      EXPECT_EQ(response->body, R"({"tasks":[]})");
    }
    worker.close();
    while (server_->stats().connections == connections) std::this_thread::yield();
    const std::uint64_t submitted = runtime_.submitted();
    ASSERT_EQ(call("POST", "/v1/queues/jobs/tasks", R"({"body":"x"})").status, 201);
    while (runtime_.submitted() < submitted + 2)
      std::this_thread::yield();  // the add, and the release behind it
    const RawResponse leased = call("POST", "/v1/queues/jobs/tasks:lease", R"({"lease":"1h"})");
    EXPECT_EQ(member(leased, "body"), "x");
  }
}

TEST_F(NativeDoorTest, RefusalsHaveTheirStatusAndSayWhatToDo) {
  make_queue("push");
  make_queue("pull", R"({"mode":"pull"})");
  make_queue("small", R"({"max_tasks":1,"mode":"pull"})");
  make_queue("names", R"({"mode":"pull"})");
  call("POST", "/v1/queues/small/tasks", "{}");
  call("POST", "/v1/queues/names/tasks", R"({"name":"alive"})");
  call("POST", "/v1/queues/names/tasks", R"({"name":"ended"})");
  call("DELETE", "/v1/queues/names/tasks/ended");
  const struct {
    const char* method;
    std::string target;
    std::string body;
    int status;
    const char* word;
    const char* message;
  } cases[] = {
      {"POST", "/v1/queues/none/tasks", R"({"url":"http://a/"})", 404, "NOT_FOUND",
       "queue \\\"none\\\" does not exist; make it with PUT /v1/queues/none"},
      {"GET", "/v1/projects/p/locations/l/queues/none", "", 404, "NOT_FOUND",
       "make it with PUT /v1/projects/p/locations/l/queues/none"},
      {"POST", "/v1/queues/none/tasks:lease", R"({"wait":1})", 404, "NOT_FOUND", "does not exist"},
      {"GET", "/v1/queues/push/tasks/nothing", "", 404, "NOT_FOUND", "no such task"},
      {"POST", "/v1/queues/push/tasks", "{}", 400, "INVALID_ARGUMENT", "a push task needs a url"},
      {"POST", "/v1/queues/push/tasks", "{", 400, "INVALID_ARGUMENT", "not valid JSON"},
      {"POST", "/v1/queues/pull/tasks", R"({"url":"http://a/"})", 400, "INVALID_ARGUMENT",
       "takes no url"},
      {"POST", "/v1/queues/push/tasks:lease", "{}", 400, "FAILED_PRECONDITION",
       "cannot be leased from"},
      {"POST", "/v1/queues/names/tasks/alive:run", "", 400, "FAILED_PRECONDITION",
       "is leased, not run"},
      {"POST", "/v1/queues/names/tasks", R"({"name":"alive"})", 409, "ALREADY_EXISTS", "is alive"},
      {"POST", "/v1/queues/names/tasks", R"({"name":"ended"})", 409, "ALREADY_EXISTS",
       "ended a short while ago"},
      {"POST", "/v1/queues/small/tasks", "{}", 429, "RESOURCE_EXHAUSTED", "max_tasks is 1"},
      {"PUT", "/v1/queues/push", R"({"mode":"pull"})", 400, "INVALID_ARGUMENT",
       "mode of a queue cannot change"},
      {"PUT", "/v1/queues/a.b", "", 400, "INVALID_ARGUMENT", "queue name must be"},
      {"GET", "/v1/queues/q%2", "", 400, "INVALID_ARGUMENT", "the path has a %"},
      {"GET", "/v1/queues/push/tasks/a.b", "", 400, "INVALID_ARGUMENT", "task name must be"},
      {"GET", "/v1/queues?size=1", "", 400, "INVALID_ARGUMENT", "unknown query parameter"},
      {"POST", "/v1/queues/push:pause", R"({"now":true})", 400, "INVALID_ARGUMENT",
       "unknown member"},
      {"GET", "/", "", 404, "NOT_FOUND", "no such path"},
      {"GET", "/v1/queues/", "", 404, "NOT_FOUND", "no such path"},
      {"GET", "/v1/queues//tasks", "", 400, "INVALID_ARGUMENT", "queue name must be"},
      {"POST", "/v1/queues/push:stop", "", 404, "NOT_FOUND", "no such path"},
      {"POST", "/v1/queues/push/tasks:", "", 404, "NOT_FOUND", "no such path"},
      {"POST", "/v1/queues/push/tasks/a/b", "", 404, "NOT_FOUND", "no such path"},
      {"PATCH", "/v1/queues/push", "", 405, "UNIMPLEMENTED", "this path takes PUT, GET, DELETE"},
      {"POST", "/v1/queues/push/tasks", std::string(100'001, ' '), 413, "INVALID_ARGUMENT",
       "is 100001 bytes"},
  };
  for (const auto& each : cases) {
    client_.emplace(server_->port());
    const RawResponse response = call(each.method, each.target, each.body);
    EXPECT_EQ(response.status, each.status) << each.method << " " << each.target << "\n"
                                            << response.body;
    EXPECT_EQ(member(response, "status"), each.word) << each.target;
    EXPECT_NE(response.body.find(each.message), std::string::npos) << each.target << "\n"
                                                                   << response.body;
    EXPECT_EQ(response.body.find("{\"error\":{\"code\":" + std::to_string(each.status)), 0u)
        << response.body;
  }
  client_.emplace(server_->port());  // the last of them ended its connection
  EXPECT_EQ(call("GET", "/v1/queues/push").status, 200);
}

TEST_F(NativeDoorTest, WhatTheServerCannotDoNowIsToldWithItsReason) {
  make_queue("q");
  const auto add = [this] { return call("POST", "/v1/queues/q/tasks", R"({"url":"http://a/"})"); };
  runtime_.fail_with(Error{Reason::overloaded, "too much is waiting", "", Millis(2500)});
  RawResponse response = add();
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.header("Retry-After"), "3");
  runtime_.fail_with(Error{Reason::store_failed, "the disk is full", "", std::nullopt});
  response = add();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("Retry-After"), "");
  runtime_.fail_with(Error{Reason::stopping, "the server is stopping", "", std::nullopt});
  response = add();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("Retry-After"), "1");
  runtime_.fail_with(std::nullopt);
  EXPECT_EQ(add().status, 201);
}

// A quoted text may be cut within a character; the answer must still be JSON.
TEST_F(NativeDoorTest, ErrorsAreValidUtf8WhateverTheyQuote) {
  std::string body = R"({")";
  for (int i = 0; i < 40; ++i) body += "\xe2\x82\xac";
  const RawResponse response = call("PUT", "/v1/queues/q", "{\"x" + body.substr(2) + "\":1}");
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(is_utf8(response.body)) << response.body;
}

TEST_F(NativeDoorTest, ThePagesOfTheServerTellTheTruth) {
  EXPECT_EQ(say("GET", "/healthz"), R"(200 {"status":"ok"})");
  EXPECT_EQ(say("GET", "/readyz"), R"(200 {"status":"ok"})");
  EXPECT_EQ(say("GET", "/v1/config"), R"(200 {"listen":"127.0.0.1:8123"})");
  const RawResponse metrics = call("GET", "/metrics");
  EXPECT_EQ(metrics.body, "deferd_up 1\n");
  EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  health_ = {.ready = false, .reason = "the disk is full"};
  EXPECT_EQ(say("GET", "/healthz"), R"(200 {"status":"failed","reason":"the disk is full"})");
  EXPECT_EQ(say("GET", "/readyz"), R"(503 {"status":"failed","reason":"the disk is full"})");
}

// A page that a user visits must not be able to make deferd call a url.
TEST_F(NativeDoorTest, PagesOfOtherOriginsMayNotChangeAnything) {
  make_queue("q");
  const auto status = [this](std::string_view method, std::string_view headers) {
    return client_->call(method, "/v1/queues/q", method == "GET" ? "" : "{}", headers)->status;
  };
  EXPECT_EQ(status("PUT", "Origin: http://evil.example\r\n"), 403);
  EXPECT_EQ(status("PUT", "Origin: null\r\n"), 403);
  EXPECT_EQ(status("PUT", "Origin: http://127.0.0.1:1\r\nSec-Fetch-Site: cross-site\r\n"), 403);
  EXPECT_EQ(status("PUT", "Sec-Fetch-Site: same-site\r\n"), 403);
  EXPECT_EQ(status("GET", "Origin: http://evil.example\r\n"),
            200);  // and cannot read it: there is no CORS header
  EXPECT_EQ(status("PUT", "Origin: http://test\r\n"), 200);  // the Host of these requests
  EXPECT_EQ(status("PUT", "Origin: http://proxy.example\r\nSec-Fetch-Site: same-origin\r\n"), 200);
  EXPECT_EQ(status("PUT", "Sec-Fetch-Site: none\r\n"), 200);
}

// GAE-185
TEST_F(NativeDoorTest, AQueueYamlIsPlannedAndApplied) {
  const std::string file = "queue:\n- {name: mail, rate: 10/m}\n";
  const std::string made =
      R"("queues":[{"queue":"mail","action":"make","settings":[)"
      R"({"setting":"mode","before":null,"after":"push"},{"setting":"rate","before":null,"after":"10/m"}]}])";
  EXPECT_EQ(say("POST", "/v1/queues:apply?plan=true", file),
            "200 {\"applied\":false," + made + "}");
  EXPECT_EQ(call("GET", "/v1/queues/mail").status, 404);
  EXPECT_EQ(say("POST", "/v1/queues:apply", file), "200 {\"applied\":true," + made + "}");
  EXPECT_EQ(member(call("GET", "/v1/queues/mail"), "rate"), "10/m");
  EXPECT_EQ(say("POST", "/v1/queues:apply", "total_storage_limit: 1G\n"),
            R"(200 {"applied":true,"queues":[{"queue":"mail","action":"disable","settings":[]}],)"
            R"("total_storage_limit":{"before":"none","after":"1G"}})");
  EXPECT_EQ(member(call("GET", "/v1/queues/mail"), "state"), "disabled");
}

TEST_F(NativeDoorTest, AWrongQueueYamlIsRefusedWithItsPlace) {  // GAE-176
  EXPECT_EQ(
      say("POST", "/v1/queues:apply", "queue:\n- {name: mail}\n"),
      R"(400 {"error":{"code":400,"status":"INVALID_ARGUMENT","message":"queue.yaml:2:10: queue \"mail\": )"
      R"(A queue rate is required for push queue.\n    - {name: mail}\n             ^","field":"mail.rate"}})");
  EXPECT_EQ(call("POST", "/v1/queues:apply?plan=perhaps", "queue: []").status, 400);
  EXPECT_EQ(call("GET", "/v1/queues:apply").status, 405);
}

// GAE-185
TEST_F(NativeDoorTest, AppEnginesToolsUploadByTheirOldPath) {
  const std::string file = "queue:\n- {name: mail, rate: 10/m}\n";
  EXPECT_EQ(call("POST", "/api/queue/update?appId=s~shop&version=1", file).status, 200);
  EXPECT_EQ(call("GET", "/v1/projects/shop/locations/local/queues/mail").status, 200);
  EXPECT_EQ(call("GET", "/v1/queues/mail").status, 404);
  EXPECT_EQ(call("POST", "/api/queue/update", file).status, 200);
  EXPECT_EQ(call("GET", "/v1/queues/mail").status, 200);
  EXPECT_EQ(call("POST", "/v1/projects/else/locations/far/queues:apply", file).status, 200);
  EXPECT_EQ(call("GET", "/v1/projects/else/locations/far/queues/mail").status, 200);
  EXPECT_EQ(call("POST", "/api/queue/update?appId=a/b", file).status, 400);
}

TEST_F(NativeDoorTest, ACronYamlIsPlannedAppliedAndShown) {
  const std::string file =
      "cron:\n- url: /summary\n  schedule: every day 09:00\n  timezone: Europe/Berlin\n"
      "  target: worker:v2\n  description: of yesterday\n  attempt_deadline: 90s\n";
  const RawResponse plan = call("POST", "/v1/cron?plan=true", file);
  EXPECT_EQ(plan.status, 200);
  EXPECT_TRUE(plan.body.starts_with(R"({"applied":false,"jobs":[{"id":")")) << plan.body;
  EXPECT_TRUE(plan.body.ends_with(
      R"("url":"/summary","schedule":"every day 09:00","timezone":"Europe/Berlin","action":"make",)"
      R"("next_run":"2027-01-16T08:00:00.000000Z","settings":[]}]})"))
      << plan.body;
  EXPECT_EQ(say("GET", "/v1/cron"), R"(200 {"jobs":[]})");

  EXPECT_EQ(call("POST", "/v1/cron", file).status, 200);
  const RawResponse jobs = call("GET", "/v1/cron");
  EXPECT_EQ(jobs.status, 200);
  EXPECT_TRUE(jobs.body.ends_with(
      R"("url":"/summary","schedule":"every day 09:00","timezone":"Europe/Berlin",)"
      R"("description":"of yesterday","target":"worker:v2","attempt_deadline":"1m30s",)"
      R"("retry":{"max_attempts":1,"max_age":"0s","min_backoff":"100ms","max_backoff":"1h","max_doublings":16},)"
      R"("missed":"run","state":"scheduled","next_runs":["2027-01-16T08:00:00.000000Z",)"
      R"("2027-01-17T08:00:00.000000Z","2027-01-18T08:00:00.000000Z","2027-01-19T08:00:00.000000Z",)"
      R"("2027-01-20T08:00:00.000000Z"]}]})"))
      << jobs.body;
  const RawResponse again = call("POST", "/v1/cron", file);
  EXPECT_NE(again.body.find(R"("action":"keep")"), std::string::npos) << again.body;
  EXPECT_EQ(say("GET", "/v1/projects/else/locations/local/cron"), R"(200 {"jobs":[]})");

  const RawResponse none = call("POST", "/v1/cron", "cron: []\n");
  EXPECT_NE(none.body.find(R"("action":"remove","settings":[])"), std::string::npos) << none.body;
  EXPECT_EQ(say("GET", "/v1/cron"), R"(200 {"jobs":[]})");
}

TEST_F(NativeDoorTest, AWrongCronYamlIsRefusedWithItsPlace) {  // GAE-190
  const RawResponse refused =
      call("POST", "/v1/cron", "cron:\n- url: /a\n  schedule: every 0 minutes\n");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find(R"(cron.yaml:3:13: job \"/a\")"), std::string::npos) << refused.body;
  EXPECT_NE(refused.body.find("interval must be greater than zero"), std::string::npos);
  EXPECT_NE(refused.body.find(R"("field":"/a.schedule")"), std::string::npos);
  EXPECT_EQ(call("POST", "/v1/cron?page_size=1", "cron: []\n").status, 400);
  EXPECT_EQ(call("DELETE", "/v1/cron").status, 405);
}

// docs/reference/openapi.yaml names every call there is, and no other.
TEST_F(NativeDoorTest, TheOpenApiFileNamesWhatTheDoorHas) {
  std::ifstream file(std::string(DEFERD_SOURCE_DIR) + "/docs/reference/openapi.yaml");
  ASSERT_TRUE(file.is_open());
  make_queue("queue");
  int calls = 0;
  std::string path;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("  /")) {
      path = line.substr(2, line.size() - 3);
      std::erase_if(path, [](char c) { return c == '{' || c == '}'; });
    }
    for (const std::string_view method : {"GET", "PUT", "POST", "DELETE"}) {
      std::string key = "    " + std::string(method) + ":";
      std::ranges::transform(key, key.begin(),
                             [](char c) { return static_cast<char>(std::tolower(c)); });
      if (line != key || path.empty()) continue;
      ++calls;
      const RawResponse response =
          call(method, path, method == "PUT" || method == "POST" ? "{}" : "");
      EXPECT_NE(response.status, 405) << method << " " << path;
      EXPECT_EQ(response.body.find("no such path"), std::string::npos) << method << " " << path;
      call("PUT", "/v1/queues/queue");  // should the call have deleted it
    }
    if (line.starts_with("components:")) path.clear();
  }
  EXPECT_EQ(calls, 37);  // the rows of NativeDoor::endpoints
}

TEST_F(NativeDoorTest, ManyCallersAtOnceEachGetTheirOwnAnswer) {
  make_queue("jobs", R"({"mode":"pull"})");
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([this, caller] {
      RawClient client(server_->port());
      for (int i = 0; i < 200; ++i) {
        const std::string name = "c" + std::to_string(caller) + "-" + std::to_string(i);
        const auto response =
            client.call("POST", "/v1/queues/jobs/tasks", R"({"name":")" + name + "\"}");
        ASSERT_TRUE(response);
        ASSERT_EQ(member(*response, "name"), name);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace deferd
