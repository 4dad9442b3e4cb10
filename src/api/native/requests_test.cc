#include "api/native/requests.h"

#include <gtest/gtest.h>

#include "model/push_request.h"

namespace deferd::native {
namespace {

constexpr TaskLimits limits{.task_bytes_max = 1000, .now = wall_from_micros(1'800'000'000'000'000)};

// One row a request: what it is refused with, as FIELD: MESSAGE. A message may be given by its
// beginning.
struct Refused {
  std::string body;
  std::string field;
  std::string message;
};

template <class Parse>
void check_refused(const std::vector<Refused>& cases, Parse parse) {
  for (const Refused& each : cases) {
    const auto parsed = parse(each.body);
    ASSERT_FALSE(parsed) << each.body;
    EXPECT_EQ(parsed.error().field, each.field) << each.body << "\n" << parsed.error().message;
    EXPECT_EQ(parsed.error().message.substr(0, each.message.size()), each.message) << each.body;
  }
}

Result<NewTask> task(std::string_view body) { return parse_task(body, limits); }

PushRequest request_of(std::string_view body) {
  const auto parsed = task(body);
  EXPECT_TRUE(parsed) << body << "\n" << parsed.error().message;
  return parsed ? *decode_push_request(*parsed->payload) : PushRequest{};
}

TEST(ParseTask, TakesEveryMember) {
  const auto parsed =
      task(R"({"url":"https://example.com/a?b","method":"PUT","headers":{"X-A":"1","x-b":"\tü"},
      "body":"hé","name":"n-1","delay":"1m30s","priority":9,"key":"k","timeout":0.25,
      "retry":{"max_attempts":-1,"max_age":"1h","min_backoff":1,"max_backoff":2.5,"max_doublings":0}})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->has_target);
  EXPECT_EQ(parsed->delay, Seconds(90));
  EXPECT_EQ(parsed->priority, 9);
  EXPECT_EQ(parsed->options->name, "n-1");
  EXPECT_EQ(parsed->options->key, "k");
  EXPECT_EQ(parsed->options->timeout, Millis(250));
  const RetryOverride retry{.max_attempts = -1,
                            .max_age = std::chrono::hours(1),
                            .min_backoff = Seconds(1),
                            .max_backoff = Millis(2500),
                            .max_doublings = 0};
  EXPECT_EQ(parsed->options->retry, retry);
  const auto request = decode_push_request(*parsed->payload);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->url, "https://example.com/a?b");
  EXPECT_EQ(request->method, HttpMethod::put);
  EXPECT_EQ(request->body, "hé");
  ASSERT_EQ(request->headers.size(), 2u);
  EXPECT_EQ(request->headers[1].second, "\tü");
}

TEST(ParseTask, APullTaskNeedsNothing) {
  const auto parsed = task("{}");
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->has_target);
  EXPECT_EQ(parsed->options, nullptr);
  EXPECT_EQ(request_of(R"({"body":"x"})").body, "x");
}

TEST(ParseTask, BodiesComeInThreeSpellings) {
  EXPECT_EQ(request_of(R"({"body":"a\u0000b\n"})").body, std::string("a\0b\n", 4));
  EXPECT_EQ(request_of(R"({"body_base64":"AP8="})").body, std::string("\0\xff", 2));
  EXPECT_EQ(request_of(R"({"body_base64":""})").body, "");
}

// What a caller wrote arrives so: large numbers, the order of members, white space.
TEST(ParseTask, AJsonBodyIsPassedOnByteForByte) {
  const std::string text = R"({ "z": 12345678901234567890123, "a":1.0, "s":"]}\"," })";
  EXPECT_EQ(request_of(R"({"key":"json","json":)" + text + R"(, "priority":1})").body, text);
  EXPECT_EQ(request_of(R"({"json":null})").body, "null");
  EXPECT_EQ(request_of(R"({"json":[1, 2]})").body, "[1, 2]");
  EXPECT_EQ(request_of(R"({"js\u006fn":[1, 2]})").body, "[1,2]");
  const auto with_url = request_of(R"({"url":"http://a/","json":1})");
  ASSERT_EQ(with_url.headers.size(), 1u);
  EXPECT_EQ(with_url.headers[0].second, "application/json");
  const auto own_type =
      request_of(R"({"url":"http://a/","json":1,"headers":{"content-type":"text/x"}})");
  ASSERT_EQ(own_type.headers.size(), 1u);
  EXPECT_EQ(own_type.headers[0].second, "text/x");
}

TEST(ParseTask, EtaIsAnInstant) {
  EXPECT_EQ(task(R"({"eta":"2027-01-15T08:00:00.000001Z"})")->eta, limits.now + Micros(1));
  EXPECT_EQ(task(R"({"eta":"2000-01-01T00:00:00Z"})")->eta, wall_from_micros(946'684'800'000'000));
}

// A small text must not become a large tree.
TEST(ParseTask, ManyTinyValuesAreRefusedBeforeTheyTakeMemory) {
  std::string numbers = R"({"json":[0)";
  for (int i = 0; i < 2'000'000; ++i) numbers += ",0";
  const auto refused =
      parse_task(numbers + "]}", {.task_bytes_max = 10'000'000, .now = limits.now});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::too_large);
  std::string commas = R"({"body":")" + std::string(3'000'000, ',') + "\"}";  // text is no values
  EXPECT_TRUE(parse_task(commas, {.task_bytes_max = 10'000'000, .now = limits.now}));
}

TEST(ParseTask, RefusesWhatIsNoTaskAndSaysWhy) {
  const std::string many_headers = [] {
    std::string out = R"({"url":"http://a/","headers":{)";
    for (int i = 0; i <= 100; ++i) out += (i == 0 ? "\"h" : ",\"h") + std::to_string(i) + "\":\"\"";
    return out + "}}";
  }();
  const std::string deep = R"({"json":)" + std::string(40, '[') + std::string(40, ']') + "}";
  check_refused(
      {
          {"{", "", "the request's body is not valid JSON: it ends too early (at byte 1 of 1)"},
          {R"({"body":"x"} {})", "",
           "the request's body is not valid JSON: something follows its end"},
          {"{'body':1}", "", "the request's body is not valid JSON: "},
          {"{\"body\":\"\xff\"}", "",
           "the request's body is not valid JSON: it is not UTF-8; send other bytes as"},
          {"{\"body\":\"\xc0\xaf\"}", "", "the request's body is not valid JSON: it is not UTF-8"},
          {"{\"body\":\"\xed\xa0\x80\"}", "",
           "the request's body is not valid JSON: it is not UTF-8"},
          {R"({"body":"\ud800"})", "", "the request's body is not valid JSON: "},
          {R"({"priority":01})", "", "the request's body is not valid JSON: "},
          {R"({"priority":NaN})", "", "the request's body is not valid JSON: "},
          {R"({"body":"a","body":"b"})", "",
           "an object in the request's body names the same member twice"},
          {R"({"json":{"a":{"b":1,"b":2}}})", "",
           "an object in the request's body names the same member twice"},
          {deep, "", "the request's body is nested deeper than 32 levels"},
          {"[]", "", "the request's body is an array; give a JSON object"},
          {"null", "", "the request's body is null; give a JSON object"},
          {R"({"bodyy":"x"})", "bodyy", "unknown member \"bodyy\"; did you mean \"body\"?"},
          {R"({"Url":"http://a/"})", "Url", "unknown member \"Url\"; did you mean \"url\"?"},
          {R"({"frobnicate":1})", "frobnicate",
           "unknown member \"frobnicate\"; known are url, method, "},
          {R"({"url":1})", "url", "url is a number; give a string"},
          {R"({"url":null})", "url", "url is null; give a string, or leave it out"},
          {R"({"url":""})", "url", ""},
          {R"({"url":"ftp://a/"})", "url", ""},
          {R"({"url":"//a/"})", "url", ""},
          {R"({"url":"http://a b/"})", "url", ""},
          {R"({"url":"http://a/\r\nX: y"})", "url", ""},
          {R"({"url":"http://a:99999/"})", "url", ""},
          {R"({"url":"http://a/","method":"get"})", "method",
           "method \"get\" is not one of POST, "},
          {R"({"method":"GET"})", "url", "method without a url: "},
          {R"({"headers":{}})", "url", "headers without a url: "},
          {R"({"url":"http://a/","headers":[]})", "headers", "headers is an array; give an object"},
          {R"({"url":"http://a/","headers":{"X":1}})", "headers.X",
           "header X is a number; give a string"},
          {R"({"url":"http://a/","headers":{"X":"a\rb"}})", "headers.X",
           "header X contains a line break"},
          {R"({"url":"http://a/","headers":{"X":"a\nb"}})", "headers.X",
           "header X contains a line break"},
          {R"({"url":"http://a/","headers":{"X":"a\u0000b"}})", "headers.X",
           "header X contains a line break"},
          {R"({"url":"http://a/","headers":{"X":"a\u007fb"}})", "headers.X",
           "header X contains a line break"},
          {R"({"url":"http://a/","headers":{"":"a"}})", "headers", "a header's name is"},
          {R"({"url":"http://a/","headers":{"a b":"a"}})", "headers", "a header's name is"},
          {R"({"url":"http://a/","headers":{"a\r\nb":"a"}})", "headers", "a header's name is"},
          {R"({"url":"http://a/","headers":{"a:":"a"}})", "headers", "a header's name is"},
          {R"({"url":"http://a/","headers":{"ä":"a"}})", "headers", "a header's name is"},
          {R"({"url":"http://a/","headers":{"host":"b"}})", "headers.host",
           "header host is set by deferd"},
          {R"({"url":"http://a/","headers":{"Connection":"b"}})", "headers.Connection",
           "header Connection is"},
          {R"({"url":"http://a/","headers":{"TE":"b"}})", "headers.TE", "header TE is"},
          {R"({"url":"http://a/","headers":{"Content-Length":"1"}})", "headers.Content-Length",
           "header"},
          {R"({"url":"http://a/","headers":{"Transfer-Encoding":"1"}})",
           "headers.Transfer-Encoding", "header"},
          {R"({"url":"http://a/","headers":{"x-DEFERD-task":"1"}})", "headers.x-DEFERD-task",
           "header"},
          {R"({"url":"http://a/","headers":{"X":"1","x":"2"}})", "headers.x",
           "header x is given twice"},
          {many_headers, "headers", "101 headers; give at most 100"},
          {R"({"body":"x","json":1})", "body", "more than one of body, json and body_base64"},
          {R"({"body":"x","body_base64":""})", "body",
           "more than one of body, json and body_base64"},
          {R"({"body":1})", "body", "body is a number; give a string"},
          {R"({"body_base64":"A"})", "body_base64", "body_base64 is not base64"},
          {R"({"body_base64":"AB=="})", "body_base64", "body_base64 is not base64"},
          {R"({"body_base64":"A-_="})", "body_base64", "body_base64 is not base64"},
          {R"({"body_base64":"===="})", "body_base64", "body_base64 is not base64"},
          {R"({"url":"http://a/","method":"GET","body":"x"})", "body", "a GET carries no body"},
          {R"({"delay":-1})", "delay", "delay is -1s; give a duration from 0s to "},
          {R"({"delay":"-0.1s"})", "delay", "delay is -100ms; give a duration from 0s to "},
          {R"({"delay":"3651d"})", "delay", "delay is 3651d; give a duration from 0s to 3650d"},
          {R"({"delay":1e300})", "delay", "delay is longer than a century"},
          {R"({"delay":0.00000012})", "delay", "delay is finer than a microsecond"},
          {R"({"delay":"soon"})", "delay", "duration \"soon\" is not a duration"},
          {R"({"delay":true})", "delay", "delay is a boolean; give a duration like"},
          {R"({"eta":1800000000})", "eta", "eta is a number; give a string"},
          {R"({"eta":"tomorrow"})", "eta", "time \"tomorrow\" has no date; write it like"},
          {R"({"eta":"2037-02-01T00:00:00Z"})", "eta", "eta lies more than 3650d ahead"},
          {R"({"eta":"2027-01-16T00:00:00Z","delay":1})", "delay", "both delay and eta are given"},
          {R"({"priority":10})", "priority", "priority is 10; give a whole number from 0 to 9"},
          {R"({"priority":-1})", "priority", "priority is -1; give a whole number from 0 to 9"},
          {R"({"priority":1.5})", "priority",
           "priority is no such number; give a whole number from 0 to 9"},
          {R"({"priority":"5"})", "priority",
           "priority is a string; give a whole number from 0 to 9"},
          {R"({"priority":18446744073709551615})", "priority", "priority is no such number"},
          {R"({"name":""})", "name", "task name must be 1 to 500 characters"},
          {R"({"name":"a/b"})", "name", "task name must be"},
          {R"({"name":"00000000000000000001"})", "name", "task name must not be 20 digits"},
          {R"({"key":")" + std::string(501, 'k') + "\"}", "key",
           "key is 501 bytes; give at most 500"},
          {R"({"url":"http://a/","timeout":0})", "timeout",
           "timeout is 0s; give a duration from 1ms to 1d"},
          {R"({"timeout":1})", "timeout", "timeout is for tasks with a url"},
          {R"({"retry":1})", "retry", "retry is a number; give a JSON object"},
          {R"({"retry":{"max_attempts":0}})", "retry.max_attempts",
           "max_attempts is 0; give 1 or more, or -1"},
          {R"({"retry":{"max_attempt":1}})", "retry.max_attempt",
           "unknown member \"max_attempt\"; did you mean"},
          {R"({"retry":{"min_backoff":2,"max_backoff":1}})", "retry.min_backoff",
           "min_backoff 2s is above"},
          {R"({"body":")" + std::string(1000, 'x') + "\"}", "body",
           "the task is 1004 bytes; at most 1000"},
      },
      task);
  EXPECT_EQ(task(R"({"body":")" + std::string(1000, 'x') + "\"}").error().reason,
            Reason::too_large);
}

TEST(ParseTask, SaysWhatIsKeptOfItsEndAndWhoIsTold) {
  const auto parsed =
      task(R"({"url":"http://a/","keep_result":"30d","result_headers":["X-A","ETag"],)"
           R"("callback_url":"https://b/done","callback_queue":"calls"})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->options->keep_result, std::chrono::hours(24 * 30));
  EXPECT_EQ(parsed->options->result_headers, (std::vector<std::string>{"X-A", "ETag"}));
  EXPECT_EQ(parsed->options->callback_url, "https://b/done");
  EXPECT_EQ(parsed->options->callback_queue, "calls");
  const std::string many = [] {
    std::string out = R"({"url":"http://a/","result_headers":["h")";
    for (int i = 0; i < 16; ++i) out += ",\"h\"";
    return out + "]}";
  }();
  check_refused(
      {
          {R"({"keep_result":"500ms"})", "keep_result",
           "keep_result is 500ms; give a duration from 1s to 30d"},
          {R"({"keep_result":"31d"})", "keep_result", "keep_result is 31d; give a duration"},
          {R"({"keep_results":1})", "keep_results",
           "unknown member \"keep_results\"; did you mean"},
          {R"({"result_headers":["a"]})", "result_headers",
           "result_headers is for tasks with a url"},
          {many, "result_headers", "17 result_headers; give at most 16"},
          {R"({"url":"http://a/","result_headers":["a b"]})", "result_headers",
           "result_headers holds what is no header's name"},
          {R"({"url":"http://a/","result_headers":[1]})", "result_headers",
           "result_headers holds what is no header's name"},
          {R"({"callback_url":"/done"})", "callback_url", ""},
          {R"({"callback_queue":"q"})", "callback_queue", "callback_queue without a callback_url"},
          {R"({"callback_url":"http://b/","callback_queue":"a b"})", "callback_queue", ""},
      },
      task);
}

TEST(ParseTaskBatch, ABadTaskFailsAlone) {
  const auto tasks = parse_task_batch(
      R"({"tasks":[{"json":[1, 2]},{"priority":10},7,{"json":{"a":"]"}}]})", limits);
  ASSERT_TRUE(tasks) << tasks.error().message;
  ASSERT_EQ(tasks->size(), 4u);
  EXPECT_EQ(decode_push_request(*(*tasks)[0]->payload)->body, "[1, 2]");
  EXPECT_EQ((*tasks)[1].error().field, "tasks[1].priority");
  EXPECT_EQ((*tasks)[2].error().field, "tasks[2]");
  EXPECT_EQ((*tasks)[2].error().message, "tasks[2] is a number; give a JSON object");
  EXPECT_EQ(decode_push_request(*(*tasks)[3]->payload)->body, R"({"a":"]"})");
}

TEST(ParseTaskBatch, IsOneToAThousandTasks) {
  const auto batch = [](int count) {
    std::string body = R"({"tasks":[)";
    for (int i = 0; i < count; ++i) body += i == 0 ? "{}" : ",{}";
    return body + "]}";
  };
  EXPECT_EQ(parse_task_batch(batch(1000), limits)->size(), 1000u);
  check_refused(
      {
          {batch(1001), "tasks", "tasks has 1001 elements; give 1 to 1000"},
          {batch(0), "tasks", "tasks has 0 elements; give 1 to 1000"},
          {"{}", "tasks", "tasks is missing"},
          {R"({"tasks":{}})", "tasks", "tasks is an object; give an array"},
          {R"({"tasks":[{}],"x":1})", "x", "unknown member \"x\""},
      },
      [](std::string_view body) { return parse_task_batch(body, limits); });
}

TEST(ParseQueue, ChangesOnlyWhatIsNamed) {
  const auto change =
      parse_queue_change(R"({"rate":"10/m","retry":{"max_attempts":7},"max_tasks":5})");
  ASSERT_TRUE(change);
  QueueSettings before = QueueSettings::defaults(QueueMode::push);
  before.burst = 3;
  before.retry.max_doublings = 2;
  const auto after = change->over(&before);
  ASSERT_TRUE(after);
  EXPECT_EQ(format_rate(after->rate), "10/m");
  EXPECT_EQ(after->burst, 3);
  EXPECT_EQ(after->retry.max_attempts, 7);
  EXPECT_EQ(after->retry.max_doublings, 2);
  EXPECT_EQ(after->max_tasks, 5u);
  EXPECT_EQ(*parse_queue_change("")->over(nullptr), QueueSettings::defaults(QueueMode::push));
  EXPECT_EQ(*parse_queue_change(R"({"mode":"pull"})")->over(nullptr),
            QueueSettings::defaults(QueueMode::pull));
}

TEST(ParseQueue, SaysWhatBecomesOfDeadLetters) {
  const auto change = parse_queue_change(
      R"({"dead":{"max_bytes":5,"queue":"graves"},"poison_after":0,"history":100,"results":{"max_bytes":7}})");
  ASSERT_TRUE(change) << change.error().message;
  QueueSettings before = QueueSettings::defaults(QueueMode::pull);
  before.dead.keep = Seconds(9);
  const auto after = change->over(&before);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->dead, (DeadLetters{Seconds(9), 5, "graves"}));
  EXPECT_EQ(after->poison_after, 0);
  EXPECT_EQ(after->history, 100);
  EXPECT_EQ(after->result_bytes_max, 7u);
  EXPECT_EQ(parse_queue_change(R"({"dead":{"queue":""}})")->over(&*after)->dead.queue, "");
  const QueueSettings push = QueueSettings::defaults(QueueMode::push);
  EXPECT_EQ(change->over(&push).error().field, "poison_after");
  check_refused(
      {
          {R"({"dead":{"keep":"366d"}})", "dead.keep", "keep is 366d; give a duration from 0s"},
          {R"({"dead":{"max_bytes":-1}})", "dead.max_bytes", "max_bytes is -1; give"},
          {R"({"dead":{"queue":"a b"}})", "dead.queue", ""},
          {R"({"dead":{"keeps":1}})", "dead.keeps", "unknown member \"keeps\"; did you mean"},
          {R"({"dead":"7d"})", "dead", "dead is a string; give a JSON object"},
          {R"({"poison_after":1001})", "poison_after", "poison_after is 1001; give"},
          {R"({"history":101})", "history", "history is 101; give a whole number from 0 to 100"},
          {R"({"results":{"max_byte":1}})", "results.max_byte", "unknown member"},
      },
      parse_queue_change);
}

TEST(ParseQueue, RefusesWhatIsNoSetting) {
  check_refused(
      {
          {R"({"mode":"both"})", "mode", "mode is none of"},
          {R"({"rate":5})", "rate", "rate is a number; give a string"},
          {R"({"rate":"5"})", "rate", "rate \"5\" has no unit"},
          {R"({"rate":"-1/s"})", "rate", "rate \"-1/s\" is negative"},
          {R"({"rate":"2000000/s"})", "rate", "rate \"2000000/s\" is above"},
          {R"({"burst":0})", "burst", "burst is 0; give a whole number from 1 to 1000000"},
          {R"({"concurrency":100001})", "concurrency", "concurrency is 100001; give"},
          {R"({"timeout":"25h"})", "timeout", "timeout is 1d1h; give a duration from 1ms to 1d"},
          {R"({"priority":10})", "priority", "priority is 10; give"},
          {R"({"max_tasks":-1})", "max_tasks", "max_tasks is -1; give"},
          {R"({"tombstone":"31d"})", "tombstone",
           "tombstone is 31d; give a duration from 0s to 30d"},
          {R"({"task_ttl":"3651d"})", "task_ttl",
           "task_ttl is 3651d; give a duration from 0s to 3650d"},
          {R"({"retry":{"max_doublings":-1}})", "retry.max_doublings", "max_doublings is -1; give"},
          {R"({"ratee":"5/s"})", "ratee", "unknown member \"ratee\"; did you mean \"rate\"?"},
      },
      parse_queue_change);
  const QueueSettings pull = QueueSettings::defaults(QueueMode::pull);
  const QueueSettings push = QueueSettings::defaults(QueueMode::push);
  for (const char* body :
       {R"({"rate":"1/s"})", R"({"burst":1})", R"({"concurrency":1})", R"({"timeout":1})"}) {
    const auto changed = parse_queue_change(body)->over(&pull);
    ASSERT_FALSE(changed);
    EXPECT_NE(changed.error().message.find("is for push queues"), std::string::npos);
  }
  EXPECT_EQ(parse_queue_change(R"({"mode":"pull"})")->over(&push).error().field, "mode");
  // One of the two comes from the request and the other from before.
  EXPECT_EQ(parse_queue_change(R"({"retry":{"min_backoff":"2h"}})")->over(&push).error().field,
            "retry.min_backoff");
}

TEST(ParseLease, HasDefaultsAndBounds) {
  const auto plain = parse_lease("");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->tasks_max, 1u);
  EXPECT_EQ(plain->duration, Seconds(60));
  EXPECT_EQ(plain->by, LeaseTasks::By::any);
  const auto full = parse_lease(R"({"max":1000,"lease":"7d","key":"","wait":60})");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->by, LeaseTasks::By::key);
  EXPECT_EQ(full->wait, Seconds(60));
  EXPECT_EQ(parse_lease(R"({"oldest_key":true})")->by, LeaseTasks::By::oldest_key);
  EXPECT_EQ(parse_lease(R"({"oldest_key":false,"key":"a"})")->by, LeaseTasks::By::key);
  check_refused(
      {
          {R"({"max":1001})", "max", "max is 1001; give a whole number from 1 to 1000"},
          {R"({"max":0})", "max", "max is 0; give"},
          {R"({"lease":"7d1us"})", "lease", "lease is 7d1us; give a duration from 1ms to 7d"},
          {R"({"lease":0})", "lease", "lease is 0s; give a duration from 1ms to 7d"},
          {R"({"wait":61})", "wait", "wait is 1m1s; give a duration from 0s to 1m"},
          {R"({"key":"a","oldest_key":true})", "oldest_key", "both key and oldest_key"},
          {R"({"oldest_key":1})", "oldest_key", "oldest_key is a number; give true or false"},
          {R"({"limit":1})", "limit", "unknown member \"limit\""},
      },
      parse_lease);
}

TEST(ParseLeases, TakesIdsAndTokens) {
  const auto parsed = parse_leases(
      R"({"tasks":[{"id":"00000000000000000007","lease_token":"00000000000000ff"},{"id":"n","lease_token":"0123456789abcdef"}],"lease":"5s"})",
      LeaseCall::renew);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->lease, Seconds(5));
  EXPECT_EQ(std::get<TaskId>(parsed->leases[0].task), TaskId{7});
  EXPECT_EQ(parsed->leases[0].token, 255u);
  EXPECT_EQ(std::get<std::string>(parsed->leases[1].task), "n");
  EXPECT_EQ(lease_token_text(parsed->leases[1].token), "0123456789abcdef");
  check_refused(
      {
          {"", "tasks", "tasks is missing"},
          {R"({"tasks":[]})", "tasks", "tasks has 0 elements"},
          {R"({"tasks":[1]})", "tasks[0]", "tasks[0] is a number; give a JSON object"},
          {R"({"tasks":[{"lease_token":"00000000000000ff"}]})", "tasks[0].id", "id is missing"},
          {R"({"tasks":[{"id":"a"}]})", "tasks[0].lease_token", "lease_token is missing"},
          {R"({"tasks":[{"id":"a","lease_token":255}]})", "tasks[0].lease_token",
           "lease_token is a number"},
          {R"({"tasks":[{"id":"a","lease_token":"ff"}]})", "tasks[0].lease_token",
           "lease_token is not 16"},
          {R"({"tasks":[{"id":"a","lease_token":"-00000000000000f"}]})", "tasks[0].lease_token",
           "lease_token is not"},
          {R"({"tasks":[{"id":"a b","lease_token":"00000000000000ff"}]})", "tasks[0].id",
           "task name must be"},
          {R"({"tasks":[{"id":"a","lease_token":"00000000000000ff"}],"lease":1})", "lease",
           "unknown member"},
          {R"({"tasks":[{"id":"a","lease_token":"00000000000000ff"}],"delay":1})", "delay",
           "unknown member"},
      },
      [](std::string_view body) { return parse_leases(body, LeaseCall::ack); });
}

TEST(ParseLeases, TakesWhatAWorkerTellsOfItsAttempts) {
  const std::string lease = R"({"id":"n","lease_token":"00000000000000ff")";
  const auto acked = parse_leases(
      R"({"worker":"host/1","tasks":[)" + lease +
          R"(,"log":"line","result":{"json":[1, 2]},"usage":{"cpu":0.0123456789,"wall":"2s",)"
          R"("memory_peak":4096,"cause":"out_of_memory","code":-1,"signal":9}},)" +
          lease + "}]}",
      LeaseCall::ack);
  ASSERT_TRUE(acked) << acked.error().message;
  const AttemptReport& report = *acked->leases[0].report;
  EXPECT_EQ(report.worker, "host/1");
  EXPECT_EQ(report.log, "line");
  EXPECT_EQ(report.result->body, "[1, 2]");
  EXPECT_EQ(report.result->headers[0].second, "application/json");
  const AttemptUsage usage{Micros(12346), Seconds(2), 4096, ExitCause::out_of_memory, -1, 9};
  EXPECT_EQ(report.usage, usage);
  EXPECT_EQ(acked->leases[1].report->worker, "host/1");
  EXPECT_FALSE(acked->leases[1].report->result);
  const auto failed = parse_leases(
      R"({"tasks":[)" + lease +
          R"(,"error":"e","result":{"body_base64":"AP8=","content_type":"a/b"}},)" + lease + "}]}",
      LeaseCall::fail);
  ASSERT_TRUE(failed) << failed.error().message;
  EXPECT_EQ(failed->leases[0].report->error, "e");
  EXPECT_EQ(failed->leases[0].report->result->body, std::string("\0\xff", 2));
  EXPECT_EQ(failed->leases[1].report, nullptr);

  const auto refused = [&lease](std::string_view members, LeaseCall call) {
    const auto parsed =
        parse_leases(R"({"tasks":[)" + lease + "," + std::string(members) + "}]}", call);
    return parsed ? std::string("taken") : parsed.error().field + ": " + parsed.error().message;
  };
  EXPECT_EQ(refused(R"("log":")" + std::string(65537, 'x') + "\"", LeaseCall::ack),
            "tasks[0].log: log is 65537 bytes; give at most 65536");
  EXPECT_EQ(refused(R"("error":")" + std::string(4097, 'x') + "\"", LeaseCall::release),
            "tasks[0].error: error is 4097 bytes; give at most 4096");
  EXPECT_EQ(
      refused(R"("result":{"body":")" + std::string((1 << 20) + 1, 'x') + "\"}", LeaseCall::ack)
          .substr(0, 54),
      "tasks[0].result.body: the result is 1048577 bytes; at ");
  EXPECT_EQ(refused(R"("result":{"body":"","json":1})", LeaseCall::ack),
            "tasks[0].result.body: more than one of body, json and body_base64; give one of them");
  EXPECT_EQ(refused(R"("result":{"content_type":"a\nb"})", LeaseCall::ack).substr(0, 28),
            "tasks[0].result.content_type");
  EXPECT_EQ(refused(R"("usage":{"cause":"bored"})", LeaseCall::ack).substr(0, 20),
            "tasks[0].usage.cause");
  EXPECT_EQ(refused(R"("usage":{"cpu":-0.5})", LeaseCall::ack).substr(0, 18), "tasks[0].usage.cpu");
  EXPECT_EQ(refused(R"("result":{})", LeaseCall::release).substr(0, 24),
            "tasks[0].result: unknown");
  EXPECT_EQ(refused(R"("error":"")", LeaseCall::ack).substr(0, 23), "tasks[0].error: unknown");
  EXPECT_EQ(refused(R"("log":"")", LeaseCall::renew).substr(0, 21), "tasks[0].log: unknown");
  const auto long_name =
      parse_leases(R"({"worker":")" + std::string(101, 'w') + "\"}", LeaseCall::ack);
  EXPECT_EQ(long_name.error().field, "tasks");  // the first that is wrong
  EXPECT_EQ(parse_lease(R"({"worker":"host/1"})")->worker, "host/1");
  EXPECT_EQ(parse_lease(R"({"worker":")" + std::string(101, 'w') + "\"}").error().field, "worker");
}

TEST(ParseIds, IsOneToAThousandIdsOrNames) {
  const auto parsed = parse_ids(R"({"ids":["00000000000000000007","n"],"wait":"1m"})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->tasks, (std::vector<TaskRef>{TaskId{7}, std::string("n")}));
  EXPECT_EQ(parsed->given[0], "00000000000000000007");
  EXPECT_EQ(parsed->wait, Seconds(60));
  check_refused(
      {
          {"{}", "ids", "ids is missing"},
          {R"({"ids":[]})", "ids", "ids has 0 elements; give 1 to 1000"},
          {R"({"ids":[7]})", "ids[0]", "ids[0] is a number; give a string"},
          {R"({"ids":["a","b c"]})", "ids[1]", "task name must be"},
          {R"({"ids":["a"],"wait":61})", "wait", "wait is 1m1s; give a duration from 0s to 1m"},
          {R"({"ids":["a"],"waits":1})", "waits", "unknown member \"waits\"; did you mean"},
      },
      parse_ids);
}

TEST(ParseBulk, TakesFilters) {
  const auto parsed = parse_bulk(
      R"({"reason":"poison","status":503,"key":"k","name":"n","since":"2027-01-15T08:00:00Z",)"
      R"("until":"2027-01-15T08:00:01Z","plan":true})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->plan);
  EXPECT_EQ(parsed->filter.reason, DeathReason::poison);
  EXPECT_EQ(parsed->filter.last_status, 503);
  EXPECT_EQ(parsed->filter.key, "k");
  EXPECT_EQ(parsed->filter.name, "n");
  EXPECT_EQ(parsed->filter.since, limits.now);
  EXPECT_EQ(parsed->filter.until, limits.now + Seconds(1));
  EXPECT_EQ(parse_bulk(R"({"failure":"lease_expired"})")->filter.last_status, status_lease_expired);
  EXPECT_FALSE(parse_bulk("")->plan);
  check_refused(
      {
          {R"({"reason":"none"})", "reason", "reason is none of attempts, age, failed and poison"},
          {R"({"failure":"bad"})", "failure", "failure is none of timeout, unreachable"},
          {R"({"status":99})", "status", "status is 99; give a whole number from 100 to 999"},
          {R"({"status":503,"failure":"timeout"})", "status", "both status and failure"},
          {R"({"since":"soon"})", "since", ""},
          {R"({"keys":"k"})", "keys", "unknown member \"keys\"; did you mean \"key\"?"},
      },
      parse_bulk);
}

TEST(DeadToken, IsWhereAPageEnded) {
  const Place place{dead_lane, wall_from_micros(-5), 7};
  EXPECT_EQ(parse_dead_token(dead_token_text(place)), place);
  for (const char* text : {"", "-", "1", "1-", "1-x", "x-1", "1-1x", "99999999999999999999-1"})
    EXPECT_EQ(parse_dead_token(text), std::nullopt) << text;
}

TEST(ParseQuery, KnowsResultsAndDeadLetters) {
  const auto result = parse_page_query("wait=1m&history=true", {.result = true});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->wait, Seconds(60));
  EXPECT_TRUE(result->history);
  constexpr PageQueryKnows dead{.page = true, .view = true, .dead = true};
  const auto page = parse_page_query("status=503&key=a%2Fb&view=full", dead);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->dead.last_status, 503);
  EXPECT_EQ(page->dead.key, "a/b");
  check_refused(
      {
          {"wait=61s", "wait", "wait is 1m1s; give a duration from 0s to 1m"},
          {"wait=long", "wait", ""},
          {"history=1", "history", "history is none of true and false"},
          {"reason=x", "reason", "unknown query parameter \"reason\"; known are wait, history"},
      },
      [](std::string_view query) { return parse_page_query(query, {.result = true}); });
  check_refused(
      {
          {"reason=x", "reason", "reason is none of"},
          {"status=5x", "status", "status is not an HTTP status"},
          {"since=x", "since", ""},
          {"x=1", "x",
           "unknown query parameter \"x\"; known are page_size, page_token, view, reason, status,"},
      },
      [&dead](std::string_view query) { return parse_page_query(query, dead); });
}

TEST(ParseQuery, KnowsWhatItsCallKnows) {
  constexpr PageQueryKnows all{.page = true, .state = true, .view = true};
  const auto page =
      parse_page_query("page_size=5&page_token=a%2Bb+c&state=in_flight&view=full", all);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->page_size, 5u);
  EXPECT_EQ(page->page_token, "a+b c");
  EXPECT_EQ(page->state, TaskState::in_flight);
  EXPECT_TRUE(page->full);
  const auto parse = [&](std::string_view query) { return parse_page_query(query, all); };
  check_refused(
      {
          {"page_size=0", "page_size", "page_size is not a whole number from 1 to 1000"},
          {"page_size=1001", "page_size", "page_size is not"},
          {"page_size=", "page_size", "page_size is not"},
          {"page_size=1x", "page_size", "page_size is not"},
          {"state=done", "state", "state is none of scheduled, ready, in_flight and leased"},
          {"view=all", "view", "view is none of basic and full"},
          {"pagesize=1", "pagesize",
           "unknown query parameter \"pagesize\"; known are page_size, page_token, state, view"},
          {"a=%4", "query", "the query has a %"},
          {"%ff=1", "query", "unknown query parameter \"...\""},
      },
      parse);
  EXPECT_EQ(parse_page_query("state=ready", {.page = true}).error().field, "state");
  EXPECT_EQ(parse_page_query("x=1", {}).error().message,
            "unknown query parameter \"x\"; this call takes none");
}

TEST(ParseNothing, IsNoBodyOrAnEmptyObject) {
  EXPECT_TRUE(parse_nothing(""));
  EXPECT_TRUE(parse_nothing(" {} "));
  EXPECT_FALSE(parse_nothing(R"({"x":1})"));
  EXPECT_FALSE(parse_nothing("x"));
}

}  // namespace
}  // namespace deferd::native
