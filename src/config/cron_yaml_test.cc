#include "config/cron_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Result<CronYaml> parse(std::string text) { return parse_cron_yaml({"cron.yaml", std::move(text)}); }

CronYaml parsed(const std::string& text) {
  auto file = parse(text);
  EXPECT_TRUE(file) << text << "\n" << (file ? "" : file.error().message);
  return file.value_or(CronYaml{});
}

// A job with these lines in its entry.
DeclaredJob job_with(const std::string& lines) {
  const CronYaml file = parsed("cron:\n- url: /a\n  schedule: every 5 minutes\n" + lines);
  EXPECT_EQ(file.jobs.size(), 1U);
  return file.jobs.empty() ? DeclaredJob{} : file.jobs[0];
}

std::string refusal(const std::string& text) {
  const auto file = parse(text);
  EXPECT_FALSE(file) << text;
  if (file) return "";
  EXPECT_EQ(file.error().reason, Reason::invalid);
  return file.error().message;
}

std::string refusal_with(const std::string& lines) {
  return refusal("cron:\n- url: /a\n  schedule: every 5 minutes\n" + lines);
}

TEST(CronYaml, AWholeFile) {
  const CronYaml file = parsed(R"(application: s~my-app
cron:
- description: "daily summary"
  url: /tasks/summary?full=1
  schedule: every day 02:30
  timezone: America/New_York
  target: worker:v2
  attempt_deadline: 320.5s
  retry_parameters:
    job_retry_limit: 3
    job_age_limit: 1.5h
    min_backoff_seconds: 2.5
    max_backoff_seconds: 60
    max_doublings: 4
- url: /poll
  schedule: '*/5 * * * mon-fri'
)");
  ASSERT_EQ(file.jobs.size(), 2U);
  const DeclaredJob& first = file.jobs[0];
  EXPECT_EQ(first.description, "daily summary");
  EXPECT_EQ(first.url, "/tasks/summary?full=1");
  EXPECT_EQ(first.schedule, "every day 02:30");
  EXPECT_EQ(first.timezone, "America/New_York");
  EXPECT_EQ(first.target, "worker:v2");
  EXPECT_EQ(first.attempt_deadline, Millis(320'500));
  EXPECT_EQ(first.retry, (RetryPolicy{.max_attempts = 4,
                                      .max_age = Seconds(5400),
                                      .min_backoff = Millis(2500),
                                      .max_backoff = Seconds(60),
                                      .max_doublings = 4}));
  EXPECT_EQ(first.place, (TextPlace{4, 8}));
  const DeclaredJob& second = file.jobs[1];
  EXPECT_EQ(second.schedule, "*/5 * * * mon-fri");
  EXPECT_EQ(second.timezone, "UTC");
  EXPECT_EQ(second.attempt_deadline, Micros(0));
}

// GAE-192
TEST(CronYaml, RetriesAreNoneWithoutABlockAndFiveWithAnEmptyOne) {
  EXPECT_EQ(job_with("").retry.max_attempts, 1);
  EXPECT_EQ(job_with("  retry_parameters:\n").retry.max_attempts, 6);
  EXPECT_EQ(job_with("  retry_parameters: {}\n").retry.max_attempts, 6);
  EXPECT_EQ(job_with("  retry_parameters: {job_age_limit: 1d}\n").retry.max_attempts, 6);
  EXPECT_EQ(job_with("  retry_parameters: {job_retry_limit: 0}\n").retry.max_attempts, 1);
  EXPECT_EQ(job_with("  retry_parameters: {job_retry_limit: 5}\n").retry.max_attempts, 6);
  EXPECT_THAT(refusal_with("  retry_parameters: {job_retry_limit: 6}\n"),
              StartsWith("cron.yaml:4:39: job \"/a\": job_retry_limit is 6; give 0 to 5"));
  EXPECT_THAT(refusal_with("  retry_parameters: {job_retry_limit: -1}\n"),
              HasSubstr("give 0 to 5"));
}

// GAE-195
TEST(CronYaml, AnUnknownTimeZoneIsRefused) {
  EXPECT_THAT(refusal_with("  timezone: Mars/Olympus\n"),
              StartsWith("cron.yaml:4:13: job \"/a\": Unable to assign value 'Mars/Olympus' to "
                         "attribute 'timezone':\ntimezone 'Mars/Olympus' is unknown"));
  EXPECT_THAT(refusal_with("  timezone: \"\"\n"), HasSubstr("timezone '' is unknown"));
  EXPECT_THAT(refusal_with("  timezone: " + std::string(101, 'a') + "\n"),
              HasSubstr("does not match expression '^(?:^.{0,100}$)$'"));
}

// GAE-195
TEST(CronYaml, AnEmptyListIsNoJobsAndAnEmptyFileIsAnError) {
  EXPECT_TRUE(parsed("cron: []\n").jobs.empty());
  EXPECT_TRUE(parsed("cron:\n").jobs.empty());
  EXPECT_THAT(refusal(""), StartsWith("cron.yaml:1:1: Empty cron configuration."));
  EXPECT_THAT(refusal("# nothing\n"), HasSubstr("Empty cron configuration."));
  EXPECT_THAT(refusal("- url: /a\n"), HasSubstr("Begin the file with \"cron:\""));
  EXPECT_THAT(refusal("application: a\n"), HasSubstr("Missing required value [cron]."));
  EXPECT_THAT(refusal("cron: []\n---\ncron: []\n"),
              HasSubstr("Multiple cron sections in configuration."));
  EXPECT_THAT(refusal("cron: /a\n"), HasSubstr("should be a sequence but is not."));
  EXPECT_THAT(refusal("cron:\n- /a\n"), HasSubstr("must be type CronEntry."));
}

// GAE-190: a schedule that is refused is refused with its reason, and with its place.
TEST(CronYaml, ABadScheduleIsRefusedWithItsPlace) {
  EXPECT_THAT(
      refusal("cron:\n- url: /a\n  schedule: every 0 minutes\n"),
      StartsWith("cron.yaml:3:13: job \"/a\": Unable to assign value 'every 0 minutes' to "
                 "attribute 'schedule':\nschedule 'every 0 minutes' failed to parse: interval must "
                 "be greater than zero"));
  EXPECT_THAT(refusal("cron:\n- url: /a\n"),
              StartsWith("cron.yaml:2:8: job \"/a\": Missing required value [schedule]."));
  EXPECT_THAT(refusal("cron:\n- url: /a\n  schedule: [a]\n"),
              HasSubstr("is not of the expected type str"));
}

TEST(CronYaml, UnknownKeysComeWithTheNearestName) {
  EXPECT_THAT(refusal_with("  timezon: UTC\n"),
              StartsWith("cron.yaml:4:3: job \"/a\": Unexpected attribute 'timezon' for object of "
                         "type CronEntry. Did you mean timezone?"));
  EXPECT_THAT(refusal("crons: []\n"),
              StartsWith("cron.yaml:1:1: Unexpected attribute 'crons' for object of type "
                         "CronInfoExternal. Did you mean cron?"));
  EXPECT_THAT(refusal_with("  retry_parameters:\n    task_retry_limit: 3\n"),
              HasSubstr("cron.yaml:5:5: job \"/a\": Unexpected attribute 'task_retry_limit' for "
                        "object of type RetryParameters. Did you mean job_retry_limit?"));
  EXPECT_THAT(refusal_with("  url: /b\n"), HasSubstr("Duplicate attribute 'url'."));
}

TEST(CronYaml, OtherValuesAndTheirBounds) {
  for (const std::string_view url : {"a", "http://x/", "\"\"", "[/a]"}) {
    EXPECT_THAT(refusal("cron:\n- url: " + std::string(url) + "\n  schedule: '@daily'\n"),
                HasSubstr("for url does not match expression '^(?:^/.*$)$'"))
        << url;
  }
  EXPECT_THAT(refusal("cron:\n- schedule: '@daily'\n"), HasSubstr("Missing required value [url]."));
  EXPECT_NE(refusal("cron:\n- url: \"/a b\"\n  schedule: '@daily'\n"), "");
  EXPECT_EQ(job_with("  description: " + std::string(499, 'x') + "\n").description.size(), 499U);
  EXPECT_THAT(refusal_with("  description: " + std::string(500, 'x') + "\n"),
              HasSubstr("does not match expression"));
  for (const std::string_view target : {"worker", "worker:v2", "v2.worker", "2"}) {
    EXPECT_EQ(job_with("  target: '" + std::string(target) + "'\n").target, target);
  }
  for (const std::string_view target :
       {"-a", "A", "a:", ":a", "a.b.c", "a:b:c", "a_b", "", "a b"}) {
    EXPECT_THAT(refusal_with("  target: '" + std::string(target) + "'\n"),
                HasSubstr("for target does not match expression"))
        << target;
  }
  EXPECT_EQ(job_with("  attempt_deadline: 15s\n").attempt_deadline, Seconds(15));
  EXPECT_EQ(job_with("  attempt_deadline: ' 0.5s '\n").attempt_deadline, Millis(500));
  for (const std::string_view deadline : {"15", "15m", "s", "xs", "infs"}) {
    EXPECT_THAT(refusal_with("  attempt_deadline: " + std::string(deadline) + "\n"),
                HasSubstr("cannot be assigned to attempt_deadline"))
        << deadline;
  }
  EXPECT_THAT(refusal_with("  attempt_deadline: 0s\n"), HasSubstr("outside 0.001s to 86400s"));
  EXPECT_THAT(refusal_with("  attempt_deadline: 86401s\n"), HasSubstr("outside 0.001s to 86400s"));
  const auto retry = [](const std::string& member) {
    return refusal_with("  retry_parameters: {" + member + "}\n");
  };
  EXPECT_THAT(retry("job_age_limit: 10"), HasSubstr("for job_age_limit is not a valid time value"));
  EXPECT_THAT(retry("job_age_limit: 0s"), HasSubstr("must be a positive number"));
  EXPECT_THAT(retry("min_backoff_seconds: -1"),
              HasSubstr("Min backoff seconds must not be less than zero."));
  EXPECT_THAT(retry("min_backoff_seconds: 2, max_backoff_seconds: 1"),
              HasSubstr("Min backoff sec must not be greater than than max backoff sec."));
  EXPECT_THAT(retry("max_doublings: -1"), HasSubstr("Max doublings must not be less than zero."));
  EXPECT_THAT(retry("max_doublings: x"), HasSubstr("could not be converted to type int."));
  EXPECT_THAT(refusal_with("  retry_parameters: 3\n"), HasSubstr("must be type RetryParameters."));
  const RetryPolicy moved = job_with("  retry_parameters: {min_backoff_seconds: 5000}\n").retry;
  EXPECT_EQ(moved.max_backoff, Seconds(5000));
}

TEST(CronYaml, TheNumberOfJobsIsBounded) {
  std::string text = "cron:\n";
  for (std::size_t i = 0; i < cron_jobs_max; ++i) text += "- {url: /a, schedule: '@daily'}\n";
  EXPECT_EQ(parsed(text).jobs.size(), cron_jobs_max);
  EXPECT_THAT(refusal(text + "- {url: /a, schedule: '@daily'}\n"),
              StartsWith("cron.yaml:1002:3: the file has more than 1000 jobs"));
}

}  // namespace
}  // namespace deferd
