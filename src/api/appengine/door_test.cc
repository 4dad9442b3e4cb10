// Transport, envelope and identity (GAE-spec 1), over real sockets.
#include <algorithm>
#include <random>

#include "api/appengine/deadline.h"
#include "api/appengine/testing/door_harness.h"
#include "base/testing/seed.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;

class TransportTest : public DoorTest {
 protected:
  static std::string stats_of_nothing() {
    return wire::TaskQueueFetchQueueStatsRequest().SerializeAsString();
  }
};

// GAE-001
TEST_F(TransportTest, ABatchIsAnsweredWithOneResponse) {
  wire::TaskQueueBulkAddRequest request;
  *request.add_add_request() = push_task();
  const RawResponse response = post(envelope("BulkAdd", request.SerializeAsString()));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(response.header("Content-Length"), std::to_string(response.body.size()));
  wire::Response parsed;
  ASSERT_TRUE(parsed.ParseFromString(response.body));
  wire::TaskQueueBulkAddResponse results;
  ASSERT_TRUE(results.ParseFromString(parsed.response()));
  EXPECT_EQ(results.taskresult_size(), 1);
}

// GAE-002
TEST_F(TransportTest, HeadersOfTheBridgeAreNotRequired) {
  const std::string body = envelope("FetchQueueStats", stats_of_nothing());
  for (const std::string_view headers :
       {"", "Content-Type: application/x-protobuf\r\n",
        "Content-Type: application/octet-stream\r\nX-Google-RPC-Service-Deadline: 60\r\n"
        "X-Google-RPC-Service-Endpoint: app-engine-apis\r\n"
        "X-Google-RPC-Service-Method: /VMRemoteAPI.CallRemoteAPI\r\n"}) {
    EXPECT_TRUE(read<wire::TaskQueueFetchQueueStatsResponse>(post(body, headers)).ok()) << headers;
  }
}

// GAE-003
TEST_F(TransportTest, AnotherServiceIsNotFound) {
  const auto answer =
      read<wire::TaskQueueAddResponse>(post(envelope("Set", "anything", "memcache")));
  EXPECT_EQ(answer.rpc_error(), Rpc::CALL_NOT_FOUND);
  EXPECT_NE(answer.detail().find("\"memcache\""), std::string::npos);
}

// GAE-004
TEST_F(TransportTest, AnUnknownMethodIsNotFound) {
  for (const std::string_view method :
       {"bulkadd", "BulkAdd ", "taskqueue.BulkAdd", "", "Nothing"}) {
    const auto answer = read<wire::TaskQueueAddResponse>(post(envelope(method, "")));
    EXPECT_EQ(answer.rpc_error(), Rpc::CALL_NOT_FOUND) << method;
    EXPECT_NE(answer.detail().find(method), std::string::npos);
  }
}

// GAE-005
TEST_F(TransportTest, ARequestThatDoesNotDecode) {
  const auto garbage = read<wire::TaskQueueAddResponse>(post(envelope("BulkAdd", "\xff\xff\xff")));
  EXPECT_EQ(garbage.rpc_error(), Rpc::PARSE_ERROR);
  Add add = push_task();
  add.clear_eta_usec();
  const auto missing =
      read<wire::TaskQueueAddResponse>(post(envelope("Add", add.SerializePartialAsString())));
  EXPECT_EQ(missing.rpc_error(), Rpc::PARSE_ERROR);
  EXPECT_NE(missing.detail().find("eta_usec"), std::string::npos) << missing.detail();
}

// GAE-015
TEST_F(TransportTest, FieldsOfARequestThatNobodyKnowsArePassedOver) {
  Add add = later_task();
  add.mutable_unknown_fields()->AddVarint(1000, 7);
  add.mutable_unknown_fields()->AddLengthDelimited(1001, "from a newer SDK");
  wire::TaskQueueBulkAddRequest batch;
  *batch.add_add_request() = add;
  batch.mutable_unknown_fields()->AddGroup(1002)->AddVarint(1, 1);
  const auto answer =
      read<wire::TaskQueueBulkAddResponse>(post(envelope("BulkAdd", batch.SerializeAsString())));
  ASSERT_TRUE(answer.ok()) << answer.envelope.DebugString();
  EXPECT_EQ(answer.message.taskresult(0).result(), 0);
}

// GAE-006
TEST_F(TransportTest, WhatIsNoEnvelopeIsABadRequest) {
  for (const std::string& body : {""s, "hello"s, "\xff\xff"s, "{\"a\":1}"s}) {
    const RawResponse response = post(body);
    EXPECT_EQ(response.status, 400);
    EXPECT_LT(response.body.size(), 200U);
  }
  const auto get = client_->call("GET", "/rpc_http");
  ASSERT_TRUE(get);
  EXPECT_EQ(get->status, 405);
  EXPECT_EQ(get->header("Allow"), "POST");
  EXPECT_EQ(add_code(push_task()), 0) << "it serves on";
}

// GAE-011
TEST_F(TransportTest, ABodyOf20MebibytesIsTakenWhole) {
  // Most of it in a field that nobody knows, so that only its size matters.
  wire::TaskQueueFetchQueueStatsRequest request;
  request.mutable_unknown_fields()->AddLengthDelimited(100, std::string(20 << 20, 'x'));
  EXPECT_TRUE(call<wire::TaskQueueFetchQueueStatsResponse>("FetchQueueStats", request).ok());
}

// GAE-011
TEST_F(TransportTest, ABodyBeyondTheCapIsARpcError) {
  start();
  for (const std::string_view path : {"/rpc_http", "/remote_api"}) {
    RawClient client(server_->port());
    ASSERT_TRUE(client.send("POST " + std::string(path) +
                            " HTTP/1.1\r\nHost: x\r\nContent-Length: 33554433\r\n\r\n"));
    const auto response = client.read();
    ASSERT_TRUE(response);
    EXPECT_EQ(read<wire::TaskQueueAddResponse>(*response).rpc_error(), Rpc::REQUEST_TOO_LARGE);
  }
}

// GAE-009
TEST_F(TransportTest, DeadlinesOfAllKindsAreTaken) {
  const std::string body = envelope("FetchQueueStats", stats_of_nothing());
  for (const std::string_view deadline :
       {"0.5", "60", "4.998", "abc", "", "-1", "0", "nan", "inf", "1e300", "1e-300", " 5"}) {
    EXPECT_TRUE(read<wire::TaskQueueFetchQueueStatsResponse>(
                    post(body, "X-Google-RPC-Service-Deadline: " + std::string(deadline) + "\r\n"))
                    .ok())
        << deadline;
  }
}

// GAE-009
TEST(Deadline, IsToldALittleBeforeItPasses) {
  EXPECT_EQ(deadline_of("0.5"), Millis(500));
  EXPECT_EQ(deadline_of("60"), Seconds(60));
  EXPECT_EQ(deadline_of("4.998"), Millis(4998));
  EXPECT_EQ(deadline_of("1e-300"), Millis(1));
  EXPECT_EQ(deadline_of("1e300"), std::chrono::hours(1));
  EXPECT_EQ(deadline_of("inf"), std::chrono::hours(1));
  for (const std::string_view text : {"", "abc", "5s", " 5", "-1", "0", "nan"}) {
    EXPECT_EQ(deadline_of(text), Seconds(60)) << text;
  }
  EXPECT_EQ(wait_before(Millis(500)), Millis(450));
  EXPECT_EQ(wait_before(Seconds(60)), Millis(59'900));
  EXPECT_EQ(wait_before(Millis(1)), Millis(1));
}

// A store that is as slow as the test wants.
struct SlowStore {
  std::mutex mutex;
  std::vector<Callback<void()>> held;
  bool holds = false;
  MemoryStore store{std::make_shared<MemoryDisk>(MemoryDisk::Crashes::never),
                    {[this](Callback<void()> completion) {
                      {
                        const std::scoped_lock lock(mutex);
                        if (holds) return held.push_back(std::move(completion));
                      }
                      completion();
                    }}};
  void hold() {
    const std::scoped_lock lock(mutex);
    holds = true;
  }
  void release() {
    std::vector<Callback<void()>> due;
    {
      const std::scoped_lock lock(mutex);
      holds = false;
      due.swap(held);
    }
    for (auto& completion : due) completion();
  }
};

// GAE-009: told before the caller gives up, and what comes to its turn later is not begun.
TEST_F(TransportTest, ACallThatTakesTooLongIsTold) {
  SlowStore slow;
  auto runtime = Runtime::start({.shards = 1}, clock_, slow.store, dispatcher_);
  ASSERT_TRUE(runtime);
  runtime_ = std::move(*runtime);
  start();
  ASSERT_EQ(add_code(later_task()), 0);
  slow.hold();
  const auto from = std::chrono::steady_clock::now();
  wire::TaskQueueBulkAddRequest request;
  *request.add_add_request() = later_task("default", "late");
  const auto answer = read<wire::TaskQueueBulkAddResponse>(post(
      envelope("BulkAdd", request.SerializeAsString()), "X-Google-RPC-Service-Deadline: 0.5\r\n"));
  const auto took = std::chrono::steady_clock::now() - from;
  EXPECT_EQ(answer.rpc_error(), Rpc::DEADLINE_EXCEEDED);
  EXPECT_GE(took, Millis(400));
  // Before the deadline by arithmetic (below); a machine that is busy may be late with it.
  EXPECT_LT(took, Seconds(10));
  slow.release();
  EXPECT_EQ(add_code(later_task()), 0) << "the connection serves on";
  EXPECT_EQ(add_code(later_task("default", "late")), 10) << "it was begun before, so it is there";
  slow.hold();
  server_->stop(Millis(0));
  slow.release();
  server_.reset();
  runtime_.reset();  // before the store
}

// GAE-009: the other half. The shard comes to the call when its deadline has passed.
TEST_F(TransportTest, NothingIsBegunAfterTheDeadline) {
  start();
  AddTasks command;
  command.queue = name_of_queue("default");
  ASSERT_EQ(add_code(later_task()), 0);
  NewTask task;
  task.eta = wall_from_micros(now_usec() + 3600 * second);
  task.payload = share("x");
  task.has_target = true;
  command.tasks.push_back(task);
  std::promise<Reason> told;
  command.reply = [&told](const Result<std::vector<Result<Task>>>& added) {
    told.set_value(added ? Reason::internal : added.error().reason);
  };
  runtime_->enqueue_until(std::move(command), clock_.now().mono);
  runtime_->flush();
  EXPECT_EQ(told.get_future().get(), Reason::timeout);
  EXPECT_EQ(count("default"), 1);
}

// GAE-012
TEST_F(TransportTest, WithoutAuthenticationAnyTicketWillDo) {
  wire::Request request;
  request.set_service_name("taskqueue");
  request.set_method("FetchQueueStats");
  request.set_request(stats_of_nothing());
  EXPECT_TRUE(read<wire::TaskQueueFetchQueueStatsResponse>(post(request.SerializeAsString())).ok());
  for (const std::string& id : {""s, "x"s, std::string(10'000, 't')}) {
    request.set_request_id(id);
    EXPECT_TRUE(
        read<wire::TaskQueueFetchQueueStatsResponse>(post(request.SerializeAsString())).ok());
  }
}

class TicketTest : public DoorTest {
 protected:
  TicketTest() {
    options_.access = &access_;
    options_.tickets = &tickets_;
  }
  // Of the application shop, as a push carries it.
  std::string ticket() { return tickets_.mint("shop", Seconds(60), clock_.now().wall); }
  template <class T>
  Answer<T> call_as(std::string_view ticket, std::string_view method,
                    const google::protobuf::MessageLite& request) {
    wire::Request message;
    message.set_service_name("taskqueue");
    message.set_method(std::string(method));
    message.set_request(request.SerializeAsString());
    message.set_request_id(std::string(ticket));
    return read<T>(post(message.SerializeAsString()));
  }

  const Tickets tickets_{Tickets::Key{}, {"admin"}};
  AccessRules rules_;
  Access access_{{tickets_, [](const QueueSettings&) { return std::vector<RoleBinding>(); }}, {}};
};

// GAE-012
TEST_F(TicketTest, WithAuthenticationAWrongTicketIsRefused) {
  for (const std::string_view ticket : {"wrong", ""}) {
    const auto answer = call_as<wire::TaskQueueAddResponse>(ticket, "Add", push_task());
    EXPECT_EQ(answer.rpc_error(), Rpc::SECURITY_VIOLATION);
    EXPECT_EQ(answer.detail().find("wrong"), std::string::npos) << answer.detail();
  }
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>(ticket(), "Add", push_task()).ok());
  EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", "shop"), {}})))
      << "the ticket's application";
}

TEST_F(TicketTest, AnApiKeyIsATicketTooAndSpeaksForItsProject) {
  rules_.keys.push_back(
      {"web@bank", hash_of_key("deferd_web"), {{find_role("enqueuer")->permissions, "bank", {}}}});
  access_.set_rules(rules_);
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>("deferd_web", "Add", push_task()).ok());
  EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", "bank"), {}})));
  wire::TaskQueuePurgeQueueRequest purge;
  purge.set_queue_name("default");
  EXPECT_EQ(call_as<wire::TaskQueuePurgeQueueResponse>("deferd_web", "PurgeQueue", purge)
                .application_error(),
            Service::PERMISSION_DENIED);
  Add add = push_task();
  add.set_app_id("shop");
  EXPECT_EQ(call_as<wire::TaskQueueAddResponse>("deferd_web", "Add", add).application_error(),
            Service::PERMISSION_DENIED);
}

// GAE-149: without authentication a ticket still tells which application calls.
TEST_F(TicketTest, WithoutAuthenticationATicketTellsTheApplication) {
  options_.access = nullptr;
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>(ticket(), "Add", push_task()).ok());
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>("unknown", "Add", push_task()).ok());
  EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", "shop"), {}})));
  EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", "default"), {}})));
}

// GAE-014
TEST_F(TicketTest, AForeignApplicationIsForAdmins) {
  Add add = push_task();
  add.set_app_id("s~bank");
  const auto foreign = call_as<wire::TaskQueueAddResponse>(ticket(), "Add", add);
  EXPECT_EQ(foreign.application_error(), Service::PERMISSION_DENIED);
  wire::TaskQueueBulkAddRequest batch;
  *batch.add_add_request() = add;
  EXPECT_EQ(call_as<wire::TaskQueueBulkAddResponse>(ticket(), "BulkAdd", batch).application_error(),
            Service::PERMISSION_DENIED);
  add.set_app_id("s~shop");
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>(ticket(), "Add", add).ok()) << "its own";
  add.set_app_id("s~bank");
  EXPECT_TRUE(call_as<wire::TaskQueueAddResponse>("admin", "Add", add).ok());
  EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", "bank"), {}})));
}

TEST_F(TicketTest, WhatChangesQueuesIsForAdmins) {
  wire::TaskQueuePauseQueueRequest pause_request;
  pause_request.set_app_id("shop");
  pause_request.set_queue_name("default");
  pause_request.set_pause(true);
  EXPECT_EQ(call_as<wire::TaskQueuePauseQueueResponse>(ticket(), "PauseQueue", pause_request)
                .application_error(),
            Service::PERMISSION_DENIED);
  EXPECT_TRUE(
      call_as<wire::TaskQueuePauseQueueResponse>("admin", "PauseQueue", pause_request).ok());
  EXPECT_EQ(call_as<wire::TaskQueueUpdateQueueResponse>(ticket(), "UpdateQueue", queue_update("q"))
                .application_error(),
            Service::PERMISSION_DENIED);
}

// GAE-013
TEST_F(TransportTest, AnApplicationIsFoundWhateverItsPartition) {
  const std::pair<std::string, std::string> ids[] = {{"s~myapp", "myapp"},
                                                     {"e~other", "other"},
                                                     {"dev~third", "third"},
                                                     {"plain", "plain"},
                                                     {"example.com:myapp", "example.com:myapp"},
                                                     {"s~example.com:x", "example.com:x"}};
  for (const auto& [app_id, project] : ids) {
    Add add = push_task();
    add.set_app_id(app_id);
    EXPECT_EQ(add_code(add), 0) << app_id;
    EXPECT_TRUE((ask<QueueInfo>(GetQueue{name_of_queue("default", project), {}}))) << app_id;
  }
  Add add = push_task();
  add.set_app_id("no app/id");
  EXPECT_EQ(add_code(add), 1000 + Service::INVALID_REQUEST);
}

// GAE-010: one segment an answer; 40 ms would be a delayed acknowledgement.
TEST_F(TransportTest, CallsOnOneConnectionDoNotStall) {
  std::vector<double> times;
  for (int i = 0; i < 1000; ++i) {
    const auto from = std::chrono::steady_clock::now();
    ASSERT_EQ(add_code(later_task()), 0);
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count());
  }
  std::ranges::nth_element(times, times.begin() + 500);
  EXPECT_LT(times[500], 5) << "median, in milliseconds";
}

// GAE-018
TEST_F(TransportTest, EachOfManyConnectionsGetsItsOwnAnswer) {
  start();
  constexpr int connections = 100;
  std::vector<RawClient> clients;
  clients.reserve(connections);
  for (int i = 0; i < connections; ++i) clients.emplace_back(server_->port());
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 5; ++round) {
    std::vector<int> order(connections);
    for (int i = 0; i < connections; ++i) order[static_cast<std::size_t>(i)] = i;
    std::ranges::shuffle(order, random);
    for (const int i : order) {
      wire::TaskQueueAddRequest request =
          later_task("default", "c" + std::to_string(i) + "-" + std::to_string(round));
      // Every third fails in a way of its own, every fifth takes a longer way.
      if (i % 3 == 0) request.set_queue_name("missing" + std::to_string(i));
      wire::TaskQueueBulkAddRequest batch;
      for (int n = 0; n < (i % 5 == 0 ? 50 : 1); ++n) {
        *batch.add_add_request() = request;
        if (n > 0) batch.mutable_add_request(n)->set_task_name("");
      }
      ASSERT_TRUE(clients[static_cast<std::size_t>(i)].send(
          RawClient::request("POST", "/rpc_http", envelope("BulkAdd", batch.SerializeAsString()))));
    }
    std::ranges::shuffle(order, random);
    for (const int i : order) {
      const auto response = clients[static_cast<std::size_t>(i)].read();
      ASSERT_TRUE(response);
      const auto answer = read<wire::TaskQueueBulkAddResponse>(*response);
      ASSERT_EQ(answer.message.taskresult_size(), i % 5 == 0 ? 50 : 1) << i;
      EXPECT_EQ(answer.message.taskresult(0).result(), i % 3 == 0 ? 1 : 0) << i;
      EXPECT_FALSE(answer.message.taskresult(0).has_chosen_task_name());
    }
  }
}

// GAE-033: the greeting and the errors of Java's remote tools.
TEST_F(TransportTest, JavasRemoteTools) {
  options_.default_app = "myapp";
  start();
  const auto greeting =
      client_->call("GET", "/remote_api?rtok=0", {}, "X-appcfg-api-version: 1\r\n");
  ASSERT_TRUE(greeting);
  EXPECT_EQ(greeting->status, 200);
  EXPECT_EQ(greeting->header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(greeting->body, "{app_id: myapp, rtok: '0'}\n");
  const std::string body = envelope("Add", push_task("missing").SerializeAsString());
  const auto answer = read<wire::TaskQueueAddResponse>(post(body, "", "/remote_api"));
  EXPECT_EQ(answer.application_error(), Service::UNKNOWN_QUEUE);
  EXPECT_NE(answer.envelope.java_exception().find("ApplicationError: 1: " + answer.detail()),
            std::string::npos);
  const auto sdk = read<wire::TaskQueueAddResponse>(post(body));
  EXPECT_FALSE(sdk.envelope.has_java_exception()) << "Go would take it for a failure of the call";
  EXPECT_EQ(client_->call("PUT", "/remote_api")->status, 405);
}

TEST_F(TransportTest, AWebPageOfAnotherOriginMayNotCall) {
  const std::string body = envelope("Add", push_task().SerializeAsString());
  EXPECT_EQ(post(body, "Origin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(post(body, "Sec-Fetch-Site: cross-site\r\n").status, 403);
  EXPECT_EQ(count("default"), 0);
}

// A few bytes a field blow up to many in memory: such a request is not decoded at all.
TEST_F(TransportTest, RequestsThatWouldBlowUpAreRefused) {
  std::string names = "\x0a\x01q";
  for (int i = 0; i < 200'000; ++i) names += "\x12\x01n"s;
  const auto many = read<wire::TaskQueueDeleteResponse>(post(envelope("Delete", names)));
  EXPECT_EQ(many.rpc_error(), Rpc::REQUEST_TOO_LARGE);
  std::string headers;
  for (int i = 0; i < 200'000; ++i) headers += "\x33\x34"s;
  std::string task = push_task().SerializeAsString() + headers;
  wire::TaskQueueBulkAddRequest batch;
  const auto one = read<wire::TaskQueueAddResponse>(post(envelope("Add", task)));
  EXPECT_EQ(one.rpc_error(), Rpc::REQUEST_TOO_LARGE);
  std::string tasks;
  for (int i = 0; i < 1'000'000; ++i) tasks += "\x0a\x00"s;
  const auto bulk_answer = read<wire::TaskQueueBulkAddResponse>(post(envelope("BulkAdd", tasks)));
  EXPECT_EQ(bulk_answer.application_error(), Service::TOO_MANY_TASKS);
}

}  // namespace
}  // namespace deferd::appengine
