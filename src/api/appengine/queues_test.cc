// Queues and their statistics (GAE-spec 5.8 to 5.10).
#include <limits>

#include "api/appengine/testing/door_harness.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;

class QueuesTest : public DoorTest {
 protected:
  using Listed = wire::TaskQueueFetchQueuesResponse::Queue;

  std::vector<Listed> fetch_queues(int rows = 100, std::string_view app = "") {
    wire::TaskQueueFetchQueuesRequest request;
    request.set_max_rows(rows);
    if (!app.empty()) request.set_app_id(std::string(app));
    const auto answer = call<wire::TaskQueueFetchQueuesResponse>("FetchQueues", request);
    EXPECT_TRUE(answer.ok()) << answer.detail();
    return {answer.message.queue().begin(), answer.message.queue().end()};
  }
  Listed listed(std::string_view name) {
    for (const Listed& queue : fetch_queues()) {
      if (queue.queue_name() == name) return queue;
    }
    ADD_FAILURE() << "no queue " << name;
    return {};
  }
  int delete_queue(std::string_view name) {
    wire::TaskQueueDeleteQueueRequest request;
    request.set_app_id("default");
    request.set_queue_name(std::string(name));
    return call<wire::TaskQueueDeleteQueueResponse>("DeleteQueue", request).application_error();
  }
  int storage_limit(std::int64_t limit) {
    wire::TaskQueueUpdateStorageLimitRequest request;
    request.set_app_id("default");
    request.set_limit(limit);
    const auto answer =
        call<wire::TaskQueueUpdateStorageLimitResponse>("UpdateStorageLimit", request);
    if (answer.ok()) EXPECT_EQ(answer.message.new_limit(), limit);
    return answer.application_error();
  }
};

// GAE-095
TEST_F(QueuesTest, TasksInEveryStateAreCounted) {
  make_pull_queue("pull");
  EXPECT_EQ(stats("pull").num_tasks(), 0);
  EXPECT_EQ(stats("pull").oldest_eta_usec(), -1);
  add(pull_task("pull"));  // ready
  add(pull_task("pull"));
  Add delayed = pull_task("pull");
  delayed.set_eta_usec(now_usec() + 60 * second);
  add(delayed);
  EXPECT_EQ(lease("pull").message.task_size(), 1);
  EXPECT_EQ(count("pull"), 3);
  make_push_queue("push");
  add(push_task("push"));
  ASSERT_TRUE(dispatcher_.next());
  EXPECT_EQ(count("push"), 1) << "in flight";
}

// GAE-095: queues that are not there, and the order of several.
TEST_F(QueuesTest, StatisticsOfSeveralQueuesComeInOrder) {
  make_push_queue("a");
  make_push_queue("b");
  bulk({later_task("b"), later_task("b")});
  wire::TaskQueueFetchQueueStatsRequest request;
  for (const char* name : {"b", "nowhere", "a", "b", "no name"}) request.add_queue_name(name);
  const auto answer = call<wire::TaskQueueFetchQueueStatsResponse>("FetchQueueStats", request);
  ASSERT_EQ(answer.message.queuestats_size(), 5);
  std::vector<int> counts;
  for (const auto& row : answer.message.queuestats()) counts.push_back(row.num_tasks());
  EXPECT_EQ(counts, (std::vector{2, 0, 0, 2, 0}));
  EXPECT_TRUE(answer.message.queuestats(2).has_scanner_info());
  EXPECT_FALSE(answer.message.queuestats(1).has_scanner_info());
  EXPECT_EQ(answer.message.queuestats(1).oldest_eta_usec(), -1);
  EXPECT_TRUE(stats("default").has_scanner_info()) << "always there";
}

// GAE-096
TEST_F(QueuesTest, TheOldestEta) {
  make_pull_queue("pull");
  Add late = pull_task("pull", "late");
  late.set_eta_usec(now_usec() + 600 * second);
  add(late);
  EXPECT_EQ(stats("pull").oldest_eta_usec(), late.eta_usec());
  Add soon = pull_task("pull", "soon");
  soon.set_eta_usec(now_usec() + 1 * second);
  add(soon);
  EXPECT_EQ(stats("pull").oldest_eta_usec(), soon.eta_usec());
  clock_.advance(Seconds(2));
  const auto leased = lease("pull", 100).message.task(0);
  EXPECT_EQ(stats("pull").oldest_eta_usec(), leased.eta_usec()) << "the end of the lease";
  delete_tasks("pull", {"soon"});
  EXPECT_EQ(stats("pull").oldest_eta_usec(), late.eta_usec());
}

// GAE-097
TEST_F(QueuesTest, ExecutedLately) {
  make_push_queue("q");
  for (int i = 0; i < 3; ++i) add(push_task("q"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(dispatcher_.next());
  dispatcher_.finish(200);
  ASSERT_TRUE(eventually([&] { return count("q") == 0; }));
  EXPECT_EQ(stats("q").scanner_info().executed_last_minute(), 3);
  EXPECT_EQ(stats("q").scanner_info().executed_last_hour(), 3);
  clock_.advance(Seconds(61));
  EXPECT_EQ(stats("q").scanner_info().executed_last_minute(), 0);
  EXPECT_EQ(stats("q").scanner_info().executed_last_hour(), 3);
  clock_.advance(Seconds(3600));
  EXPECT_EQ(stats("q").scanner_info().executed_last_hour(), 0);
}

// GAE-098
TEST_F(QueuesTest, OfPullQueuesLeasesAreCounted) {
  make_pull_queue("pull");
  bulk(std::vector<Add>(5, pull_task("pull")));
  const auto leased = lease("pull", 60, 4).message;
  ASSERT_EQ(leased.task_size(), 4);
  EXPECT_EQ(stats("pull").scanner_info().executed_last_minute(), 4);
  delete_tasks("pull", {leased.task(0).task_name()});
  EXPECT_EQ(stats("pull").scanner_info().executed_last_minute(), 4);
  EXPECT_EQ(stats("pull").scanner_info().requests_in_flight(), 0);
}

// GAE-099
TEST_F(QueuesTest, RequestsInFlight) {
  make_push_queue("q");
  for (int i = 0; i < 3; ++i) add(push_task("q"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(dispatcher_.next());
  EXPECT_EQ(stats("q").scanner_info().requests_in_flight(), 3);
  dispatcher_.finish(200);
  EXPECT_TRUE(eventually([&] { return stats("q").scanner_info().requests_in_flight() == 0; }));
}

// GAE-100
TEST_F(QueuesTest, TheEnforcedRate) {
  auto request = queue_update("q");
  request.set_bucket_refill_per_second(2.5);
  EXPECT_TRUE(update(request).ok());
  EXPECT_EQ(stats("q").scanner_info().enforced_rate(), 2.5);
  EXPECT_EQ(pause("q", true), 0);
  EXPECT_EQ(stats("q").scanner_info().enforced_rate(), 0);
}

// GAE-101
TEST_F(QueuesTest, QueuesAreListed) {
  auto push = queue_update("b-push");
  push.set_bucket_refill_per_second(10.0 / 60);
  push.set_bucket_capacity(7);
  push.set_user_specified_rate("10/m");
  push.set_max_concurrent_requests(33);
  push.mutable_retry_parameters()->set_retry_limit(7);
  push.mutable_retry_parameters()->set_min_backoff_sec(2);
  auto* header = push.add_header_override();
  header->set_key("Host");
  header->set_value("v1.svc");
  EXPECT_TRUE(update(push).ok());
  auto pull = queue_update("a-pull");
  pull.set_mode(wire::TaskQueueMode::PULL);
  pull.mutable_acl()->add_user_email("user@example.com");
  pull.mutable_acl()->add_writer_email("writer@example.com");
  EXPECT_TRUE(update(pull).ok());
  make_push_queue("c");
  EXPECT_EQ(pause("c", true), 0);

  const std::vector<Listed> queues = fetch_queues();
  ASSERT_EQ(queues.size(), 3U);
  EXPECT_EQ(queues[0].queue_name(), "a-pull");
  EXPECT_EQ(queues[0].mode(), wire::TaskQueueMode::PULL);
  EXPECT_EQ(queues[0].acl().user_email(0), "user@example.com");
  EXPECT_EQ(queues[0].acl().writer_email(0), "writer@example.com");
  EXPECT_FALSE(queues[0].has_user_specified_rate());
  EXPECT_EQ(queues[1].queue_name(), "b-push");
  EXPECT_NEAR(queues[1].bucket_refill_per_second(), 10.0 / 60, 1e-9);
  EXPECT_EQ(queues[1].bucket_capacity(), 7.0);
  EXPECT_EQ(queues[1].user_specified_rate(), "10/m");
  EXPECT_EQ(queues[1].max_concurrent_requests(), 33);
  EXPECT_EQ(queues[1].retry_parameters().retry_limit(), 7);
  EXPECT_EQ(queues[1].retry_parameters().min_backoff_sec(), 2);
  EXPECT_FALSE(queues[1].retry_parameters().has_age_limit_sec());
  ASSERT_EQ(queues[1].header_override_size(), 1);
  EXPECT_EQ(queues[1].header_override(0).key(), "Host");
  EXPECT_EQ(queues[1].header_override(0).value(), "v1.svc");
  EXPECT_FALSE(queues[1].paused());
  EXPECT_TRUE(queues[2].paused());
  EXPECT_EQ(fetch_queues(2).size(), 2U) << "no more than asked for";
}

// GAE-102
TEST_F(QueuesTest, AnUpdateReplacesEverything) {
  auto request = queue_update("q");
  request.mutable_retry_parameters()->set_retry_limit(7);
  request.set_max_concurrent_requests(3);
  request.set_user_specified_rate("5/s");
  EXPECT_TRUE(update(request).ok());
  EXPECT_TRUE(listed("q").has_retry_parameters());
  EXPECT_TRUE(update(queue_update("q")).ok());
  const Listed after = listed("q");
  EXPECT_FALSE(after.has_retry_parameters());
  EXPECT_FALSE(after.has_user_specified_rate());
  EXPECT_EQ(after.max_concurrent_requests(), 1000);
  for (const double rate : {-1.0, std::numeric_limits<double>::quiet_NaN(), 2e6}) {
    auto wrong = queue_update("q");
    wrong.set_bucket_refill_per_second(rate);
    EXPECT_EQ(update(wrong).application_error(), Service::INVALID_QUEUE_RATE) << rate;
  }
  auto bad_retry = queue_update("q");
  bad_retry.mutable_retry_parameters()->set_retry_limit(-1);
  EXPECT_EQ(update(bad_retry).application_error(), Service::INVALID_RETRY_PARAMETERS);
  EXPECT_EQ(update(queue_update("a_b")).application_error(), Service::INVALID_QUEUE_NAME);
}

TEST_F(QueuesTest, AnUpdateLeavesWhatOnlyOtherDoorsKnow) {
  const auto made =
      ask<ConfigureQueue::Answer>(ConfigureQueue{name_of_queue("q"),
                                                 [](const QueueSettings*) -> Result<QueueSettings> {
                                                   QueueSettings settings =
                                                       QueueSettings::defaults(QueueMode::push);
                                                   settings.max_tasks = 77;
                                                   settings.tombstone = Seconds(5);
                                                   return settings;
                                                 },
                                                 {}});
  ASSERT_TRUE(made);
  EXPECT_TRUE(update(queue_update("q")).ok());
  const auto queue = ask<QueueInfo>(GetQueue{name_of_queue("q"), {}});
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->settings.max_tasks, 77U);
  EXPECT_EQ(queue->settings.tombstone, Seconds(5));
  EXPECT_EQ(queue->settings.rate.per_second(), 5);
}

TEST_F(QueuesTest, StrictRatesAreAppEngines) {
  auto request = queue_update("q");
  request.set_bucket_refill_per_second(501);
  EXPECT_TRUE(update(request).ok());
  server_->stop(Millis(0));
  server_.reset();
  options_.strict = true;
  EXPECT_EQ(update(request).application_error(), Service::INVALID_QUEUE_RATE);
}

// GAE-103
TEST_F(QueuesTest, ABucketWithoutRoomStopsAQueue) {
  for (const bool by_capacity : {true, false}) {
    const std::string name = by_capacity ? "capacity" : "rate";
    auto request = queue_update(name);
    if (by_capacity) request.set_bucket_capacity(0);
    if (!by_capacity) request.set_bucket_refill_per_second(0);
    EXPECT_TRUE(update(request).ok());
    add(push_task(name));
    clock_.advance(Seconds(60));
    EXPECT_EQ(stats(name).scanner_info().enforced_rate(), 0);
    EXPECT_EQ(dispatcher_.started(), 0U) << name;
    EXPECT_TRUE(update(queue_update(name)).ok());
    EXPECT_TRUE(dispatcher_.next()) << "raising it resumes";
    dispatcher_.finish(200);
  }
}

// GAE-104
TEST_F(QueuesTest, PausingAndResuming) {
  make_push_queue("q");
  for (const bool paused : {true, true, false, false}) {
    EXPECT_EQ(pause("q", paused), 0);
    EXPECT_EQ(listed("q").paused(), paused);
  }
  EXPECT_EQ(pause("nowhere", true), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(pause("default", true), 0) << "never used, but there";
}

// GAE-222
TEST_F(QueuesTest, APauseIsSeenByOtherDoors) {
  make_push_queue("q");
  EXPECT_EQ(pause("q", true), 0);
  EXPECT_EQ((ask<QueueInfo>(GetQueue{name_of_queue("q"), {}})->state), QueueState::paused);
  ASSERT_TRUE((ask<QueueInfo>(SetQueueState{name_of_queue("q"), QueueState::running, {}})));
  EXPECT_FALSE(listed("q").paused());
}

// GAE-105
TEST_F(QueuesTest, ADeletedQueueIsGoneForAWhile) {
  make_push_queue("q");
  add(later_task("q", "t"));
  EXPECT_EQ(delete_queue("q"), 0);
  EXPECT_EQ(add_code(later_task("q", "t")), Service::TOMBSTONED_QUEUE);
  EXPECT_EQ((call<wire::TaskQueueAddResponse>("Add", later_task("q")).application_error()),
            Service::TOMBSTONED_QUEUE);
  EXPECT_EQ(purge("q"), Service::TOMBSTONED_QUEUE);
  EXPECT_EQ(update(queue_update("q")).application_error(), Service::TOMBSTONED_QUEUE);
  EXPECT_TRUE(fetch_queues().empty());
  EXPECT_EQ(delete_queue("nowhere"), Service::UNKNOWN_QUEUE);
  clock_.advance(std::chrono::hours(24 * 7) + Seconds(1));
  EXPECT_EQ(add_code(later_task("q", "t")), Service::UNKNOWN_QUEUE);
  make_push_queue("q");
  EXPECT_EQ(count("q"), 0);
  EXPECT_EQ(add_code(later_task("q", "t")), 0);
}

TEST_F(QueuesTest, DefaultComesBackAtOnce) {
  add(later_task());
  EXPECT_EQ(delete_queue("default"), 0);
  EXPECT_EQ(add_code(later_task()), 0);
  EXPECT_EQ(count("default"), 1);
}

// GAE-106
TEST_F(QueuesTest, AGroupIsTheQueuesOfOneApplication) {
  for (int i = 0; i < 120; ++i) make_push_queue("q" + std::to_string(i));
  auto other = queue_update("q0");
  other.set_app_id("s~other");
  EXPECT_TRUE(update(other).ok());
  wire::TaskQueueDeleteGroupRequest request;
  request.set_app_id("s~default");
  EXPECT_TRUE(call<wire::TaskQueueDeleteGroupResponse>("DeleteGroup", request).ok());
  EXPECT_TRUE(fetch_queues().empty());
  EXPECT_EQ(fetch_queues(100, "other").size(), 1U);
}

// GAE-107
TEST_F(QueuesTest, StorageLimits) {
  const std::int64_t most = std::int64_t{1000} << 40;
  EXPECT_EQ(storage_limit(0), 0);
  EXPECT_EQ(storage_limit(most), 0);
  EXPECT_EQ(storage_limit(-1), Service::INVALID_REQUEST);
  EXPECT_EQ(storage_limit(most + 1), Service::INVALID_REQUEST);
  EXPECT_EQ(add_code(later_task()), 0);
  EXPECT_EQ(storage_limit(0), 0);
  EXPECT_EQ(bulk({later_task()}).rpc_error(), Rpc::OVER_QUOTA) << "room for nothing";
}

// GAE-184: what counts, over all queues of the application.
TEST_F(QueuesTest, AStorageLimitIsOfAllQueuesTogether) {
  make_push_queue("a");
  make_push_queue("b");
  EXPECT_EQ(storage_limit(5000), 0);
  Add task = later_task("a");
  task.set_body(std::string(3000, 'b'));
  EXPECT_EQ(add_code(task), 0);
  task.set_queue_name("b");
  EXPECT_EQ(bulk({task}).rpc_error(), Rpc::OVER_QUOTA);
  auto other = queue_update("b");
  other.set_app_id("other");
  EXPECT_TRUE(update(other).ok());
  task.set_app_id("other");
  EXPECT_EQ(add_code(task), 0) << "another application's";
  // Headers and names count as well.
  Add named = later_task("b", std::string(500, 'n'));
  auto* header = named.add_header();
  header->set_key("X-Large");
  header->set_value(std::string(1900, 'h'));
  EXPECT_EQ(bulk({named}).rpc_error(), Rpc::OVER_QUOTA);
}

}  // namespace
}  // namespace deferd::appengine
