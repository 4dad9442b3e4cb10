// What became of tasks: results, and the end of tasks that workers hold.
#include "api/native/answers.h"
#include "api/native/door.h"
#include "api/native/errors.h"
#include "api/native/first_answer.h"
#include "api/native/long_poll.h"

namespace deferd::native {
namespace {

using Items = std::vector<Result<GetOutcomes::Item>>;

Error caller_gone() {
  return Error{
      Reason::timeout, "the connection was closed before the wait was over", {}, std::nullopt};
}

void write_item(JsonWriter& json, const QueueName& queue, const GetOutcomes::Item& item,
                bool with_history) {
  const auto* history = with_history ? &item.history : nullptr;
  if (item.outcome) {
    write_outcome(json, queue, *item.outcome, history);
  } else if (item.pending) {
    write_pending(json, queue, *item.pending, history);
  }
}

// From here on no further outcome is written: it counts as pending, and is asked for again.
constexpr std::size_t results_bytes_max = 32 << 20;

// Those that are pending are only counted.
std::string results_json(const QueueName& queue, const std::vector<std::string>& given,
                         const Items& items) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("results").begin_array();
  std::size_t pending = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i]) {
      json.begin_object().member("id", given[i]).key("error");
      write_error(json, items[i].error());
      json.end_object();
    } else if (items[i]->outcome && body.size() < results_bytes_max) {
      write_outcome(json, queue, *items[i]->outcome, nullptr);
    } else {
      ++pending;
    }
  }
  json.end_array().member("pending", pending).end_object();
  return body;
}

constexpr auto nobody_waits = [](const std::shared_ptr<HttpThread>&, const auto&) {};

}  // namespace

void NativeDoor::get_result(Call call) {
  GetOutcomes command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(call.route.task));
  command.history = call.query.history;
  command.wait = call.query.wait;
  long_poll(
      runtime_, std::move(command), std::move(call.reply), Result<Items>(fail(caller_gone())),
      [name = std::move(call.route.queue), history = call.query.history](
          HttpReply reply, const Result<Items>& items) {
        if (!items) return send_error(std::move(reply), items.error(), name);
        const auto& item = items->front();
        if (!item) return send_error(std::move(reply), item.error(), name);
        std::string body;
        JsonWriter json(body);
        write_item(json, name, *item, history);
        send_json(std::move(reply), 200, std::move(body));
      },
      nobody_waits);
}

void NativeDoor::get_results(Call call) {
  auto request = parse_ids(call.request.body);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  GetOutcomes command;
  command.queue = call.route.queue;
  command.tasks = std::move(request->tasks);
  command.wait = request->wait;
  long_poll(
      runtime_, std::move(command), std::move(call.reply), Result<Items>(fail(caller_gone())),
      [name = std::move(call.route.queue), given = std::move(request->given)](
          HttpReply reply, const Result<Items>& items) {
        if (!items) return send_error(std::move(reply), items.error(), name);
        send_json(std::move(reply), 200, results_json(name, given, *items));
      },
      nobody_waits);
}

void NativeDoor::watch_tasks(Call call) {
  auto request = parse_ids(call.request.body);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  WatchTasks command;
  command.queue = call.route.queue;
  command.tasks = std::move(request->tasks);
  command.wait = request->wait;
  using Ended = std::vector<TaskRef>;
  long_poll(
      runtime_, std::move(command), std::move(call.reply), Result<Ended>(Ended()),
      [name = std::move(call.route.queue)](HttpReply reply, const Result<Ended>& ended) {
        if (!ended) return send_error(std::move(reply), ended.error(), name);
        std::string body;
        JsonWriter json(body);
        json.begin_object().key("ended").begin_array();
        for (const TaskRef& task : *ended) {
          const TaskId* const id = std::get_if<TaskId>(&task);
          json.value(id != nullptr ? to_string(*id) : std::get<std::string>(task));
        }
        json.end_array().end_object();
        send_json(std::move(reply), 200, std::move(body));
      },
      nobody_waits);
}

void NativeDoor::cancel_task(Call call) {
  if (auto ok = parse_nothing(call.request.body); !ok)
    return send_error(std::move(call.reply), ok.error(), call.route.queue);
  CancelTasks command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(call.route.task));
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_first_task(std::move(call.route.queue)));
}

}  // namespace deferd::native
