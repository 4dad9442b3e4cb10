// The gRPC transport over real sockets (CT-spec 1.1).
#include "api/cloudtasks/grpc_server.h"

#include <arpa/inet.h>
#include <google/rpc/error_details.pb.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "api/cloudtasks/testing/harness.h"
#include "api/http/server.h"

namespace deferd::cloudtasks {
namespace {

class NoDoor final : public HttpHandler {
 public:
  void handle(const HttpRequest& /*request*/, HttpReply /*reply*/) override {}
};

class GrpcTest : public CloudTasksTest {
 protected:
  void SetUp() override {
    service();
    server_ = GrpcServer::start({.threads = 2}, shared_service(), clock_);
    HttpOptions options;
    options.listen = "127.0.0.1:0";
    options.take_http2 = [this](int fd) { server_->take(fd); };
    auto port = HttpServer::start(options, no_door_);
    ASSERT_TRUE(port) << port.error().message;
    port_ = std::move(*port);
    channel_ = grpc::CreateChannel(port_->address(), grpc::InsecureChannelCredentials());
  }
  void TearDown() override {
    if (server_) server_->stop(Millis(1000));
  }

  template <class Request, class Response>
  grpc::Status rpc(const char* path, const Request& request, Response& response,
                   grpc::ClientContext* context = nullptr) {
    grpc::ClientContext own;
    return grpc::internal::BlockingUnaryCall<Request, Response, google::protobuf::Message,
                                             google::protobuf::Message>(
        channel_.get(),
        grpc::internal::RpcMethod(path, grpc::internal::RpcMethod::NORMAL_RPC, channel_),
        context != nullptr ? context : &own, request, &response);
  }
  grpc::Status create(std::string_view id, V2::Queue& queue,
                      grpc::ClientContext* context = nullptr) {
    V2::CreateQueueRequest request;
    request.set_parent(location_path);
    request.mutable_queue()->set_name(queue_path(id));
    return rpc("/google.cloud.tasks.v2.CloudTasks/CreateQueue", request, queue, context);
  }

  NoDoor no_door_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<HttpServer> port_;  // gives connections to server_
  std::shared_ptr<grpc::Channel> channel_;
};

// CT-193
TEST_F(GrpcTest, ACallIsAnswered) {
  V2::Queue queue;
  grpc::ClientContext context;
  context.AddMetadata("x-goog-request-params", "parent=projects%2Fp");
  context.AddMetadata("x-goog-api-client", "gl-cpp/1");
  ASSERT_TRUE(create("q", queue, &context).ok());
  EXPECT_EQ(queue.name(), queue_path("q"));
}

// CT-181 (gRPC)
TEST_F(GrpcTest, DetailsOfFailuresTravel) {
  V2::Queue queue;
  const grpc::Status status = create("a_b", queue);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  google::rpc::Help help;
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_TRUE(details.details(0).UnpackTo(&help));
}

// CT-192
TEST_F(GrpcTest, UnknownMethodsAndFields) {
  V2::Queue queue;
  V2::GetQueueRequest get;
  get.set_name(queue_path("q"));
  EXPECT_EQ(rpc("/google.cloud.tasks.v2.CloudTasks/Nonsense", get, queue).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  ASSERT_TRUE(create("q", queue).ok());
  get.GetReflection()->MutableUnknownFields(&get)->AddVarint(1000, 1);
  EXPECT_TRUE(rpc("/google.cloud.tasks.v2.CloudTasks/GetQueue", get, queue).ok());
}

// CT-194
TEST_F(GrpcTest, LongDeadlinesAreTaken) {
  V2::Queue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(5));
  EXPECT_TRUE(create("q", queue, &context).ok());
}

TEST_F(GrpcTest, AConnectionIsTakenOver) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  server_->take(ends[0]);
  channel_ = grpc::CreateInsecureChannelFromFd("taken", ends[1]);
  V2::Queue queue;
  EXPECT_TRUE(create("q", queue).ok());
}

TEST_F(GrpcTest, ManyCallersAreAnswered) {
  V2::Queue queue;
  ASSERT_TRUE(create("q", queue).ok());
  std::atomic<int> made{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([this, &made] {
      V2::CreateTaskRequest request;
      request.set_parent(queue_path("q"));
      *request.mutable_task() = later(http_task());
      for (int j = 0; j < 50; ++j) {
        V2::Task task;
        if (rpc("/google.cloud.tasks.v2.CloudTasks/CreateTask", request, task).ok()) ++made;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(made, 400);
}

TEST_F(GrpcTest, ATooLargeMessageIsRefused) {
  V2::CreateTaskRequest request;
  request.set_parent(queue_path("q"));
  request.mutable_task()->mutable_http_request()->set_body(std::string(33 << 20, 'x'));
  V2::Task task;
  EXPECT_EQ(rpc("/google.cloud.tasks.v2.CloudTasks/CreateTask", request, task).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcTest, StoppingEndsConnections) {
  V2::Queue queue;
  ASSERT_TRUE(create("q", queue).ok());
  server_->stop(Millis(100));
  EXPECT_EQ(create("other", queue).error_code(), grpc::StatusCode::UNAVAILABLE);
}

class GrpcAccessTest : public GrpcTest {
 protected:
  GrpcAccessTest() { options_.access = &access_; }

  grpc::StatusCode create_with(const char* name, const std::string& value) {
    V2::Queue queue;
    grpc::ClientContext context;
    context.AddMetadata(name, value);
    return create("q", queue, &context).error_code();
  }

  const Tickets tickets_{Tickets::Key{}, {}};
  Access access_{
      {tickets_, policy_of_queue},
      {.keys = {{"ops", hash_of_key("deferd_1"), {{find_role("admin")->permissions, {}, {}}}}}}};
};

TEST_F(GrpcAccessTest, CredentialsComeAsMetadata) {
  EXPECT_EQ(create_with("x-goog-api-client", "gl-cpp/1"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(create_with("authorization", "Bearer owner"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(create_with("authorization", "Bearer deferd_1"), grpc::StatusCode::OK);
  EXPECT_EQ(create_with("x-goog-api-key", "deferd_1"), grpc::StatusCode::ALREADY_EXISTS);
}

}  // namespace
}  // namespace deferd::cloudtasks
