#include "api/native/answers.h"
#include "api/native/door.h"
#include "api/native/errors.h"
#include "api/native/long_poll.h"

namespace deferd::native {
namespace {

std::string leased_json(const QueueName& queue, const std::vector<TaskInfo>& leased) {
  std::string body;
  body.reserve(32 + leased.size() * 640);
  JsonWriter json(body);
  json.begin_object().key("tasks").begin_array();
  for (const TaskInfo& info : leased)
    write_task(json, queue, info.task, TaskState::leased, TaskView::lease);
  json.end_array().end_object();
  return body;
}

void send_leased(HttpReply reply, const QueueAddress& queue,
                 const Result<std::vector<TaskInfo>>& leased) {
  if (!leased) return send_error(std::move(reply), leased.error(), queue);
  send_json(std::move(reply), 200, leased_json(queue, *leased));
}

// {"results":[...]}, one for each lease in order: {} or what `write` puts there, or
// {"error":{...}}.
template <class T, class Write>
std::string results_json(const std::vector<Result<T>>& results, Write write) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("results").begin_array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    json.begin_object();
    if (results[i]) {
      write(json, results[i]);
    } else {
      Error error = results[i].error();
      error.field = "tasks[" + std::to_string(i) + "]";
      json.key("error");
      write_error(json, error);
    }
    json.end_object();
  }
  json.end_array().end_object();
  return body;
}

auto then_send_results(QueueAddress name) {
  return [name = std::move(name)](HttpReply reply, Result<std::vector<Result<void>>> results) {
    if (!results) return send_error(std::move(reply), results.error(), name);
    send_json(std::move(reply), 200,
              results_json(*results, [](JsonWriter&, const Result<void>&) {}));
  };
}

// What was leased for a caller that left in the meantime is due again at once, not when its lease
// ends.
void give_back(const std::shared_ptr<HttpThread>& thread, Runtime& runtime, const QueueName& queue,
               const std::vector<TaskInfo>& leased) {
  if (leased.empty()) return;
  ReleaseTasks command;
  command.queue = queue;
  command.delay = Micros(0);
  for (const TaskInfo& info : leased) {
    command.leases.push_back({.task = info.task.id, .token = info.task.progress.lease_token});
  }
  call_on(thread, runtime, std::move(command), [](const Result<std::vector<Result<void>>>&) {});
}

}  // namespace

void NativeDoor::lease_tasks(Call call) {
  auto request = parse_lease(call.request.body);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  LeaseTasks command;
  command.queue = call.route.queue;
  command.tasks_max = request->tasks_max;
  command.duration = request->duration;
  command.by = request->by;
  command.key = std::move(request->key);
  command.wait = request->wait;
  QueueAddress name = std::move(call.route.queue);
  command.worker = std::move(request->worker);
  using Leased = std::vector<TaskInfo>;
  long_poll(
      runtime_, std::move(command), std::move(call.reply), Result<Leased>(Leased()),
      [name](HttpReply reply, const Result<Leased>& leased) {
        send_leased(std::move(reply), name, leased);
      },
      [this, name](const std::shared_ptr<HttpThread>& thread, const Result<Leased>& leased) {
        if (leased) give_back(thread, runtime_, name, *leased);
      });
}

void NativeDoor::ack_tasks(Call call) { end_tasks(std::move(call), LeaseCall::ack); }

void NativeDoor::fail_tasks(Call call) { end_tasks(std::move(call), LeaseCall::fail); }

void NativeDoor::end_tasks(Call call, LeaseCall how) {
  auto request = parse_leases(call.request.body, how);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  AckTasks command;
  command.queue = call.route.queue;
  command.leases = std::move(request->leases);
  command.failed = how == LeaseCall::fail;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_results(std::move(call.route.queue)));
}

void NativeDoor::renew_leases(Call call) {
  auto request = parse_leases(call.request.body, LeaseCall::renew);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  RenewLeases command;
  command.queue = call.route.queue;
  command.leases = std::move(request->leases);
  command.duration = request->lease.value_or(LeaseRequest().duration);
  deferd::call(
      runtime_, std::move(command), std::move(call.reply),
      [name = std::move(call.route.queue)](HttpReply reply,
                                           Result<std::vector<Result<TaskInfo>>> results) {
        if (!results) return send_error(std::move(reply), results.error(), name);
        send_json(std::move(reply), 200,
                  results_json(*results, [&name](JsonWriter& json, const Result<TaskInfo>& info) {
                    json.key("task");
                    Task task = info->task;
                    task.payload = nullptr;  // the worker has it
                    write_task(json, name, task, TaskState::leased, TaskView::lease);
                  }));
      });
}

void NativeDoor::release_tasks(Call call) {
  auto request = parse_leases(call.request.body, LeaseCall::release);
  if (!request) return send_error(std::move(call.reply), request.error(), call.route.queue);
  ReleaseTasks command;
  command.queue = call.route.queue;
  command.leases = std::move(request->leases);
  command.delay = request->delay;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_results(std::move(call.route.queue)));
}

}  // namespace deferd::native
