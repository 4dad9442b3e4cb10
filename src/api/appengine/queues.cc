// What App Engine's console and deployment tools ask of queues (GAE-spec 5.8, 5.10).
#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"
#include "api/appengine/queue_settings_proto.h"

namespace deferd::appengine {
namespace {

constexpr std::int64_t storage_limit_max = std::int64_t{1000} << 40;  // 1000 TiB

RpcFailure row_count_failure(std::int64_t given) {
  return refusal(Service::INVALID_REQUEST,
                 "max_rows is " + std::to_string(given) + "; give 1 or more");
}

}  // namespace

void AppEngineDoor::purge_queue(Call call, const wire::TaskQueuePurgeQueueRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  const QueueName& name = std::get<QueueName>(queue);
  submit_to<PurgeQueue>(
      name, [](PurgeQueue&) {}, std::move(call.reply),
      [name](RpcReply reply, const Result<QueueInfo>& purged) {
        if (!purged) return reply.send(failure_of(purged.error(), name.queue));
        reply.send(wire::TaskQueuePurgeQueueResponse());
      });
}

void AppEngineDoor::pause_queue(Call call, const wire::TaskQueuePauseQueueRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  const QueueName& name = std::get<QueueName>(queue);
  const QueueState state = request.pause() ? QueueState::paused : QueueState::running;
  submit_to<SetQueueState>(
      name, [state](SetQueueState& command) { command.state = state; }, std::move(call.reply),
      [name](RpcReply reply, const Result<QueueInfo>& done) {
        if (!done) return reply.send(failure_of(done.error(), name.queue));
        reply.send(wire::TaskQueuePauseQueueResponse());
      });
}

void AppEngineDoor::update_queue(Call call, const wire::TaskQueueUpdateQueueRequest& request) {
  if (!is_queue_name(request.queue_name())) {
    return call.reply.send(
        refusal(Service::INVALID_QUEUE_NAME, "a queue name is 1 to 100 of a-z A-Z 0-9 -"));
  }
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  auto settings = settings_of(request, options_.strict);
  if (const auto* failure = std::get_if<RpcFailure>(&settings)) return call.reply.send(*failure);
  std::get<QueueSettings>(settings).timeout = options_.attempt_timeout;  // if it is made
  ConfigureQueue command;
  command.queue = std::get<QueueName>(std::move(queue));
  const std::string name = command.queue.queue;
  command.change = [given = std::get<QueueSettings>(std::move(settings))](
                       const QueueSettings* there) -> Result<QueueSettings> {
    return there == nullptr ? given : replace_appengine_settings(*there, given);
  };
  submit(std::move(command), std::move(call.reply),
         [name](RpcReply reply, const Result<ConfigureQueue::Answer>& done) {
           if (!done) return reply.send(failure_of(done.error(), name));
           reply.send(wire::TaskQueueUpdateQueueResponse());
         });
}

void AppEngineDoor::fetch_queues(Call call, const wire::TaskQueueFetchQueuesRequest& request) {
  if (request.max_rows() < 1) return call.reply.send(row_count_failure(request.max_rows()));
  ListQueues command;
  command.project = call.project;
  command.location = options_.location;
  command.queues_max = static_cast<std::uint32_t>(request.max_rows());
  submit(std::move(command), std::move(call.reply),
         [](RpcReply reply, const Result<std::vector<QueueInfo>>& queues) {
           if (!queues) return reply.send(failure_of(queues.error(), ""));
           wire::TaskQueueFetchQueuesResponse response;
           for (const QueueInfo& queue : *queues) write_queue(queue, *response.add_queue());
           reply.send(response);
         });
}

void AppEngineDoor::delete_queue(Call call, const wire::TaskQueueDeleteQueueRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  DeleteQueue command;
  command.queue = std::get<QueueName>(std::move(queue));
  command.tombstone = tombstone_of(command.queue);
  const std::string name = command.queue.queue;
  submit(std::move(command), std::move(call.reply),
         [name](RpcReply reply, const Result<void>& done) {
           if (!done) return reply.send(failure_of(done.error(), name));
           reply.send(wire::TaskQueueDeleteQueueResponse());
         });
}

// `default` is always there: it is empty and new when it is used again.
Micros AppEngineDoor::tombstone_of(const QueueName& queue) const {
  return queue.queue == "default" ? Micros(0) : options_.queue_tombstone;
}

// One after the other, until none is left: whoever makes queues meanwhile sees some of them go.
void AppEngineDoor::delete_group(Call call, const wire::TaskQueueDeleteGroupRequest&) {
  ListQueues command;
  command.project = call.project;
  command.location = options_.location;
  submit(std::move(command), std::move(call.reply),
         [this, project = call.project](RpcReply reply,
                                        Result<std::vector<QueueInfo>> queues) mutable {
           if (!queues) return reply.send(failure_of(queues.error(), ""));
           delete_all(std::move(reply), std::move(project), std::move(*queues));
         });
}

void AppEngineDoor::delete_all(RpcReply reply, std::string project, std::vector<QueueInfo> queues) {
  if (queues.empty()) return reply.send(wire::TaskQueueDeleteGroupResponse());
  DeleteQueue command;
  command.queue = queues.back().name;
  command.tombstone = tombstone_of(command.queue);
  queues.pop_back();
  submit(std::move(command), std::move(reply),
         [this, project = std::move(project), queues = std::move(queues)](
             RpcReply reply, const Result<void>& done) mutable {
           if (!done && !is_not_there(done.error())) {
             return reply.send(failure_of(done.error(), ""));
           }
           if (!queues.empty()) {
             return delete_all(std::move(reply), std::move(project), std::move(queues));
           }
           Call again{std::move(reply), {}, {}, std::move(project)};  // the next page
           delete_group(std::move(again), {});
         });
}

void AppEngineDoor::update_storage_limit(Call call,
                                         const wire::TaskQueueUpdateStorageLimitRequest& request) {
  const std::int64_t limit = request.limit();
  if (limit < 0 || limit > storage_limit_max) {
    return call.reply.send(refusal(Service::INVALID_REQUEST,
                                   "limit is " + std::to_string(limit) + " bytes; give 0 to " +
                                       std::to_string(storage_limit_max)));
  }
  SetProjectLimit command;
  command.project = call.project;
  // To the engine 0 is no limit; here it leaves room for nothing, and no task is one byte.
  command.bytes_max = limit == 0 ? 1 : static_cast<std::uint64_t>(limit);
  submit(std::move(command), std::move(call.reply),
         [limit](RpcReply reply, const Result<void>& done) {
           if (!done) return reply.send(failure_of(done.error(), ""));
           wire::TaskQueueUpdateStorageLimitResponse response;
           response.set_new_limit(limit);
           reply.send(response);
         });
}

}  // namespace deferd::appengine
