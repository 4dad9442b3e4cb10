// What a cron.yaml would change, and how a job is stored as a task.
#include "apply/cron_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/push_request.h"
#include "model/time_text.h"

namespace deferd {
namespace {

using testing::HasSubstr;

constexpr Wall now = wall_from_micros(1'772'323'650'000'000);  // 2026-03-01T00:07:30

CronYaml file_of(const std::string& text) {
  auto file = parse_cron_yaml({"cron.yaml", text});
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return file.value_or(CronYaml{});
}

Result<CronPlan> plan_of(const std::string& text, const std::vector<CronJob>& there,
                         CronMissed missed = CronMissed::run, Wall at = now) {
  return plan_cron(file_of(text), there, {missed, "shop.example.com"}, at);
}

// As the engine gives back what was added.
CronJob stored(const CronJob& job, Wall due, TaskState state = TaskState::scheduled) {
  const NewTask task = write_cron_job(job, due);
  TaskInfo info;
  info.task.options = task.options;
  info.task.payload = task.payload;
  info.task.place.eta = due;
  info.state = state;
  const auto read = read_cron_job(info);
  EXPECT_TRUE(read);
  return read.value_or(CronJob{});
}

std::vector<CronJob> carried_out(const CronPlan& plan) {
  std::vector<CronJob> there;
  for (const PlannedJob& planned : plan.jobs) {
    if (planned.action != JobAction::remove) there.push_back(stored(planned.job, planned.due));
  }
  return there;
}

std::vector<JobAction> actions(const CronPlan& plan) {
  std::vector<JobAction> all;
  for (const PlannedJob& job : plan.jobs) all.push_back(job.action);
  return all;
}

std::string time_of(Wall wall) { return format_time(wall).substr(0, 16); }

constexpr const char* two_jobs = R"(cron:
- url: /poll
  schedule: every 5 minutes
- url: /summary
  schedule: every day 09:00
  timezone: Europe/Berlin
  description: of yesterday
  target: worker:v2
  attempt_deadline: 90s
  retry_parameters: {job_retry_limit: 2, job_age_limit: 1h}
)";

TEST(CronJobs, AJobIsOneRecurringGet) {
  const auto plan = plan_of(two_jobs, {});
  ASSERT_TRUE(plan);
  const CronJob& job = plan->jobs[1].job;
  EXPECT_THAT(job.id, testing::MatchesRegex("[0-9a-f]{32}"));
  const NewTask task = write_cron_job(job, now);
  EXPECT_TRUE(task.has_target);
  EXPECT_EQ(task.eta, now);
  EXPECT_EQ(task.options->name, job.id);
  EXPECT_EQ(task.options->recurrence, "missed=run zone=Europe/Berlin every day 09:00");
  EXPECT_EQ(task.options->timeout, Seconds(90));
  EXPECT_EQ(task.options->retry.max_attempts, 3);
  EXPECT_EQ(task.options->retry.max_age, Seconds(3600));
  const auto request = decode_push_request(*task.payload);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->door, Door::appengine);
  EXPECT_EQ(request->method, HttpMethod::get);
  EXPECT_EQ(request->url, "/summary");
  EXPECT_EQ(request->body, "");
  ASSERT_EQ(request->headers.size(), 1U);
  EXPECT_EQ(request->headers[0],
            std::pair(std::string("Host"), std::string("v2.worker.shop.example.com")));
  const CronJob read = stored(job, now);
  EXPECT_EQ(words_of(read), words_of(job));
  EXPECT_EQ(read.target, "worker:v2");
  EXPECT_EQ(read.description, "of yesterday");
}

TEST(CronJobs, TasksThatAreNoJobsAreNotTakenForOne) {
  TaskInfo info;
  EXPECT_FALSE(read_cron_job(info));
  info.task.options = std::make_shared<const TaskOptions>(TaskOptions{.name = "a"});
  info.task.payload = share("x");
  EXPECT_FALSE(read_cron_job(info));
  info.task.options =
      std::make_shared<const TaskOptions>(TaskOptions{.recurrence = "missed=run zone=UTC @daily"});
  EXPECT_FALSE(read_cron_job(info));  // a payload that is none
}

// The first run of `every N` is N after the upload, not at once (GAE-spec 9.4).
TEST(CronPlans, ANewJobIsDueAtItsFirstTimeAfterNow) {
  const auto plan = plan_of(two_jobs, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(actions(*plan), testing::ElementsAre(JobAction::make, JobAction::make));
  EXPECT_EQ(time_of(plan->jobs[0].due), "2026-03-01T00:12");
  EXPECT_EQ(time_of(plan->jobs[1].due), "2026-03-01T08:00");
}

// GAE-195
TEST(CronPlans, TheSameFileChangesNothingAndKeepsThePhase) {
  const auto first = plan_of(two_jobs, {});
  ASSERT_TRUE(first);
  const auto again = plan_of(two_jobs, carried_out(*first), CronMissed::run, now + Seconds(180));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->changes_anything());
  EXPECT_EQ(again->jobs[0].due, first->jobs[0].due);
  // Nor does one with its jobs elsewhere, and one job more.
  const auto moved = plan_of(R"(cron:
- url: /new
  schedule: every 5 minutes
- url: /summary
  schedule: every day 09:00
  timezone: Europe/Berlin
  description: of yesterday
  target: worker:v2
  attempt_deadline: 90s
  retry_parameters: {job_retry_limit: 2, job_age_limit: 1h}
- url: /poll
  schedule: every 5 minutes
)",
                             carried_out(*first));
  ASSERT_TRUE(moved);
  EXPECT_THAT(actions(*moved),
              testing::ElementsAre(JobAction::make, JobAction::keep, JobAction::keep));
}

// GAE-195
TEST(CronPlans, AnEmptyListRemovesAllJobs) {
  const auto first = plan_of(two_jobs, {});
  ASSERT_TRUE(first);
  const auto none = plan_of("cron: []\n", carried_out(*first));
  ASSERT_TRUE(none);
  EXPECT_THAT(actions(*none), testing::ElementsAre(JobAction::remove, JobAction::remove));
  EXPECT_FALSE(plan_of("cron: []\n", {})->changes_anything());
}

// GAE-195
TEST(CronPlans, AChangedJobSaysWhatChangesAndKeepsItsTimeWhileItsScheduleStays) {
  const auto first = plan_of(two_jobs, {});
  ASSERT_TRUE(first);
  std::vector<CronJob> there = carried_out(*first);
  const std::string changed = R"(cron:
- url: /poll
  schedule: every 5 minutes
  description: the mailbox
- url: /summary
  schedule: every day 09:00
  timezone: Europe/London
  description: of yesterday
  target: worker:v2
  attempt_deadline: 90s
  retry_parameters: {job_retry_limit: 2, job_age_limit: 1h}
)";
  const auto plan = plan_of(changed, there, CronMissed::run, now + Seconds(180));
  ASSERT_TRUE(plan);
  EXPECT_THAT(actions(*plan), testing::ElementsAre(JobAction::change, JobAction::change));
  EXPECT_THAT(plan->jobs[0].settings,
              testing::ElementsAre(SettingChange{"description", "", "the mailbox"}));
  EXPECT_EQ(plan->jobs[0].due, first->jobs[0].due);
  EXPECT_THAT(plan->jobs[1].settings,
              testing::ElementsAre(SettingChange{"timezone", "Europe/Berlin", "Europe/London"}));
  EXPECT_EQ(time_of(plan->jobs[1].due), "2026-03-01T09:00");
  // A time that was missed stays missed, so that the policy decides about it.
  there[0].due = now - Seconds(3600);
  EXPECT_EQ(plan_of(changed, there)->jobs[0].due, now - Seconds(3600));
  // The run that is under way is not started twice.
  there[0].state = TaskState::in_flight;
  EXPECT_EQ(time_of(plan_of(changed, there)->jobs[0].due), "2026-03-01T00:12");
  // Another schedule is another job.
  const auto other = plan_of("cron:\n- url: /poll\n  schedule: every 6 minutes\n", there);
  EXPECT_THAT(actions(*other),
              testing::ElementsAre(JobAction::make, JobAction::remove, JobAction::remove));
}

// GAE-196: the policy is stored with each job, so a new one reaches the jobs that exist.
TEST(CronPlans, AnotherMissedPolicyIsAChange) {
  const auto first = plan_of(two_jobs, {});
  ASSERT_TRUE(first);
  const auto plan = plan_of(two_jobs, carried_out(*first), CronMissed::skip);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->jobs[0].settings,
              testing::ElementsAre(SettingChange{"cron_missed", "run", "skip"}));
}

TEST(CronPlans, EqualJobsAreToldApartByTheirOrder) {
  const std::string twice =
      "cron:\n- url: /a\n  schedule: '@daily'\n- url: /a\n  schedule: '@daily'\n";
  const auto plan = plan_of(twice, {});
  ASSERT_TRUE(plan);
  EXPECT_NE(plan->jobs[0].job.id, plan->jobs[1].job.id);
  EXPECT_FALSE(plan_of(twice, carried_out(*plan))->changes_anything());
  const auto one = plan_of("cron:\n- url: /a\n  schedule: '@daily'\n", carried_out(*plan));
  EXPECT_THAT(actions(*one), testing::ElementsAre(JobAction::keep, JobAction::remove));
}

TEST(CronPlans, AJobOfTheFarFutureIsRefusedWithItsPlace) {
  const auto plan = plan_of("cron:\n- url: /a\n  schedule: 5th mon of feb 10:00\n", {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(
      plan.error().message,
      testing::StartsWith("cron.yaml:2:8: job \"/a\": its first run would be on 2044-02-29; "
                          "a job must run within ten years"));
  EXPECT_FALSE(plan_of("cron:\n- url: /a\n  schedule: every 99999 hours\n", {}));
}

TEST(CronJobs, NextRunsBeginWithTheOneThatIsDue) {
  const auto plan = plan_of(two_jobs, {});
  ASSERT_TRUE(plan);
  CronJob job = stored(plan->jobs[1].job, plan->jobs[1].due);
  const auto texts = [&] {
    std::vector<std::string> all;
    for (const Wall run : next_runs(job, now, 3)) all.push_back(time_of(run));
    return all;
  };
  EXPECT_THAT(texts(),
              testing::ElementsAre("2026-03-01T08:00", "2026-03-02T08:00", "2026-03-03T08:00"));
  job.state = TaskState::in_flight;
  job.due = now - Seconds(1);
  EXPECT_THAT(texts(),
              testing::ElementsAre("2026-03-01T08:00", "2026-03-02T08:00", "2026-03-03T08:00"));
  job.state = TaskState::ready;  // missed, and to be run once
  job.due = now - Seconds(7200);
  EXPECT_THAT(texts(),
              testing::ElementsAre("2026-02-28T22:07", "2026-03-01T08:00", "2026-03-02T08:00"));
  job.recurrence.missed = CronMissed::skip;
  EXPECT_THAT(texts(),
              testing::ElementsAre("2026-03-01T08:00", "2026-03-02T08:00", "2026-03-03T08:00"));
  job.recurrence.zone = "Mars/Olympus";
  EXPECT_THAT(texts(), testing::IsEmpty());
}

TEST(CronQueue, HasAppEnginesPaceForEachJob) {
  const QueueSettings one = cron_queue_settings(nullptr, 1);
  EXPECT_TRUE(one.check());
  EXPECT_EQ(one.rate.per_second(), 1);
  EXPECT_EQ(one.burst, 1);
  EXPECT_EQ(one.tombstone, Micros(0));
  QueueSettings many = cron_queue_settings(&one, 250);
  EXPECT_EQ(many.rate.per_second(), 250);
  EXPECT_EQ(many.burst, 250);
  many.rate = Rate{.count = 0, .period = Seconds(1), .unlimited = true};
  EXPECT_EQ(cron_queue_settings(&many, 2), many);
}

}  // namespace
}  // namespace deferd
