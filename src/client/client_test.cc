// What calls do when the server fails, as it is told to.
#include "deferd/client.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>

#include "client/scripted_server.h"

namespace deferd::inline v1 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::hang_up;
using testing::refusal;
using testing::Scripted;
using testing::ScriptedServer;
using testing::task_answer;
namespace json = boost::json;

TEST(Client, WhatWasRefusedForNowIsTriedAgain) {
  Scripted busy = refusal(429, "RESOURCE_EXHAUSTED");
  busy.headers["Retry-After"] = "1";
  ScriptedServer server({busy, refusal(503, "UNAVAILABLE"), task_answer("1")});
  Client client({.url = server.url()});
  const auto start = steady_clock::now();
  EXPECT_EQ(client.add_task("q", {.body = "x"}).id, "1");
  EXPECT_GE(steady_clock::now() - start, seconds(1));  // as it was asked
}

TEST(Client, ItIsNotTriedForEver) {
  ScriptedServer server({refusal(503, "UNAVAILABLE"), refusal(503, "UNAVAILABLE")});
  Client client({.url = server.url(), .attempts = 2});
  EXPECT_THROW(client.get_queue("q"), Unavailable);
  EXPECT_EQ(server.calls().size(), 2);
}

TEST(Client, ARefusalForGoodIsTold) {
  ScriptedServer server({refusal(400, "INVALID_ARGUMENT")});
  Client client({.url = server.url()});
  try {
    client.put_queue("q");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.code(), 400);
    EXPECT_EQ(error.status(), "INVALID_ARGUMENT");
    EXPECT_EQ(error.field(), "f");
    EXPECT_STREQ(error.what(), "no");
  }
  EXPECT_EQ(server.calls().size(), 1);
}

// The first attempt was stored, and its answer lost: the repeated one finds the name taken.
TEST(Client, AnAddWhoseAnswerIsLostAddsOnce) {
  ScriptedServer server({hang_up(), refusal(409, "ALREADY_EXISTS")});
  Client client({.url = server.url()});
  const Task task = client.add_task("q", {.body = "x"});
  const auto calls = server.calls();
  ASSERT_EQ(calls.size(), 2);
  EXPECT_EQ(calls[0].body, calls[1].body);
  EXPECT_EQ(task.id, json::value_to<std::string>(json::parse(calls[0].body).at("name")));
}

TEST(Client, ANameOfOnesOwnThatIsTakenIsTold) {
  ScriptedServer server({hang_up(), refusal(409, "ALREADY_EXISTS")});
  Client client({.url = server.url()});
  EXPECT_THROW(client.add_task("q", {.body = "x", .name = "mine"}), AlreadyExists);
}

TEST(Client, WhatMayHaveBeenCarriedOutIsNotRepeatedButTold) {
  ScriptedServer server({hang_up()});
  Client client({.url = server.url()});
  try {
    client.delete_task("q", "1");
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_TRUE(error.sent());
  }
  EXPECT_EQ(server.calls().size(), 1);
}

TEST(Client, AServerThatIsNotThereIsTold) {
  std::string url;
  {
    ScriptedServer gone({});
    url = gone.url();
  }
  Client client({.url = url, .attempts = 2});
  try {
    client.delete_task("q", "1");
    FAIL();
  } catch (const Unreachable& error) {
    EXPECT_FALSE(error.sent());
    EXPECT_NE(std::string(error.what()).find("connect"), std::string::npos) << error.what();
  }
}

TEST(Client, AnAttemptEndsWithItsTimeout) {
  ScriptedServer server({{.then = Scripted::Then::never_answer}});
  Client client({.url = server.url(), .timeout = milliseconds(50), .attempts = 1});
  EXPECT_THROW(client.get_queue("q"), Unreachable);
}

TEST(Client, AnAnswerOfSomethingElseIsToldAsItIs) {
  ScriptedServer server({{.status = 502, .body = "<h1>Bad gateway</h1>"}});
  Client client({.url = server.url()});
  try {
    client.get_queue("q");
    FAIL();
  } catch (const ServerError& error) {
    EXPECT_EQ(error.code(), 502);
    EXPECT_STREQ(error.what(), "HTTP 502: <h1>Bad gateway</h1>");
  }
}

TEST(Client, ConnectionsAreKeptAndTheKeyIsShown) {
  ScriptedServer server({{.body = "{}"}, {.body = "{}"}});
  Client client({.url = server.url() + "/", .key = "secret"});
  client.get_queue("q");
  client.get_queue("q");
  const auto calls = server.calls();
  ASSERT_EQ(calls.size(), 2);
  EXPECT_EQ(calls[1].line, "GET /v1/queues/q");
  EXPECT_EQ(calls[1].authorization, "Bearer secret");
  EXPECT_EQ(calls[1].connection, 1);
}

// A delete is not repeated: so it must not be tried on a connection that is known to be closed.
TEST(Client, AKeptConnectionThatTheServerClosedIsNotUsed) {
  ScriptedServer server({{.body = "{}", .then = Scripted::Then::close_after}, {.status = 204}});
  Client client({.url = server.url()});
  client.get_queue("q");
  const auto deadline = steady_clock::now() + seconds(5);
  while (steady_clock::now() < deadline) {
    try {
      client.delete_task("q", "1");
      break;
    } catch (const Unreachable&) {
      // The close had not arrived yet.
    }
  }
  EXPECT_EQ(server.calls().back().connection, 2);
}

TEST(Client, WhatCannotBeAServerIsRefusedAtOnce) {
  EXPECT_THROW(Client({.url = "ftp://host"}), InvalidArgument);
  EXPECT_THROW(Client({.url = "127.0.0.1:8123"}), InvalidArgument);
  EXPECT_THROW(Client({.url = "https://host", .ca_file = "/nowhere"}), InvalidArgument);
  EXPECT_THROW(Client({.url = "http://host", .key = "a\r\nb"}), InvalidArgument);
}

}  // namespace
}  // namespace deferd::inline v1
