#include "api/http/call.h"
#include "api/native/answers.h"
#include "api/native/door.h"
#include "api/native/errors.h"
#include "api/native/first_answer.h"
#include "api/native/page.h"

namespace deferd::native {
namespace {

void send_task(HttpReply reply, int status, const QueueName& queue, const Task& task,
               std::optional<TaskState> state, TaskView view, const TaskStory* story = nullptr) {
  std::string body;
  body.reserve(512);
  JsonWriter json(body);
  write_task(json, queue, task, state, view, story);
  send_json(std::move(reply), status, std::move(body));
}

// The field of an error of the engine, as the caller of a batch sees it.
Error in_batch(Error error, std::size_t index) {
  error.field =
      "tasks[" + std::to_string(index) + "]" + (error.field.empty() ? "" : ".") + error.field;
  return error;
}

void write_batch_error(JsonWriter& json, const Error& error) {
  json.begin_object().key("error");
  write_error(json, error);
  json.end_object();
}

// What was parsed, with the engine's answers in the places of those that were submitted.
std::string batch_json(const QueueName& queue, const std::vector<std::optional<Error>>& refused,
                       const std::vector<Result<Task>>& stored) {
  std::string body;
  body.reserve(64 + refused.size() * 400);
  JsonWriter json(body);
  json.begin_object().key("results").begin_array();
  std::size_t next = 0;
  for (std::size_t i = 0; i < refused.size(); ++i) {
    if (refused[i]) {
      write_batch_error(json, *refused[i]);
      continue;
    }
    const Result<Task>& task = stored[next++];
    if (!task) {
      write_batch_error(json, in_batch(task.error(), i));
      continue;
    }
    json.begin_object().key("task");
    write_task(json, queue, *task, std::nullopt, TaskView::basic);
    json.end_object();
  }
  json.end_array().end_object();
  return body;
}

}  // namespace

void NativeDoor::add_task(Call call) {
  auto task = parse_task(call.request.body, limits());
  if (!task) return send_error(std::move(call.reply), task.error(), call.route.queue);
  AddTasks command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(*task));
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply,
                                                    Result<std::vector<Result<Task>>> stored) {
                 if (!stored) return send_error(std::move(reply), stored.error(), name);
                 const Result<Task>& task = stored->front();
                 if (!task) return send_error(std::move(reply), task.error(), name);
                 send_task(std::move(reply), 201, name, *task, std::nullopt, TaskView::basic);
               });
}

void NativeDoor::add_tasks(Call call) {
  auto tasks = parse_task_batch(call.request.body, limits());
  if (!tasks) return send_error(std::move(call.reply), tasks.error(), call.route.queue);
  AddTasks command;
  command.queue = call.route.queue;
  std::vector<std::optional<Error>> refused(tasks->size());
  for (std::size_t i = 0; i < tasks->size(); ++i) {
    Result<NewTask>& task = (*tasks)[i];
    if (task) {
      command.tasks.push_back(std::move(*task));
    } else {
      refused[i] = task.error();
    }
  }
  if (command.tasks.empty()) {
    return send_json(std::move(call.reply), 200, batch_json(call.route.queue, refused, {}));
  }
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue), refused = std::move(refused)](
                   HttpReply reply, Result<std::vector<Result<Task>>> stored) {
                 if (!stored) return send_error(std::move(reply), stored.error(), name);
                 send_json(std::move(reply), 200, batch_json(name, refused, *stored));
               });
}

// The page token is the id of the last task of the page before: ids only grow, so pages stay exact.
void NativeDoor::list_tasks(Call call) {
  ListTasks command;
  command.queue = call.route.queue;
  command.state = call.query.state;
  command.tasks_max = call.query.page_size;
  if (!call.query.page_token.empty()) {
    auto after = parse_task_ref(call.query.page_token);
    if (!after || !std::holds_alternative<TaskId>(*after))
      return send_error(std::move(call.reply), wrong_page_token(), call.route.queue);
    command.after = std::get<TaskId>(*after);
  }
  const TaskView view = call.query.full ? TaskView::full : TaskView::basic;
  deferd::call(
      runtime_, std::move(command), std::move(call.reply),
      [name = std::move(call.route.queue), view](HttpReply reply, Result<ListTasks::Answer> page) {
        if (!page) return send_error(std::move(reply), page.error(), name);
        send_page(std::move(reply), page->tasks, page->next ? to_string(*page->next) : "",
                  [&](JsonWriter& json, const TaskInfo& info) {
                    write_task(json, name, info.task, info.state, view);
                  });
      });
}

void NativeDoor::get_task(Call call) {
  GetTask command;
  command.queue = call.route.queue;
  command.task = std::move(call.route.task);
  command.story = true;
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply, Result<TaskInfo> info) {
                 if (!info) return send_error(std::move(reply), info.error(), name);
                 send_task(std::move(reply), 200, name, info->task, info->state, TaskView::full,
                           info->story.get());
               });
}

void NativeDoor::delete_task(Call call) {
  DeleteTasks command;
  command.queue = call.route.queue;
  command.tasks.push_back(std::move(call.route.task));
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               then_send_first_done(std::move(call.route.queue)));
}

void NativeDoor::run_task(Call call) {
  if (auto ok = parse_nothing(call.request.body); !ok) {
    return send_error(std::move(call.reply), ok.error(), call.route.queue);
  }
  RunTask command;
  command.queue = call.route.queue;
  command.task = std::move(call.route.task);
  deferd::call(runtime_, std::move(command), std::move(call.reply),
               [name = std::move(call.route.queue)](HttpReply reply, Result<TaskInfo> info) {
                 if (!info) return send_error(std::move(reply), info.error(), name);
                 send_task(std::move(reply), 200, name, info->task, info->state, TaskView::basic);
               });
}

}  // namespace deferd::native
