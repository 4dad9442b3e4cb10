#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"

namespace deferd::appengine {

void AppEngineDoor::purge_queue(Call call, const wire::TaskQueuePurgeQueueRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  PurgeQueue command;
  command.queue = std::get<QueueName>(std::move(queue));
  const std::string name = command.queue.queue;
  submit(std::move(command), std::move(call.reply),
         [name](RpcReply reply, const Result<QueueInfo>& purged) {
           // `default` is there even before anything was put into it.
           const bool untouched =
               !purged && purged.error().reason == Reason::queue_missing && name == "default";
           if (!purged && !untouched) return reply.send(failure_of(purged.error(), name));
           reply.send(wire::TaskQueuePurgeQueueResponse());
         });
}

}  // namespace deferd::appengine
