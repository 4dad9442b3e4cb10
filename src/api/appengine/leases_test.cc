// Pull tasks: leases, tags, exhaustion, changes of a lease (GAE-spec 5.12, 5.13).
#include <limits>
#include <set>

#include "api/appengine/testing/door_harness.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;

class LeasesTest : public DoorTest {
 protected:
  LeasesTest() {
    start();
    make_pull_queue("pull");
  }
  std::string put(std::string_view name, std::string_view tag = "", std::int64_t after = 0) {
    Add task = pull_task("pull", name);
    if (!tag.empty()) task.set_tag(std::string(tag));
    task.set_eta_usec(now_usec() + after * second);
    return add(task);
  }
  std::vector<std::string> names(const Leased& leased) {
    EXPECT_TRUE(leased.ok()) << leased.detail();
    std::vector<std::string> all;
    for (const auto& task : leased.message.task()) all.push_back(task.task_name());
    return all;
  }
};

// GAE-115
TEST_F(LeasesTest, QueuesThatCannotBeLeasedFrom) {
  make_push_queue("push");
  EXPECT_EQ(lease("push").application_error(), Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(lease("default").application_error(), Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(lease("nowhere").application_error(), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(lease("no name").application_error(), Service::INVALID_QUEUE_NAME);
  EXPECT_EQ(pause("pull", true), 0);
  EXPECT_EQ(lease("pull").application_error(), Service::QUEUE_PAUSED);
}

// GAE-116
TEST_F(LeasesTest, LimitsOfALease) {
  put("t");
  for (const double seconds : {-1.0, 604'801.0, std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(lease("pull", seconds).application_error(), Service::INVALID_REQUEST) << seconds;
    EXPECT_EQ(lease("nowhere", seconds).application_error(), Service::UNKNOWN_QUEUE)
        << "what is wrong with the queue goes before";
  }
  for (const int tasks : {0, -1, 1001}) {
    EXPECT_EQ(lease("pull", 60, tasks).application_error(), Service::INVALID_REQUEST) << tasks;
  }
  EXPECT_EQ(names(lease("pull", 0)), std::vector{"t"s});
  EXPECT_EQ(names(lease("pull", 604'800, 1000)), std::vector{"t"s}) << "after 0 s it was free";
  EXPECT_TRUE(names(lease("pull")).empty());
}

// GAE-117
TEST_F(LeasesTest, ATagNeedsItsFlag) {
  put("t", "tag");
  LeaseRequest request = lease_request("pull", 60, 1);
  request.set_tag("tag");
  const Leased refused = lease(request);
  EXPECT_EQ(refused.application_error(), Service::INVALID_REQUEST);
  EXPECT_EQ(refused.detail(), "Tag specified, but group_by_tag was not.");
  request.set_tag("");
  EXPECT_EQ(names(lease(request)), std::vector{"t"s});
}

// GAE-118
TEST_F(LeasesTest, TasksComeInTheOrderOfTheirEtas) {
  put("c", "", 3);
  put("a", "", 1);
  put("b", "", 2);
  put("later", "", 100);
  EXPECT_TRUE(names(lease("pull", 60, 10)).empty()) << "not before they are due";
  clock_.advance(Seconds(10));
  EXPECT_EQ(names(lease("pull", 60, 10)), (std::vector{"a"s, "b"s, "c"s}));
}

// GAE-119
TEST_F(LeasesTest, TheTagOfTheOldest) {
  put("blue-1", "blue", 1);
  put("none-1", "", 2);
  put("blue-2", "blue", 3);
  put("red-1", "red", 4);
  put("none-2", "", 5);
  clock_.advance(Seconds(10));
  LeaseRequest request = lease_request("pull", 60, 10);
  request.set_group_by_tag(true);
  EXPECT_EQ(names(lease(request)), (std::vector{"blue-1"s, "blue-2"s}));
  request.set_tag("");  // as Go says it
  EXPECT_EQ(names(lease(request)), (std::vector{"none-1"s, "none-2"s}));
  EXPECT_EQ(names(lease(request)), std::vector{"red-1"s});
}

// GAE-120
TEST_F(LeasesTest, OneTagAlone) {
  for (int i = 0; i < 5; ++i) put("r" + std::to_string(i), "red", i);
  put("blue", "blue");
  clock_.advance(Seconds(10));
  LeaseRequest request = lease_request("pull", 60, 3);
  request.set_group_by_tag(true);
  request.set_tag("red");
  EXPECT_EQ(names(lease(request)), (std::vector{"r0"s, "r1"s, "r2"s}));
  EXPECT_EQ(names(lease(request)), (std::vector{"r3"s, "r4"s}));
  EXPECT_TRUE(names(lease(request)).empty());
  request.set_tag("RED");
  EXPECT_TRUE(names(lease(request)).empty()) << "case counts";
}

// GAE-121, GAE-028
TEST_F(LeasesTest, LeasesAreCounted) {
  put("t");
  for (int n = 1; n <= 3; ++n) {
    const auto task = lease("pull", 1).message.task(0);
    EXPECT_TRUE(task.has_retry_count());
    EXPECT_EQ(task.retry_count(), n);
    clock_.advance(Seconds(2));
  }
}

// GAE-122
TEST_F(LeasesTest, ALeaseEnds) {
  put("t");
  const std::int64_t before = now_usec();
  const auto task = lease("pull", 60).message.task(0);
  EXPECT_GE(task.eta_usec(), before + 60 * second);
  EXPECT_LT(task.eta_usec(), before + 60 * second + 1000);
  clock_.advance(Seconds(59));
  EXPECT_TRUE(names(lease("pull")).empty());
  clock_.advance(Seconds(2));
  EXPECT_EQ(names(lease("pull")), std::vector{"t"s});
}

// GAE-123
TEST_F(LeasesTest, AnEmptyQueueAnswersAtOnce) {
  const Leased leased = lease("pull");
  EXPECT_TRUE(leased.ok());
  EXPECT_EQ(leased.message.task_size(), 0);
}

// GAE-124
TEST_F(LeasesTest, EightLeasersGetEveryTaskOnce) {
  for (int batch = 0; batch < 100; ++batch) bulk(std::vector<Add>(100, pull_task("pull")));
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) clients.emplace_back(server_->port());
  const std::string request = RawClient::request(
      "POST", "/rpc_http",
      envelope("QueryAndOwnTasks", lease_request("pull", 600, 100).SerializeAsString()));
  std::set<std::string> seen;
  for (int round = 0; round < 14; ++round) {
    for (RawClient& client : clients) ASSERT_TRUE(client.send(request));
    for (RawClient& client : clients) {
      const auto response = client.read();
      ASSERT_TRUE(response);
      const auto answer = read<wire::TaskQueueQueryAndOwnTasksResponse>(*response);
      for (const auto& task : answer.message.task()) {
        ASSERT_TRUE(seen.insert(task.task_name()).second) << "given twice";
      }
    }
  }
  EXPECT_EQ(seen.size(), 10'000U);
}

// GAE-125
TEST_F(LeasesTest, ALimitOfLeases) {
  auto limited = queue_update("limited");
  limited.set_mode(wire::TaskQueueMode::PULL);
  limited.mutable_retry_parameters()->set_retry_limit(3);
  EXPECT_TRUE(update(limited).ok());
  add(pull_task("limited", "queues"));
  Add own = pull_task("limited", "own");
  own.mutable_retry_parameters()->set_retry_limit(1);
  add(own);
  EXPECT_EQ(names(lease("limited", 10, 10)).size(), 2U);
  EXPECT_EQ(count("limited"), 2);
  clock_.advance(Seconds(11));
  EXPECT_TRUE(eventually([&] { return count("limited") == 1; })) << "gone when its lease ends";
  EXPECT_EQ(names(lease("limited", 10, 10)), std::vector{"queues"s});
  clock_.advance(Seconds(11));
  EXPECT_EQ(names(lease("limited", 10, 10)), std::vector{"queues"s});
  clock_.advance(Seconds(11));
  EXPECT_TRUE(names(lease("limited", 10, 10)).empty());
  EXPECT_TRUE(eventually([&] { return count("limited") == 0; }));
  EXPECT_EQ(add_code(pull_task("limited", "queues")), Service::TOMBSTONED_TASK);
  EXPECT_EQ(add_code(pull_task("limited", "own")), Service::TOMBSTONED_TASK);
}

// GAE-126
TEST_F(LeasesTest, ALeaseIsExtendedByItsEta) {
  put("t");
  std::int64_t eta = lease("pull", 10).message.task(0).eta_usec();
  for (int i = 0; i < 2; ++i) {
    clock_.advance(Seconds(5));
    const auto answer = modify("pull", "t", eta, 10);
    ASSERT_TRUE(answer.ok()) << answer.detail();
    eta = answer.message.updated_eta_usec();
    EXPECT_GE(eta, now_usec() + 10 * second);
    EXPECT_EQ(fetch("pull", "t").message.task().task(0).eta_usec(), eta) << "as it is stored";
  }
  clock_.advance(Seconds(9));
  EXPECT_TRUE(names(lease("pull")).empty());
}

// GAE-127
TEST_F(LeasesTest, LeasesThatCannotBeModified) {
  make_push_queue("push");
  add(later_task("push", "p"));
  put("t");
  const std::int64_t eta = lease("pull", 10).message.task(0).eta_usec();
  EXPECT_EQ(modify("pull", "t", eta + 1, 10).application_error(), Service::TASK_LEASE_EXPIRED);
  EXPECT_EQ(modify("pull", "never", eta, 10).application_error(), Service::UNKNOWN_TASK);
  EXPECT_EQ(modify("pull", "no name", eta, 10).application_error(), Service::UNKNOWN_TASK);
  EXPECT_EQ(modify("push", "p", eta, 10).application_error(), Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(modify("nowhere", "t", eta, 10).application_error(), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(modify("pull", "t", eta, -1).application_error(), Service::INVALID_REQUEST);
  EXPECT_EQ(modify("pull", "t", eta, 604'801).application_error(), Service::INVALID_REQUEST);
  EXPECT_EQ(pause("pull", true), 0);
  EXPECT_EQ(modify("pull", "t", eta, 10).application_error(), Service::QUEUE_PAUSED);
  EXPECT_EQ(modify("pull", "t", eta, -1).application_error(), Service::QUEUE_PAUSED)
      << "what is wrong with the queue goes before";
  EXPECT_EQ(pause("pull", false), 0);
  clock_.advance(Seconds(11));
  EXPECT_EQ(modify("pull", "t", eta, 10).application_error(), Service::TASK_LEASE_EXPIRED);
  const std::int64_t other = lease("pull", 10).message.task(0).eta_usec();
  EXPECT_EQ(modify("pull", "t", eta, 10).application_error(), Service::TASK_LEASE_EXPIRED)
      << "another's";
  delete_tasks("pull", {"t"});
  EXPECT_EQ(modify("pull", "t", other, 10).application_error(), Service::TOMBSTONED_TASK);
}

// GAE-128
TEST_F(LeasesTest, ALeaseOfZeroSecondsGivesBack) {
  put("t");
  const auto task = lease("pull", 600).message.task(0);
  const auto answer = modify("pull", "t", task.eta_usec(), 0);
  ASSERT_TRUE(answer.ok());
  const Row row = fetch("pull", "t").message.task().task(0);
  EXPECT_EQ(row.retry_count(), 1) << "unchanged";
  EXPECT_EQ(row.eta_usec(), answer.message.updated_eta_usec());
  EXPECT_EQ(lease("pull").message.task(0).retry_count(), 2) << "at once";
}

TEST_F(LeasesTest, ADelayedTaskIsKnownByItsEtaToo) {
  put("t", "", 100);
  const std::int64_t eta = fetch("pull", "t").message.task().task(0).eta_usec();
  const auto answer = modify("pull", "t", eta, 0);
  ASSERT_TRUE(answer.ok()) << answer.detail();
  EXPECT_EQ(names(lease("pull")), std::vector{"t"s});
}

// GAE-059, GAE-205
TEST_F(LeasesTest, BodiesComeBackByteForByte) {
  Add task = pull_task("pull", "large");
  std::string body((1 << 20) - 1024, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 256);
  task.set_body(body);
  EXPECT_EQ(add_code(task), 0);
  EXPECT_EQ(lease("pull").message.task(0).body(), body);
  task.set_task_name("empty");
  task.set_body("");
  EXPECT_EQ(add_code(task), 0);
  const auto empty = lease("pull").message.task(0);
  EXPECT_TRUE(empty.has_body());
  EXPECT_EQ(empty.body(), "");
  EXPECT_FALSE(empty.has_tag());
}

}  // namespace
}  // namespace deferd::appengine
