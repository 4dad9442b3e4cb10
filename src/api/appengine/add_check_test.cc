// What is wrong with one task, and what is kept of one that is right.
#include "api/appengine/add_check.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/push_request.h"
#include "proto/appengine/task_note.pb.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;
using Add = wire::TaskQueueAddRequest;

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t day = 86'400 * second;

class AddCheckTest : public testing::Test {
 protected:
  AddRules relaxed_{.now = wall_from_micros(1'800'000'000'000'000)};
  AddRules strict_{.strict = true, .now = wall_from_micros(1'800'000'000'000'000)};
  std::int64_t now_ = 1'800'000'000'000'000;

  static Add push() {
    Add add;
    add.set_queue_name("q");
    add.set_task_name("");
    add.set_eta_usec(0);
    add.set_url("/work");
    return add;
  }
  static Add pull() {
    Add add = push();
    add.clear_url();
    add.set_mode(wire::TaskQueueMode::PULL);
    add.set_body("b");
    return add;
  }
  int code(const Add& add) const { return check_add(add, relaxed_).code; }
  int strict_code(const Add& add) const { return check_add(add, strict_).code; }
  static PushRequest stored(const AddCheck& check) {
    EXPECT_EQ(check.code, Service::OK) << check.detail;
    return check.task.payload == nullptr ? PushRequest{}
                                         : *decode_push_request(*check.task.payload);
  }
  PushRequest stored(const Add& add) const { return stored(check_add(add, relaxed_)); }
};

// GAE-043
TEST_F(AddCheckTest, QueueNames) {
  for (const std::string& name : {"q"s, std::string(100, 'q'), "A-9"s}) {
    Add add = push();
    add.set_queue_name(name);
    EXPECT_EQ(code(add), 0) << name;
  }
  for (const std::string& name : {std::string(101, 'q'), "a_b"s, "a.b"s, " "s, "q\n"s, "\0"s}) {
    Add add = push();
    add.set_queue_name(name);
    EXPECT_EQ(code(add), Service::INVALID_QUEUE_NAME) << name;
  }
}

// GAE-044
TEST_F(AddCheckTest, TaskNames) {
  for (const std::string& name : {"t"s, std::string(500, 't'), "a_-Z9"s, "12345678901234567890"s}) {
    Add add = push();
    add.set_task_name(name);
    EXPECT_EQ(code(add), 0) << name;
    EXPECT_EQ(check_add(add, relaxed_).task.options->name, name);
  }
  for (const std::string& name : {std::string(501, 't'), "a.b"s, "a b"s, "t\n"s, "\0"s,
                                  "01234567890123456789"s /* how chosen names look */}) {
    Add add = push();
    add.set_task_name(name);
    EXPECT_EQ(code(add), Service::INVALID_TASK_NAME) << name;
    EXPECT_TRUE(check_add(add, relaxed_).before_queue);
  }
}

// GAE-045
TEST_F(AddCheckTest, Etas) {
  const auto with_eta = [](std::int64_t eta) {
    Add add = push();
    add.set_eta_usec(eta);
    return add;
  };
  for (const std::int64_t eta : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
                                 std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(code(with_eta(eta)), Service::INVALID_ETA) << eta;
    EXPECT_EQ(strict_code(with_eta(eta)), Service::INVALID_ETA) << eta;
  }
  EXPECT_FALSE(check_add(with_eta(0), relaxed_).task.eta) << "now";
  EXPECT_EQ(strict_code(with_eta(now_ + 30 * day)), 0);
  EXPECT_EQ(strict_code(with_eta(now_ + 30 * day + 59 * second)), 0) << "the SDK's clock is fast";
  EXPECT_EQ(strict_code(with_eta(now_ + 30 * day + 120 * second)), Service::INVALID_ETA);
  EXPECT_EQ(code(with_eta(now_ + 31 * day)), 0) << "relaxed: ten years";
  EXPECT_EQ(code(with_eta(now_ + 3651 * day)), Service::INVALID_ETA);
}

// GAE-046
TEST_F(AddCheckTest, AnEtaIsKeptToTheMicrosecond) {
  Add add = push();
  add.set_eta_usec(now_ + 1'234'567);
  EXPECT_EQ(check_add(add, relaxed_).task.eta, wall_from_micros(now_ + 1'234'567));
}

// GAE-047
TEST_F(AddCheckTest, Urls) {
  for (const std::string& url : {""s, "http://x/"s, "//x/y"s, "x"s, "/a#f"s, "/a b"s, "/a\r\nX: y"s,
                                 "/" + std::string(2083, 'a')}) {
    Add add = push();
    add.set_url(url);
    EXPECT_EQ(code(add), Service::INVALID_URL) << url;
  }
  Add missing = push();
  missing.clear_url();
  EXPECT_EQ(code(missing), Service::INVALID_URL);
  for (const std::string& url : {"/"s, "/a%zz"s, "/a?b=c&d=%20"s, "/" + std::string(2082, 'a')}) {
    Add add = push();
    add.set_url(url);
    EXPECT_EQ(code(add), 0) << url;
    EXPECT_EQ(stored(add).url, url);
  }
}

// GAE-057
TEST_F(AddCheckTest, PullTasksNeedABodyAndMayHaveATag) {
  Add add = pull();
  add.clear_body();
  EXPECT_EQ(code(add), Service::INVALID_REQUEST);
  add.set_body("");
  EXPECT_EQ(code(add), 0);
  add.set_tag(std::string(500, 't'));
  EXPECT_EQ(code(add), 0);
  EXPECT_EQ(check_add(add, relaxed_).task.options->key, add.tag());
  add.set_tag(std::string(501, 't'));
  EXPECT_EQ(code(add), Service::INVALID_TAG);
  Add tagged = push();
  tagged.set_tag("t");
  EXPECT_EQ(code(tagged), Service::INVALID_TAG);
  tagged.set_tag("");
  EXPECT_EQ(code(tagged), 0) << "empty is none";
}

// GAE-058
TEST_F(AddCheckTest, SizesOfPushTasks) {
  // As Python counts: method, url, each header with 4 bytes of its own, body.
  Add add = push();
  auto* header = add.add_header();
  header->set_key("X-A");
  header->set_value("value");
  add.set_task_name(std::string(500, 'n'));  // does not count
  add.set_body(std::string(102'400 - 4 - 5 - (3 + 5 + 4), 'b'));
  EXPECT_EQ(strict_code(add), 0);
  add.mutable_body()->push_back('b');
  EXPECT_EQ(strict_code(add), Service::TASK_TOO_LARGE);
  EXPECT_EQ(code(add), 0) << "relaxed: 1 MiB";
  add.set_body(std::string((1 << 20) - 5 - 12, 'b'));
  EXPECT_EQ(code(add), 0);
  add.mutable_body()->push_back('b');
  EXPECT_EQ(code(add), Service::TASK_TOO_LARGE);
}

// GAE-059
TEST_F(AddCheckTest, SizesOfPullTasks) {
  Add add = pull();
  add.set_body(std::string((1 << 20) - 1024, '\xff'));
  EXPECT_EQ(code(add), 0);
  EXPECT_EQ(strict_code(add), 0);
  EXPECT_EQ(stored(add).body, add.body());
  add.set_body(std::string((1 << 20) + 1, 'b'));
  EXPECT_EQ(code(add), Service::TASK_TOO_LARGE);
  EXPECT_EQ(strict_code(add), Service::TASK_TOO_LARGE);
}

// GAE-060
TEST_F(AddCheckTest, DispatchDeadlines) {
  Add add = push();
  for (const std::int64_t deadline : {15 * second, 600 * second, day}) {
    add.set_dispatch_deadline_usec(deadline);
    EXPECT_EQ(code(add), 0);
    EXPECT_EQ(check_add(add, relaxed_).task.options->timeout, Micros(deadline));
  }
  for (const std::int64_t deadline : {14'900'000L, day + second, -15 * second, 0L}) {
    add.set_dispatch_deadline_usec(deadline);
    EXPECT_EQ(code(add), Service::INVALID_DISPATCH_DEADLINE) << deadline;
  }
}

// GAE-061
TEST_F(AddCheckTest, RetryParameters) {
  const auto with = [](auto set) {
    Add add = push();
    set(*add.mutable_retry_parameters());
    return add;
  };
  using Retry = wire::TaskQueueRetryParameters;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(code(with([](Retry& r) { r.set_retry_limit(-1); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_age_limit_sec(-1); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_min_backoff_sec(-0.1); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_max_backoff_sec(-1); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_max_doublings(-1); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_min_backoff_sec(nan); })), 20);
  EXPECT_EQ(code(with([](Retry& r) { r.set_max_backoff_sec(nan); })), 20);
  EXPECT_EQ(code(with([](Retry& r) {
              r.set_min_backoff_sec(2);
              r.set_max_backoff_sec(1);
            })),
            20);
  const auto moved = check_add(with([](Retry& r) { r.set_min_backoff_sec(5000); }), relaxed_);
  ASSERT_EQ(moved.code, Service::OK);
  EXPECT_EQ(moved.task.options->retry.max_backoff, Seconds(5000));
  const auto down = check_add(with([](Retry& r) { r.set_max_backoff_sec(0.01); }), relaxed_);
  EXPECT_EQ(down.task.options->retry.min_backoff, Millis(10));
}

// GAE-166
TEST_F(AddCheckTest, RetryParametersReplaceTheQueuesWholly) {
  Add add = push();
  add.mutable_retry_parameters()->set_retry_limit(3);
  RetryPolicy queue;
  queue.max_attempts = 7;
  queue.max_age = Seconds(9);
  queue.min_backoff = Seconds(10);
  queue.max_backoff = Seconds(20);
  queue.max_doublings = 1;
  const RetryPolicy policy = check_add(add, relaxed_).task.options->retry.over(queue);
  EXPECT_EQ(policy.max_attempts, 4) << "retries follow the first attempt";
  EXPECT_EQ(policy.max_age, Micros(0));
  EXPECT_EQ(policy.min_backoff, Millis(100));
  EXPECT_EQ(policy.max_backoff, Seconds(3600));
  EXPECT_EQ(policy.max_doublings, 16);
  add.mutable_retry_parameters()->Clear();  // there, and empty
  EXPECT_EQ(check_add(add, relaxed_).task.options->retry.over(queue).max_attempts, -1);
}

TEST_F(AddCheckTest, RetryLimitsAtTheirEnds) {
  Add add = push();
  add.mutable_retry_parameters()->set_retry_limit(0);
  EXPECT_EQ(check_add(add, relaxed_).task.options->retry.max_attempts, 1);
  add.mutable_retry_parameters()->set_retry_limit(std::numeric_limits<std::int32_t>::max());
  add.mutable_retry_parameters()->set_max_backoff_sec(1e300);
  add.mutable_retry_parameters()->set_age_limit_sec(std::numeric_limits<std::int64_t>::max());
  const AddCheck check = check_add(add, relaxed_);
  EXPECT_EQ(check.task.options->retry.max_attempts, std::numeric_limits<std::int32_t>::max());
  EXPECT_TRUE(check.task.options->retry.over(RetryPolicy()).check("retry"));
  Add leased = pull();
  leased.mutable_retry_parameters()->set_retry_limit(3);
  EXPECT_EQ(check_add(leased, relaxed_).task.options->retry.max_attempts, 3) << "leases in all";
  leased.mutable_retry_parameters()->set_retry_limit(0);
  EXPECT_EQ(check_add(leased, relaxed_).task.options->retry.max_attempts, -1);
}

// GAE-062
TEST_F(AddCheckTest, OnlyPostAndPutCarryABody) {
  for (const auto method : {Add::GET, Add::HEAD, Add::DELETE}) {
    Add add = push();
    add.set_method(method);
    add.set_body("ignored");
    EXPECT_EQ(stored(add).body, "") << method;
  }
  for (const auto method : {Add::POST, Add::PUT}) {
    Add add = push();
    add.set_method(method);
    add.set_body("\0sent\xff"s);
    EXPECT_EQ(stored(add).body, "\0sent\xff"s) << method;
  }
}

// GAE-063
TEST_F(AddCheckTest, WithoutModeAndMethodItIsAPost) {
  const AddCheck check = check_add(push(), relaxed_);
  EXPECT_TRUE(check.task.has_target);
  EXPECT_EQ(stored(check).method, HttpMethod::post);
  EXPECT_EQ(stored(check).door, Door::appengine);
}

// GAE-064
TEST_F(AddCheckTest, HeadersThatCannotBeSent) {
  const std::pair<std::string, std::string> wrong[] = {
      {"", "v"},    {"X-A\r", "v"}, {"X-A", "v\r\nX-B: w"}, {"X-A", "\0"s},
      {"X A", "v"}, {"X-A:", "v"},  {"X-A\0"s, "v"},        {"X-A", "\n"},
  };
  for (const auto& [key, value] : wrong) {
    Add add = push();
    auto* header = add.add_header();
    header->set_key(key);
    header->set_value(value);
    EXPECT_EQ(code(add), Service::INVALID_REQUEST) << key << ": " << value;
  }
}

// GAE-140, GAE-141: what a handler may trust cannot be set by whoever adds.
TEST_F(AddCheckTest, HeadersThatAreKept) {
  Add add = push();
  const std::pair<std::string, std::string> given[] = {
      {"Host", "v1.svc.example.com"},
      {"X-A", "1"},
      {"X-AppEngine-QueueName", "forged"},
      {"x-appengine-cron", "true"},
      {"X-APPENGINE-USER-IP", "0.1.0.2"},
      {"X-AppEngine-Current-Namespace", ""},
      {"x-appengine-default-namespace", "tenant"},
      {"X-Google-Internal-SkipAdminCheck", "true"},
      {"X-CloudTasks-QueueName", "forged"},
      {"Content-Length", "7"},
      {"Transfer-Encoding", "chunked"},
      {"Connection", "close"},
      {"Proxy-Authorization", "x"},
      {"Referer", "http://x/"},
      {"User-Agent", "mine"},
      {"content-type", "text/plain"},
      {"X-A", "2"},
  };
  for (const auto& [key, value] : given) {
    auto* header = add.add_header();
    header->set_key(key);
    header->set_value(value);
  }
  const std::vector<std::pair<std::string, std::string>> kept = {
      {"Host", "v1.svc.example.com"},
      {"X-A", "1"},
      {"X-AppEngine-Current-Namespace", ""},
      {"x-appengine-default-namespace", "tenant"},
      {"User-Agent", "mine"},
      {"content-type", "text/plain"},
      {"X-A", "2"},
  };
  EXPECT_EQ(stored(add).headers, kept);
}

TEST_F(AddCheckTest, HeadersOfPullTasksAreIgnored) {
  Add add = pull();
  auto* header = add.add_header();
  header->set_key("X-AppEngine-Current-Namespace");
  header->set_value("tenant");
  EXPECT_TRUE(stored(add).headers.empty());
  EXPECT_FALSE(check_add(add, relaxed_).task.has_target);
}

// GAE-065
TEST_F(AddCheckTest, NobodyAddsRecurringTasks) {
  Add add = push();
  add.mutable_crontimetable()->set_schedule("every 5 minutes");
  add.mutable_crontimetable()->set_timezone("UTC");
  EXPECT_EQ(code(add), Service::PERMISSION_DENIED);
}

TEST_F(AddCheckTest, TheNoteKeepsWhatOnlyQueriesTell) {
  EXPECT_EQ(stored(push()).note, "") << "most tasks have none";
  Add add = push();
  add.set_description("what it is for");
  add.set_payload("opaque \xff");
  add.mutable_retry_parameters()->set_retry_limit(3);
  wire::TaskNote note;
  ASSERT_TRUE(note.ParseFromString(stored(add).note));
  EXPECT_EQ(note.description(), "what it is for");
  EXPECT_EQ(note.payload(), "opaque \xff");
  EXPECT_EQ(note.retry_parameters().retry_limit(), 3);
  EXPECT_FALSE(note.retry_parameters().has_max_doublings()) << "as given";
}

// The order in which App Engine finds what is wrong (GAE-spec 5.2, step 5).
TEST_F(AddCheckTest, TheFirstOfSeveralFaultsIsTold) {
  Add add = push();
  add.set_task_name("a.b");
  add.set_queue_name("a_b");
  add.set_eta_usec(-1);
  add.mutable_crontimetable()->set_schedule("s");
  add.set_body(std::string(2 << 20, 'b'));
  add.set_url("x");
  add.set_dispatch_deadline_usec(1);
  add.mutable_retry_parameters()->set_retry_limit(-1);
  add.set_tag("t");
  EXPECT_EQ(code(add), 5);
  add.set_task_name("ab");
  EXPECT_EQ(code(add), 6);
  add.set_queue_name("ab");
  EXPECT_EQ(code(add), 12);
  add.set_eta_usec(0);
  EXPECT_EQ(code(add), 9);
  add.clear_crontimetable();
  EXPECT_EQ(code(add), 4);
  add.clear_body();
  EXPECT_EQ(code(add), 7);
  add.set_url("/x");
  EXPECT_EQ(code(add), 29);
  add.clear_dispatch_deadline_usec();
  EXPECT_EQ(code(add), 20);
  add.clear_retry_parameters();
  EXPECT_EQ(code(add), 27);
  add.clear_tag();
  EXPECT_EQ(code(add), 0);
}

}  // namespace
}  // namespace deferd::appengine
