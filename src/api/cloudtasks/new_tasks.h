// Tasks on their way in: one, or a batch of them, each checked in the order of CT-spec 7. What can
// only be said once the queue is known to be there is kept until then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/cloudtasks/service.h"
#include "api/cloudtasks/task_messages.h"

namespace deferd::cloudtasks {

// A checked task, and what its answer is made of.
struct PreparedTask {
  NewTask command;
  PushRequest shown;  // without a body unless `full`
  std::size_t body_bytes = 0;
  bool full = false;
};

// Unnamed HTTP tasks with the usual deadline share their options.
inline std::shared_ptr<const TaskOptions> share_options(TaskOptions options) {
  static const auto usual = [] {
    TaskOptions http;
    http.timeout = http_deadline_default;
    return std::make_shared<const TaskOptions>(std::move(http));
  }();
  if (options.empty()) return nullptr;
  if (options == *usual) return usual;
  return std::make_shared<const TaskOptions>(std::move(options));
}

inline PushRequestView view_of(const PushRequest& request) {
  PushRequestView view;
  view.door = request.door;
  view.method = request.method;
  view.url = request.url;
  for (const auto& [name, value] : request.headers) view.headers.emplace_back(name, value);
  view.body = request.body;
  view.note = request.note;
  view.token = request.token;
  return view;
}

template <class Task>
void write_prepared(const TaskInfo& info, const PreparedTask& prepared, const QueueName& queue,
                    bool full, Task& task) {
  write_task(info, view_of(prepared.shown), queue, full, task);
  // Shown in every view, also when the body is not.
  if (task.has_app_engine_http_request() && prepared.body_bytes > 0) {
    (*task.mutable_app_engine_http_request()->mutable_headers())["Content-Length"] =
        std::to_string(prepared.body_bytes);
  }
}

// Steps 4 to 6: that the name lies under `parent`, the payload, the deadline, the schedule time,
// the size.
template <class V>
Outcome<PreparedTask> prepare_task(const Service& service, const QueueName& parent,
                                   NewTaskName name, const typename V::CreateTaskRequest& request) {
  if (auto ok = check_parent(name, parent.path()); !ok) return refuse(ok.error());
  const Wall now = service.clock.now().wall;
  auto parsed = parse_task(request.task(), now);
  if (!parsed) return refuse(parsed.error());
  parsed->options.name = std::move(name.id);

  PreparedTask prepared;
  prepared.full = request.response_view() == V::Task::FULL;
  prepared.command.eta = parsed->eta;
  prepared.command.has_target = !parsed->pull;
  prepared.command.options = share_options(std::move(parsed->options));
  prepared.command.payload = share(encode(parsed->request));
  prepared.body_bytes = parsed->request.body.size();
  prepared.shown = std::move(parsed->request);
  if (!prepared.full) prepared.shown.body.clear();

  TaskInfo stored;
  stored.task.place.eta = std::max(parsed->eta.value_or(now), now);
  stored.task.created = now;
  stored.task.options = prepared.command.options;
  typename V::Task basic;
  write_prepared(stored, prepared, parent, false, basic);
  if (full_bytes(basic, prepared.body_bytes) > service.options.task_bytes_max)
    return refuse_argument("Task size too large");
  return prepared;
}

}  // namespace deferd::cloudtasks
