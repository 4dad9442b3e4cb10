// Messages from JSON and back (CT-spec 1.2).
#include <google/rpc/error_details.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "api/cloudtasks/rest/json_output.h"
#include "api/cloudtasks/rest/json_reader.h"
#include "api/cloudtasks/rest/json_values.h"
#include "api/cloudtasks/rest/pretty.h"
#include "api/cloudtasks/versions.h"

namespace deferd::cloudtasks::rest {
namespace {

template <class Message>
Outcome<Message> read(std::string_view text, std::string_view at = "") {
  Message message;
  if (auto ok = read_json(text, shape_of(*Message::descriptor()), at, message); !ok)
    return refuse(ok.error());
  return message;
}
template <class Message>
std::string why_not(std::string_view text, std::string_view at = "") {
  const auto message = read<Message>(text, at);
  return message ? "it is fine" : message.error().message();
}
std::string written(const google::protobuf::Message& message, JsonFormat format = {}) {
  std::string text;
  append_json(message, shape_of(*message.GetDescriptor()), format, text);
  return text;
}

// CT-184
TEST(RestJson, NamesNumbersAndCases) {
  const auto camel = read<V2::CreateTaskRequest>(
      R"({"responseView":"FULL","task":{"httpRequest":{"url":"http://e/","httpMethod":"PUT"}}})");
  const auto snake = read<V2::CreateTaskRequest>(
      R"({"response_view":2,"task":{"http_request":{"url":"http:\/\/e\u002f","http_method":4}}})");
  ASSERT_TRUE(camel);
  ASSERT_TRUE(snake);
  EXPECT_EQ(camel->SerializeAsString(), snake->SerializeAsString());
  EXPECT_EQ(camel->task().http_request().http_method(), google::cloud::tasks::v2::PUT);
  EXPECT_EQ(camel->response_view(), V2::Task::FULL);
}

// CT-184
TEST(RestJson, Base64OfEitherAlphabet) {
  for (const char* text : {"+/+/AA==", "-_-_AA==", "-_-_AA", "+/+/AA"}) {
    const auto request = read<V2::HttpRequest>(R"({"body":")" + std::string(text) + "\"}");
    ASSERT_TRUE(request) << text;
    EXPECT_EQ(request->body(), std::string("\xfb\xff\xbf\0", 4)) << text;
  }
  EXPECT_EQ(why_not<V2::HttpRequest>(R"({"body":"a!"})"),
            R"(Invalid value at 'body' (TYPE_BYTES), Base64 decoding failed for "a!")");
}

TEST(RestJson, Numbers) {
  const auto limits = read<V2::RateLimits>(
      R"({"maxDispatchesPerSecond":0.1,"maxBurstSize":"7","maxConcurrentDispatches":1e3})");
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->max_dispatches_per_second(), 0.1);
  EXPECT_EQ(limits->max_burst_size(), 7);
  EXPECT_EQ(limits->max_concurrent_dispatches(), 1000);
  const auto texts = read<V2::RateLimits>(R"({"maxDispatchesPerSecond":"Infinity"})");
  ASSERT_TRUE(texts);
  EXPECT_GT(texts->max_dispatches_per_second(), 1e308);
  EXPECT_EQ(
      read<V2::RateLimits>(R"({"maxDispatchesPerSecond":"2.5"})")->max_dispatches_per_second(),
      2.5);
  for (const char* number :
       {"2147483648", "1.5", "\"x\"", "1e99", "true", "\"\"", "99999999999999999999"}) {
    EXPECT_EQ(why_not<V2::RateLimits>(R"({"maxBurstSize":)" + std::string(number) + "}"),
              "Invalid value at 'max_burst_size' (TYPE_INT32), " + std::string(number))
        << number;
  }
}

// CT-190
TEST(RestJson, SixtyFourBitsAreTexts) {
  using Uri = google::cloud::tasks::v2::UriOverride;
  const auto number = read<Uri>(R"({"port":8080})");
  const auto text = read<Uri>(R"({"port":"8080"})");
  ASSERT_TRUE(number);
  ASSERT_TRUE(text);
  EXPECT_EQ(number->port(), 8080);
  EXPECT_EQ(text->port(), 8080);
  EXPECT_EQ(written(*text), R"({"port":"8080"})");
  Uri zero;
  zero.set_port(0);
  EXPECT_EQ(written(zero), R"({"port":"0"})");  // it is set: `optional`
  EXPECT_EQ(written(Uri()), "{}");
}

// CT-190
TEST(RestJson, Durations) {
  const struct {
    const char* text;
    std::int64_t seconds;
    int nanos;
    const char* written;
  } cases[] = {
      {"0.100s", 0, 100'000'000, "0.100s"},  {"3600s", 3600, 0, "3600s"},
      {"0.5s", 0, 500'000'000, "0.500s"},    {"-1.000001s", -1, -1000, "-1.000001s"},
      {"-0.1s", 0, -100'000'000, "-0.100s"}, {"1.000000001s", 1, 1, "1.000000001s"},
  };
  for (const auto& one : cases) {
    google::protobuf::Duration duration;
    ASSERT_TRUE(read_duration_text(one.text, duration)) << one.text;
    EXPECT_EQ(duration.seconds(), one.seconds);
    EXPECT_EQ(duration.nanos(), one.nanos);
    std::string text;
    append_duration(duration, text);
    EXPECT_EQ(text, one.written);
  }
  google::protobuf::Duration duration;
  for (const char* text : {"", "s", "1", "1m", ".5s", "1.s", "1.0000000001s", "1 s", "+1s",
                           "315576000001s", "99999999999999999999s", "--1s"}) {
    EXPECT_FALSE(read_duration_text(text, duration)) << text;
  }
}

// CT-190
TEST(RestJson, Timestamps) {
  const struct {
    const char* text;
    std::int64_t seconds;
    int nanos;
    const char* written;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"},
      {"2026-11-24T22:53:01.5Z", 1795560781, 500'000'000, "2026-11-24T22:53:01.500Z"},
      {"2026-11-24t22:53:01.000001z", 1795560781, 1000, "2026-11-24T22:53:01.000001Z"},
      {"2026-11-25T00:53:01.000000007+02:00", 1795560781, 7, "2026-11-24T22:53:01.000000007Z"},
      {"0001-01-01T00:00:00Z", -62'135'596'800, 0, "0001-01-01T00:00:00Z"},
      {"1969-12-31T23:59:59.900Z", -1, 900'000'000, "1969-12-31T23:59:59.900Z"},
  };
  for (const auto& one : cases) {
    google::protobuf::Timestamp time;
    ASSERT_TRUE(read_timestamp(one.text, time)) << one.text;
    EXPECT_EQ(time.seconds(), one.seconds) << one.text;
    EXPECT_EQ(time.nanos(), one.nanos) << one.text;
    std::string text;
    append_timestamp(time, text);
    EXPECT_EQ(text, one.written);
  }
  google::protobuf::Timestamp time;
  for (const char* text :
       {"", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T22:53:01",
        "2026-11-24T22:53:01.Z", "0001-01-01T00:00:00+01:00", "2026-11-24T22:53:01Zx",
        "2026-11-24T22:53:01.1234567890Z"}) {
    EXPECT_FALSE(read_timestamp(text, time)) << text;
  }
}

// CT-188
TEST(RestJson, WhatIsNoFieldIsTold) {
  EXPECT_EQ(why_not<V2::CreateTaskRequest>(R"({"task":{"x":{"y":[1]}}})"),
            R"(Invalid JSON payload received. Unknown name "x" at 'task': Cannot find field.)");
  EXPECT_EQ(why_not<V2::CreateTaskRequest>(R"({"x":1})"),
            R"(Invalid JSON payload received. Unknown name "x": Cannot find field.)");
  EXPECT_EQ(why_not<V2::Queue>(R"({"x":1})", "queue"),
            R"(Invalid JSON payload received. Unknown name "x" at 'queue': Cannot find field.)");
  EXPECT_EQ(why_not<V2::BatchCreateTasksRequest>(R"({"requests":[{},{"task":{"x":1}}]})"),
            R"(Invalid JSON payload received. Unknown name "x" at 'requests[1].task': )"
            "Cannot find field.");
  const auto two = read<V2::Queue>(R"({"a":1,"b":[]})", "queue");
  ASSERT_FALSE(two);
  google::rpc::BadRequest detail;
  ASSERT_EQ(two.error().details_size(), 1);
  ASSERT_TRUE(two.error().details(0).UnpackTo(&detail));
  ASSERT_EQ(detail.field_violations_size(), 2);
  EXPECT_EQ(detail.field_violations(0).field(), "queue");
  EXPECT_EQ(two.error().message(), detail.field_violations(0).description() + "\n" +
                                       detail.field_violations(1).description());
}

TEST(RestJson, WhatIsNoValueIsTold) {
  EXPECT_EQ(why_not<V2::Task>(R"({"httpRequest":{"httpMethod":"FETCH"}})"),
            "Invalid value at 'http_request.http_method' "
            R"((type.googleapis.com/google.cloud.tasks.v2.HttpMethod), "FETCH")");
  EXPECT_EQ(
      why_not<V2::Task>(R"({"scheduleTime":"soon"})"),
      R"(Invalid value at 'schedule_time' (type.googleapis.com/google.protobuf.Timestamp), "soon")");
  EXPECT_EQ(why_not<V2::Task>(R"({"name":{"a":1}})"),
            "Invalid value at 'name' (TYPE_STRING), Starting an object on a scalar field");
  EXPECT_EQ(why_not<V2::Task>(R"({"httpRequest":{"headers":{"a":"b","c":1}}})"),
            "Invalid value at 'http_request.headers[1].value' (TYPE_STRING), 1");
  EXPECT_EQ(why_not<V2::Task>(R"({"httpRequest":{"headers":5}})"),
            "Invalid value at 'http_request.headers' (TYPE_MAP), 5");
  EXPECT_EQ(why_not<V2::Task>(R"({"httpRequest":[{}]})"),
            R"(Invalid JSON payload received. Unknown name "httpRequest": )"
            "Proto field is not repeating, cannot start list.");
  EXPECT_EQ(why_not<V2::Task>(R"({"httpRequest":{},"appEngineHttpRequest":{}})"),
            "Invalid value (oneof), oneof field 'message_type' is already set. Cannot set "
            "'appEngineHttpRequest'");
}

// CT-188
TEST(RestJson, WhatIsNoJsonIsTold) {
  for (const char* text : {"{", "{\"name\":}", "{} {}", "nope", "{'name':1}", "{\"name\":\"\xff\"}",
                           "{\"name\":\"\\ud800\"}", "{\"name\":1,}", "\xef\xbb\xbf{}"}) {
    EXPECT_TRUE(why_not<V2::Queue>(text).starts_with("Invalid JSON payload received. ")) << text;
  }
  for (const char* text : {"[]", "[{\"name\":\"a\"}]", "null", "5", "\"{}\""}) {
    EXPECT_EQ(why_not<V2::Queue>(text),
              R"(Invalid JSON payload received. Unknown name "": Root element must be a message.)")
        << text;
  }
}

// CT-187
TEST(RestJson, NothingIsAnEmptyObject) {
  for (const char* text : {"", " \r\n", "{}", " {} "}) {
    const auto queue = read<V2::Queue>(text);
    ASSERT_TRUE(queue) << text;
    EXPECT_EQ(queue->ByteSizeLong(), 0);
  }
}

TEST(RestJson, BoundsHold) {
  std::string deep(json_depth_max + 1, '[');
  EXPECT_TRUE(why_not<V2::Queue>("{\"x\":" + deep).starts_with("Invalid JSON payload received. "));
  std::string many = R"({"names":["a")";
  for (std::uint32_t i = 0; i < json_values_max; ++i) many += ",\"\"";
  EXPECT_EQ(why_not<V2::BatchDeleteTasksRequest>(many + "]}"),
            "Invalid JSON payload received. It has more than 100000 values.");
  const std::string commas(20'000, ',');
  EXPECT_TRUE(why_not<V2::UpdateQueueRequest>(R"({"updateMask":")" + commas + "\"}")
                  .starts_with("Invalid value at 'update_mask'"));
  const auto wrong = read<V2::Queue>("{\"" + std::string(5000, 'x') + "\":1}");
  ASSERT_FALSE(wrong);
  EXPECT_LT(wrong.error().message().size(), 300);
}

TEST(RestJson, NullLeavesAFieldAsItIs) {
  const auto queue =
      read<V2::Queue>(R"({"name":null,"rateLimits":null,"retryConfig":{"maxAttempts":null}})");
  ASSERT_TRUE(queue);
  EXPECT_FALSE(queue->has_rate_limits());
  EXPECT_TRUE(queue->has_retry_config());
}

// One value where several may be is a list of one, as the service takes it.
TEST(RestJson, OneOfAList) {
  const auto names = read<V2::BatchDeleteTasksRequest>(R"({"names":"a"})");
  ASSERT_TRUE(names);
  ASSERT_EQ(names->names_size(), 1);
  EXPECT_EQ(names->names(0), "a");
  const auto requests = read<V2::BatchCreateTasksRequest>(R"({"requests":{"parent":"a"}})");
  ASSERT_TRUE(requests);
  EXPECT_EQ(requests->requests(0).parent(), "a");
}

// What a caller got and sends back whole.
TEST(RestJson, OutputsAreTaken) {
  const auto task = read<V2::Task>(
      R"({"view":"BASIC","dispatchCount":1,"lastAttempt":{"responseStatus":{"code":14,"message":"m",)"
      R"("details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[{"url":"u"}]}]}}})");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->last_attempt().response_status().code(), 14);
}

// CT-183
TEST(RestJson, EnumsAsNamesOrNumbers) {
  V2::Queue queue;
  queue.set_state(V2::Queue::PAUSED);
  EXPECT_EQ(written(queue), R"({"state":"PAUSED"})");
  EXPECT_EQ(written(queue, {.enums_as_numbers = true}), R"({"state":2})");
  queue.set_state(static_cast<V2::Queue::State>(77));
  EXPECT_EQ(written(queue), R"({"state":77})");
}

TEST(RestJson, WhatIsWritten) {
  V2::HttpRequest request;
  request.set_url("http://e/?a=\"b\"\n");
  request.set_body(std::string("\xfb\xff\xbf\0", 4));
  (*request.mutable_headers())["X-\"A"] = "b";
  EXPECT_EQ(written(request),
            R"({"url":"http://e/?a=\"b\"\n","headers":{"X-\"A":"b"},"body":"+/+/AA=="})");
  V2::Queue queue;
  queue.mutable_rate_limits();
  queue.mutable_stackdriver_logging_config()->set_sampling_ratio(0.1);
  EXPECT_EQ(written(queue),
            R"({"rateLimits":{},"stackdriverLoggingConfig":{"samplingRatio":0.1}})");
  google::longrunning::Operation operation;
  operation.mutable_metadata()->PackFrom([] {
    V2::BatchCreateTasksMetadata metadata;
    (*metadata.mutable_failed_requests())[1].set_code(3);
    return metadata;
  }());
  operation.set_done(true);
  EXPECT_EQ(written(operation),
            R"({"metadata":{"@type":"type.googleapis.com/google.cloud.tasks.v2.)"
            R"(BatchCreateTasksMetadata","failedRequests":{"1":{"code":3}}},"done":true})");
}

// Whatever bytes another door let in, the answer is JSON.
TEST(RestJson, TextsAreUtf8) {
  V2::HttpRequest request;
  (*request.mutable_headers())["X"] = "\xff";
  EXPECT_EQ(written(request), R"({"headers":{"X":"?"}})");
}

TEST(RestJson, ForEyes) {
  EXPECT_EQ(pretty("{}"), "{}\n");
  EXPECT_EQ(pretty(R"({"a":"x\"{,:}","b":[1,{"c":[]}],"d":{}})"), R"({
  "a": "x\"{,:}",
  "b": [
    1,
    {
      "c": []
    }
  ],
  "d": {}
}
)");
}

}  // namespace
}  // namespace deferd::cloudtasks::rest
