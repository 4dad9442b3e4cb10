// The whole door over real sockets, with the real runtime and a memory store behind it: what an SDK
// sends, and the bytes it gets. The clock stands still until it is moved; pushes are held until the
// test ends them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/appengine/appengine.h"
#include "api/appengine/envelope.h"
#include "api/http/server.h"
#include "api/http/testing/raw_client.h"
#include "runtime/runtime.h"
#include "runtime/testing/held_dispatcher.h"
#include "runtime/testing/stepped_clock.h"
#include "store/memory/store.h"

namespace deferd::appengine {

// What came back of one call.
template <class T>
struct Answer {
  wire::Response envelope;
  T message;

  bool ok() const { return envelope.has_response(); }
  // 0 when there is none.
  int application_error() const {
    return envelope.has_application_error() ? envelope.application_error().code() : 0;
  }
  int rpc_error() const { return envelope.has_rpc_error() ? envelope.rpc_error().code() : -1; }
  std::string detail() const {
    return envelope.has_rpc_error() ? envelope.rpc_error().detail()
                                    : envelope.application_error().detail();
  }
};

class DoorTest : public testing::Test {
 protected:
  static constexpr std::int64_t second = 1'000'000;

  // Before the first call: other options than the defaults.
  AppEngineDoorOptions options_;
  RuntimeOptions runtime_options_{.shards = 2};

  ~DoorTest() override {
    if (server_) server_->stop(Millis(0));
    dispatcher_.finish(200);
    runtime_.reset();
  }

  void start() {
    if (!runtime_) {
      auto runtime = Runtime::start(runtime_options_, clock_, store_, dispatcher_);
      ASSERT_TRUE(runtime);
      runtime_ = std::move(*runtime);
    }
    door_ = make_appengine_door(options_, *runtime_, clock_);
    HttpOptions http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    http.body_bytes_max = 32 << 20;
    auto started = HttpServer::start(http, *door_);
    ASSERT_TRUE(started);
    server_ = std::move(*started);
    client_.emplace(server_->port());
  }

  static std::string envelope(std::string_view method, std::string_view request,
                              std::string_view service = "taskqueue") {
    wire::Request message;
    message.set_service_name(std::string(service));
    message.set_method(std::string(method));
    message.set_request(std::string(request));
    message.set_request_id("ticket");
    return message.SerializeAsString();
  }
  RawResponse post(std::string_view body, std::string_view headers = {},
                   std::string_view path = "/rpc_http") {
    if (!server_) start();
    auto response = client_->call("POST", path, body, headers);
    EXPECT_TRUE(response);
    return response.value_or(RawResponse{});
  }
  template <class T>
  static Answer<T> read(const RawResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.header("Content-Type"), "application/octet-stream");
    Answer<T> answer;
    EXPECT_TRUE(answer.envelope.ParseFromString(response.body));
    const wire::Response& envelope = answer.envelope;
    EXPECT_EQ(int{envelope.has_response()} + int{envelope.has_application_error()} +
                  int{envelope.has_rpc_error()},
              1);
    if (answer.ok()) EXPECT_TRUE(answer.message.ParseFromString(envelope.response()));
    return answer;
  }
  template <class T>
  Answer<T> call(std::string_view method, const google::protobuf::MessageLite& request) {
    return read<T>(post(envelope(method, request.SerializeAsString())));
  }

  // ---- Requests

  std::int64_t now_usec() const { return to_micros(clock_.now().wall); }
  using Add = wire::TaskQueueAddRequest;
  Add push_task(std::string_view queue = "default", std::string_view name = "") const {
    Add add;
    add.set_queue_name(std::string(queue));
    add.set_task_name(std::string(name));
    add.set_eta_usec(now_usec());
    add.set_url("/work");
    return add;
  }
  Add later_task(std::string_view queue = "default", std::string_view name = "") const {
    Add add = push_task(queue, name);
    add.set_eta_usec(now_usec() + 3600 * second);
    return add;
  }
  Add pull_task(std::string_view queue, std::string_view name = "") const {
    Add add;
    add.set_queue_name(std::string(queue));
    add.set_task_name(std::string(name));
    add.set_eta_usec(now_usec());
    add.set_mode(wire::TaskQueueMode::PULL);
    add.set_body("body");
    return add;
  }
  using Bulk = Answer<wire::TaskQueueBulkAddResponse>;
  Bulk bulk(const std::vector<Add>& tasks) {
    wire::TaskQueueBulkAddRequest request;
    for (const Add& task : tasks) *request.add_add_request() = task;
    return call<wire::TaskQueueBulkAddResponse>("BulkAdd", request);
  }
  static std::vector<int> results(const Bulk& answer) {
    std::vector<int> codes;
    for (const auto& result : answer.message.taskresult()) codes.push_back(result.result());
    return codes;
  }
  // As one BulkAdd of one task: its code. A whole call's error is 1000 above its number.
  int add_code(const Add& task) {
    const Bulk answer = bulk({task});
    if (!answer.ok()) return 1000 + answer.application_error();
    return answer.message.taskresult(0).result();
  }
  // Its name.
  std::string add(const Add& task) {
    const Bulk answer = bulk({task});
    EXPECT_EQ(results(answer), std::vector{0}) << answer.detail();
    if (results(answer) != std::vector{0}) return {};
    return task.task_name().empty() ? answer.message.taskresult(0).chosen_task_name()
                                    : task.task_name();
  }

  wire::TaskQueueUpdateQueueRequest queue_update(std::string_view name) const {
    wire::TaskQueueUpdateQueueRequest request;
    request.set_queue_name(std::string(name));
    request.set_bucket_refill_per_second(5);
    request.set_bucket_capacity(5);
    return request;
  }
  Answer<wire::TaskQueueUpdateQueueResponse> update(
      const wire::TaskQueueUpdateQueueRequest& request) {
    return call<wire::TaskQueueUpdateQueueResponse>("UpdateQueue", request);
  }
  void make_queue(std::string_view name, wire::TaskQueueMode::Mode mode) {
    auto request = queue_update(name);
    request.set_mode(mode);
    EXPECT_TRUE(update(request).ok());
  }
  void make_push_queue(std::string_view name) { make_queue(name, wire::TaskQueueMode::PUSH); }
  void make_pull_queue(std::string_view name) { make_queue(name, wire::TaskQueueMode::PULL); }

  std::vector<int> delete_tasks(std::string_view queue, const std::vector<std::string>& names) {
    wire::TaskQueueDeleteRequest request;
    request.set_queue_name(std::string(queue));
    for (const std::string& name : names) request.add_task_name(name);
    const auto answer = call<wire::TaskQueueDeleteResponse>("Delete", request);
    EXPECT_TRUE(answer.ok()) << answer.detail();
    return {answer.message.result().begin(), answer.message.result().end()};
  }
  int purge(std::string_view queue) {
    wire::TaskQueuePurgeQueueRequest request;
    request.set_queue_name(std::string(queue));
    return call<wire::TaskQueuePurgeQueueResponse>("PurgeQueue", request).application_error();
  }
  int pause(std::string_view queue, bool pause, std::string_view app = "default") {
    wire::TaskQueuePauseQueueRequest request;
    request.set_app_id(std::string(app));
    request.set_queue_name(std::string(queue));
    request.set_pause(pause);
    return call<wire::TaskQueuePauseQueueResponse>("PauseQueue", request).application_error();
  }
  using Stats = wire::TaskQueueFetchQueueStatsResponse::QueueStats;
  Stats stats(std::string_view queue) {
    wire::TaskQueueFetchQueueStatsRequest request;
    request.add_queue_name(std::string(queue));
    const auto answer = call<wire::TaskQueueFetchQueueStatsResponse>("FetchQueueStats", request);
    EXPECT_EQ(answer.message.queuestats_size(), 1);
    return answer.message.queuestats_size() == 1 ? answer.message.queuestats(0) : Stats();
  }
  int count(std::string_view queue) { return stats(queue).num_tasks(); }

  using LeaseRequest = wire::TaskQueueQueryAndOwnTasksRequest;
  using Leased = Answer<wire::TaskQueueQueryAndOwnTasksResponse>;
  static LeaseRequest lease_request(std::string_view queue, double seconds, std::int64_t tasks) {
    LeaseRequest request;
    request.set_queue_name(std::string(queue));
    request.set_lease_seconds(seconds);
    request.set_max_tasks(tasks);
    return request;
  }
  Leased lease(const LeaseRequest& request) {
    return call<wire::TaskQueueQueryAndOwnTasksResponse>("QueryAndOwnTasks", request);
  }
  Leased lease(std::string_view queue, double seconds = 60, std::int64_t tasks = 1) {
    return lease(lease_request(queue, seconds, tasks));
  }
  Answer<wire::TaskQueueModifyTaskLeaseResponse> modify(std::string_view queue,
                                                        std::string_view name, std::int64_t eta,
                                                        double seconds) {
    wire::TaskQueueModifyTaskLeaseRequest request;
    request.set_queue_name(std::string(queue));
    request.set_task_name(std::string(name));
    request.set_eta_usec(eta);
    request.set_lease_seconds(seconds);
    return call<wire::TaskQueueModifyTaskLeaseResponse>("ModifyTaskLease", request);
  }

  using QueryRequest = wire::TaskQueueQueryTasksRequest;
  using Row = wire::TaskQueueQueryTasksResponse::Task;
  static QueryRequest query_request(std::string_view queue, int rows = 1000) {
    QueryRequest request;
    request.set_queue_name(std::string(queue));
    request.set_max_rows(rows);
    return request;
  }
  std::vector<Row> query(const QueryRequest& request) {
    const auto answer = call<wire::TaskQueueQueryTasksResponse>("QueryTasks", request);
    EXPECT_TRUE(answer.ok()) << answer.detail();
    return {answer.message.task().begin(), answer.message.task().end()};
  }
  std::vector<std::string> query_names(const QueryRequest& request) {
    std::vector<std::string> names;
    for (const Row& row : query(request)) names.push_back(row.task_name());
    return names;
  }
  Answer<wire::TaskQueueFetchTaskResponse> fetch(std::string_view queue, std::string_view name) {
    wire::TaskQueueFetchTaskRequest request;
    request.set_queue_name(std::string(queue));
    request.set_task_name(std::string(name));
    return call<wire::TaskQueueFetchTaskResponse>("FetchTask", request);
  }
  int force_run(std::string_view queue, std::string_view name) {
    wire::TaskQueueForceRunRequest request;
    request.set_queue_name(std::string(queue));
    request.set_task_name(std::string(name));
    const auto answer = call<wire::TaskQueueForceRunResponse>("ForceRun", request);
    EXPECT_TRUE(answer.ok()) << answer.detail();
    return answer.message.result();
  }

  // What another door, or the server itself, asks of the runtime.
  template <class T, class Command>
  Result<T> ask(Command command) {
    if (!server_) start();
    auto answer = std::make_shared<std::promise<Result<T>>>();
    command.reply = [answer](Result<T> result) { answer->set_value(std::move(result)); };
    auto future = answer->get_future();
    runtime_->submit(Command(std::move(command)));
    return future.get();
  }
  static QueueName name_of_queue(std::string_view queue, std::string_view project = "default") {
    return *QueueName::parse(project, "local", queue);
  }

  // Until `holds`, for what happens beside the calls; false after 5 s.
  static bool eventually(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + Seconds(5);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(Millis(1));
    }
    return true;
  }

  SteppedClock clock_;
  MemoryStore store_;
  HeldDispatcher dispatcher_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

}  // namespace deferd::appengine
