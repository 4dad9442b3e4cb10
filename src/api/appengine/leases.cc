// Leases of pull tasks (GAE-spec 5.12, 5.13). The engine tells what is wrong with a queue; what is
// wrong with a request is told only after that, so a request that cannot be carried out asks for
// its queue first.
#include <cmath>
#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"
#include "model/push_request.h"

namespace deferd::appengine {
namespace {

constexpr std::int64_t lease_tasks_max = 1000;

std::optional<RpcFailure> check_seconds(double seconds) {
  const double most = std::chrono::duration<double>(lease_max).count();
  if (seconds >= 0 && seconds <= most) return std::nullopt;  // false also when it is no number
  return refusal(Service::INVALID_REQUEST, "lease_seconds is out of range; give 0 to 604800");
}

// To the microsecond that is nearest.
Micros micros_of(double seconds) { return Micros(std::llround(seconds * 1e6)); }

std::optional<RpcFailure> check_lease(const wire::TaskQueueQueryAndOwnTasksRequest& request) {
  if (auto failure = check_seconds(request.lease_seconds())) return failure;
  if (request.max_tasks() < 1 || request.max_tasks() > lease_tasks_max) {
    return refusal(Service::INVALID_REQUEST, "max_tasks is " + std::to_string(request.max_tasks()) +
                                                 "; give 1 to " + std::to_string(lease_tasks_max));
  }
  if (!request.tag().empty() && !request.group_by_tag()) {
    return refusal(Service::INVALID_REQUEST, "Tag specified, but group_by_tag was not.");
  }
  return std::nullopt;
}

void write_leased(const Task& task, wire::TaskQueueQueryAndOwnTasksResponse::Task& row) {
  row.set_task_name(task.name().empty() ? to_string(task.id) : std::string(task.name()));
  row.set_eta_usec(to_micros(task.place.eta));
  // Set even when it could be left out: Go reads it without looking whether it is there.
  row.set_retry_count(static_cast<std::int32_t>(task.progress.attempts));
  if (const auto request = decode_push_request_view(*task.payload)) {
    row.set_body(request->body.data(), request->body.size());
  }
  if (!task.key().empty()) row.set_tag(task.key().data(), task.key().size());
}

RpcFailure push_mode_failure(std::string_view queue) {
  return refusal(Service::INVALID_QUEUE_MODE,
                 "queue \"" + std::string(queue) + "\" is a push queue: its tasks are not leased");
}

}  // namespace

// What is wrong with the queue goes before `failure`.
void AppEngineDoor::refuse_lease(RpcReply reply, const QueueName& queue, bool paused_matters,
                                 RpcFailure failure) {
  submit_to<GetQueue>(
      queue, [](GetQueue&) {}, std::move(reply),
      [queue, paused_matters, failure = std::move(failure)](RpcReply late_reply,
                                                            const Result<QueueInfo>& info) {
        if (!info) return late_reply.send(failure_of(info.error(), queue.queue));
        if (info->settings.mode != QueueMode::pull) {
          return late_reply.send(push_mode_failure(queue.queue));
        }
        if (paused_matters && info->state != QueueState::running) {
          return late_reply.send(
              refusal(Service::QUEUE_PAUSED, "queue \"" + queue.queue + "\" is paused"));
        }
        late_reply.send(failure);
      });
}

void AppEngineDoor::query_and_own_tasks(Call call,
                                        const wire::TaskQueueQueryAndOwnTasksRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  const QueueName& name = std::get<QueueName>(queue);
  if (auto failure = check_lease(request)) {
    return refuse_lease(std::move(call.reply), name, false, std::move(*failure));
  }
  const auto fill = [tasks_max = static_cast<std::uint32_t>(request.max_tasks()),
                     duration = micros_of(request.lease_seconds()), tag = request.tag(),
                     by = !request.group_by_tag() ? LeaseTasks::By::any
                          : request.tag().empty() ? LeaseTasks::By::oldest_key
                                                  : LeaseTasks::By::key](LeaseTasks& command) {
    command.tasks_max = tasks_max;
    command.duration = duration;
    command.by = by;
    command.key = tag;
    command.refuse_paused = true;
  };
  submit_to<LeaseTasks>(name, fill, std::move(call.reply),
                        [name](RpcReply reply, const Result<std::vector<TaskInfo>>& leased) {
                          if (!leased) {
                            if (leased.error().reason == Reason::queue_mode) {
                              return reply.send(push_mode_failure(name.queue));
                            }
                            return reply.send(failure_of(leased.error(), name.queue));
                          }
                          wire::TaskQueueQueryAndOwnTasksResponse response;
                          for (const TaskInfo& info : *leased)
                            write_leased(info.task, *response.add_task());
                          reply.send(response);
                        });
}

void AppEngineDoor::modify_task_lease(Call call,
                                      const wire::TaskQueueModifyTaskLeaseRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  const QueueName& name = std::get<QueueName>(queue);
  if (auto failure = check_seconds(request.lease_seconds())) {
    return refuse_lease(std::move(call.reply), name, true, std::move(*failure));
  }
  auto ref = parse_task_ref(request.task_name());
  if (!ref) {
    return refuse_lease(std::move(call.reply), name, true,
                        refusal(Service::UNKNOWN_TASK, "no task can have this name"));
  }
  const auto fill = [task = std::move(*ref), eta = wall_from_micros(request.eta_usec()),
                     duration = micros_of(request.lease_seconds())](ModifyLease& command) {
    command.task = task;
    command.eta = eta;
    command.duration = duration;
  };
  submit_to<ModifyLease>(name, fill, std::move(call.reply),
                         [name](RpcReply reply, const Result<TaskInfo>& info) {
                           if (!info) return reply.send(failure_of(info.error(), name.queue));
                           wire::TaskQueueModifyTaskLeaseResponse response;
                           response.set_updated_eta_usec(to_micros(info->task.place.eta));
                           reply.send(response);
                         });
}

}  // namespace deferd::appengine
