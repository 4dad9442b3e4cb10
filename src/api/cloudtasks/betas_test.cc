// What the betas and batches add (CT-spec 5 and 6).
#include <google/cloud/location/locations.pb.h>

#include "api/cloudtasks/testing/harness.h"

namespace deferd::cloudtasks {
namespace {

using google::longrunning::Operation;
using google::protobuf::Empty;
using google::rpc::ABORTED;
using google::rpc::FAILED_PRECONDITION;
using google::rpc::INVALID_ARGUMENT;
using google::rpc::NOT_FOUND;

class BetasTest : public CloudTasksTest {};

// CT-200
TEST_F(BetasTest, NumbersAreThoseOfTheVersion) {
  EXPECT_EQ(V2Beta3::Task::kHttpRequestFieldNumber, 11);
  EXPECT_EQ(V2::Task::kHttpRequestFieldNumber, 3);
  EXPECT_EQ(V2Beta2::Task::kHttpRequestFieldNumber, 13);
  EXPECT_EQ(V2Beta3::Queue::kRateLimitsFieldNumber, 4);
  EXPECT_EQ(V2::Queue::kHttpTargetFieldNumber, 10);
  EXPECT_EQ(V2::Task::kRetryConfigFieldNumber, 12);
}

// CT-201
TEST_F(BetasTest, AQueueIsSeenInEveryVersion) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  EXPECT_EQ(get_queue<V2Beta3>("q")->type(), V2Beta3::Queue::PUSH);
  EXPECT_EQ(get_queue<V2Beta2>("q")->rate_limits().max_tasks_dispatched_per_second(), 500);
  ASSERT_TRUE(succeeded(create_queue<V2Beta2>("other")));
  EXPECT_TRUE(succeeded(get_queue("other")));
}

// CT-202, CT-203
TEST_F(BetasTest, StatisticsAreShownWhenAskedFor) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(create_task("q", later(http_task()))));
  EXPECT_FALSE(get_queue<V2Beta3>("q")->has_stats());
  const auto queue = get_queue<V2Beta3>("q", {"stats"});
  ASSERT_TRUE(succeeded(queue));
  EXPECT_EQ(queue->stats().tasks_count(), 1);
  EXPECT_EQ(queue->stats().effective_execution_rate(), 500);
  EXPECT_FALSE(queue->has_rate_limits());
  EXPECT_EQ(queue->name(), queue_path("q"));
}

// CT-202, CT-203
TEST_F(BetasTest, StatisticsAreListedWhenAskedFor) {
  ASSERT_TRUE(succeeded(create_queue("a")));
  ASSERT_TRUE(succeeded(create_queue("b")));
  ASSERT_TRUE(succeeded(create_task("b", later(http_task()))));
  V2Beta3::ListQueuesRequest request;
  request.set_parent(location_path);
  const auto list = [&] {
    return call<V2Beta3::ListQueuesResponse>(V2Beta3::service, "ListQueues", request);
  };
  const auto plain = list();
  ASSERT_TRUE(succeeded(plain));
  EXPECT_FALSE(plain->queues(1).has_stats());
  request.mutable_read_mask()->add_paths("stats.tasks_count");
  const auto queues = list();
  ASSERT_TRUE(succeeded(queues));
  ASSERT_EQ(queues->queues_size(), 2);
  EXPECT_EQ(queues->queues(0).stats().tasks_count(), 0);
  EXPECT_EQ(queues->queues(1).stats().tasks_count(), 1);
  EXPECT_EQ(queues->queues(1).stats().effective_execution_rate(), 0);
  EXPECT_EQ(queues->queues(1).name(), queue_path("b"));
  EXPECT_FALSE(queues->queues(1).has_rate_limits());
  request.set_filter("name=nothing");
  const auto none = list();
  ASSERT_TRUE(succeeded(none));
  EXPECT_EQ(none->queues_size(), 0);
}

// CT-204
TEST_F(BetasTest, LifetimesHaveBoundsAndTheTypeStays) {
  const auto with = [&](std::string_view id, std::int64_t task, std::int64_t tombstone) {
    V2Beta3::Queue queue = queue_named<V2Beta3>(id);
    queue.mutable_task_ttl()->set_seconds(task);
    queue.mutable_tombstone_ttl()->set_seconds(tombstone);
    return create_queue<V2Beta3>(queue);
  };
  constexpr std::int64_t day = 86'400;
  const auto made = with("a", 10 * day, 9 * day);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->task_ttl().seconds(), 10 * day);
  EXPECT_EQ(made->tombstone_ttl().seconds(), 9 * day);
  EXPECT_TRUE(refused(with("b", 10 * day - 1, 3600), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("b", 3651 * day, 3600), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("b", 10 * day, 3599), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("b", 10 * day, 9 * day + 1), INVALID_ARGUMENT));
  const auto unsaid = create_queue<V2Beta3>(queue_named<V2Beta3>("c"));
  ASSERT_TRUE(succeeded(unsaid));
  EXPECT_EQ(unsaid->task_ttl().seconds(), 31 * day);
  V2Beta3::Queue queue = queue_named<V2Beta3>("a");
  const auto reset = update_queue<V2Beta3>(queue, {"task_ttl"});
  ASSERT_TRUE(succeeded(reset));
  EXPECT_EQ(reset->task_ttl().seconds(), 31 * day);
  queue.set_type(V2Beta3::Queue::PULL);
  EXPECT_TRUE(refused(update_queue<V2Beta3>(queue, {"type"}), INVALID_ARGUMENT));
}

// CT-141
TEST_F(BetasTest, WhatATaskSaysOfItsRetriesBeatsTheQueue) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  V2Beta3::Task given;
  given.mutable_http_request()->set_url("http://example.com/work");
  given.mutable_retry_config()->set_max_attempts(2);
  given.mutable_retry_config()->mutable_min_backoff()->set_seconds(70);
  given.mutable_retry_config()->mutable_max_backoff()->set_seconds(70);
  const auto task = create_task<V2Beta3>("q", given);
  ASSERT_TRUE(succeeded(task));
  EXPECT_EQ(task->retry_config().max_attempts(), 2);
  ASSERT_TRUE(dispatcher_.wait_for(1));
  const auto failed_at = to_micros(clock_.now().wall) / 1'000'000;
  dispatcher_.finish(503);
  const auto scheduled = [&] { return get_task<V2Beta3>(task->name())->schedule_time().seconds(); };
  while (scheduled() < failed_at + 60) {
  }
  EXPECT_EQ(scheduled(), failed_at + 70);
}

class BatchTest : public BetasTest {
 protected:
  void SetUp() override { ASSERT_TRUE(succeeded(create_queue("q"))); }

  V2::BatchCreateTasksRequest batch_of(const std::vector<V2::Task>& tasks) const {
    V2::BatchCreateTasksRequest request;
    request.set_parent(queue_path("q"));
    for (const V2::Task& task : tasks) {
      auto* one = request.add_requests();
      one->set_parent(queue_path("q"));
      *one->mutable_task() = task;
    }
    return request;
  }
  Outcome<Operation> create(const V2::BatchCreateTasksRequest& request) {
    return call<Operation>(V2::service, "BatchCreateTasks", request);
  }
  Outcome<Operation> get(const std::string& name) {
    google::longrunning::GetOperationRequest request;
    request.set_name(name);
    return call<Operation>("google.longrunning.Operations", "GetOperation", request);
  }
  template <class T>
  static T unpack(const google::protobuf::Any& any) {
    T message;
    EXPECT_TRUE(any.UnpackTo(&message)) << any.type_url();
    return message;
  }
};

// CT-205, GAE-225
TEST_F(BatchTest, WhatCanBeMadeIsMade) {
  const auto operation =
      create(batch_of({later(http_task()), later(http_task("ftp://x")), later(http_task())}));
  ASSERT_TRUE(succeeded(operation));
  EXPECT_TRUE(operation->done());
  EXPECT_FALSE(operation->has_error());
  EXPECT_EQ(unpack<V2::BatchCreateTasksResponse>(operation->response()).tasks_size(), 2);
  const auto metadata = unpack<V2::BatchCreateTasksMetadata>(operation->metadata());
  EXPECT_EQ(static_cast<int>(metadata.state()), 5);
  ASSERT_EQ(metadata.failed_requests().size(), 1U);
  EXPECT_EQ(metadata.failed_requests().at(1).code(), INVALID_ARGUMENT);
  EXPECT_EQ(get(operation->name())->SerializeAsString(), operation->SerializeAsString());
  clock_.advance(std::chrono::hours(1) + Seconds(1));
  EXPECT_TRUE(refused(get(operation->name()), NOT_FOUND));
}

// CT-206
TEST_F(BatchTest, ABatchThatCannotBeIsRefused) {
  const auto operation = create(batch_of({http_task(""), V2::Task()}));
  ASSERT_TRUE(succeeded(operation));
  EXPECT_EQ(operation->error().code(), ABORTED);
  EXPECT_EQ(operation->error().message(),
            "None of the requests succeeded, refer to BatchCreateTasksMetadata.failed_requests for "
            "individual error details");
  EXPECT_TRUE(
      refused(create(batch_of(std::vector<V2::Task>(101, later(http_task())))), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(create(batch_of({})), INVALID_ARGUMENT));
  auto foreign = batch_of({later(http_task())});
  foreign.mutable_requests(0)->set_parent(queue_path("other"));
  EXPECT_TRUE(refused(create(foreign), INVALID_ARGUMENT));
  auto missing = batch_of({http_task("")});
  missing.set_parent(queue_path("none"));
  missing.mutable_requests(0)->set_parent(queue_path("none"));
  EXPECT_TRUE(refused(create(missing), NOT_FOUND));
}

// CT-207
TEST_F(BatchTest, ARepeatedRequestMakesNothing) {
  auto request = batch_of({later(http_task())});
  request.set_request_id("0d7b4c0e-6ff0-4f8e-8f2e-0123456789ab");
  const auto first = create(request);
  const auto second = create(request);
  ASSERT_TRUE(succeeded(first));
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  EXPECT_EQ(get_queue<V2Beta3>("q", {"stats"})->stats().tasks_count(), 1);
}

// CT-207
TEST_F(BatchTest, ARepeatedRequestMakesNothingAlsoAfterARestartForAnHour) {
  auto request = batch_of({later(http_task()), later(http_task("ftp://x"))});
  request.set_request_id("0d7b4c0e-6ff0-4f8e-8f2e-0123456789ab");
  const auto first = create(request);
  ASSERT_TRUE(succeeded(first));
  clock_.advance(Seconds(3000));
  restart();
  const auto second = create(request);
  ASSERT_TRUE(succeeded(second));
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
  EXPECT_TRUE(succeeded(get(first->name())));
  EXPECT_EQ(get_queue<V2Beta3>("q", {"stats"})->stats().tasks_count(), 1);
  clock_.advance(Seconds(601));
  EXPECT_TRUE(refused(get(first->name()), NOT_FOUND));
  restart();
  EXPECT_TRUE(refused(get(first->name()), NOT_FOUND));
  const auto third = create(request);
  ASSERT_TRUE(succeeded(third));
  EXPECT_NE(third->name(), first->name());
}

// CT-208
TEST_F(BatchTest, DeletionsAreCounted) {
  const auto task = create_task("q", later(http_task()));
  V2::BatchDeleteTasksRequest request;
  request.set_parent(queue_path("q"));
  request.add_names(task->name());
  request.add_names(task_path("q", "never"));
  const auto operation = call<Operation>(V2::service, "BatchDeleteTasks", request);
  ASSERT_TRUE(succeeded(operation));
  const auto metadata = unpack<V2::BatchDeleteTasksMetadata>(operation->metadata());
  EXPECT_EQ(static_cast<int>(metadata.state()), 3);
  EXPECT_EQ(metadata.failed_requests().at(1).code(), NOT_FOUND);
  unpack<Empty>(operation->response());
  EXPECT_TRUE(succeeded(get(operation->name())));
}

// CT-191 (gRPC)
TEST_F(BetasTest, LocationsAreTold) {
  options_.locations = {"l", "m"};
  google::cloud::location::ListLocationsRequest request;
  request.set_name("projects/p");
  request.set_page_size(1);
  const auto page = call<google::cloud::location::ListLocationsResponse>(
      "google.cloud.location.Locations", "ListLocations", request);
  ASSERT_TRUE(succeeded(page));
  ASSERT_EQ(page->locations_size(), 1);
  EXPECT_EQ(page->locations(0).name(), "projects/p/locations/l");
  request.set_page_token(page->next_page_token());
  const auto last = call<google::cloud::location::ListLocationsResponse>(
      "google.cloud.location.Locations", "ListLocations", request);
  EXPECT_EQ(last->locations(0).location_id(), "m");
  EXPECT_EQ(last->next_page_token(), "");
  google::cloud::location::GetLocationRequest get;
  get.set_name("projects/p/locations/us-central1");
  const auto one = call<google::cloud::location::Location>("google.cloud.location.Locations",
                                                           "GetLocation", get);
  EXPECT_EQ(one->labels().at("cloud.googleapis.com/region"), "us-central1");
}

class PullTest : public BetasTest {
 protected:
  void SetUp() override {
    V2Beta2::Queue queue = queue_named<V2Beta2>("q");
    queue.mutable_pull_target();
    ASSERT_TRUE(succeeded(create_queue<V2Beta2>(queue)));
  }
  static V2Beta2::Task pull_task(std::string_view payload, std::string_view tag = "") {
    V2Beta2::Task task;
    task.mutable_pull_message()->set_payload(std::string(payload));
    task.mutable_pull_message()->set_tag(std::string(tag));
    return task;
  }
  Outcome<V2Beta2::LeaseTasksResponse> lease(std::int32_t tasks = 10, std::string_view filter = "",
                                             std::int64_t seconds = 60,
                                             V2Beta2::View view = V2Beta2::Task::VIEW_UNSPECIFIED) {
    V2Beta2::LeaseTasksRequest request;
    request.set_parent(queue_path("q"));
    request.set_max_tasks(tasks);
    request.mutable_lease_duration()->set_seconds(seconds);
    request.mutable_lease_duration()->set_nanos(seconds > 0 ? 900'000'000 : 0);
    request.set_filter(std::string(filter));
    request.set_response_view(view);
    return call<V2Beta2::LeaseTasksResponse>(V2Beta2::service, "LeaseTasks", request);
  }
  Outcome<Empty> acknowledge(const V2Beta2::Task& task) {
    V2Beta2::AcknowledgeTaskRequest request;
    request.set_name(task.name());
    *request.mutable_schedule_time() = task.schedule_time();
    return call<Empty>(V2Beta2::service, "AcknowledgeTask", request);
  }
};

// CT-220
TEST_F(PullTest, TasksFitTheirQueue) {
  V2Beta2::Task push;
  push.mutable_http_request()->set_url("http://example.com");
  EXPECT_TRUE(refused(create_task<V2Beta2>("q", push), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(create_task("q", app_task()), INVALID_ARGUMENT));
  ASSERT_TRUE(succeeded(create_queue("push")));
  EXPECT_TRUE(refused(create_task<V2Beta2>("push", pull_task("x")), INVALID_ARGUMENT));
}

// CT-221, CT-222, CT-223 (fractions)
TEST_F(PullTest, LeasesHideTasksUntilTheyEnd) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x"))));
  clock_.advance(Seconds(1));
  const auto leased = lease(2);
  ASSERT_TRUE(succeeded(leased));
  ASSERT_EQ(leased->tasks_size(), 2);
  const auto now = clock_.now().wall;
  for (const auto& task : leased->tasks()) {
    EXPECT_EQ(task.schedule_time().seconds(), to_micros(now) / 1'000'000 + 60);
    EXPECT_EQ(task.pull_message().payload(), "");
    EXPECT_EQ(task.status().attempt_dispatch_count(), 1);
  }
  const auto rest = lease(10, "", 60, V2Beta2::Task::FULL);
  ASSERT_EQ(rest->tasks_size(), 1);
  EXPECT_EQ(rest->tasks(0).pull_message().payload(), "x");
  EXPECT_EQ(lease()->tasks_size(), 0);
}

// CT-223
TEST_F(PullTest, LeasesHaveBounds) {
  EXPECT_TRUE(refused(lease(1001), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(lease(0), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(lease(1, "", 604'801), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(lease(1, "", -1), INVALID_ARGUMENT));
}

// CT-224
TEST_F(PullTest, FiltersChooseTags) {
  for (const char* tag : {"b", "a", "b"}) {
    ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x", tag))));
    clock_.advance(Seconds(1));
  }
  EXPECT_TRUE(refused(lease(10, "nonsense"), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(lease(10, "tag_function=newest_tag()"), INVALID_ARGUMENT));
  const auto oldest = lease(10, "tag_function=oldest_tag()");
  ASSERT_TRUE(succeeded(oldest));
  ASSERT_EQ(oldest->tasks_size(), 2);
  EXPECT_EQ(oldest->tasks(0).pull_message().tag(), "b");
  EXPECT_TRUE(refused(lease(10, "tag=\"\""), INVALID_ARGUMENT));
  const auto tagged = lease(10, "tag=\"a\"");
  ASSERT_EQ(tagged->tasks_size(), 1);
  EXPECT_EQ(tagged->tasks(0).pull_message().tag(), "a");
}

// CT-225
TEST_F(PullTest, AnAcknowledgedTaskIsGone) {
  ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x"))));
  clock_.advance(Seconds(1));
  const auto leased = lease();
  ASSERT_EQ(leased->tasks_size(), 1);
  V2Beta2::Task wrong = leased->tasks(0);
  wrong.mutable_schedule_time()->set_seconds(1);
  EXPECT_TRUE(refused(acknowledge(wrong), FAILED_PRECONDITION));
  EXPECT_TRUE(succeeded(acknowledge(leased->tasks(0))));
  EXPECT_TRUE(refused(acknowledge(leased->tasks(0)), NOT_FOUND));
}

// CT-225: the schedule time is the proof, so one from before a renewal proves nothing.
TEST_F(PullTest, AnAcknowledgementKnowsTheLeaseByItsScheduleTime) {
  ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x"))));
  clock_.advance(Seconds(1));
  const V2Beta2::Task leased = lease()->tasks(0);
  V2Beta2::RenewLeaseRequest renew;
  renew.set_name(leased.name());
  *renew.mutable_schedule_time() = leased.schedule_time();
  renew.mutable_lease_duration()->set_seconds(600);
  const auto renewed = call<V2Beta2::Task>(V2Beta2::service, "RenewLease", renew);
  ASSERT_TRUE(succeeded(renewed));
  EXPECT_TRUE(refused(acknowledge(leased), FAILED_PRECONDITION));
  EXPECT_TRUE(succeeded(acknowledge(*renewed)));
  EXPECT_TRUE(refused(acknowledge(*renewed), NOT_FOUND));
}

// CT-225: a task that nobody leased has a schedule time too.
TEST_F(PullTest, ATaskThatIsNotLeasedIsNotAcknowledged) {
  const auto task = create_task<V2Beta2>("q", later(pull_task("x")));
  ASSERT_TRUE(succeeded(task));
  EXPECT_TRUE(refused(acknowledge(*task), FAILED_PRECONDITION));
}

// CT-226
TEST_F(PullTest, LeasesAreRenewedAndCancelled) {
  ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x"))));
  clock_.advance(Seconds(1));
  const V2Beta2::Task leased = lease()->tasks(0);
  V2Beta2::RenewLeaseRequest renew;
  renew.set_name(leased.name());
  *renew.mutable_schedule_time() = leased.schedule_time();
  renew.mutable_lease_duration()->set_seconds(600);
  const auto renewed = call<V2Beta2::Task>(V2Beta2::service, "RenewLease", renew);
  ASSERT_TRUE(succeeded(renewed));
  EXPECT_EQ(renewed->schedule_time().seconds(), leased.schedule_time().seconds() + 540);
  EXPECT_TRUE(
      refused(call<V2Beta2::Task>(V2Beta2::service, "RenewLease", renew), FAILED_PRECONDITION));
  V2Beta2::CancelLeaseRequest cancel;
  cancel.set_name(leased.name());
  *cancel.mutable_schedule_time() = renewed->schedule_time();
  ASSERT_TRUE(succeeded(call<V2Beta2::Task>(V2Beta2::service, "CancelLease", cancel)));
  clock_.advance(Seconds(1));
  EXPECT_EQ(lease()->tasks_size(), 1);
}

// CT-227
TEST_F(PullTest, AnExpiredLeaseIsGivenToOthers) {
  ASSERT_TRUE(succeeded(create_task<V2Beta2>("q", pull_task("x"))));
  clock_.advance(Seconds(1));
  ASSERT_EQ(lease()->tasks_size(), 1);
  clock_.advance(Seconds(61));
  const auto again = lease();
  ASSERT_EQ(again->tasks_size(), 1);
  EXPECT_EQ(again->tasks(0).status().attempt_dispatch_count(), 2);
}

// CT-228 (paused)
TEST_F(PullTest, APausedQueueLeasesNothing) {
  ASSERT_TRUE(succeeded(change<V2::PauseQueueRequest>("PauseQueue", "q")));
  EXPECT_TRUE(refused(lease(), FAILED_PRECONDITION));
}

TEST_F(BetasTest, AQueueYamlGoesToWhoeverAppliesIt) {
  std::string got;
  options_.upload_queue_yaml = [&got](const std::string& project, const std::string& yaml,
                                      CloudTasksOptions::UploadDone done) {
    got = project + ": " + yaml;
    done(yaml == "queue:" ? Result<void>() : fail(Reason::invalid, "line 1: no"));
  };
  google::cloud::tasks::v2beta2::UploadQueueYamlRequest request;
  request.set_app_id("p");
  request.mutable_http_body()->set_data("queue:");
  EXPECT_TRUE(succeeded(call<Empty>(V2Beta2::service, "UploadQueueYaml", request)));
  EXPECT_EQ(got, "p: queue:");
  request.mutable_http_body()->set_data("x");
  EXPECT_TRUE(refused(call<Empty>(V2Beta2::service, "UploadQueueYaml", request), INVALID_ARGUMENT,
                      "line 1: no"));
}

// CT-230
TEST_F(PullTest, APullTaskCannotBeRun) {
  const auto task = create_task<V2Beta2>("q", pull_task("x"));
  V2Beta2::RunTaskRequest request;
  request.set_name(task->name());
  EXPECT_TRUE(
      refused(call<V2Beta2::Task>(V2Beta2::service, "RunTask", request), FAILED_PRECONDITION));
}

}  // namespace
}  // namespace deferd::cloudtasks
