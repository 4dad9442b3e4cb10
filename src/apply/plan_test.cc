#include "apply/plan.h"

#include <gtest/gtest.h>

#include "model/appengine_defaults.h"

namespace deferd {
namespace {

QueueYaml file_of(const std::string& text) {
  auto file = parse_queue_yaml({"queue.yaml", text});
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return file.value_or(QueueYaml{});
}

// A project after this file was uploaded to it.
ExistingProject after(const std::string& text) {
  ExistingProject there{.project = "p", .location = "l"};
  const QueueYaml file = file_of(text);
  for (const DeclaredQueue& queue : file.queues) {
    there.queues.push_back({.settings = queue.settings, .name = queue.name});
  }
  there.storage_limit_bytes = file.total_storage_limit.value_or(0);
  return there;
}

QueuePlan planned(const std::string& text, const ExistingProject& there) {
  auto plan = plan_queues(file_of(text), there);
  EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
  return plan.value_or(QueuePlan{});
}

// "mail change: rate 5/s -> 10/m; ..." of each queue, a line each.
std::string told(const QueuePlan& plan) {
  std::string text;
  for (const PlannedQueue& queue : plan.queues) {
    text += queue.name.queue + " " + std::string(to_string(queue.action));
    for (const SettingChange& change : queue.settings)
      text += "; " + change.setting + " " + change.before + " -> " + change.after;
    text += "\n";
  }
  return text;
}

constexpr const char* mail = "queue:\n- {name: mail, rate: 5/s, bucket_size: 9}\n";

TEST(QueuePlan, ANewQueueIsToldWithWhatIsNotDefault) {
  EXPECT_EQ(told(planned("queue:\n"
                         "- {name: mail, rate: 5/s, retry_parameters: {task_retry_limit: 7}}\n"
                         "- {name: jobs, mode: pull, acl: [{user_email: a@b}]}\n",
                         {.project = "p", .location = "l"})),
            "mail make; mode  -> push; rate  -> 5/s; retry_parameters.task_retry_limit  -> 7\n"
            "jobs make; mode  -> pull; acl.user_email  -> a@b\n");
}

TEST(QueuePlan, TheSameFileAgainChangesNothing) {
  const QueuePlan plan = planned(mail, after(mail));
  EXPECT_EQ(told(plan), "mail keep\n");
  EXPECT_FALSE(plan.changes_anything());
}

TEST(QueuePlan, EachChangedSettingIsToldWithBothValues) {
  EXPECT_EQ(told(planned("queue:\n- name: mail\n  rate: 10/m\n  bucket_size: 9\n  target: v1.web\n"
                         "  retry_parameters: {task_age_limit: 2d, min_backoff_seconds: 0.5}\n",
                         after(mail))),
            "mail change; rate 5/s -> 10/m; target none -> v1.web; retry_parameters.task_age_limit "
            "none -> 172800s; retry_parameters.min_backoff_seconds 0.1 -> 0.5\n");
}

TEST(QueuePlan, WhatIsLeftOutReturnsToItsDefault) {  // GAE-179
  const std::string full =
      "queue:\n- name: mail\n  rate: 5/s\n  bucket_size: 9\n  max_concurrent_requests: 7\n"
      "  target: web\n  retry_parameters: {task_retry_limit: 3, max_doublings: 1}\n";
  EXPECT_EQ(
      told(planned("queue:\n- {name: mail, rate: 5/s}\n", after(full))),
      "mail change; bucket_size 9 -> 5; max_concurrent_requests 7 -> 1000; target web -> "
      "none; retry_parameters.task_retry_limit 3 -> none; retry_parameters.max_doublings 1 -> "
      "16\n");
}

TEST(QueuePlan, WhatQueueYamlHasNoWordForStays) {
  ExistingProject there = after(mail);
  there.queues[0].settings.priority = 9;
  there.queues[0].settings.timeout = Seconds(5);
  there.queues[0].settings.max_tasks = 77;
  EXPECT_FALSE(planned(mail, there).changes_anything());
  const QueuePlan plan = planned("queue:\n- {name: mail, rate: 1/s}\n", there);
  const QueueSettings settings = plan.queues[0].declared->over(there.queues[0].settings);
  EXPECT_EQ(settings.priority, 9);
  EXPECT_EQ(settings.timeout, Seconds(5));
  EXPECT_EQ(settings.max_tasks, 77U);
}

TEST(QueuePlan, AQueueLeftOutIsDisabledAndDeclaredAgainEnabled) {  // GAE-177
  ExistingProject there = after(mail);
  EXPECT_EQ(told(planned("queue: []\n", there)), "mail disable\n");
  there.queues[0].state = QueueState::disabled;
  EXPECT_EQ(told(planned("queue: []\n", there)), "mail keep\n");
  EXPECT_EQ(told(planned(mail, there)), "mail enable\n");
}

TEST(QueuePlan, DefaultAndNamesThatQueueYamlCannotSpellStay) {  // GAE-177
  ExistingProject there{.project = "p", .location = "l"};
  for (const char* name : {"__cron", "a_b", "default", "made-by-hand"}) {
    there.queues.push_back({.settings = app_engine_defaults(QueueMode::push), .name = name});
  }
  EXPECT_EQ(told(planned("queue: []\n", there)),
            "__cron keep\na_b keep\ndefault keep\nmade-by-hand disable\n");
}

TEST(QueuePlan, AQueueThatWasPausedByHandStaysSo) {  // GAE-178
  ExistingProject there = after(mail);
  there.queues[0].state = QueueState::paused;
  EXPECT_EQ(told(planned(mail, there)), "mail keep\n");
  const std::string resume = "resume_paused_queues: True\n" + std::string(mail);
  EXPECT_EQ(told(planned(resume, there)), "mail resume\n");
  there.queues[0].state = QueueState::running;
  EXPECT_EQ(told(planned(resume, there)), "mail keep\n");
}

TEST(QueuePlan, TheModeOfAQueueWithTasksStays) {  // GAE-183
  ExistingProject there = after(mail);
  const QueueYaml pull =
      file_of("queue:\n- name: other\n  rate: 1/s\n- name: mail\n  mode: pull\n");
  there.queues[0].tasks = 3;
  const auto refused = plan_queues(pull, there);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::queue_mode);
  EXPECT_EQ(refused.error().message,
            "queue.yaml:4:9: queue \"mail\": its mode cannot change from push to pull while it "
            "holds 3 tasks; purge it first, or take another name\n"
            "    - name: mail\n"
            "            ^");
  there.queues[0].tasks = 0;
  const auto plan = plan_queues(pull, there);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->queues[1].remake);
  EXPECT_EQ(plan->queues[1].settings.front(), (SettingChange{"mode", "push", "pull"}));
}

TEST(QueuePlan, TheStorageLimitIsASettingToo) {  // GAE-184
  const QueuePlan set = planned("total_storage_limit: 120M\n", {.project = "p", .location = "l"});
  EXPECT_EQ(set.storage_limit, (SettingChange{"total_storage_limit", "none", "120M"}));
  EXPECT_EQ(set.storage_limit_bytes, 125829120U);
  const QueuePlan cleared = planned("queue: []\n", after("total_storage_limit: 120M\n"));
  EXPECT_EQ(cleared.storage_limit, (SettingChange{"total_storage_limit", "120M", "none"}));
  EXPECT_EQ(cleared.storage_limit_bytes, 0U);
}

TEST(QueuePlan, ARateSetByV1IsToldAsItIs) {
  ExistingProject there = after(mail);
  there.queues[0].settings.rate = {.count = 250, .period = Seconds(1), .unlimited = false};
  EXPECT_EQ(told(planned(mail, there)), "mail change; rate 0.25/s -> 5/s\n");
  // The same rate, never written in a file: nothing to tell, but the words are kept from now on.
  there.queues[0].settings = file_of(mail).queues[0].settings;
  there.queues[0].settings.appengine.rate_text.clear();
  const QueuePlan plan = planned(mail, there);
  EXPECT_EQ(told(plan), "mail keep\n");
  EXPECT_TRUE(plan.queues[0].write);
}

}  // namespace
}  // namespace deferd
