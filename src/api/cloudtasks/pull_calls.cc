#include "api/cloudtasks/pull_calls.h"

#include <google/protobuf/empty.pb.h>

#include <string>
#include <string_view>
#include <utility>

#include "api/cloudtasks/names.h"
#include "api/cloudtasks/task_messages.h"

namespace deferd::cloudtasks {
namespace {

using google::protobuf::Empty;
using Task = V2Beta2::Task;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// filter = "tag=" TAG | "tag_function=oldest_tag()". A TAG in quotes, as gcloud writes it, is what
// they enclose.
Outcome<void> read_filter(std::string_view filter, LeaseTasks& command) {
  filter = trimmed(filter);
  if (filter.empty()) return {};
  const std::size_t equals = filter.find('=');
  const std::string_view name = trimmed(filter.substr(0, equals));
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : trimmed(filter.substr(equals + 1));
  const std::string_view tag = unquoted(value);
  if (name == "tag" && !tag.empty() && tag.size() <= task_key_bytes_max) {
    command.by = LeaseTasks::By::key;
    command.key = tag;
    return {};
  }
  if (name == "tag_function" && value == "oldest_tag()") {
    command.by = LeaseTasks::By::oldest_key;
    return {};
  }
  return refuse_argument("filter must be \"tag=<tag>\" or \"tag_function=oldest_tag()\"; it is \"" +
                         std::string(filter.substr(0, 200)) + "\".");
}

// Fractions of seconds are dropped, as the service does.
Outcome<Micros> read_lease(const google::protobuf::Duration& given) {
  const Micros duration = read_duration(given);
  const auto seconds = std::chrono::duration_cast<Seconds>(duration);
  if (duration > Micros(0) && seconds > Seconds(0) && seconds <= lease_max) return Micros(seconds);
  return refuse_argument("lease_duration must be between 1 second and 1 week.");
}

Failure not_held() {
  Failure failure;
  failure.set_code(google::rpc::FAILED_PRECONDITION);
  failure.set_message(
      "The task is not leased with this schedule_time: the lease has been renewed, cancelled or "
      "given to somebody else.");
  return failure;
}

Failure failure_of_lease(const Error& error) {
  return error.reason == Reason::lease_lost ? not_held() : failure_of(error, Subject::task);
}

template <class Request>
void modify_lease(Service& service, const Request& request, Micros duration, const Context& context,
                  Done<Task> done) {
  auto name = task_of(request.name());
  if (!name) return done(refuse(name.error()));
  ModifyLease command;
  command.queue = name->queue;
  command.task = std::move(name->task);
  command.eta = read_time(request.schedule_time());
  command.duration = duration;
  service.submit(context, std::move(command),
                 [queue = std::move(name->queue), full = request.response_view() == Task::FULL,
                  done = std::move(done)](const Result<TaskInfo>& info) mutable {
                   if (!info) return done(refuse(failure_of_lease(info.error())));
                   Task task;
                   write_task(*info, queue, full, task);
                   done(std::move(task));
                 });
}

}  // namespace

void lease_tasks(Service& service, const V2Beta2::LeaseTasksRequest& request,
                 const Context& context, Done<V2Beta2::LeaseTasksResponse> done) {
  auto parent = queue_of(request.parent());
  if (!parent) return done(refuse(parent.error()));
  if (request.max_tasks() < 1 || request.max_tasks() > static_cast<int>(batch_tasks_max))
    return done(refuse_argument("max_tasks must be between 1 and 1000."));
  const auto duration = read_lease(request.lease_duration());
  if (!duration) return done(refuse(duration.error()));
  LeaseTasks command;
  command.queue = *parent;
  command.tasks_max = static_cast<std::uint32_t>(request.max_tasks());
  command.duration = *duration;
  command.refuse_paused = true;
  if (auto ok = read_filter(request.filter(), command); !ok) return done(refuse(ok.error()));
  service.submit(context, std::move(command),
                 [queue = std::move(*parent), full = request.response_view() == Task::FULL,
                  done = std::move(done)](const Result<std::vector<TaskInfo>>& leased) mutable {
                   if (!leased) return done(refuse(failure_of(leased.error(), Subject::queue)));
                   V2Beta2::LeaseTasksResponse response;
                   for (const TaskInfo& info : *leased)
                     write_task(info, queue, full, *response.add_tasks());
                   done(std::move(response));
                 });
}

void acknowledge_task(Service& service, const V2Beta2::AcknowledgeTaskRequest& request,
                      const Context& context, Done<Empty> done) {
  auto name = task_of(request.name());
  if (!name) return done(refuse(name.error()));
  AckTasks command;
  command.queue = name->queue;
  command.leases.push_back(
      {.task = std::move(name->task), .end = read_time(request.schedule_time())});
  service.submit(
      context, std::move(command),
      [done = std::move(done)](const Result<std::vector<Result<void>>>& acknowledged) mutable {
        if (!acknowledged) return done(refuse(failure_of_lease(acknowledged.error())));
        if (const Result<void>& one = acknowledged->front(); !one)
          return done(refuse(failure_of_lease(one.error())));
        done(Empty());
      });
}

void renew_lease(Service& service, const V2Beta2::RenewLeaseRequest& request,
                 const Context& context, Done<Task> done) {
  const auto duration = read_lease(request.lease_duration());
  if (!duration) return done(refuse(duration.error()));
  modify_lease(service, request, *duration, context, std::move(done));
}

void cancel_lease(Service& service, const V2Beta2::CancelLeaseRequest& request,
                  const Context& context, Done<Task> done) {
  modify_lease(service, request, Micros(0), context, std::move(done));
}

void upload_queue_yaml(Service& service,
                       const google::cloud::tasks::v2beta2::UploadQueueYamlRequest& request,
                       const Context& context, Done<Empty> done) {
  if (!service.options.upload_queue_yaml)
    return done(refuse(google::rpc::UNIMPLEMENTED, "queue.yaml cannot be uploaded here."));
  const auto project = project_of("projects/" + request.app_id());
  if (!project) return done(refuse_argument("app_id is not the id of a project."));
  service.options.upload_queue_yaml(
      *project, request.http_body().data(),
      [thread = context.thread, done = std::move(done)](Result<void> applied) mutable {
        CallThread& home = *thread;
        home.post([thread = std::move(thread), done = std::move(done),
                   applied = std::move(applied)]() mutable {
          if (!applied) return done(refuse(failure_of(applied.error(), Subject::queue)));
          done(Empty());
        });
      });
}

}  // namespace deferd::cloudtasks
