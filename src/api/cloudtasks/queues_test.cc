// Queues: defaults, names, limits, masks, states, lists (CT-spec 8.1, 9.1, 9.2, 9.9, 9.15).
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <thread>

#include "api/cloudtasks/testing/harness.h"

namespace deferd::cloudtasks {
namespace {

using google::rpc::ABORTED;
using google::rpc::ALREADY_EXISTS;
using google::rpc::FAILED_PRECONDITION;
using google::rpc::INVALID_ARGUMENT;
using google::rpc::NOT_FOUND;
using testing::HasSubstr;

constexpr std::string_view queue_missing =
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to "
    "initialize.";

class QueuesTest : public CloudTasksTest {};

// CT-001, CT-002
TEST_F(QueuesTest, DefaultsAreShown) {
  const auto queue = create_queue("q");
  ASSERT_TRUE(succeeded(queue));
  EXPECT_EQ(queue->name(), "projects/p/locations/l/queues/q");
  EXPECT_EQ(queue->rate_limits().max_dispatches_per_second(), 500);
  EXPECT_EQ(queue->rate_limits().max_burst_size(), 100);
  EXPECT_EQ(queue->rate_limits().max_concurrent_dispatches(), 1000);
  EXPECT_EQ(queue->retry_config().max_attempts(), 100);
  EXPECT_EQ(queue->retry_config().min_backoff().nanos(), 100'000'000);
  EXPECT_EQ(queue->retry_config().max_backoff().seconds(), 3600);
  EXPECT_EQ(queue->retry_config().max_doublings(), 16);
  EXPECT_EQ(queue->state(), V2::Queue::RUNNING);
  EXPECT_FALSE(queue->retry_config().has_max_retry_duration());
  EXPECT_FALSE(queue->has_purge_time());
  EXPECT_FALSE(queue->has_stackdriver_logging_config());
}

// CT-003
TEST_F(QueuesTest, AQueueIsMadeOnce) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  EXPECT_TRUE(refused(create_queue("q"), ALREADY_EXISTS, "Queue already exists"));
}

// CT-004
TEST_F(QueuesTest, TheNameOfADeletedQueueStaysTakenForItsTombstone) {
  options_.queue_tombstone = Seconds(100);
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(delete_queue("q")));
  EXPECT_TRUE(
      refused(create_queue("q"), FAILED_PRECONDITION,
              "The queue cannot be created because a queue with this name existed too recently."));
  clock_.advance(Seconds(101));
  EXPECT_TRUE(succeeded(create_queue("q")));
}

// CT-004
TEST_F(QueuesTest, WithoutATombstoneTheNameIsFreeAtOnce) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  ASSERT_TRUE(succeeded(delete_queue("q")));
  EXPECT_TRUE(succeeded(create_queue("q")));
}

// CT-005
TEST_F(QueuesTest, BadQueueIdsAreRefusedWithHelp) {
  for (const std::string& id : {std::string("a_b"), std::string(), std::string(101, 'a'),
                                std::string("a/b"), std::string("a b"), std::string("a\n")}) {
    const auto queue = create_queue(id);
    ASSERT_TRUE(refused(queue, INVALID_ARGUMENT,
                        "Queue name must be formatted: "
                        "\"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>\"."))
        << id;
    ASSERT_EQ(queue.error().details_size(), 1);
    EXPECT_EQ(queue.error().details(0).type_url(), "type.googleapis.com/google.rpc.Help");
  }
}

// CT-006
TEST_F(QueuesTest, GoodQueueIdsAreTaken) {
  for (const std::string& id :
       {std::string("a"), std::string(100, 'z'), std::string("UPPER"), std::string("0-9")}) {
    EXPECT_TRUE(succeeded(create_queue(id))) << id;
  }
}

// CT-007 (gRPC)
TEST_F(QueuesTest, ProjectsMayHaveADomain) {
  V2::CreateQueueRequest request;
  request.set_parent("projects/example.com:app/locations/l");
  request.mutable_queue()->set_name("projects/example.com:app/locations/l/queues/q");
  EXPECT_TRUE(succeeded(call<V2::Queue>(V2::service, "CreateQueue", request)));
}

// CT-033
TEST_F(QueuesTest, UpdatesOfDifferentFieldsBothSurvive) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  V2::Queue queue = queue_named("q");
  queue.mutable_rate_limits()->set_max_dispatches_per_second(3);
  queue.mutable_retry_config()->set_max_attempts(4);
  std::thread other([&] {
    EXPECT_TRUE(succeeded(update_queue(queue, {"rate_limits.max_dispatches_per_second"})));
  });
  EXPECT_TRUE(succeeded(update_queue(queue, {"retry_config.max_attempts"})));
  other.join();
  EXPECT_EQ(get_queue("q")->rate_limits().max_dispatches_per_second(), 3);
  EXPECT_EQ(get_queue("q")->retry_config().max_attempts(), 4);
}

// CT-008
TEST_F(QueuesTest, AQueueLiesUnderItsParent) {
  V2::Queue queue;
  queue.set_name("projects/other/locations/l/queues/q");
  EXPECT_TRUE(
      refused(create_queue(queue), INVALID_ARGUMENT,
              "projects/other/locations/l/queues/q must begin with projects/p/locations/l."));
}

// CT-009
TEST_F(QueuesTest, AMalformedParentIsRefused) {
  V2::CreateQueueRequest request;
  request.set_parent("projects/p");
  request.mutable_queue()->set_name(queue_path("q"));
  EXPECT_TRUE(refused(call<V2::Queue>(V2::service, "CreateQueue", request), INVALID_ARGUMENT,
                      "Invalid resource field value in the request."));
}

// CT-010
TEST_F(QueuesTest, LocationsHaveQueuesOfTheirOwn) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  V2::CreateQueueRequest request;
  request.set_parent("projects/p/locations/other");
  request.mutable_queue()->set_name("projects/p/locations/other/queues/q");
  EXPECT_TRUE(succeeded(call<V2::Queue>(V2::service, "CreateQueue", request)));
  ASSERT_TRUE(succeeded(delete_queue("q")));
  V2::GetQueueRequest get;
  get.set_name("projects/p/locations/other/queues/q");
  EXPECT_TRUE(succeeded(call<V2::Queue>(V2::service, "GetQueue", get)));
}

class LimitsTest : public QueuesTest {
 protected:
  Outcome<V2::Queue> with_rate(std::string_view id, double rate) {
    V2::Queue queue = queue_named(id);
    queue.mutable_rate_limits()->set_max_dispatches_per_second(rate);
    return create_queue(queue);
  }
  Outcome<V2::Queue> with_concurrency(std::string_view id, std::int32_t concurrency) {
    V2::Queue queue = queue_named(id);
    queue.mutable_rate_limits()->set_max_concurrent_dispatches(concurrency);
    return create_queue(queue);
  }
};

// CT-011
TEST_F(LimitsTest, RatesAreKeptOrRefused) {
  const std::string too_high =
      "RateLimits.maxDispatchesPerSecond must be less than or equal to 500.";
  EXPECT_EQ(with_rate("a", 500)->rate_limits().max_dispatches_per_second(), 500);
  EXPECT_EQ(with_rate("b", 0.25)->rate_limits().max_dispatches_per_second(), 0.25);
  EXPECT_TRUE(refused(with_rate("c", 500.1), INVALID_ARGUMENT, too_high));
  EXPECT_TRUE(refused(with_rate("c", -1), INVALID_ARGUMENT,
                      "RateLimits.maxDispatchesPerSecond cannot be negative."));
  EXPECT_TRUE(refused(with_rate("c", std::nan("")), INVALID_ARGUMENT, too_high));
  EXPECT_TRUE(
      refused(with_rate("c", std::numeric_limits<double>::infinity()), INVALID_ARGUMENT, too_high));
}

// CT-012
TEST_F(LimitsTest, ConcurrencyIsKeptOrRefused) {
  EXPECT_EQ(with_concurrency("a", 5000)->rate_limits().max_concurrent_dispatches(), 5000);
  EXPECT_TRUE(refused(with_concurrency("b", 5001), INVALID_ARGUMENT,
                      "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."));
  EXPECT_TRUE(refused(with_concurrency("b", -1), INVALID_ARGUMENT,
                      "RateLimits.maxConcurrentDispatches cannot be negative."));
}

// CT-013
TEST_F(LimitsTest, ZeroIsTheDefault) {
  EXPECT_EQ(with_rate("a", 0)->rate_limits().max_dispatches_per_second(), 500);
  EXPECT_EQ(with_concurrency("b", 0)->rate_limits().max_concurrent_dispatches(), 1000);
}

// CT-014
TEST_F(LimitsTest, V2IgnoresAGivenBurst) {
  for (const std::int32_t burst : {7, -1}) {
    V2::Queue queue = queue_named("q" + std::to_string(burst));
    queue.mutable_rate_limits()->set_max_burst_size(burst);
    const auto made = create_queue(queue);
    ASSERT_TRUE(succeeded(made));
    EXPECT_EQ(made->rate_limits().max_burst_size(), 100);
  }
}

// CT-015
TEST_F(LimitsTest, TheBurstFollowsFromTheRate) {
  EXPECT_EQ(with_rate("a", 500)->rate_limits().max_burst_size(), 100);
  EXPECT_EQ(with_rate("b", 1)->rate_limits().max_burst_size(), 10);
  EXPECT_EQ(with_rate("c", 0.25)->rate_limits().max_burst_size(), 10);
}

// CT-016
TEST_F(LimitsTest, V2Beta3SetsTheBurst) {
  V2Beta3::Queue queue = queue_named<V2Beta3>("q");
  queue.mutable_rate_limits()->set_max_burst_size(7);
  EXPECT_EQ(create_queue<V2Beta3>(queue)->rate_limits().max_burst_size(), 7);
  queue = queue_named<V2Beta3>("other");
  queue.mutable_rate_limits()->set_max_burst_size(501);
  EXPECT_TRUE(refused(create_queue<V2Beta3>(queue), INVALID_ARGUMENT,
                      "RateLimits.maxBurstSize must be less than or equal to 500."));
}

// CT-017
TEST_F(LimitsTest, InV2Beta3ARateAloneDerivesTheBurstAnew) {
  V2Beta3::Queue queue = queue_named<V2Beta3>("q");
  queue.mutable_rate_limits()->set_max_burst_size(7);
  ASSERT_TRUE(succeeded(create_queue<V2Beta3>(queue)));
  queue.mutable_rate_limits()->set_max_dispatches_per_second(100);
  auto updated = update_queue<V2Beta3>(queue, {"rate_limits.max_dispatches_per_second"});
  EXPECT_EQ(updated->rate_limits().max_burst_size(), 20);
  queue.mutable_rate_limits()->set_max_dispatches_per_second(200);
  updated = update_queue<V2Beta3>(
      queue, {"rate_limits.max_dispatches_per_second", "rate_limits.max_burst_size"});
  EXPECT_EQ(updated->rate_limits().max_burst_size(), 7);
}

class RetryTest : public QueuesTest {
 protected:
  template <class Set>
  Outcome<V2::Queue> with(Set set) {
    V2::Queue queue = queue_named("q" + std::to_string(++made_));
    set(*queue.mutable_retry_config());
    return create_queue(queue);
  }
  int made_ = 0;
};

// CT-018
TEST_F(RetryTest, AttemptsAreKeptOrRefused) {
  EXPECT_EQ(with([](auto& retry) { retry.set_max_attempts(-1); })->retry_config().max_attempts(),
            -1);
  EXPECT_EQ(with([](auto& retry) { retry.set_max_attempts(0); })->retry_config().max_attempts(),
            100);
  EXPECT_TRUE(refused(with([](auto& retry) { retry.set_max_attempts(-2); }), INVALID_ARGUMENT,
                      "RetryConfig.maxAttempts must be greater or equal to -1."));
}

// CT-019
TEST_F(RetryTest, NegativeValuesAreRefused) {
  EXPECT_TRUE(refused(with([](auto& retry) { retry.set_max_doublings(-1); }), INVALID_ARGUMENT,
                      "RetryConfig.maxDoublings cannot be negative."));
  EXPECT_TRUE(refused(with([](auto& retry) { retry.mutable_min_backoff()->set_nanos(-1); }),
                      INVALID_ARGUMENT, "RetryConfig.minBackoff cannot be negative."));
  EXPECT_TRUE(refused(with([](auto& retry) { retry.mutable_max_backoff()->set_seconds(-1); }),
                      INVALID_ARGUMENT, "RetryConfig.maxBackoff cannot be negative."));
}

// CT-020
TEST_F(RetryTest, BackoffsAreInOrder) {
  EXPECT_TRUE(refused(
      with([](auto& retry) { retry.mutable_min_backoff()->set_seconds(7200); }), INVALID_ARGUMENT,
      "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."));
  EXPECT_TRUE(succeeded(with([](auto& retry) {
    retry.mutable_min_backoff()->set_seconds(7);
    retry.mutable_max_backoff()->set_seconds(7);
  })));
}

// CT-021, CT-022, CT-036
TEST_F(QueuesTest, AMissingQueueIsToldInTheServicesWords) {
  EXPECT_TRUE(refused(get_queue("q"), NOT_FOUND, queue_missing));
  EXPECT_TRUE(refused(delete_queue("q"), NOT_FOUND, "Requested entity was not found."));
  EXPECT_TRUE(refused(change<V2::PauseQueueRequest>("PauseQueue", "q"), NOT_FOUND, queue_missing));
  EXPECT_TRUE(
      refused(change<V2::ResumeQueueRequest>("ResumeQueue", "q"), NOT_FOUND, queue_missing));
  EXPECT_TRUE(refused(change<V2::PurgeQueueRequest>("PurgeQueue", "q"), NOT_FOUND, queue_missing));
}

// CT-023, CT-061
TEST_F(QueuesTest, ADeletedQueueIsGoneWithItsTasks) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  const auto task = create_task("q", later(http_task()));
  ASSERT_TRUE(succeeded(task));
  ASSERT_TRUE(succeeded(delete_queue("q")));
  EXPECT_TRUE(refused(get_queue("q"), NOT_FOUND, queue_missing));
  EXPECT_TRUE(refused(create_task("q", http_task()), NOT_FOUND, queue_missing));
  V2::ListTasksRequest list;
  list.set_parent(queue_path("q"));
  EXPECT_TRUE(refused(call<V2::ListTasksResponse>(V2::service, "ListTasks", list), NOT_FOUND,
                      queue_missing));
}

// CT-025, CT-034
TEST_F(QueuesTest, AnUpdateMakesTheQueueAndIsCheckedAsCreationIs) {
  V2::Queue queue = queue_named("q");
  queue.mutable_rate_limits()->set_max_dispatches_per_second(501);
  EXPECT_TRUE(refused(update_queue(queue, {}), INVALID_ARGUMENT,
                      "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."));
  EXPECT_TRUE(refused(get_queue("q"), NOT_FOUND));
  queue.mutable_rate_limits()->set_max_dispatches_per_second(3);
  EXPECT_EQ(update_queue(queue, {})->rate_limits().max_dispatches_per_second(), 3);
  EXPECT_TRUE(succeeded(get_queue("q")));
}

class MaskTest : public QueuesTest {
 protected:
  // A queue that has nothing of the defaults.
  void SetUp() override {
    V2::Queue queue = queue_named("q");
    queue.mutable_rate_limits()->set_max_dispatches_per_second(3);
    queue.mutable_rate_limits()->set_max_concurrent_dispatches(4);
    queue.mutable_retry_config()->set_max_attempts(5);
    queue.mutable_retry_config()->mutable_max_backoff()->set_seconds(6);
    queue.mutable_retry_config()->set_max_doublings(7);
    ASSERT_TRUE(succeeded(create_queue(queue)));
  }
};

// CT-026
TEST_F(MaskTest, ALeafAloneIsSet) {
  V2::Queue queue = queue_named("q");
  queue.mutable_rate_limits()->set_max_dispatches_per_second(10);
  queue.mutable_rate_limits()->set_max_concurrent_dispatches(99);
  const auto updated = update_queue(queue, {"rate_limits.max_dispatches_per_second"});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->rate_limits().max_dispatches_per_second(), 10);
  EXPECT_EQ(updated->rate_limits().max_concurrent_dispatches(), 4);
  EXPECT_EQ(updated->retry_config().max_attempts(), 5);
}

// CT-027
TEST_F(MaskTest, AMessageIsMergedAndALeafIsReset) {
  V2::Queue queue = queue_named("q");
  queue.mutable_retry_config()->set_max_attempts(8);
  auto updated = update_queue(queue, {"retry_config"});
  EXPECT_EQ(updated->retry_config().max_attempts(), 8);
  EXPECT_EQ(updated->retry_config().max_backoff().seconds(), 6);
  updated = update_queue(queue, {"retryConfig.maxBackoff"});
  EXPECT_EQ(updated->retry_config().max_backoff().seconds(), 3600);
  EXPECT_EQ(updated->retry_config().max_doublings(), 7);
  updated = update_queue(queue, {"retry_config.max_doublings"});
  EXPECT_EQ(updated->retry_config().max_doublings(), 0);
}

// CT-028
TEST_F(MaskTest, WithoutAMaskWhatIsUnsetIsReset) {
  const auto updated = update_queue(queue_named("q"), {});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->rate_limits().max_dispatches_per_second(), 500);
  EXPECT_EQ(updated->rate_limits().max_concurrent_dispatches(), 1000);
  EXPECT_EQ(updated->retry_config().max_attempts(), 100);
  EXPECT_EQ(updated->retry_config().max_doublings(), 16);
}

// CT-029, CT-030
TEST_F(MaskTest, WhatTheServiceSaysItselfIsIgnored) {
  V2::Queue queue = queue_named("q");
  queue.set_state(V2::Queue::PAUSED);
  queue.mutable_purge_time()->set_seconds(1);
  queue.mutable_rate_limits()->set_max_burst_size(3);
  auto updated = update_queue(queue, {"state", "purge_time", "rate_limits.max_burst_size"});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->state(), V2::Queue::RUNNING);
  EXPECT_FALSE(updated->has_purge_time());
  EXPECT_EQ(updated->rate_limits().max_burst_size(), 10);
  EXPECT_EQ(updated->rate_limits().max_dispatches_per_second(), 3);
}

// CT-031
TEST_F(MaskTest, AnUnknownPathChangesNothing) {
  V2::Queue queue = queue_named("q");
  queue.mutable_retry_config()->set_max_attempts(8);
  EXPECT_TRUE(
      refused(update_queue(queue, {"retry_config.max_attempts", "nonsense"}), INVALID_ARGUMENT));
  EXPECT_EQ(get_queue("q")->retry_config().max_attempts(), 5);
}

TEST_F(MaskTest, RoutingAndHttpTargetAreMergedAndCleared) {
  V2::Queue queue = queue_named("q");
  queue.mutable_app_engine_routing_override()->set_service("worker");
  queue.mutable_http_target()->mutable_uri_override()->set_host("example.com");
  auto updated = update_queue(queue, {"app_engine_routing_override", "http_target"});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->app_engine_routing_override().host(), "worker.p.l.r.appspot.com");
  EXPECT_EQ(updated->http_target().uri_override().host(), "example.com");
  queue.Clear();
  queue.set_name(queue_path("q"));
  queue.mutable_app_engine_routing_override()->set_version("v1");
  updated = update_queue(queue, {"app_engine_routing_override.version"});
  EXPECT_EQ(updated->app_engine_routing_override().host(), "v1.worker.p.l.r.appspot.com");
  EXPECT_EQ(updated->http_target().uri_override().host(), "example.com");
  updated = update_queue(queue, {"http_target"});
  EXPECT_FALSE(updated->has_http_target());
}

// CT-032: a burst of queue.yaml (bucket_size) holds until the first update of v2, whatever it
// names.
TEST_F(MaskTest, AnyUpdateOfV2DerivesTheBurst) {
  V2Beta3::Queue given = queue_named<V2Beta3>("yaml");
  given.mutable_rate_limits()->set_max_burst_size(7);
  ASSERT_TRUE(succeeded(create_queue<V2Beta3>(given)));
  EXPECT_EQ(get_queue("yaml")->rate_limits().max_burst_size(), 7);
  V2::Queue queue = queue_named("yaml");
  queue.mutable_retry_config()->set_max_attempts(5);
  const auto updated = update_queue(queue, {"retry_config.max_attempts"});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->rate_limits().max_burst_size(), 100);
}

// CT-210, CT-211 (the refusals)
TEST_F(MaskTest, AnHttpTargetThatCannotBeIsRefused) {
  using Target = google::cloud::tasks::v2::HttpTarget;
  const auto refused_with = [&](void (*set)(Target&), std::string_view words) {
    V2::Queue queue = queue_named("q");
    set(*queue.mutable_http_target());
    const auto updated = update_queue(queue, {"http_target"});
    EXPECT_TRUE(refused(updated, INVALID_ARGUMENT));
    EXPECT_THAT(updated.error().message(), HasSubstr(words));
  };
  refused_with([](Target& t) { t.mutable_uri_override()->set_host(""); }, "host cannot be empty");
  refused_with([](Target& t) { t.mutable_uri_override()->set_host("a b"); }, "host is invalid");
  for (const auto set : {+[](Target& t) { t.mutable_uri_override()->set_host("a:80"); },
                         +[](Target& t) { t.mutable_uri_override()->set_host("a/b"); },
                         +[](Target& t) { t.mutable_uri_override()->set_host("[::1]:80"); }}) {
    refused_with(set, "host must be a host alone");
  }
  refused_with([](Target& t) { t.mutable_uri_override()->set_port(65536); }, "0 and 65535");
  refused_with([](Target& t) { t.mutable_uri_override()->set_port(-1); }, "0 and 65535");
  refused_with(
      [](Target& t) { t.mutable_uri_override()->mutable_path_override()->set_path("/%zz"); },
      "path is invalid");
  refused_with([](Target& t) { t.mutable_oidc_token()->set_service_account_email("a@b"); },
               "audience");
  refused_with([](Target& t) { t.mutable_oauth_token()->set_scope("s"); }, "serviceAccountEmail");
  refused_with([](Target& t) { t.add_header_overrides()->mutable_header()->set_key("X: y\r\nZ"); },
               "not the name of a header");
  refused_with([](Target& t) { t.set_http_method(google::cloud::tasks::v2::HttpMethod(99)); },
               "httpMethod");
}

// CT-209, CT-211, CT-212: what is given is shown, in every version, and parts of it can be changed.
TEST_F(MaskTest, AnHttpTargetIsShownAsGiven) {
  V2::Queue queue = queue_named("q");
  auto& target = *queue.mutable_http_target();
  auto& uri = *target.mutable_uri_override();
  uri.set_scheme(google::cloud::tasks::v2::UriOverride::HTTP);
  uri.set_host("example.com");
  uri.set_port(0);
  uri.mutable_path_override()->set_path("");
  uri.mutable_query_override()->set_query_params("a=1&b");
  uri.set_uri_override_enforce_mode(google::cloud::tasks::v2::UriOverride::IF_NOT_EXISTS);
  target.set_http_method(google::cloud::tasks::v2::PUT);
  auto& header = *target.add_header_overrides()->mutable_header();
  header.set_key("Host");  // ignored when a task is sent
  header.set_value("x");
  target.mutable_oidc_token()->set_service_account_email("a@example.com");
  target.mutable_oidc_token()->set_audience("aud");
  auto updated = update_queue(queue, {"http_target"});
  ASSERT_TRUE(succeeded(updated));
  EXPECT_EQ(updated->http_target().DebugString(), target.DebugString());

  V2Beta3::GetQueueRequest beta;
  beta.set_name(queue.name());
  const auto shown = call<V2Beta3::Queue>(V2Beta3::service, "GetQueue", beta);
  EXPECT_EQ(shown->http_target().SerializeAsString(), target.SerializeAsString());

  V2::Queue change = queue_named("q");
  auto& changed = *change.mutable_http_target();
  changed.mutable_uri_override()->set_host("other.test");
  auto& other = *changed.add_header_overrides()->mutable_header();
  other.set_key("X-New");
  updated = update_queue(change, {"http_target.uri_override.host", "http_target.uri_override.port",
                                  "http_target.header_overrides"});
  ASSERT_TRUE(succeeded(updated));
  uri.set_host("other.test");
  uri.clear_port();
  header = other;
  EXPECT_EQ(updated->http_target().DebugString(), target.DebugString());

  // Defaults of what was not given; no part that was not.
  change = queue_named("q");
  change.mutable_http_target()->mutable_uri_override()->set_scheme(
      google::cloud::tasks::v2::UriOverride::SCHEME_UNSPECIFIED);
  updated = update_queue(change, {"http_target"});
  EXPECT_EQ(updated->http_target().uri_override().scheme(),
            google::cloud::tasks::v2::UriOverride::HTTPS);
  EXPECT_EQ(updated->http_target().uri_override().uri_override_enforce_mode(),
            google::cloud::tasks::v2::UriOverride::ALWAYS);
  change.clear_http_target();
  change.mutable_http_target()->set_http_method(google::cloud::tasks::v2::GET);
  updated = update_queue(change, {"http_target"});
  EXPECT_FALSE(updated->http_target().has_uri_override());
  EXPECT_FALSE(update_queue(queue_named("q"), {"http_target"})->has_http_target());
}

// CT-035
TEST_F(QueuesTest, PauseAndResumeMayBeRepeated) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(change<V2::PauseQueueRequest>("PauseQueue", "q")->state(), V2::Queue::PAUSED);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(change<V2::ResumeQueueRequest>("ResumeQueue", "q")->state(), V2::Queue::RUNNING);
  }
}

// CT-040, CT-041
TEST_F(QueuesTest, PurgeRemovesWhatWasThere) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  V2::Task task = later(http_task());
  task.set_name(task_path("q", "a"));
  ASSERT_TRUE(succeeded(create_task("q", task)));
  const auto purged = change<V2::PurgeQueueRequest>("PurgeQueue", "q");
  ASSERT_TRUE(succeeded(purged));
  EXPECT_EQ(purged->purge_time().seconds(), to_micros(clock_.now().wall) / 1'000'000);
  EXPECT_TRUE(refused(get_task(task.name()), NOT_FOUND));
  EXPECT_TRUE(refused(create_task("q", task), ALREADY_EXISTS));
  const auto after = create_task("q", later(http_task()));
  ASSERT_TRUE(succeeded(after));
  EXPECT_TRUE(succeeded(get_task(after->name())));
}

class ListQueuesTest : public QueuesTest {
 protected:
  Outcome<V2::ListQueuesResponse> list(std::int32_t size = 0, std::string_view token = "",
                                       std::string_view filter = "") {
    V2::ListQueuesRequest request;
    request.set_parent(location_path);
    request.set_page_size(size);
    request.set_page_token(std::string(token));
    request.set_filter(std::string(filter));
    return call<V2::ListQueuesResponse>(V2::service, "ListQueues", request);
  }
};

// CT-042
TEST_F(ListQueuesTest, PagesAreInOrderOfNames) {
  for (const char* id : {"e", "b", "d", "a", "c"}) ASSERT_TRUE(succeeded(create_queue(id)));
  std::string token;
  std::vector<std::vector<std::string>> pages;
  do {
    const auto page = list(2, token);
    ASSERT_TRUE(succeeded(page));
    pages.emplace_back();
    for (const auto& queue : page->queues()) pages.back().push_back(queue.name().substr(30));
    token = page->next_page_token();
  } while (!token.empty());
  EXPECT_EQ(pages, (std::vector<std::vector<std::string>>{{"a", "b"}, {"c", "d"}, {"e"}}));
}

// CT-043
TEST_F(ListQueuesTest, PageSizesAreCut) {
  ASSERT_TRUE(succeeded(create_queue("q")));
  EXPECT_EQ(list(0)->queues_size(), 1);
  EXPECT_EQ(list(1'000'000)->queues_size(), 1);
  EXPECT_TRUE(refused(list(-1), INVALID_ARGUMENT));
}

// CT-044
TEST_F(ListQueuesTest, AFilterLeavesOut) {
  V2::Queue queue = queue_named("slow");
  queue.mutable_rate_limits()->set_max_dispatches_per_second(1);
  ASSERT_TRUE(succeeded(create_queue(queue)));
  ASSERT_TRUE(succeeded(create_queue("fast")));
  ASSERT_TRUE(succeeded(change<V2::PauseQueueRequest>("PauseQueue", "slow")));
  for (const char* filter :
       {"state: PAUSED", "state=PAUSED", "rateLimits.maxDispatchesPerSecond < 2",
        "NOT state=RUNNING", "(state=PAUSED OR state=DISABLED) AND name:slow",
        "retry_config.min_backoff < 1s rate_limits.max_dispatches_per_second<=1"}) {
    const auto found = list(0, "", filter);
    ASSERT_TRUE(succeeded(found)) << filter;
    ASSERT_EQ(found->queues_size(), 1) << filter;
    EXPECT_EQ(found->queues(0).name(), queue_path("slow")) << filter;
  }
  EXPECT_EQ(list(0, "", "http_target:*")->queues_size(), 0);
  for (const char* filter : {"state", "state=", "state=NONSENSE", "nonsense=1", "(state=PAUSED",
                             "rate_limits.max_burst_size=x", "state=PAUSED)", "="}) {
    EXPECT_TRUE(refused(list(0, "", filter), INVALID_ARGUMENT)) << filter;
  }
}

// CT-045
TEST_F(ListQueuesTest, ForeignTokensAreRefused) {
  for (const char* id : {"a", "b"}) ASSERT_TRUE(succeeded(create_queue(id)));
  const std::string token = list(1)->next_page_token();
  ASSERT_FALSE(token.empty());
  EXPECT_TRUE(refused(list(1, "garbage"), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(list(1, token, "state=PAUSED"), INVALID_ARGUMENT));
  EXPECT_TRUE(succeeded(list(1, token)));
  clock_.advance(std::chrono::hours(2) + Seconds(1));
  EXPECT_TRUE(refused(list(1, token), INVALID_ARGUMENT));
}

// CT-046
TEST_F(ListQueuesTest, ALocationMayHaveNone) { EXPECT_EQ(list()->queues_size(), 0); }

// CT-047
TEST_F(QueuesTest, TheSamplingRatioIsKept) {
  int made = 0;
  for (const double ratio : {0.0, 0.5, 1.0, 1.1, -0.1}) {
    V2::Queue queue = queue_named("q" + std::to_string(++made));
    queue.mutable_stackdriver_logging_config()->set_sampling_ratio(ratio);
    const auto created = create_queue(queue);
    if (ratio < 0 || ratio > 1) {
      EXPECT_TRUE(refused(created, INVALID_ARGUMENT));
    } else {
      EXPECT_EQ(created->stackdriver_logging_config().sampling_ratio(), ratio);
    }
  }
}

class PolicyTest : public QueuesTest {
 protected:
  Outcome<google::iam::v1::Policy> get() {
    google::iam::v1::GetIamPolicyRequest request;
    request.set_resource(queue_path("q"));
    return call<google::iam::v1::Policy>(V2::service, "GetIamPolicy", request);
  }
  Outcome<google::iam::v1::Policy> set(const google::iam::v1::Policy& policy) {
    google::iam::v1::SetIamPolicyRequest request;
    request.set_resource(queue_path("q"));
    *request.mutable_policy() = policy;
    return call<google::iam::v1::Policy>(V2::service, "SetIamPolicy", request);
  }
};

// CT-175, CT-176
TEST_F(PolicyTest, PoliciesAreKept) {
  EXPECT_TRUE(refused(set({}), NOT_FOUND));
  ASSERT_TRUE(succeeded(create_queue("q")));
  google::iam::v1::Policy policy = *get();
  EXPECT_EQ(policy.bindings_size(), 0);
  auto* binding = policy.add_bindings();
  binding->set_role("roles/cloudtasks.viewer");
  binding->add_members("user:a@example.com");
  const auto stored = set(policy);
  ASSERT_TRUE(succeeded(stored));
  EXPECT_NE(stored->etag(), policy.etag());
  EXPECT_EQ(get()->bindings(0).members(0), "user:a@example.com");
  EXPECT_EQ(get()->etag(), stored->etag());
  EXPECT_TRUE(refused(set(policy), ABORTED));
  // What is set on the queue beside it stays.
  EXPECT_TRUE(succeeded(update_queue(queue_named("q"), {})));
  EXPECT_EQ(get()->etag(), stored->etag());
}

// CT-177
TEST_F(PolicyTest, PermissionsOfAMissingQueueAreNone) {
  google::iam::v1::TestIamPermissionsRequest request;
  request.set_resource(queue_path("q"));
  request.add_permissions("cloudtasks.queues.get");
  using Response = google::iam::v1::TestIamPermissionsResponse;
  EXPECT_EQ(call<Response>(V2::service, "TestIamPermissions", request)->permissions_size(), 0);
  ASSERT_TRUE(succeeded(create_queue("q")));
  EXPECT_EQ(call<Response>(V2::service, "TestIamPermissions", request)->permissions_size(), 1);
}

}  // namespace
}  // namespace deferd::cloudtasks
