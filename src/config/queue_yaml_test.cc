#include "config/queue_yaml.h"

#include <gtest/gtest.h>

#include "model/appengine_defaults.h"

namespace deferd {
namespace {

Result<QueueYaml> parse(std::string text, QueueYamlLimits limits = QueueYamlLimits::deferd) {
  return parse_queue_yaml({"queue.yaml", std::move(text)}, limits);
}

QueueYaml parsed(const std::string& text) {
  auto file = parse(text);
  EXPECT_TRUE(file) << text << "\n" << (file ? "" : file.error().message);
  return file.value_or(QueueYaml{});
}

// The settings of the queue `a` with these lines in its entry.
QueueSettings queue_with(const std::string& lines) {
  const QueueYaml file = parsed("queue:\n- name: a\n  rate: 5/s\n" + lines);
  EXPECT_EQ(file.queues.size(), 1U);
  return file.queues.empty() ? QueueSettings{} : file.queues[0].settings;
}

std::string refusal(const std::string& text, QueueYamlLimits limits = QueueYamlLimits::deferd) {
  const auto file = parse(text, limits);
  EXPECT_FALSE(file) << text;
  if (file) return "";
  EXPECT_EQ(file.error().reason, Reason::invalid);
  return file.error().message;
}

TEST(QueueYaml, AWholeFile) {  // GAE-175
  const QueueYaml file = parsed(R"(application: s~my-app
total_storage_limit: 120M
resume_paused_queues: True
queue:
- name: default
  rate: 10/m
- name: mail
  mode: push
  rate: 0.5/s
  bucket_size: 40
  max_concurrent_requests: 20
  target: v2.worker
  retry_parameters:
    task_retry_limit: 7
    task_age_limit: 2d
    min_backoff_seconds: 10
    max_backoff_seconds: 200.5
    max_doublings: 2
- name: results
  mode: pull
  retry_parameters:
    task_retry_limit: 3
  acl:
  - user_email: bar@foo.com
  - writer_email: qux@foo.com
)");
  EXPECT_EQ(file.total_storage_limit, 125829120U);
  EXPECT_TRUE(file.resume_paused_queues);
  ASSERT_EQ(file.queues.size(), 3U);

  EXPECT_EQ(file.queues[0].name, "default");
  EXPECT_EQ(file.queues[0].place, (TextPlace{5, 9}));
  QueueSettings expected = app_engine_defaults(QueueMode::push);
  expected.rate = {.count = 10'000, .period = Seconds(60), .unlimited = false};
  expected.appengine.rate_text = "10/m";
  EXPECT_EQ(file.queues[0].settings, expected);

  expected.rate = {.count = 500, .period = Seconds(1), .unlimited = false};
  expected.burst = 40;
  expected.concurrency = 20;
  expected.appengine.rate_text = "0.5/s";
  expected.appengine.target = "v2.worker";
  expected.retry = {.max_attempts = 8,  // CT-139: a limit of 7 retries
                    .max_age = std::chrono::hours(48),
                    .min_backoff = Seconds(10),
                    .max_backoff = Millis(200'500),
                    .max_doublings = 2};
  EXPECT_EQ(file.queues[1].settings, expected);

  expected = app_engine_defaults(QueueMode::pull);
  expected.retry.max_attempts = 3;
  expected.appengine.user_emails = {"bar@foo.com"};
  expected.appengine.writer_emails = {"qux@foo.com"};
  EXPECT_EQ(file.queues[2].settings, expected);
}

TEST(QueueYaml, DefaultsAreAppEngines) {  // GAE-175
  const QueueSettings push = queue_with("");
  EXPECT_EQ(push.burst, 5);
  EXPECT_EQ(push.concurrency, 1000);
  EXPECT_EQ(push.retry, (RetryPolicy{.max_attempts = -1,
                                     .max_age = Micros(0),
                                     .min_backoff = Millis(100),
                                     .max_backoff = Seconds(3600),
                                     .max_doublings = 16}));
  EXPECT_EQ(parsed("queue:\n- name: a\n  mode: pull\n").queues[0].settings.retry.max_attempts, -1);
}

TEST(QueueYaml, KeysWithoutAValueAreAbsent) {
  EXPECT_EQ(queue_with("  bucket_size:\n  target:\n  retry_parameters:\n  acl: ~\n"),
            queue_with(""));
  EXPECT_TRUE(parsed("queue:\n").queues.empty());
  EXPECT_TRUE(parsed("queue: []\n").queues.empty());
  EXPECT_TRUE(parsed("{}").queues.empty());
  EXPECT_FALSE(parsed("total_storage_limit:\n").total_storage_limit);
}

TEST(QueueYaml, Rates) {  // GAE-175
  const auto per_second = [](std::string_view text) {
    const auto rate = parse_queue_rate(text);
    EXPECT_TRUE(rate) << text;
    return rate ? rate->per_second() : -1;
  };
  EXPECT_DOUBLE_EQ(per_second("5/s"), 5);
  EXPECT_DOUBLE_EQ(per_second("5./s"), 5);
  EXPECT_DOUBLE_EQ(per_second("10/m"), 10.0 / 60);
  EXPECT_DOUBLE_EQ(per_second("1.001/h"), 1.001 / 3600);
  EXPECT_DOUBLE_EQ(per_second("86400/d"), 1);
  EXPECT_DOUBLE_EQ(per_second("0"), 0);
  EXPECT_DOUBLE_EQ(per_second("0/s"), 0);
  EXPECT_DOUBLE_EQ(per_second("0.0/d"), 0);
  EXPECT_DOUBLE_EQ(per_second("1000000/s"), 1'000'000);
  // Finer than a thousandth of its unit: to the nearest thousandth of a task a day.
  EXPECT_NEAR(per_second("0.0003/s"), 0.0003, 1e-8);
  EXPECT_NEAR(per_second("0.123456/m"), 0.123456 / 60, 1e-8);
  EXPECT_GT(per_second("0.00000001/d"), 0);  // slow is not stopped
  EXPECT_EQ(parse_queue_rate("10/m")->period, Seconds(60));
}

TEST(QueueYaml, ParseRateSpeaksAsTheSdk) {  // GAE-176
  const auto why = [](std::string_view text) { return parse_queue_rate(text).error().message; };
  EXPECT_EQ(why("5"), R"(Rate "5" is invalid.)");
  EXPECT_EQ(why("5/s/s"), R"(Rate "5/s/s" is invalid.)");
  EXPECT_EQ(why("x/s"), R"(Rate "x/s" is invalid: "x" is not a number.)");
  EXPECT_EQ(why("-5/s"), R"(Rate "-5/s" is invalid: "-5" is not a number.)");
  EXPECT_EQ(why("inf/s"), R"(Rate "inf/s" is invalid: "inf" is not a number.)");
  EXPECT_EQ(why("5/x"), R"(Rate "5/x" is invalid: "x" is not one of s, m, h, d.)");
  EXPECT_EQ(why("5/"), R"(Rate "5/" is invalid: "" is not one of s, m, h, d.)");
  EXPECT_EQ(why("1000001/s"), R"(Rate "1000001/s" is invalid: it is above 1000000/s.)");
}

TEST(QueueYaml, StorageLimits) {  // GAE-175, GAE-176
  EXPECT_EQ(*parse_storage_limit("1K"), 1024U);
  EXPECT_EQ(*parse_storage_limit("120M"), 125829120U);
  EXPECT_EQ(*parse_storage_limit("1.5G"), 1610612736U);
  EXPECT_EQ(*parse_storage_limit("5G"), 5368709120U);
  EXPECT_EQ(*parse_storage_limit("1000T"), 1000ULL << 40);
  EXPECT_EQ(*parse_storage_limit("12345"), 12345U);
  EXPECT_EQ(*parse_storage_limit("7B"), 7U);
  EXPECT_EQ(parse_storage_limit("").error().message, "Total Storage Limit must not be empty.");
  for (const char* bad : {"5X", "1.5", "x", "-1", "5GG", "K", "inf"}) {
    EXPECT_EQ(parse_storage_limit(bad).error().message,
              "Total Storage Limit \"" + std::string(bad) + "\" is invalid.");
  }
  EXPECT_FALSE(parse_storage_limit("0"));
  EXPECT_FALSE(parse_storage_limit("1001T"));
  for (const std::uint64_t bytes :
       {1ULL, 1000ULL, 1024ULL, 1536ULL, 1610612736ULL, 1000ULL << 40}) {
    EXPECT_EQ(*parse_storage_limit(format_storage_limit(bytes)), bytes);
  }
  EXPECT_EQ(format_storage_limit(1610612736), "1.5G");
}

TEST(QueueYaml, Ages) {  // GAE-175, GAE-176
  EXPECT_EQ(*parse_task_age_limit("2d"), Seconds(172'800));
  EXPECT_EQ(*parse_task_age_limit("1.5h"), Seconds(5400));
  EXPECT_EQ(*parse_task_age_limit("1.9s"), Seconds(1));
  const auto why = [](std::string_view text) { return parse_task_age_limit(text).error().message; };
  EXPECT_EQ(why(""), "Task Age Limit must not be empty.");
  EXPECT_EQ(why("10"),
            "Task Age_Limit must be in s (seconds), m (minutes), h (hours), or d (days)");
  EXPECT_EQ(why("xd"), "Task Age_Limit \"xd\" is invalid.");
  EXPECT_EQ(why("0.5s"), "Task age limit must be greater than zero.");
}

TEST(QueueYaml, OneBackoffAloneMovesTheOther) {  // GAE-181
  const RetryPolicy min_alone =
      queue_with("  retry_parameters:\n    min_backoff_seconds: 5000\n").retry;
  EXPECT_EQ(min_alone.min_backoff, Seconds(5000));
  EXPECT_EQ(min_alone.max_backoff, Seconds(5000));
  const RetryPolicy max_alone =
      queue_with("  retry_parameters:\n    max_backoff_seconds: 0.01\n").retry;
  EXPECT_EQ(max_alone.min_backoff, Millis(10));
  EXPECT_EQ(max_alone.max_backoff, Millis(10));
  const RetryPolicy agreeing =
      queue_with("  retry_parameters:\n    min_backoff_seconds: 7\n").retry;
  EXPECT_EQ(agreeing.min_backoff, Seconds(7));
  EXPECT_EQ(agreeing.max_backoff, Seconds(3600));
}

TEST(QueueYaml, APullQueueWithALimitOfNoLeasesHasNoLimit) {  // GAE-175
  const QueueYaml file =
      parsed("queue:\n- name: a\n  mode: pull\n  retry_parameters:\n    task_retry_limit: 0\n");
  EXPECT_EQ(file.queues[0].settings.retry.max_attempts, -1);
}

TEST(QueueYaml, AComplaintHasFileLineColumnQueueAndTheLine) {  // GAE-176
  EXPECT_EQ(refusal("queue:\n- name: default\n  rate: 1/s\n- name: mail\n  rate: 5/x\n"),
            "queue.yaml:5:9: queue \"mail\": Unable to assign value '5/x' to attribute 'rate':\n"
            "Value '5/x' for rate does not match expression "
            "'^(?:^(0|[0-9]+(\\.[0-9]*)?/[smhd]))$'\n"
            "Rate \"5/x\" is invalid: \"x\" is not one of s, m, h, d.\n"
            "      rate: 5/x\n"
            "            ^");
  EXPECT_EQ(parse("queue:\n- name: mail\n  rate: 5/x\n").error().field, "mail.rate");
}

struct Wrong {
  const char* text;
  const char* says;  // a part of the complaint, word by word
};

class WrongFile : public testing::TestWithParam<Wrong> {};

// The SDK's own texts, as its library gave them for these files.
TEST_P(WrongFile, IsRefusedInTheSdksWords) {  // GAE-176, GAE-180
  const std::string complaint = refusal(GetParam().text);
  EXPECT_TRUE(complaint.starts_with("queue.yaml:")) << complaint;
  EXPECT_NE(complaint.find(GetParam().says), std::string::npos) << complaint;
}

INSTANTIATE_TEST_SUITE_P(
    Root, WrongFile,
    testing::Values(
        Wrong{"", "Empty queue configuration."}, Wrong{"# nothing\n", "Empty queue configuration."},
        Wrong{"---\n", "Empty queue configuration."},
        Wrong{"--- {queue: []}\n--- {queue: []}\n", "Multiple queue: sections in configuration."},
        Wrong{"foo: 1\n", "Unexpected attribute 'foo' for object of type QueueInfoExternal."},
        Wrong{"queue: []\nqueue: []\n", "Duplicate attribute 'queue'."},
        Wrong{"queue: 5\n",
              "Unable to assign value '5' to attribute 'queue':\nValue '5' for queue should be a "
              "sequence but is not."},
        Wrong{"queue:\n- a\n", "Value element 'a' for queue must be type QueueEntry."},
        Wrong{"total_storage_limit: 5X\n",
              "Unable to assign value '5X' to attribute 'total_storage_limit':\nValue '5X' for "
              "total_storage_limit does not match expression "
              "'^(?:^([0-9]+(\\.[0-9]*)?[BKMGT]?))$'\nTotal Storage Limit \"5X\" is invalid."},
        Wrong{"total_storage_limit: ''\n", "Total Storage Limit must not be empty."},
        Wrong{"total_storage_limit: 1.5\n", "22: Total Storage Limit \"1.5\" is invalid."},
        Wrong{"total_storage_limit: 0\n", "leave it out for no limit"},
        Wrong{"application: Bad_App\n",
              "Value 'Bad_App' for application does not match expression "
              "'^(?:(?:[a-z\\d\\-]{1,100}\\~)?(?:(?!\\-)[a-z\\d\\-\\.]{1,100}:)?(?!-)[a-z\\d\\-]{0,"
              "99}[a-z\\d])$'"},
        Wrong{"resume_paused_queues: perhaps\n", "'resume_paused_queues'"},
        Wrong{"queue: [\n", "is not YAML: "}, Wrong{"x: &a 1\n", "an anchor (&NAME)"},
        Wrong{"? [a]\n: 1\n", "a key must be one text"}, Wrong{"x: !foo 1\n", "a tag (!NAME)"}));

INSTANTIATE_TEST_SUITE_P(
    Entry, WrongFile,
    testing::Values(
        Wrong{"queue:\n- rate: 5/s\n", "Missing required value [name]."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  foo: 1\n",
              "queue \"a\": Unexpected attribute 'foo' for object of type QueueEntry."},
        Wrong{"queue:\n- name: a\n  ratee: 1/s\n", "Did you mean rate?"},
        Wrong{"queue:\n- name: a\n  name: b\n", "Duplicate attribute 'name'."},
        Wrong{"queue:\n- name: a_b\n  rate: 1/s\n",
              "Unable to assign value 'a_b' to attribute 'name':\nValue 'a_b' for name does not "
              "match expression '^(?:^[A-Za-z0-9-]{0,499}$)$'"},
        Wrong{"queue:\n- name: ''\n  rate: 1/s\n", "1 to 100 characters"},
        Wrong{"queue:\n- name: a\n  rate: 5\n", "Rate \"5\" is invalid."},
        Wrong{"queue:\n- name: a\n  rate: x/s\n",
              "Rate \"x/s\" is invalid: \"x\" is not a number."},
        Wrong{"queue:\n- name: a\n", "A queue rate is required for push queue."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n- name: a\n  rate: 1/s\n",
              "queue.yaml:4:9: queue \"a\": Queue entry has duplicate name."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  bucket_size: x\n",
              "Unable to assign value 'x' to attribute 'bucket_size':\nValue 'x' for bucket_size "
              "could not be converted to type int."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  bucket_size: 5.5\n", "converted to type int."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  bucket_size: [1]\n",
              "Value '[]' for bucket_size is not of the expected type int"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  bucket_size: 0\n", "bucket_size is 0; give 1"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  bucket_size: 1000001\n",
              "Maximum bucket size is 1000000."},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  max_concurrent_requests: 0\n",
              "max_concurrent_requests is 0; give 1 to 100000"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  mode: pullx\n",
              "Value 'pullx' for mode does not match expression '^(?:(pull)|(push))$'"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  target: a.b.c\n",
              "Value 'a.b.c' for target does not match expression "
              "'^(?:^(?:(?:((?!-)[a-z\\d\\-]{1,100})\\.)?)((?!-)[a-z\\d\\-]{1,63})$)$'"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  target: -a\n", "'-a' for target"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  retry_parameters: 5\n",
              "Value 5 for retry_parameters is not of the expected type RetryParameters"},
        Wrong{"queue:\n- name: a\n  rate: 1/s\n  acl:\n  - user_email: a@b\n",
              "Acl must not be specified for push queue"}));

// Lines of retry_parameters of a push queue.
class WrongRetry : public testing::TestWithParam<Wrong> {};

TEST_P(WrongRetry, IsRefusedInTheSdksWords) {  // GAE-176
  const std::string complaint =
      refusal("queue:\n- name: a\n  rate: 1/s\n  retry_parameters:\n    " +
              std::string(GetParam().text) + "\n");
  EXPECT_TRUE(complaint.starts_with("queue.yaml:5:")) << complaint;
  EXPECT_NE(complaint.find("queue \"a\": "), std::string::npos) << complaint;
  EXPECT_NE(complaint.find(GetParam().says), std::string::npos) << complaint;
}

INSTANTIATE_TEST_SUITE_P(
    Retry, WrongRetry,
    testing::Values(
        Wrong{"foo: 1", "Unexpected attribute 'foo' for object of type RetryParameters."},
        Wrong{"task_retry_limit: x",
              "Value 'x' for task_retry_limit could not be converted to type int."},
        Wrong{"task_retry_limit: -1", "Task retry limit must not be less than zero."},
        Wrong{"min_backoff_seconds: x",
              "Value 'x' for min_backoff_seconds could not be converted to type float."},
        Wrong{"min_backoff_seconds: inf", "could not be converted to type float."},
        Wrong{"min_backoff_seconds: -1", "Min backoff seconds must not be less than zero."},
        Wrong{"max_backoff_seconds: -1", "Max backoff seconds must not be less than zero."},
        Wrong{"max_doublings: -1", "Max doublings must not be less than zero."},
        Wrong{"{min_backoff_seconds: 5, max_backoff_seconds: 1}",
              "Min backoff sec must not be greater than than max backoff sec."},
        Wrong{"task_age_limit: 10",
              "Value '10' for task_age_limit is not a string (must be a non-negative number "
              "followed by a time unit, such as 1h or 3.5d)"},
        Wrong{"task_age_limit: '10'",
              "Value '10' for task_age_limit must end with a time unit, one of s (seconds), m "
              "(minutes), h (hours), or d (days)\nTask Age_Limit must be in s (seconds), m "
              "(minutes), h (hours), or d (days)"},
        Wrong{"task_age_limit: ''",
              "Value for task_age_limit is empty (must be a non-negative number followed by a time "
              "unit, such as 1h or 3.5d)\nTask Age Limit must not be empty."},
        Wrong{"task_age_limit: xd",
              "Value 'xd' for task_age_limit is not a valid time value (must be a non-negative "
              "number followed by a time unit, such as 1h or 3.5d)\nTask Age_Limit \"xd\" is "
              "invalid."},
        Wrong{"task_age_limit: -1s", "Value '-1s' for task_age_limit is negative"},
        Wrong{"task_age_limit: 0s", "Task age limit must be greater than zero."}));

// Lines of the entry of a pull queue.
class WrongPull : public testing::TestWithParam<Wrong> {};

TEST_P(WrongPull, TakesNothingThatIsForPushQueues) {  // GAE-180, GAE-182
  const std::string complaint =
      refusal("queue:\n- name: a\n  mode: pull\n" + std::string(GetParam().text) + "\n");
  EXPECT_NE(complaint.find(std::string("queue \"a\": ") + GetParam().says +
                           " must not be specified for pull queue."),
            std::string::npos)
      << complaint;
}

INSTANTIATE_TEST_SUITE_P(
    Pull, WrongPull,
    testing::Values(Wrong{"  rate: 1/s", "Rate"}, Wrong{"  bucket_size: 5", "Bucket size"},
                    Wrong{"  max_concurrent_requests: 5", "MaxConcurrentRequests"},
                    Wrong{"  target: a", "Target"},
                    Wrong{"  retry_parameters: {task_age_limit: 1d}", "Age limit"},
                    Wrong{"  retry_parameters: {min_backoff_seconds: 1}", "Min backoff"},
                    Wrong{"  retry_parameters: {max_backoff_seconds: 1}", "Max backoff"},
                    Wrong{"  retry_parameters: {max_doublings: 1}", "Max doublings"}));

TEST(QueueYaml, AppEnginesOwnBounds) {  // GAE-180
  const auto app_engine = QueueYamlLimits::app_engine;
  EXPECT_TRUE(parse("queue:\n- {name: a, rate: 500/s, bucket_size: 500}\n", app_engine));
  EXPECT_NE(refusal("queue:\n- {name: a, rate: 501/s}\n", app_engine)
                .find("Refill rate must not exceed 500 per second (is 501/s)."),
            std::string::npos);
  EXPECT_NE(refusal("queue:\n- {name: a, rate: 1/s, bucket_size: 501}\n", app_engine)
                .find("Maximum bucket size is 500."),
            std::string::npos);
  std::string hundred = "queue:\n";
  for (int i = 0; i < 100; ++i) hundred += "- {name: q" + std::to_string(i) + ", rate: 1/s}\n";
  EXPECT_TRUE(parse(hundred, app_engine));
  EXPECT_NE(refusal(hundred + "- {name: z, rate: 1/s}\n", app_engine).find("more than 100 queues"),
            std::string::npos);
  EXPECT_TRUE(parse(hundred + "- {name: z, rate: 1/s}\n"));
}

TEST(QueueYaml, NamesHaveOneToAHundredCharacters) {
  const std::string long_name(100, 'q');
  EXPECT_EQ(parsed("queue:\n- {name: " + long_name + ", rate: 1/s}\n").queues[0].name, long_name);
  EXPECT_NE(
      refusal("queue:\n- {name: " + long_name + "q, rate: 1/s}\n").find("1 to 100 characters"),
      std::string::npos);
  EXPECT_EQ(parsed("queue:\n- {name: 5, rate: 1/s}\n").queues[0].name, "5");
}

TEST(QueueYaml, HostileFilesAreRefusedEarly) {
  EXPECT_NE(refusal(std::string(1'100'000, ' ')).find("larger than 1MiB"), std::string::npos);
  EXPECT_NE(refusal("queue: " + std::string(100'000, '[')).find("nested more than 32"),
            std::string::npos);
  std::string many = "queue: [";
  for (int i = 0; i < 250'000; ++i) many += "1,";
  EXPECT_NE(refusal(many + "1]").find("more than 200000 values"), std::string::npos);
  EXPECT_NE(refusal("a: &a [x, x]\nb: &b [*a, *a]\n").find("an anchor"), std::string::npos);
  EXPECT_NE(refusal("queue: []\n\x04 never read").find("2:1: a control character"),
            std::string::npos);
  // A value cannot steer the terminal of who reads the complaint.
  EXPECT_EQ(refusal("queue:\n- {name: \"\\e[31m\", rate: 1/s}\n").find('\x1b'), std::string::npos);
}

TEST(QueueXml, MeansTheSame) {  // GAE-182
  const std::string xml = R"(<?xml version="1.0" encoding="utf-8"?>
<queue-entries>
  <total-storage-limit>1.5G</total-storage-limit>
  <!-- mail goes slowly -->
  <queue>
    <name>mail</name>
    <rate>10/m</rate>
    <bucket-size>7</bucket-size>
    <max-concurrent-requests>3</max-concurrent-requests>
    <target>worker</target>
    <retry-parameters>
      <task-retry-limit>4</task-retry-limit>
      <task-age-limit>2d</task-age-limit>
      <min-backoff-seconds>1.5</min-backoff-seconds>
      <max-backoff-seconds>20</max-backoff-seconds>
      <max-doublings>2</max-doublings>
    </retry-parameters>
  </queue>
  <queue>
    <name>results</name>
    <mode>pull</mode>
    <acl><user-email>a@b.c</user-email><writer-email>d@e.f</writer-email></acl>
  </queue>
</queue-entries>
)";
  const std::string yaml = R"(total_storage_limit: 1.5G
queue:
- name: mail
  rate: 10/m
  bucket_size: 7
  max_concurrent_requests: 3
  target: worker
  retry_parameters:
    task_retry_limit: 4
    task_age_limit: 2d
    min_backoff_seconds: 1.5
    max_backoff_seconds: 20
    max_doublings: 2
- name: results
  mode: pull
  acl:
  - user_email: a@b.c
  - writer_email: d@e.f
)";
  const QueueYaml from_xml = parsed(xml);
  const QueueYaml from_yaml = parsed(yaml);
  EXPECT_EQ(from_xml.total_storage_limit, from_yaml.total_storage_limit);
  ASSERT_EQ(from_xml.queues.size(), from_yaml.queues.size());
  for (std::size_t i = 0; i < from_xml.queues.size(); ++i) {
    EXPECT_EQ(from_xml.queues[i].name, from_yaml.queues[i].name);
    EXPECT_EQ(from_xml.queues[i].settings, from_yaml.queues[i].settings);
  }
  EXPECT_EQ(from_xml.queues[0].place.line, 6U);
}

TEST(QueueXml, SpeaksAsJavasSdk) {  // GAE-182
  const auto with = [](const std::string& inside) {
    return refusal("<queue-entries>\n<queue>" + inside + "</queue>\n</queue-entries>");
  };
  const auto says = [&](const std::string& inside, const std::string& text) {
    const std::string complaint = with(inside);
    EXPECT_NE(complaint.find(text), std::string::npos) << complaint;
    EXPECT_TRUE(complaint.starts_with("queue.yaml:2:")) << complaint;
  };
  says("<rate>5/s</rate>", "Queue entry must have a name.");
  says("", "Queue entry must have a name.");
  says("<name>a</name>", "A queue rate is required for push queue.");
  says("<name>a</name><mode>x</mode>", "mode must be either 'push' or 'pull'");
  says("<name>a</name><rate>1/s</rate></queue><queue><name>a</name><rate>1/s</rate>",
       "Queue entry has duplicate name.");
  const std::string pull = "<name>a</name><mode>pull</mode>";
  says(pull + "<rate>1/s</rate>", "Rate must not be specified for pull queue.");
  says(pull + "<bucket-size>1</bucket-size>", "Bucket size must not be specified for pull queue.");
  says(pull + "<max-concurrent-requests>1</max-concurrent-requests>",
       "MaxConcurrentRequests must not be specified for pull queue.");
  says(pull + "<retry-parameters><task-age-limit>1d</task-age-limit></retry-parameters>",
       "Age limit must not be specified for pull queue.");
}

TEST(QueueXml, HostileFilesAreRefused) {
  EXPECT_NE(refusal("<queue-entries>").find("is not XML"), std::string::npos);
  EXPECT_NE(refusal("<queues/>").find("must be <queue-entries>"), std::string::npos);
  EXPECT_NE(refusal("<!DOCTYPE q [<!ENTITY a \"b\">]><queue-entries/>").find("document type"),
            std::string::npos);
  EXPECT_NE(refusal("<queue-entries x=\"1\"/>").find("has an attribute"), std::string::npos);
  std::string deep = "<queue-entries>";
  for (int i = 0; i < 1000; ++i) deep += "<a>";
  for (int i = 0; i < 1000; ++i) deep += "</a>";
  EXPECT_NE(refusal(deep + "</queue-entries>").find("nested more than 32"), std::string::npos);
}

}  // namespace
}  // namespace deferd
