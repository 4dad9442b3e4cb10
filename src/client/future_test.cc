// Futures of both clients against a server that answers as it is told.
#include "deferd/future.h"

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>

#include "client/scripted_server.h"
#include "deferd/async_client.h"
#include "deferd/task.h"

namespace deferd::inline v1 {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::hang_up;
using testing::refusal;
using testing::Scripted;
using testing::ScriptedServer;
using testing::task_answer;

struct Square {
  static constexpr std::string_view name = "square";
  static constexpr std::string_view queue = "numbers";
  int number = 0;
  int run(Context&) const { return number * number; }
};
BOOST_DESCRIBE_STRUCT(Square, (), (number))

struct Forget {
  static constexpr std::string_view name = "forget";
  void run(Context&) const {}
};
BOOST_DESCRIBE_STRUCT(Forget, (), ())

Scripted results(const std::string& list) {
  return {.body = R"({"pending": 0, "results": [)" + list + "]}"};
}
Scripted succeeded(const std::string& id, const std::string& body) {
  return results(R"({"id": ")" + id + R"(", "state": "succeeded", "result": {"body": ")" + body +
                 R"("}})");
}

TEST(Future, HasWhatTheTaskReturned) {
  ScriptedServer server({task_answer("1"), succeeded("1", "49")});
  Client client({.url = server.url()});
  Future<int> square = client.submit<Square>(7);
  EXPECT_EQ(square.get(), 49);
  EXPECT_TRUE(square.ready());
  const auto calls = server.calls();
  EXPECT_EQ(calls[0].line, "POST /v1/queues/numbers/tasks");
  EXPECT_NE(calls[0].body.find(R"("json":{"task":"square","args":[],"kwargs":{"number":7}})"),
            std::string::npos);
  EXPECT_NE(calls[0].body.find(R"("keep_result":"3600000000us")"), std::string::npos);
  EXPECT_EQ(calls[1].line, "POST /v1/queues/numbers/tasks:results");
}

TEST(Future, ManyAreSubmittedInOneCall) {
  ScriptedServer server(
      {{.body =
            R"({"results": [{"task": {"id": "1"}}, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]})"},
       succeeded("1", "49")});
  Client client({.url = server.url()});
  const auto squares = client.submit_all(std::vector<Square>{{7}, {8}});
  ASSERT_EQ(squares.size(), 2);
  EXPECT_EQ(squares[0].value().get(), 49);
  EXPECT_THROW(squares[1].value(), ResourceExhausted);
  EXPECT_EQ(server.calls()[0].line, "POST /v1/queues/numbers/tasks:batch");
}

TEST(Future, ThrowsWhyThereIsNoResult) {
  const auto ended = [](const char* members) {
    ScriptedServer server(
        {task_answer("1"), results(std::string(R"({"id": "1", )") + members + "}")});
    Client client({.url = server.url()});
    client.submit(Square{7}, {.queue = "q"}).get();
  };
  try {
    ended(R"("state": "failed", "error": "no luck", "reason": "attempts")");
    FAIL();
  } catch (const TaskFailed& error) {
    EXPECT_STREQ(error.what(), "no luck");
    EXPECT_EQ(error.reason(), "attempts");
  }
  EXPECT_THROW(ended(R"("state": "cancelled")"), TaskCancelled);
  EXPECT_THROW(ended(R"("state": "expired")"), TaskExpired);
  EXPECT_THROW(ended(R"("error": {"code": 404, "status": "NOT_FOUND", "message": "over"})"),
               NotFound);
}

TEST(Future, AServerThatIsAwayForAWhileIsAskedAgain) {
  Scripted nothing = {.body = R"({"pending": 1, "results": []})"};
  ScriptedServer server(
      {task_answer("1"), nothing, refusal(503, "UNAVAILABLE"), succeeded("1", "49")});
  Client client({.url = server.url(), .attempts = 1});
  Future<int> square = client.submit<Square>(7);
  EXPECT_EQ(square.get(), 49);
}

TEST(Future, ARefusalForGoodIsItsEnd) {
  ScriptedServer server({task_answer("1"), refusal(403, "PERMISSION_DENIED")});
  Client client({.url = server.url()});
  EXPECT_THROW(client.submit<Square>(7).get(), PermissionDenied);
}

TEST(Future, WaitsAsLongAsItIsTold) {
  ScriptedServer server({task_answer("1"), {.then = Scripted::Then::never_answer}});
  Client client({.url = server.url()});
  const Future<int> square = client.submit<Square>(7);
  EXPECT_FALSE(square.wait_for(milliseconds(1)));
  EXPECT_FALSE(square.ready());
}

TEST(Future, IsCancelledByACall) {
  ScriptedServer server({task_answer("1"),
                         {.then = Scripted::Then::never_answer},
                         task_answer("1"),
                         refusal(404, "NOT_FOUND")});
  Client client({.url = server.url()});
  Future<int> square = client.submit<Square>(7);
  while (server.calls().size() < 2) std::this_thread::yield();  // the poll is under way
  EXPECT_TRUE(square.cancel());
  EXPECT_EQ(server.calls()[2].line, "POST /v1/queues/numbers/tasks/1:cancel");
  EXPECT_FALSE(square.cancel());
}

TEST(AsyncClient, CallsAreAwaited) {
  ScriptedServer server({{.body = R"({"id": "1", "queue": "q"})"}, refusal(404, "NOT_FOUND")});
  asio::io_context io;
  AsyncClient client(io.get_executor(), {.url = server.url()});
  std::string id;
  bool not_found = false;
  const auto program = [&]() -> asio::awaitable<void> {
    id = (co_await client.get_task("q", "1")).id;
    try {
      co_await client.get_task("q", "2");
    } catch (const NotFound&) {
      not_found = true;
    }
  };
  asio::co_spawn(io, program(), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
  EXPECT_EQ(id, "1");
  EXPECT_TRUE(not_found);
}

TEST(AsyncClient, CallsTakeAnyCompletionToken) {
  ScriptedServer server({{.body = R"({"id": "1"})"}, {.body = R"({"id": "2"})"}});
  asio::io_context io;
  AsyncClient client(io.get_executor(), {.url = server.url()});
  std::string id;
  client.get_task("q", "1")([&](const std::exception_ptr& error, Task task) {
    EXPECT_FALSE(error);
    id = std::move(task.id);
  });
  io.run();
  EXPECT_EQ(id, "1");
  io.restart();
  std::future<Task> task = client.get_task("q", "2")(asio::use_future);
  io.run();
  EXPECT_EQ(task.get().id, "2");
}

TEST(AsyncClient, ACallThatIsCancelledFails) {
  ScriptedServer server({{.then = Scripted::Then::never_answer}});
  asio::io_context io;
  AsyncClient client(io.get_executor(), {.url = server.url()});
  asio::cancellation_signal cancelled;
  std::exception_ptr failure;
  client.lease_tasks("q", {.wait = seconds(60)})(asio::bind_cancellation_slot(
      cancelled.slot(),
      [&](std::exception_ptr error, const std::vector<Task>&) { failure = std::move(error); }));
  while (server.calls().empty()) io.run_one_for(milliseconds(1));
  cancelled.emit(asio::cancellation_type::terminal);
  io.run();
  ASSERT_TRUE(failure);
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    EXPECT_EQ(error.code(), asio::error::operation_aborted);
  }
}

TEST(AsyncClient, ItsEndIsThatOfItsCalls) {
  ScriptedServer server({{.then = Scripted::Then::never_answer}});
  asio::io_context io;
  std::optional<AsyncClient> client(std::in_place, io.get_executor(),
                                    ClientOptions{.url = server.url()});
  std::exception_ptr failure;
  client->get_queue("q")(
      [&](std::exception_ptr error, const Queue&) { failure = std::move(error); });
  while (server.calls().empty()) io.run_one_for(milliseconds(1));
  client.reset();
  io.run();
  ASSERT_TRUE(failure);
  EXPECT_THROW(std::rethrow_exception(failure), Unreachable);
}

TEST(AsyncClient, FuturesAreAwaited) {
  ScriptedServer server(
      {task_answer("1"), succeeded("1", "49"), task_answer("2"), succeeded("2", "null")});
  asio::io_context io;
  AsyncClient client(io.get_executor(), {.url = server.url()});
  int value = 0;
  const auto program = [&]() -> asio::awaitable<void> {
    const AsyncFuture<int> square = co_await client.submit<Square>(7);
    value = co_await square.get();
    const AsyncFuture<void> forget = co_await client.submit<Forget>();
    co_await forget.get();
  };
  asio::co_spawn(io, program(), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
  EXPECT_EQ(value, 49);
}

}  // namespace
}  // namespace deferd::inline v1
