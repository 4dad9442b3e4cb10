#include <algorithm>
#include <utility>

#include "api/appengine/door.h"
#include "api/appengine/names.h"

namespace deferd::appengine {

// A result for each name, in order. App Engine sets no bound but the request's; the engine takes so
// many at once, so the rest follows in further commands, one after the other.
class AppEngineDoor::Deleting {
 public:
  explicit Deleting(QueueName name) : queue(std::move(name)) {}

  DeleteTasks next_command() {
    DeleteTasks command;
    command.queue = queue;
    asked.clear();
    while (next < names.size() && command.tasks.size() < batch_tasks_max) {
      auto ref = parse_task_ref(names[next]);
      if (ref) {
        command.tasks.push_back(std::move(*ref));
        asked.push_back(next);
      } else {  // no task can have this name
        results[next] = Service::UNKNOWN_TASK;
      }
      ++next;
    }
    return command;
  }
  void take(const std::vector<Result<void>>& done) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      results[asked[i]] =
          done[i] ? Service::OK : code_of(done[i].error().reason).value_or(Service::INTERNAL_ERROR);
    }
  }
  void finish(RpcReply reply) const {
    wire::TaskQueueDeleteResponse response;
    for (const ErrorCode result : results) response.add_result(result);
    reply.send(response);
  }

  const QueueName queue;
  std::vector<std::string> names;
  std::vector<ErrorCode> results;
  std::size_t next = 0;            // the first name that was not sent yet
  std::vector<std::size_t> asked;  // which names the present command is about
};

void AppEngineDoor::delete_tasks(Call call, const wire::TaskQueueDeleteRequest& request) {
  auto queue = queue_of(call.project, options_.location, request.queue_name());
  if (const auto* failure = std::get_if<RpcFailure>(&queue)) return call.reply.send(*failure);
  auto deleting = std::make_unique<Deleting>(std::get<QueueName>(std::move(queue)));
  deleting->names.assign(request.task_name().begin(), request.task_name().end());
  deleting->results.resize(deleting->names.size(), Service::UNKNOWN_QUEUE);
  delete_next(std::move(call.reply), std::move(deleting));
}

void AppEngineDoor::delete_next(RpcReply reply, std::unique_ptr<Deleting> deleting) {
  DeleteTasks command = deleting->next_command();
  if (command.tasks.empty()) return deleting->finish(std::move(reply));
  submit(std::move(command), std::move(reply),
         [this, deleting = std::move(deleting)](
             RpcReply reply, const Result<std::vector<Result<void>>>& done) mutable {
           if (!done) {
             if (!is_not_there(done.error())) {
               return reply.send(failure_of(done.error(), deleting->queue.queue));
             }
             // Nothing was ever put into a `default` that is not there yet.
             std::ranges::fill(deleting->results, deleting->queue.queue == default_queue
                                                      ? Service::UNKNOWN_TASK
                                                      : *code_of(done.error().reason));
             return deleting->finish(std::move(reply));
           }
           deleting->take(*done);
           delete_next(std::move(reply), std::move(deleting));
         });
}

}  // namespace deferd::appengine
