// What /metrics says of a scripted run of Cloud Tasks: clock and targets are the test's, so that
// every number is known beforehand (CT-spec 12).
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <sstream>
#include <string>

#include "api/cloudtasks/grpc_server.h"
#include "api/cloudtasks/rest/testing/door_harness.h"
#include "model/time_text.h"
#include "server/metrics.h"

namespace deferd {
namespace {

using cloudtasks::V2;
using Samples = std::map<std::string, double>;

class CloudTasksMetrics : public cloudtasks::rest::RestTest {
 protected:
  static constexpr const char* queues = "/v2/projects/p/locations/l/queues";
  static constexpr const char* tasks = "/v2/projects/p/locations/l/queues/q/tasks";

  void SetUp() override {
    service();
    grpc_ = GrpcServer::start({.threads = 1}, shared_service(), clock_);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    grpc_->take(ends[0]);
    channel_ = grpc::CreateInsecureChannelFromFd("deferd", ends[1]);
  }
  void TearDown() override {
    channel_.reset();
    grpc_->stop(Millis(1000));
  }

  template <class Response, class Request>
  grpc::StatusCode rpc(const char* path, const Request& request) {
    grpc::ClientContext context;
    Response response;
    return grpc::internal::BlockingUnaryCall<Request, Response, google::protobuf::Message,
                                             google::protobuf::Message>(
               channel_.get(),
               grpc::internal::RpcMethod(path, grpc::internal::RpcMethod::NORMAL_RPC, channel_),
               &context, request, &response)
        .error_code();
  }
  int add(const std::string& id, Micros from_now) {
    return post(tasks, R"({"task":{"name":"projects/p/locations/l/queues/q/tasks/)" + id +
                           R"(","httpRequest":{"url":"http://example.com/"},"scheduleTime":")" +
                           format_time(clock_.now().wall + from_now) + R"("}})")
        .status;
  }

  // After `wait` one attempt is due; it ends so.
  void attempt(Micros wait, std::int16_t status) {
    clock_.advance(wait);
    stats();  // wakes the shard
    ASSERT_TRUE(dispatcher_.wait_for(1));
    ASSERT_EQ(dispatcher_.started(), 1U);
    dispatcher_.finish(status);
    stats();  // the shard knows it before time goes on
  }

  QueueStats stats() {
    GetQueueStats command;
    command.queue = *QueueName::parse("p", "l", "q");
    std::promise<QueueStats> answered;
    service().submit({std::make_shared<AtOnce>()}, std::move(command),
                     [&](Result<QueueStats> stats) { answered.set_value(*stats); });
    return answered.get_future().get();
  }

  // What begins with `prefix`, less that.
  Samples shown(const std::string& prefix) {
    Metrics metrics;
    metrics.observe_queues({{*QueueName::parse("p", "l", "q"), stats()}});
    std::istringstream lines(metrics.text(call_counts(service())));
    Samples found;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(prefix)) continue;
      const std::size_t space = line.rfind(' ');
      found[line.substr(prefix.size(), space - prefix.size())] = std::stod(line.substr(space));
    }
    return found;
  }

 private:
  class AtOnce final : public cloudtasks::CallThread {
   public:
    void post(Callback<void()> work) override { std::move(work)(); }
  };

  std::unique_ptr<GrpcServer> grpc_;
  std::shared_ptr<grpc::Channel> channel_;
};

std::string of_queue(const std::string& labels = "") {
  return R"({project="p",location="l",queue="q")" + labels + "}";
}
std::string of_status(const std::string& status, const std::string& code) {
  return of_queue(R"(,status=")" + status + R"(",response_code=")" + code + "\"");
}
std::string of_call(const std::string& transport, const std::string& method,
                    const std::string& code) {
  return R"({transport=")" + transport +
         R"(",service="google.cloud.tasks.v2.CloudTasks",api_method=")" + method +
         R"(",response_code=")" + code + "\"}";
}

// CT-255
TEST_F(CloudTasksMetrics, AScriptedRunIsCountedExactly) {
  ASSERT_EQ(post(queues, R"({"name":"projects/p/locations/l/queues/q","retryConfig":
      {"maxAttempts":4,"minBackoff":"1s","maxBackoff":"1s"}})")
                .status,
            200);
  ASSERT_EQ(post(queues, R"({"name":"projects/p/locations/l/queues/q"})").status, 409);
  ASSERT_EQ(add("a", Seconds(10)), 200);
  ASSERT_EQ(add("b", Seconds(100)), 200);
  ASSERT_EQ(add("last", Seconds(3600)), 200);
  ASSERT_EQ(add("a", Seconds(10)), 409);
  ASSERT_EQ(post(tasks, R"({"task":{"httpRequest":{}}})").status, 400);  // no URL
  ASSERT_EQ(post(tasks, "{").status, 400);
  ASSERT_EQ(get(std::string(tasks) + "?pageSize=x").status, 400);
  EXPECT_EQ(shown("deferd_queue_depth"), (Samples{{of_queue(), 3}}));

  attempt(Seconds(12), 503);                // due for 2 s
  attempt(Seconds(1), 500);                 // at once
  attempt(Millis(1500), 200);               // due for 500 ms: a is done
  attempt(Seconds(100), 404);               // due for 14.5 s
  attempt(Seconds(1), 503);                 // at once
  attempt(Seconds(3), status_timeout);      // due for 2 s
  attempt(Seconds(1), status_unreachable);  // at once: b is out of attempts
  EXPECT_EQ(shown("deferd_queue_depth"), (Samples{{of_queue(), 1}}));

  V2::GetTaskRequest get;
  get.set_name(task_path("q", "last"));
  const char* get_task_path = "/google.cloud.tasks.v2.CloudTasks/GetTask";
  EXPECT_EQ(rpc<V2::Task>(get_task_path, get), grpc::OK);
  EXPECT_EQ(rpc<V2::Task>(get_task_path, get), grpc::OK);
  get.set_name(task_path("q", "none"));
  EXPECT_EQ(rpc<V2::Task>(get_task_path, get), grpc::NOT_FOUND);
  get.set_name("nonsense");
  EXPECT_EQ(rpc<V2::Task>(get_task_path, get), grpc::INVALID_ARGUMENT);
  google::rpc::Status other;  // its text stands where a CreateTaskRequest has a task
  other.set_message("\x0a\x7f");
  EXPECT_EQ(rpc<V2::Task>("/google.cloud.tasks.v2.CloudTasks/CreateTask", other),
            grpc::INVALID_ARGUMENT);

  EXPECT_EQ(shown("deferd_queue_attempts_total"),
            (Samples{{of_status("200", "ok"), 1},
                     {of_status("404", "not_found"), 1},
                     {of_status("500", "internal"), 1},
                     {of_status("503", "unavailable"), 2},
                     {of_status("timeout", "deadline_exceeded"), 1},
                     {of_status("unreachable", "unavailable"), 1}}));

  Samples delays = shown("deferd_queue_attempt_delay_seconds");
  EXPECT_EQ(delays["_count" + of_queue()], 7);
  EXPECT_EQ(delays["_sum" + of_queue()], 2 + 0.5 + 14.5 + 2);
  const auto within = [&delays](const char* bound) {
    return delays["_bucket" + of_queue(std::string(R"(,le=")") + bound + "\"")];
  };
  EXPECT_EQ(within("0.001"), 3);
  EXPECT_EQ(within("0.2"), 3);
  EXPECT_EQ(within("0.5"), 4);
  EXPECT_EQ(within("1"), 4);
  EXPECT_EQ(within("2"), 6);
  EXPECT_EQ(within("10"), 6);
  EXPECT_EQ(within("30"), 7);
  EXPECT_EQ(within("+Inf"), 7);

  EXPECT_EQ(shown("deferd_cloudtasks_requests_total"),
            (Samples{{of_call("rest", "CreateQueue", "ok"), 1},
                     {of_call("rest", "CreateQueue", "already_exists"), 1},
                     {of_call("rest", "CreateTask", "ok"), 3},
                     {of_call("rest", "CreateTask", "already_exists"), 1},
                     {of_call("rest", "CreateTask", "invalid_argument"), 2},
                     {of_call("rest", "ListTasks", "invalid_argument"), 1},
                     {of_call("grpc", "GetTask", "ok"), 2},
                     {of_call("grpc", "GetTask", "not_found"), 1},
                     {of_call("grpc", "GetTask", "invalid_argument"), 1},
                     {of_call("grpc", "CreateTask", "invalid_argument"), 1}}));
}

TEST(QueueMetrics, StatusesBeyondTheFirstAreOne) {
  QueueStats stats;
  for (std::int16_t status = 400; status < 450; ++status) stats.attempts.add(status);
  Metrics metrics;
  metrics.observe_queues({{*QueueName::parse("p", "l", "q"), stats}});
  const std::string text = metrics.text({});
  EXPECT_NE(text.find("deferd_queue_attempts_total" + of_status("431", "unknown") + " 1\n"),
            text.npos);
  EXPECT_EQ(text.find(R"(status="432")"), text.npos);
  EXPECT_NE(text.find("deferd_queue_attempts_total" + of_status("other", "other") + " 18\n"),
            text.npos);
}

}  // namespace
}  // namespace deferd
