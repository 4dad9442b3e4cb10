#include "deferd/calls.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "client/answer.h"
#include "client/values.h"

namespace deferd::inline v1::detail {
namespace {

namespace json = boost::json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

json::object body_of(const Request& request) { return json::parse(request.body).as_object(); }

template <class T>
T read(const Call<T>& call, const char* answer) {
  return call.read({.json = json::parse(answer)});
}

TEST(Values, DurationsAreReadAsTheServerWritesThem) {
  EXPECT_EQ(read_duration("1m30s"), Duration(90'000'000));
  EXPECT_EQ(read_duration("0.1s"), Duration(100'000));
  EXPECT_EQ(read_duration("250ms"), milliseconds(250));
  EXPECT_EQ(read_duration("1w2d3h"), hours(24 * 9 + 3));
  EXPECT_EQ(read_duration(duration_text(minutes(7))), minutes(7));
  for (const char* wrong : {"", "5", "m", "5 m", "-5m", "5y"})
    EXPECT_FALSE(read_duration(wrong)) << wrong;
}

TEST(Values, InstantsComeBackAsTheyWent) {
  const Instant instant{Duration(1'795'563'928'847'454)};
  EXPECT_EQ(instant_text(instant), "2026-11-24T23:45:28.847454Z");
  EXPECT_EQ(read_instant(instant_text(instant)), instant);
  for (const char* wrong :
       {"", "2026-13-01T00:00:00Z", "2026-11-24 23:45:28Z", "2026-11-24T23:45:28"})
    EXPECT_FALSE(read_instant(wrong)) << wrong;
}

TEST(Values, BytesThatAreNotAsciiTravelInBase64) {
  for (const std::string& bytes :
       {std::string(), std::string("text\n\0\"", 7), std::string("\xff\x00z", 3),
        std::string("gr\xc3\xbc\xc3\x9f"), std::string(100'000, '\xfe')}) {
    ObjectText text;
    text.add_body(bytes);
    const json::value written = json::parse(text.text());
    EXPECT_EQ(Members(written).body(), bytes);
  }
}

TEST(Calls, ATaskIsWrittenWithAllThatIsSet) {
  const NewTask task{.url = "http://h/",
                     .method = "PUT",
                     .headers = {{"A", "b"}},
                     .json = R"({"price": 1.10})",
                     .name = "n",
                     .delay = milliseconds(1500),
                     .priority = 7,
                     .key = "",
                     .timeout = minutes(1),
                     .retry = {.max_attempts = 3},
                     .keep_result = hours(1),
                     .result_headers = {"ETag"},
                     .callback_url = "http://h/done",
                     .callback_queue = "callbacks"};
  const Request request = add_task("mail", task).request;
  EXPECT_EQ(request.method + " " + request.target, "POST /v1/queues/mail/tasks");
  EXPECT_EQ(request.body,
            R"({"url":"http://h/","method":"PUT","headers":{"A":"b"},"json":{"price": 1.10},)"
            R"("name":"n","delay":"1500000us","priority":7,"key":"","timeout":"60000000us",)"
            R"("retry":{"max_attempts":3},"keep_result":"3600000000us","result_headers":["ETag"],)"
            R"("callback_url":"http://h/done","callback_queue":"callbacks"})");
}

TEST(Calls, ATaskWithoutANameGetsOneOfItsOwn) {
  const NewTask task{.body = "x"};
  const Request first = add_task("q", task).request;
  const Request second = add_task("q", task).request;
  EXPECT_TRUE(first.repeats);
  EXPECT_NE(body_of(first).at("name"), body_of(second).at("name"));
  EXPECT_EQ(json::parse(first.if_taken).at("id"), body_of(first).at("name"));
  EXPECT_TRUE(add_task("q", {.name = "n"}).request.if_taken.empty());
}

TEST(Calls, TextThatIsNoJsonIsRefusedBeforeItIsSent) {
  try {
    add_task("q", {.json = R"({"a": 1}, "delay": "1h")"});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.field(), "json");
  }
}

TEST(Calls, PathsAreEncodedSegmentBySegment) {
  EXPECT_EQ(get_task("projects/p/locations/l/queues/q", "a/b c").request.target,
            "/v1/projects/p/locations/l/queues/q/tasks/a%2Fb%20c");
  EXPECT_EQ(list_dead("q", {.status = 503, .key = "", .since = Instant()}, true, {}).request.target,
            "/v1/queues/q/dead?page_size=100&status=503&since=1970-01-01T00%3A00%3A00.000000Z"
            "&view=full&key=");
}

TEST(Calls, WhatHappensTwiceWithHarmIsNotRepeated) {
  EXPECT_TRUE(get_queue("q").request.repeats);
  EXPECT_TRUE(act_on_queue("q", "pause").request.repeats);
  EXPECT_TRUE(lease_tasks("q", {}).request.repeats);
  EXPECT_FALSE(act_on_queue("q", "purge").request.repeats);
  EXPECT_FALSE(delete_queue("q").request.repeats);
  EXPECT_FALSE(act_on_task("q", "t", "run").request.repeats);
  EXPECT_FALSE(change_dead("q", "retry", {}, false).request.repeats);
}

TEST(Calls, ALeaseEndsWithAReport) {
  Task task;
  task.id = "1";
  task.lease_token = "00ff";
  const Report report{
      .json = "[1]",
      .error = "e",
      .log = "l",
      .usage = Usage{.cpu = milliseconds(3), .memory_peak = 5, .cause = "exited", .code = 0}};
  EXPECT_EQ(
      end_leases("q", "fail", {{task, report}, task}, std::nullopt, "host/1").request.body,
      R"({"tasks":[{"id":"1","lease_token":"00ff","result":{"json":[1]},"error":"e","log":"l",)"
      R"("usage":{"cpu":"3000us","memory_peak":5,"cause":"exited","code":0}},)"
      R"({"id":"1","lease_token":"00ff"}],"worker":"host/1"})");
}

TEST(Calls, ABatchAnswersForEachTask) {
  const auto call = add_tasks("q", {{.body = "a"}, {.body = "b"}});
  const auto outcomes = read(call, R"({"results": [{"task": {"id": "1", "queue": "q"}},
      {"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "taken"}}]})");
  ASSERT_EQ(outcomes.size(), 2);
  EXPECT_EQ(outcomes[0].value().id, "1");
  EXPECT_THROW(outcomes[1].value(), AlreadyExists);
}

// The attempt before was carried out, and its answer lost.
TEST(Calls, ANameMadeUpForABatchIsTakenByTheBatchItself) {
  const auto call = add_tasks("q", {{.body = "a"}, {.body = "b", .name = "mine"}});
  const json::value taken = json::parse(R"({"results": [
      {"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "taken"}},
      {"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "taken"}}]})");
  const auto outcomes = call.read({.json = taken, .repeated = true});
  EXPECT_EQ(outcomes[0].value().id,
            json::value_to<std::string>(body_of(call.request).at("tasks").at(0).at("name")));
  EXPECT_FALSE(outcomes[1].ok());
}

TEST(Calls, ResultsAreReadWithAllThatIsTold) {
  const auto results =
      read(get_results("q", {"1", "n", "3"}, minutes(0)), R"({"pending": 1, "results": [
      {"queue": "q", "id": "2", "name": "n", "state": "failed", "attempts": 3, "last_failure": "released",
       "ended": "2026-11-24T23:45:28.847454Z", "error": "no luck", "reason": "attempts", "worker": "h/1",
       "result": {"body_base64": "/wA=", "headers": {"Content-Type": "x/y"}, "truncated": true},
       "usage": {"cpu": "20ms", "wall": "1s", "memory_peak": 4096, "cause": "exited", "code": 3}},
      {"id": "3", "error": {"code": 404, "status": "NOT_FOUND", "message": "over"}}]})");
  EXPECT_EQ(results.pending, 1);
  ASSERT_EQ(results.ended.size(), 2);
  EXPECT_EQ(results.ended[0].name, "n");
  const TaskResult& failed = results.ended[0].result.value();
  EXPECT_EQ(failed.state, ResultState::failed);
  EXPECT_EQ(failed.error, "no luck");
  EXPECT_EQ(failed.reason, "attempts");
  EXPECT_EQ(failed.body, std::string("\xff\0", 2));
  EXPECT_EQ(failed.headers, (Headers{{"Content-Type", "x/y"}}));
  EXPECT_TRUE(failed.truncated);
  EXPECT_EQ(failed.usage->cpu, milliseconds(20));
  EXPECT_EQ(failed.usage->code, 3);
  EXPECT_THROW(results.ended[1].result.value(), NotFound);
}

TEST(Refusal, EachStatusHasItsClass) {
  const auto raise = [](int code, const char* status) {
    Refusal{.code = code, .status = status, .message = "m"}.raise();
  };
  EXPECT_THROW(raise(400, "INVALID_ARGUMENT"), InvalidArgument);
  EXPECT_THROW(raise(400, "FAILED_PRECONDITION"), FailedPrecondition);
  EXPECT_THROW(raise(409, "FAILED_PRECONDITION"), LeaseLost);
  EXPECT_THROW(raise(401, "UNAUTHENTICATED"), Unauthenticated);
  EXPECT_THROW(raise(403, "PERMISSION_DENIED"), PermissionDenied);
  EXPECT_THROW(raise(404, "NOT_FOUND"), NotFound);
  EXPECT_THROW(raise(409, "ALREADY_EXISTS"), AlreadyExists);
  EXPECT_THROW(raise(429, "RESOURCE_EXHAUSTED"), ResourceExhausted);
  EXPECT_THROW(raise(503, "UNAVAILABLE"), Unavailable);
  EXPECT_THROW(raise(502, ""), ServerError);
}

}  // namespace
}  // namespace deferd::inline v1::detail
