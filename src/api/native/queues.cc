#include "api/http/call.h"
#include "api/native/answers.h"
#include "api/native/door.h"

namespace deferd::native {
namespace {

void send_queue(HttpReply reply, int status, const QueueInfo& queue) {
  std::string body;
  JsonWriter json(body);
  write_queue(json, queue);
  send_json(std::move(reply), status, std::move(body));
}

// For calls that answer with the queue as it is then.
auto then_send_queue(QueueAddress name) {
  return [name = std::move(name)](HttpReply reply, Result<QueueInfo> queue) {
    if (!queue) return send_error(std::move(reply), queue.error(), name);
    send_queue(std::move(reply), 200, *queue);
  };
}

}  // namespace

void NativeDoor::put_queue(Call call) {
  auto change = parse_queue_change(call.request.body);
  if (!change) return send_error(std::move(call.reply), change.error(), call.route.queue);
  if (change->dead_queue == call.route.queue.queue) {
    const Error error{Reason::invalid,
                      "dead.queue is the queue itself; name another one, or leave it empty to keep "
                      "dead letters here",
                      "dead.queue", std::nullopt};
    return send_error(std::move(call.reply), error, call.route.queue);
  }
  ConfigureQueue command;
  command.queue = call.route.queue;
  command.change = [change = *change](const QueueSettings* current) {
    return change.over(current);
  };
  deferd::call(
      runtime_, std::move(command), std::move(call.reply),
      [name = std::move(call.route.queue)](HttpReply reply, Result<ConfigureQueue::Answer> answer) {
        if (!answer) return send_error(std::move(reply), answer.error(), name);
        send_queue(std::move(reply), answer->made ? 201 : 200, answer->queue);
      });
}

void NativeDoor::get_queue(Call call) {
  GetQueue command;
  command.queue = call.route.queue;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_queue(std::move(call.route.queue)));
}

void NativeDoor::delete_queue(Call call) {
  DeleteQueue command;
  command.queue = call.route.queue;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply, Result<void> done) {
                 if (!done) return send_error(std::move(reply), done.error(), name);
                 send_json(std::move(reply), 204, {});
               });
}

void NativeDoor::pause_queue(Call call) { set_queue_state(std::move(call), QueueState::paused); }

void NativeDoor::resume_queue(Call call) { set_queue_state(std::move(call), QueueState::running); }

void NativeDoor::set_queue_state(Call call, QueueState state) {
  if (auto ok = parse_nothing(call.request.body); !ok) {
    return send_error(std::move(call.reply), ok.error(), call.route.queue);
  }
  SetQueueState command;
  command.queue = call.route.queue;
  command.state = state;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_queue(std::move(call.route.queue)));
}

void NativeDoor::purge_queue(Call call) {
  if (auto ok = parse_nothing(call.request.body); !ok) {
    return send_error(std::move(call.reply), ok.error(), call.route.queue);
  }
  PurgeQueue command;
  command.queue = call.route.queue;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_queue(std::move(call.route.queue)));
}

void NativeDoor::queue_stats(Call call) {
  GetQueueStats command;
  command.queue = call.route.queue;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply, Result<QueueStats> stats) {
                 if (!stats) return send_error(std::move(reply), stats.error(), name);
                 std::string body;
                 JsonWriter json(body);
                 write_stats(json, name, *stats);
                 send_json(std::move(reply), 200, std::move(body));
               });
}

// The page token is the last name of the page before: pages stay exact while queues come and go.
void NativeDoor::list_queues(Call call) {
  const std::uint32_t page_size = call.query.page_size;
  ListQueues command;
  command.project = call.route.queue.project;
  command.location = call.route.queue.location;
  command.after = std::move(call.query.page_token);
  command.queues_max = page_size;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [page_size](HttpReply reply, Result<std::vector<QueueInfo>> queues) {
                 if (!queues) return send_error(std::move(reply), queues.error(), {});
                 std::string body;
                 JsonWriter json(body);
                 json.begin_object().key("queues").begin_array();
                 for (const QueueInfo& queue : *queues) write_queue(json, queue);
                 json.end_array();
                 if (queues->size() >= page_size)
                   json.member("next_page_token", queues->back().name.queue);
                 json.end_object();
                 send_json(std::move(reply), 200, std::move(body));
               });
}

}  // namespace deferd::native
