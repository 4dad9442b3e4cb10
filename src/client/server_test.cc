// The client against deferd itself.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/certificates.h"
#include "client/real_server.h"
#include "deferd/client.h"
#include "deferd/worker.h"

namespace deferd::inline v1 {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::RealServer;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() { client.put_queue("jobs", {.mode = QueueMode::pull}); }

  // The only task of `jobs`, leased.
  Task lease() {
    const std::vector<Task> tasks = client.lease_tasks("jobs", {.wait = seconds(10)});
    EXPECT_EQ(tasks.size(), 1);
    return tasks.at(0);
  }

  RealServer server;
  Client client{server.options()};
};

TEST_F(ServerTest, QueuesAreMadeChangedAndDeleted) {
  const Queue made = client.put_queue("mail", {.rate = "5/s", .retry = {.max_attempts = 10}});
  EXPECT_EQ(made.name, "mail");
  EXPECT_EQ(made.mode, QueueMode::push);
  EXPECT_NE(made.json.find(R"("rate":"5/s")"), std::string::npos) << made.json;
  EXPECT_GT(made.created, Instant());
  EXPECT_EQ(client.pause_queue("mail").state, "paused");
  EXPECT_EQ(client.resume_queue("mail").state, "running");
  EXPECT_EQ(client.purge_queue("mail").name, "mail");
  EXPECT_EQ(client.get_queue("projects/default/locations/local/queues/mail").name, "mail");
  const Page<Queue> page = client.list_queues({.size = 1});
  EXPECT_EQ(page.items.size(), 1);
  EXPECT_FALSE(page.next_token.empty());
  client.delete_queue("mail");
  EXPECT_THROW(client.get_queue("mail"), NotFound);
}

TEST_F(ServerTest, ARefusalNamesWhatIsWrong) {
  try {
    client.put_queue("mail", {.retry = {.max_attempts = 0}});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.field(), "retry.max_attempts");
  }
  EXPECT_THROW(client.lease_tasks("default"), FailedPrecondition);
  EXPECT_THROW(client.run_task("jobs", "1"), ApiError);
}

TEST_F(ServerTest, TasksAreAddedShownAndDeleted) {
  const std::string bytes("\0\xff", 2);
  const Task added =
      client.add_task("jobs", {.body = bytes, .delay = minutes(5), .priority = 7, .key = "k"});
  EXPECT_EQ(added.state, "scheduled");
  EXPECT_TRUE(added.name.starts_with("cpp-"));
  const Task shown = client.get_task("jobs", added.name);
  EXPECT_EQ(shown.id, added.id);
  EXPECT_EQ(shown.body, bytes);
  EXPECT_EQ(shown.priority, 7);
  EXPECT_EQ(shown.key, "k");
  EXPECT_EQ(shown.eta - shown.created, minutes(5));
  EXPECT_EQ(client.list_tasks("jobs", "scheduled").items.size(), 1);
  EXPECT_EQ(client.list_tasks("jobs", "ready").items.size(), 0);
  EXPECT_EQ(client.get_stats("jobs").scheduled, 1);
  client.delete_task("jobs", added.id);
  EXPECT_THROW(client.get_task("jobs", added.id), NotFound);
}

TEST_F(ServerTest, ABatchIsOneCallAndOneTaskOfItMayBeRefused) {
  const auto outcomes =
      client.add_tasks("jobs", {{.json = "[1]", .name = "a"}, {.url = "http://h/"}, {.name = "a"}});
  ASSERT_EQ(outcomes.size(), 3);
  EXPECT_EQ(outcomes[0].value().name, "a");
  EXPECT_THROW(outcomes[1].value(), InvalidArgument);
  EXPECT_THROW(outcomes[2].value(), AlreadyExists);
  EXPECT_EQ(client.list_tasks("jobs", "", true).items.at(0).body, "[1]");
}

TEST_F(ServerTest, LeasesAreRenewedReleasedAndAcknowledged) {
  client.add_task("jobs", {.body = "x"});
  const Task first = lease();
  EXPECT_EQ(first.body, "x");
  EXPECT_EQ(first.attempts, 1);
  const auto renewed = client.renew_leases("jobs", {first}, hours(1));
  EXPECT_GT(renewed.at(0).value().lease_expires, *first.lease_expires + minutes(50));
  EXPECT_TRUE(client.release_tasks("jobs", {first}, Duration(0)).at(0).ok());
  EXPECT_THROW(client.ack_tasks("jobs", {first}).at(0).value(), LeaseLost);
  const Task second = lease();
  EXPECT_EQ(second.attempts, 2);
  EXPECT_TRUE(client.ack_tasks("jobs", {second}).at(0).ok());
  EXPECT_THROW(client.ack_tasks("jobs", {second}).at(0).value(), NotFound);
}

TEST_F(ServerTest, AResultIsWhatTheWorkerAcknowledgedWith) {
  const Task added = client.add_task("jobs", {.body = "x", .keep_result = hours(1)});
  const TaskResult before = client.get_result("jobs", added.id);
  EXPECT_EQ(before.state, ResultState::pending);
  EXPECT_EQ(before.task_state, "ready");
  const Task leased = lease();
  EXPECT_EQ(leased.keep_result, hours(1));
  const Report report{
      .json = R"({"price": 1.10})",
      .log = "counted",
      .usage = Usage{.cpu = milliseconds(20), .memory_peak = 4096, .cause = "exited", .code = 0}};
  EXPECT_TRUE(client.ack_tasks("jobs", {{leased, report}}, "host/1").at(0).ok());
  const TaskResult result = client.get_result("jobs", added.name, seconds(10));
  EXPECT_EQ(result.state, ResultState::succeeded);
  EXPECT_EQ(result.id, added.id);
  EXPECT_EQ(result.body, R"({"price": 1.10})");
  EXPECT_EQ(result.attempts, 1);
  EXPECT_EQ(result.usage->cpu, milliseconds(20));
  EXPECT_EQ(result.usage->memory_peak, 4096);
  EXPECT_GE(*result.kept_until - *result.ended, hours(1));
}

TEST_F(ServerTest, ResultsOfManyAreAskedForAtOnce) {
  const auto added = client.add_tasks(
      "jobs", {{.name = "a", .keep_result = hours(1)}, {.name = "b", .keep_result = hours(1)}});
  const std::vector<std::string> tasks = {"a", added.at(1).value().id, "nobody"};
  EXPECT_TRUE(client.ack_tasks("jobs", {{lease(), {.body = "\xff"}}}).at(0).ok());
  const Results results = client.get_results("jobs", tasks, seconds(10));
  EXPECT_EQ(results.pending, 1);
  ASSERT_EQ(results.ended.size(), 2);
  EXPECT_EQ(results.ended[0].name, "a");
  EXPECT_EQ(results.ended[0].result.value().body, "\xff");
  EXPECT_THROW(results.ended[1].result.value(), NotFound);
}

TEST_F(ServerTest, ATaskThatKeepsNoResultHasNone) {
  const Task added = client.add_task("jobs", {.body = "x"});
  EXPECT_THROW(client.get_result("jobs", added.id), FailedPrecondition);
}

TEST_F(ServerTest, ATaskThatIsCancelledEndsUnderItsWorker) {
  const Task added = client.add_task("jobs", {.keep_result = hours(1)});
  const Task leased = lease();
  EXPECT_TRUE(client.watch_tasks("jobs", {leased.id}, Duration(0)).empty());
  EXPECT_EQ(client.cancel_task("jobs", added.id).id, added.id);
  EXPECT_EQ(client.watch_tasks("jobs", {leased.id}, seconds(10)), std::vector{leased.id});
  EXPECT_THROW(client.renew_leases("jobs", {leased}).at(0).value(), NotFound);
  EXPECT_EQ(client.get_result("jobs", added.id).state, ResultState::cancelled);
  EXPECT_THROW(client.cancel_task("jobs", added.id), NotFound);
}

TEST_F(ServerTest, WhatFailedForGoodSaysWhy) {
  const Task added = client.add_task("jobs", {.body = "x", .keep_result = hours(1)});
  EXPECT_TRUE(
      client.release_tasks("jobs", {{lease(), {.error = "not yet"}}}, Duration(0)).at(0).ok());
  EXPECT_TRUE(client.fail_tasks("jobs", {{lease(), {.error = "no luck"}}}, "host/1").at(0).ok());
  const TaskResult result = client.get_result("jobs", added.id);
  EXPECT_EQ(result.state, ResultState::failed);
  EXPECT_EQ(result.reason, "failed");
  EXPECT_EQ(result.error, "no luck");
}

TEST_F(ServerTest, WhatFailedForGoodIsDeadUntilItIsRetried) {
  const Task added = client.add_task("jobs", {.body = "x"});
  EXPECT_TRUE(
      client.release_tasks("jobs", {{lease(), {.error = "not yet"}}}, Duration(0)).at(0).ok());
  EXPECT_TRUE(client.fail_tasks("jobs", {{lease(), {.error = "no luck"}}}).at(0).ok());
  EXPECT_EQ(client.list_dead("jobs", {.reason = "attempts"}).items.size(), 0);
  ASSERT_EQ(client.list_dead("jobs", {.reason = "failed"}).items.size(), 1);
  const DeadTask dead = client.get_dead("jobs", added.id);
  EXPECT_EQ(dead.error, "no luck");
  EXPECT_EQ(dead.task.body, "x");
  ASSERT_EQ(dead.task.history.size(), 2);
  EXPECT_EQ(dead.task.history[0].error, "not yet");

  EXPECT_EQ(client.retry_dead_matching("jobs", {}, true).matched, 1);
  EXPECT_EQ(client.retry_dead("jobs", added.id).state, "ready");
  EXPECT_EQ(lease().attempts, 1);
  EXPECT_EQ(client.delete_dead_matching("jobs", {}).changed, 0);
}

struct Square {
  static constexpr std::string_view name = "square";
  static constexpr std::string_view queue = "jobs";
  int number = 0;
  int run(Context&) const { return number * number; }
};
BOOST_DESCRIBE_STRUCT(Square, (), (number))

TEST_F(ServerTest, FuturesEndAsTheirTasksDo) {
  std::vector<Future<int>> squares;
  for (int number = 0; number < 8; ++number) squares.push_back(client.submit<Square>(number));
  EXPECT_TRUE(squares.back().cancel());
  EXPECT_THROW(squares.back().get(), TaskCancelled);
  EXPECT_FALSE(squares.back().cancel());
  Worker worker;
  worker.add<Square>();
  std::vector<LeaseEnd> ends;
  for (const Task& task : client.lease_tasks("jobs", {.max = 8})) {
    Context context;
    ends.emplace_back(task, Report{.json = worker.run_payload(*task.body, context)});
  }
  client.ack_tasks("jobs", ends);
  for (int number = 0; number < 7; ++number) EXPECT_EQ(squares[number].get(), number * number);
}

TEST(TlsServerTest, ItsCertificateIsChecked) {
  const TestAuthority authority;
  TestFile certificate;
  TestFile key;
  authority.write({.alternative_names = "IP:127.0.0.1"}, certificate, key);
  const RealServer server({"--tls-cert", certificate.path(), "--tls-key", key.path()},
                          {.ca_file = authority.file()}, "https");
  Client client(server.options());
  EXPECT_EQ(client.get_queue("default").name, "default");
  Client trusts_others({.url = server.options().url, .attempts = 1});
  try {
    trusts_others.get_queue("default");
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_FALSE(error.sent());
    EXPECT_NE(std::string(error.what()).find("TLS"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace deferd::inline v1
