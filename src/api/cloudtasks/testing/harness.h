// The service behind its transports, with the real runtime and a memory store: calls go through the
// table of methods, as a transport makes them. The clock stands still until it is moved; pushes are
// held until the test ends them.
#pragma once

#include <google/iam/v1/iam_policy.pb.h>
#include <google/protobuf/empty.pb.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/cloudtasks/answer_threads.h"
#include "api/cloudtasks/methods.h"
#include "api/cloudtasks/versions.h"
#include "runtime/runtime.h"
#include "runtime/testing/held_dispatcher.h"
#include "runtime/testing/stepped_clock.h"
#include "store/memory/store.h"

namespace deferd::cloudtasks {

inline const Method& find_method(std::string_view service, std::string_view name) {
  for (const Method& method : methods()) {
    if (method.service == service && method.name == name) return method;
  }
  ADD_FAILURE() << "no method " << name << " of " << service;
  return methods().front();
}

class CloudTasksTest : public testing::Test {
 protected:
  static constexpr const char* location_path = "projects/p/locations/l";

  CloudTasksOptions options_;  // before the first call
  Credentials credentials_;    // of the calls

  ~CloudTasksTest() override {
    dispatcher_.finish(200);
    if (threads_) threads_->stop();
    runtime_.reset();
  }

  Service& service() {
    if (!service_) {
      auto runtime = Runtime::start({.shards = 2}, clock_, store_, dispatcher_);
      EXPECT_TRUE(runtime);
      runtime_ = std::move(*runtime);
      threads_ = std::make_shared<AnswerThreads>(1);
      service_ = make_cloud_tasks(options_, *runtime_, clock_);
    }
    return *service_;
  }

  std::shared_ptr<Service> shared_service() { return service_; }

  // The next call finds another process on the same store.
  void restart() {
    threads_->stop();
    service_.reset();
    runtime_.reset();
    threads_.reset();
  }

  Outcome<std::unique_ptr<Method::Message>> ask(const Method& method,
                                                const Method::Message& request,
                                                Mono good_until = Mono::max()) {
    std::promise<Outcome<std::unique_ptr<Method::Message>>> answered;
    auto answer = answered.get_future();
    Service& to = service();
    run(method, to, request, {threads_, good_until, credentials_},
        [&](auto outcome) { answered.set_value(std::move(outcome)); });
    return answer.get();
  }
  template <class Response, class Request>
  Outcome<Response> call(std::string_view service_name, std::string_view name,
                         const Request& request, Mono good_until = Mono::max()) {
    auto outcome = ask(find_method(service_name, name), request, good_until);
    if (!outcome) return refuse(outcome.error());
    return static_cast<const Response&>(**outcome);
  }

  // ---- Requests, with parts that differ in a test

  static std::string queue_path(std::string_view id) {
    return std::string(location_path) + "/queues/" + std::string(id);
  }
  template <class V = V2>
  Outcome<typename V::Queue> create_queue(typename V::Queue queue) {
    typename V::CreateQueueRequest request;
    request.set_parent(location_path);
    *request.mutable_queue() = std::move(queue);
    return call<typename V::Queue>(V::service, "CreateQueue", request);
  }
  template <class V = V2>
  static typename V::Queue queue_named(std::string_view id) {
    typename V::Queue queue;
    queue.set_name(queue_path(id));
    return queue;
  }
  template <class V = V2>
  Outcome<typename V::Queue> create_queue(std::string_view id) {
    return create_queue<V>(queue_named<V>(id));
  }
  template <class V = V2>
  Outcome<typename V::Queue> get_queue(std::string_view id,
                                       std::initializer_list<const char*> read_mask = {}) {
    typename V::GetQueueRequest request;
    request.set_name(queue_path(id));
    if constexpr (requires { request.read_mask(); }) {
      for (const char* path : read_mask) request.mutable_read_mask()->add_paths(path);
    }
    return call<typename V::Queue>(V::service, "GetQueue", request);
  }
  template <class V = V2>
  Outcome<typename V::Queue> update_queue(typename V::Queue queue,
                                          std::initializer_list<const char*> mask) {
    typename V::UpdateQueueRequest request;
    *request.mutable_queue() = std::move(queue);
    for (const char* path : mask) request.mutable_update_mask()->add_paths(path);
    return call<typename V::Queue>(V::service, "UpdateQueue", request);
  }
  Outcome<google::protobuf::Empty> delete_queue(std::string_view id) {
    V2::DeleteQueueRequest request;
    request.set_name(queue_path(id));
    return call<google::protobuf::Empty>(V2::service, "DeleteQueue", request);
  }
  template <class Request>
  Outcome<V2::Queue> change(std::string_view method, std::string_view id) {
    Request request;
    request.set_name(queue_path(id));
    return call<V2::Queue>(V2::service, method, request);
  }

  static V2::Task http_task(std::string_view url = "http://example.com/work") {
    V2::Task task;
    task.mutable_http_request()->set_url(std::string(url));
    return task;
  }
  static V2::Task app_task(std::string_view uri = "/work") {
    V2::Task task;
    task.mutable_app_engine_http_request()->set_relative_uri(std::string(uri));
    return task;
  }
  // An hour from now, so that nothing starts.
  template <class Task>
  Task later(Task task) {
    task.mutable_schedule_time()->set_seconds(to_micros(clock_.now().wall) / 1'000'000 + 3600);
    return task;
  }
  template <class V = V2>
  Outcome<typename V::Task> create_task(std::string_view queue, typename V::Task task,
                                        typename V::View view = V::Task::VIEW_UNSPECIFIED) {
    typename V::CreateTaskRequest request;
    request.set_parent(queue_path(queue));
    *request.mutable_task() = std::move(task);
    request.set_response_view(view);
    return call<typename V::Task>(V::service, "CreateTask", request);
  }
  template <class V = V2>
  Outcome<typename V::Task> get_task(const std::string& name,
                                     typename V::View view = V::Task::VIEW_UNSPECIFIED) {
    typename V::GetTaskRequest request;
    request.set_name(name);
    request.set_response_view(view);
    return call<typename V::Task>(V::service, "GetTask", request);
  }
  Outcome<google::protobuf::Empty> delete_task(const std::string& name) {
    V2::DeleteTaskRequest request;
    request.set_name(name);
    return call<google::protobuf::Empty>(V2::service, "DeleteTask", request);
  }
  static std::string task_path(std::string_view queue, std::string_view id) {
    return queue_path(queue) + "/tasks/" + std::string(id);
  }

  SteppedClock clock_;
  HeldDispatcher dispatcher_;

 private:
  MemoryStore store_;
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<AnswerThreads> threads_;
  std::shared_ptr<Service> service_;
};

// Whether it failed so, with exactly this text.
template <class T>
testing::AssertionResult refused(const Outcome<T>& outcome, google::rpc::Code code,
                                 std::string_view message) {
  if (outcome) return testing::AssertionFailure() << "it did not fail";
  if (outcome.error().code() == code && outcome.error().message() == message)
    return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << code_name(outcome.error().code()) << ": " << outcome.error().message();
}
template <class T>
testing::AssertionResult refused(const Outcome<T>& outcome, google::rpc::Code code) {
  if (outcome) return testing::AssertionFailure() << "it did not fail";
  if (outcome.error().code() == code) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << code_name(outcome.error().code()) << ": " << outcome.error().message();
}
template <class T>
testing::AssertionResult succeeded(const Outcome<T>& outcome) {
  if (outcome) return testing::AssertionSuccess();
  return testing::AssertionFailure() << outcome.error().ShortDebugString();
}

}  // namespace deferd::cloudtasks
