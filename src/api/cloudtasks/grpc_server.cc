#include "api/cloudtasks/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <fcntl.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <utility>
#include <vector>

#include "api/cloudtasks/answer_threads.h"
#include "api/cloudtasks/methods.h"
#include "base/assert.h"

namespace deferd {
namespace {

using cloudtasks::AnswerThreads;
using cloudtasks::Context;
using cloudtasks::Failure;
using cloudtasks::Method;
using cloudtasks::Outcome;
using google::protobuf::Message;

grpc::Status status_of(const Failure& failure) {
  return grpc::Status(static_cast<grpc::StatusCode>(failure.code()), failure.message(),
                      failure.details_size() > 0 ? failure.SerializeAsString() : std::string());
}

// When a caller stops waiting, on our clock.
Mono good_until(const grpc::ServerContextBase& context, const Clock& clock) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  if (left > std::chrono::hours(1)) return Mono::max();
  return clock.now().mono + std::chrono::duration_cast<Nanos>(left);
}

// The same name may be there more than once; the first counts.
std::string value_of(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return {};
  return std::string(found->second.data(), found->second.size());
}

cloudtasks::Credentials credentials_of(const grpc::ServerContextBase& context) {
  return {value_of(context, "authorization"), value_of(context, "x-goog-api-key")};
}

// The duty to end one call; dropped, it says that the server is stopping rather than leave a client
// waiting.
class Ending {
 public:
  Ending(grpc::ServerUnaryReactor* reactor, grpc::ByteBuffer* response,
         cloudtasks::CallCounter& counter)
      : reactor_(reactor), response_(response), counter_(&counter) {}
  Ending(Ending&& other) noexcept
      : reactor_(std::exchange(other.reactor_, nullptr)),
        response_(other.response_),
        counter_(other.counter_) {}
  Ending& operator=(Ending&&) = delete;
  ~Ending() {
    if (reactor_ != nullptr) end({grpc::StatusCode::UNAVAILABLE, "the server is shutting down"});
  }

  void operator()(const Outcome<std::unique_ptr<Message>>& outcome) {
    if (!outcome) return end(status_of(outcome.error()));
    bool owned = false;
    end(grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(**outcome, response_, &owned));
  }
  void end(const grpc::Status& status) {
    counter_->add(status.error_code());
    std::exchange(reactor_, nullptr)->Finish(status);
  }

 private:
  grpc::ServerUnaryReactor* reactor_;
  grpc::ByteBuffer* response_;
  cloudtasks::CallCounter* counter_;
};

// One service of the table, as gRPC's generated code would register it: its methods by name. The
// bytes of a request are parsed here, by the prototype of its method.
class TableService final : public grpc::Service {
 public:
  TableService(std::string_view name, cloudtasks::Service& service,
               const std::shared_ptr<AnswerThreads>& threads, const Clock& clock) {
    int index = 0;
    for (const Method& method : cloudtasks::methods()) {
      if (method.service != name) continue;
      AddMethod(new grpc::internal::RpcServiceMethod(
          method.path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
      cloudtasks::CallCounter& counter =
          service.call_counts.counter("grpc", method.service, method.name);
      MarkMethodRawCallback(
          index++,
          new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
              [&method, &service, &counter, threads, &clock](grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* request,
                                                             grpc::ByteBuffer* response) {
                grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
                Context call{threads, good_until(*context, clock)};
                if (service.options.access != nullptr) call.credentials = credentials_of(*context);
                run(method, service, std::move(call), *request, Ending(reactor, response, counter));
                return reactor;
              }));
    }
  }

 private:
  static void run(const Method& method, cloudtasks::Service& service, Context context,
                  const grpc::ByteBuffer& bytes, Ending ending) {
    grpc::ByteBuffer copy = bytes;  // shares the slices; the reader wants one that it may change
    grpc::ProtoBufferReader reader(&copy);
    const std::unique_ptr<Message> request(method.request->New());
    if (!reader.status().ok() || !request->ParseFromZeroCopyStream(&reader)) {
      return ending.end({grpc::StatusCode::INVALID_ARGUMENT,
                         "the request is not a " + method.request->GetTypeName()});
    }
    cloudtasks::run(method, service, *request, std::move(context), std::move(ending));
  }
};

class Grpc final : public GrpcServer {
 public:
  Grpc(const GrpcOptions& options, std::shared_ptr<cloudtasks::Service> service, const Clock& clock)
      : service_(std::move(service)), threads_(std::make_shared<AnswerThreads>(options.threads)) {
    // Debian's Abseil is a debug build, where each of gRPC's locks looks for cycles: some
    // hundredths of what a call costs.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    for (const std::string_view name : cloudtasks::services()) {
      services_.push_back(std::make_unique<TableService>(name, *service_, threads_, clock));
      builder.RegisterService(services_.back().get());
    }
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
    grpc::ResourceQuota quota;
    quota.Resize(options.memory_bytes_max);
    builder.SetResourceQuota(quota);
    const auto set = [&builder](const char* name, std::int64_t value) {
      builder.AddChannelArgument(name, static_cast<int>(std::min<std::int64_t>(value, INT_MAX)));
    };
    set(GRPC_ARG_ENABLE_CHANNELZ, 0);  // nobody asks, and each call is counted
    set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.calls_max);
    set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.idle_timeout.count());
    set(GRPC_ARG_KEEPALIVE_TIME_MS, options.idle_timeout.count());
    set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.ping_timeout.count());
    // Clients that keep idle connections alive are welcome.
    set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    server_ = builder.BuildAndStart();
    DEFERD_ASSERT(server_ != nullptr);  // it can fail for an address alone
  }
  ~Grpc() override { stop(Millis(0)); }

  void take(int fd) override {
    const int flags = ::fcntl(fd, F_GETFL, 0);
    if (stopped_ || flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
      ::close(fd);
      return;
    }
    grpc::AddInsecureChannelFromFd(server_.get(), fd);
  }

  void stop(Millis grace) override {
    if (stopped_.exchange(true)) return;
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    // Here, not with the last call that knows them: that one may be on one of these threads.
    threads_->stop();
  }

 private:
  const std::shared_ptr<cloudtasks::Service> service_;
  std::shared_ptr<AnswerThreads> threads_;
  std::vector<std::unique_ptr<TableService>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::unique_ptr<GrpcServer> GrpcServer::start(const GrpcOptions& options,
                                              std::shared_ptr<cloudtasks::Service> service,
                                              const Clock& clock) {
  return std::make_unique<Grpc>(options, std::move(service), clock);
}

}  // namespace deferd
