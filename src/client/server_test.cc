// The client against deferd itself.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/certificates.h"
#include "client/real_server.h"
#include "deferd/client.h"

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
