// deferd_bench_echo: what gRPC itself costs. A bare server of its callback API, as generated code
// would set it up, that answers CreateTask with the task of the request under a name: messages of
// the same sizes as deferd's, and no engine, no disk, no thread but gRPC's. Runs until it is
// stopped.

#include <google/cloud/tasks/v2/cloudtasks.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <cstdio>
#include <memory>
#include <string>

namespace {

namespace v2 = google::cloud::tasks::v2;

class EchoService final : public grpc::Service {
 public:
  EchoService() {
    AddMethod(new grpc::internal::RpcServiceMethod("/google.cloud.tasks.v2.CloudTasks/CreateTask",
                                                   grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodCallback(0, new grpc::internal::CallbackUnaryHandler<v2::CreateTaskRequest, v2::Task>(
                              [](grpc::CallbackServerContext* context,
                                 const v2::CreateTaskRequest* request, v2::Task* task) {
                                *task = request->task();
                                task->set_name(request->parent() + "/tasks/00000000000000000000");
                                // As deferd's answer, which holds no body unless it is asked for.
                                task->mutable_http_request()->clear_body();
                                task->mutable_schedule_time()->set_seconds(1'800'000'000);
                                task->mutable_create_time()->set_seconds(1'800'000'000);
                                task->mutable_dispatch_deadline()->set_seconds(600);
                                grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
                                reactor->Finish(grpc::Status::OK);
                                return reactor;
                              }));
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: deferd_bench_echo PORT\n");
    return 2;
  }
  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::string(argv[1]), grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "deferd_bench_echo: port %s cannot be had\n", argv[1]);
    return 1;
  }
  server->Wait();
}
