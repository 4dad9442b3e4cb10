#include "api/taskqueue_rest/door.h"

#include <memory>
#include <utility>

#include "api/http/call.h"
#include "api/http/credentials.h"
#include "api/taskqueue_rest/answers.h"
#include "api/taskqueue_rest/errors.h"

namespace deferd {

bool is_taskqueue_rest_path(std::string_view path) {
  return path.starts_with("/taskqueue/") || path == taskqueue_rest::discovery_path;
}

std::unique_ptr<HttpHandler> make_taskqueue_rest_door(TaskqueueRestOptions options,
                                                      Runtime& runtime, const Clock& clock) {
  return std::make_unique<taskqueue_rest::RestDoor>(std::move(options), runtime, clock);
}

}  // namespace deferd

namespace deferd::taskqueue_rest {
namespace {

constexpr std::int32_t lease_seconds_max = 604'800;
constexpr std::int32_t lease_tasks_max = 1000;
constexpr std::uint32_t list_tasks_shown_max = 100;
static_assert(Seconds(lease_seconds_max) <= lease_max);
static_assert(lease_tasks_max <= static_cast<std::int32_t>(batch_tasks_max));

void send_json(HttpReply reply, const Selection& fields, std::string json) {
  HttpResponse response;
  response.body = fields.apply(std::move(json));
  reply.send(std::move(response));
}

void send_error(HttpReply reply, const Error& error, const QueueName& queue) {
  reply.send(error_response(error, queue));
}

// Java's HTTP client cannot say PATCH, so Google's clients say POST and this header.
std::string_view method_of(const HttpRequest& request) {
  if (request.method == "HEAD") return "GET";
  if (request.method != "POST") return request.method;
  const std::string_view meant = request.header("x-http-method-override");
  if (meant == "PATCH" || meant == "DELETE" || meant == "GET") return meant;
  return request.method;
}

}  // namespace

using P = Permission;

const RestDoor::Method RestDoor::methods[] = {
    {Resource::lease,
     "POST",
     &RestDoor::lease,
     tasks_shape,
     Right::work,
     {P::tasks_run, P::tasks_full_view}},
    {Resource::tasks, "POST", &RestDoor::insert, task_shape, Right::insert, P::tasks_create},
    {Resource::tasks, "GET", &RestDoor::list, tasks_shape, Right::work, P::tasks_list},
    {Resource::task,
     "GET",
     &RestDoor::get,
     task_shape,
     Right::work,
     {P::tasks_get, P::tasks_full_view}},
    {Resource::task, "POST", &RestDoor::update, task_shape, Right::work, P::tasks_run},
    {Resource::task, "PATCH", &RestDoor::patch, task_shape, Right::work, P::tasks_run},
    {Resource::task, "DELETE", &RestDoor::remove, task_shape, Right::work, P::tasks_delete},
    {Resource::queue, "GET", &RestDoor::get_queue, queue_shape, Right::see, P::queues_get},
};

void RestDoor::handle(const HttpRequest& request, HttpReply reply) {
  auto route = parse_route(request.path, options_.location);
  if (!route) return send_error(std::move(reply), route.error(), {});
  const std::string_view method = method_of(request);
  if (method != "GET" && is_of_foreign_page(request)) {
    return reply.send(error_response(403, "forbidden",
                                     "a web page of another origin may not change anything here"));
  }
  if (route->resource == Resource::discovery && method == "GET") {
    return send_json(std::move(reply), {}, discovery_json(request.header("host")));
  }
  if (route->resource == Resource::lease && method != "POST") route->resource = Resource::task;
  std::string allowed;
  for (const Method& each : methods) {
    if (each.resource != route->resource) continue;
    if (each.http_method != method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(each.http_method);
      continue;
    }
    auto query = Query::parse(request.query);
    if (!query) return send_error(std::move(reply), query.error(), route->queue);
    Selection fields;
    if (const std::string* text = query->find("fields"); text != nullptr && !text->empty()) {
      auto parsed = Selection::parse(*text, each.shape);
      if (!parsed) return send_error(std::move(reply), parsed.error(), route->queue);
      fields = std::move(*parsed);
    }
    CallerPointer caller;
    if (options_.access != nullptr) {
      auto found = options_.access->authenticate(credentials_of(request), clock_.now().wall);
      if (!found) return send_error(std::move(reply), found.error(), route->queue);
      caller = std::move(*found);
    }
    return (this->*each.run)({request.body, std::move(*route), std::move(*query), std::move(fields),
                              each, std::move(caller), std::move(reply)});
  }
  if (allowed.empty()) allowed = "GET";  // of the discovery document
  HttpResponse response =
      error_response({Reason::unsupported, "this path takes " + allowed, {}, {}}, route->queue);
  response.headers = "Allow: " + allowed + "\r\n";
  reply.send(std::move(response));
}

std::optional<Error> RestDoor::refusal(const Call& call, const Result<QueueInfo>& queue) const {
  if (call.caller == nullptr) return std::nullopt;
  const QueueName& name = call.route.queue;
  const Caller& caller = *call.caller;
  const Permissions missing = queue ? options_.access->lacking(caller, call.method.needs, *queue)
                                    : lacking(caller, call.method.needs, {name.project, &name});
  if (missing.is_empty()) return std::nullopt;
  if (queue && may(queue->settings.appengine, caller.email(), call.method.right))
    return std::nullopt;
  return access_refusal(caller, missing, name.path());
}

template <class Then>
void RestDoor::with_queue(Call call, Then then) {
  GetQueue command;
  command.queue = call.route.queue;
  std::shared_ptr<HttpThread> thread = call.reply.thread();
  call.body = {};
  call_on(std::move(thread), runtime_, std::move(command),
          [this, call = std::move(call), then = std::move(then)](Result<QueueInfo> queue) mutable {
            const QueueName& name = call.route.queue;
            if (auto refused = refusal(call, queue))
              return send_error(std::move(call.reply), *refused, name);
            if (!queue) return send_error(std::move(call.reply), queue.error(), name);
            if (queue->settings.mode != QueueMode::pull) {
              return call.reply.send(error_response(400, "invalid", pull_only_text));
            }
            then(std::move(call), std::move(*queue));
          });
}

void RestDoor::get_queue(Call call) {
  const auto with_stats = call.query.flag("getStats", false);
  if (!with_stats) return send_error(std::move(call.reply), with_stats.error(), call.route.queue);
  with_queue(std::move(call), [this, stats = *with_stats](Call next, QueueInfo info) {
    if (!stats) return send_json(std::move(next.reply), next.fields, queue_json(info, {}));
    GetQueueStats command;
    command.queue = info.name;
    deferd::call(runtime_, std::move(command), std::move(next.reply),
                 [info = std::move(info), fields = std::move(next.fields)](
                     HttpReply reply, Result<QueueStats> counted) {
                   if (!counted) return send_error(std::move(reply), counted.error(), info.name);
                   send_json(std::move(reply), fields, queue_json(info, *counted));
                 });
  });
}

void RestDoor::list(Call call) {
  with_queue(std::move(call),
             [this](Call next, const QueueInfo&) { list_page(std::move(next), {}, {}); });
}

// A page of the engine may hold fewer tasks than it was asked for, although more follow.
void RestDoor::list_page(Call call, std::vector<TaskInfo> listed, TaskId after) {
  ListTasks command;
  command.queue = call.route.queue;
  command.after = after;
  command.tasks_max = list_tasks_shown_max - static_cast<std::uint32_t>(listed.size());
  std::shared_ptr<HttpThread> thread = call.reply.thread();
  call_on(std::move(thread), runtime_, std::move(command),
          [this, call = std::move(call),
           listed = std::move(listed)](Result<ListTasks::Answer> page) mutable {
            const std::string queue = call.route.queue.queue;
            if (!page) return send_error(std::move(call.reply), page.error(), call.route.queue);
            for (TaskInfo& info : page->tasks) {
              info.task.payload.reset();  // is not shown
              listed.push_back(std::move(info));
            }
            if (page->next && listed.size() < list_tasks_shown_max) {
              return list_page(std::move(call), std::move(listed), *page->next);
            }
            send_json(std::move(call.reply), call.fields,
                      tasks_json("taskqueues#tasks", listed, queue, Payload::left_out));
          });
}

void RestDoor::insert(Call call) {
  auto task = parse_insert(call.body, call.route, options_.task_bytes_max);
  if (!task) return send_error(std::move(call.reply), task.error(), call.route.queue);
  with_queue(std::move(call), [this, task = std::move(*task)](Call next, const QueueInfo&) mutable {
    AddTasks command;
    command.queue = next.route.queue;
    command.tasks.push_back(std::move(task));
    deferd::call(runtime_, std::move(command), std::move(next.reply),
                 [name = std::move(next.route.queue), fields = std::move(next.fields)](
                     HttpReply reply, Result<std::vector<Result<Task>>> stored) {
                   if (!stored) return send_error(std::move(reply), stored.error(), name);
                   const Result<Task>& added = stored->front();
                   if (!added) return send_error(std::move(reply), added.error(), name);
                   send_json(std::move(reply), fields,
                             task_json({*added, TaskState::ready}, name.queue, Payload::shown));
                 });
  });
}

void RestDoor::lease(Call call) {
  const auto fail_with = [&call](const Error& error) {
    send_error(std::move(call.reply), error, call.route.queue);
  };
  const auto count = call.query.integer("numTasks", 1, lease_tasks_max);
  if (!count) return fail_with(count.error());
  const auto seconds = call.query.integer("leaseSecs", 0, lease_seconds_max);
  if (!seconds) return fail_with(seconds.error());
  const auto group_by_tag = call.query.flag("groupByTag", false);
  if (!group_by_tag) return fail_with(group_by_tag.error());
  const std::string* tag = call.query.find("tag");
  const bool has_tag = tag != nullptr && !tag->empty();
  if (has_tag && !*group_by_tag) {
    return fail_with({Reason::invalid, "tag is given without groupByTag=true", "tag", {}});
  }
  if (has_tag && tag->size() > tag_bytes_max) {
    return fail_with({Reason::invalid, "tag has more than 500 bytes", "tag", {}});
  }
  LeaseTasks command;
  command.queue = call.route.queue;
  command.tasks_max = static_cast<std::uint32_t>(*count);
  command.duration = Seconds(*seconds);
  command.refuse_paused = true;
  if (*group_by_tag) {
    command.by = has_tag ? LeaseTasks::By::key : LeaseTasks::By::oldest_key;
    if (has_tag) command.key = *tag;
  }
  with_queue(
      std::move(call), [this, command = std::move(command)](Call next, const QueueInfo&) mutable {
        deferd::call(runtime_, std::move(command), std::move(next.reply),
                     [route = std::move(next.route), fields = std::move(next.fields)](
                         HttpReply reply, Result<std::vector<TaskInfo>> leased) {
                       if (!leased)
                         return send_error(std::move(reply), leased.error(), route.queue);
                       const std::string queue =
                           "projects/" + route.project + "/taskqueues/" + route.queue.queue;
                       send_json(std::move(reply), fields,
                                 tasks_json("taskqueue#tasks", *leased, queue, Payload::shown));
                     });
      });
}

void RestDoor::get(Call call) {
  auto task = parse_task_of_path(call.route);
  if (!task) return send_error(std::move(call.reply), task.error(), call.route.queue);
  with_queue(std::move(call), [this, task = std::move(*task)](Call next, const QueueInfo&) mutable {
    GetTask command;
    command.queue = next.route.queue;
    command.task = std::move(task);
    deferd::call(runtime_, std::move(command), std::move(next.reply),
                 [name = std::move(next.route.queue), fields = std::move(next.fields)](
                     HttpReply reply, Result<TaskInfo> info) {
                   if (!info) return send_error(std::move(reply), info.error(), name);
                   send_json(std::move(reply), fields,
                             task_json(*info, name.queue, Payload::shown));
                 });
  });
}

void RestDoor::update(Call call) {
  auto update = parse_update(call.body, call.route);
  change_lease(std::move(call), std::move(update));
}

void RestDoor::patch(Call call) {
  auto update = parse_patch(call.body, call.route);
  change_lease(std::move(call), std::move(update));
}

// The engine knows a lease by the microsecond at which it ends. A caller that says less (seconds,
// or nothing at all) has it looked up first; should the lease change in between, it is refused.
void RestDoor::change_lease(Call call, Result<LeaseUpdate> update) {
  if (!update) return send_error(std::move(call.reply), update.error(), call.route.queue);
  const auto seconds = call.query.integer("newLeaseSeconds", 0, lease_seconds_max);
  if (!seconds) return send_error(std::move(call.reply), seconds.error(), call.route.queue);
  ModifyLease command;
  command.queue = call.route.queue;
  command.task = update->task;
  command.duration = Seconds(*seconds);
  auto send = [this](Call next, ModifyLease change) {
    deferd::call(runtime_, std::move(change), std::move(next.reply),
                 [name = std::move(next.route.queue), fields = std::move(next.fields)](
                     HttpReply reply, Result<TaskInfo> info) {
                   if (!info) return send_error(std::move(reply), info.error(), name);
                   send_json(std::move(reply), fields,
                             task_json(*info, name.queue, Payload::shown));
                 });
  };
  with_queue(std::move(call), [this, send, command = std::move(command), end = update->end](
                                  Call next, const QueueInfo&) mutable {
    if (end && !end->in_seconds) {
      command.eta = wall_from_micros(end->value);
      return send(std::move(next), std::move(command));
    }
    GetTask look;
    look.queue = command.queue;
    look.task = command.task;
    std::shared_ptr<HttpThread> thread = next.reply.thread();
    call_on(std::move(thread), runtime_, std::move(look),
            [send, end, command = std::move(command),
             next = std::move(next)](Result<TaskInfo> info) mutable {
              if (!info) return send_error(std::move(next.reply), info.error(), next.route.queue);
              const Wall eta = info->task.place.eta;
              if (info->state != TaskState::leased || (end && !end->matches(eta))) {
                return send_error(std::move(next.reply), {Reason::lease_lost, {}, {}, {}},
                                  next.route.queue);
              }
              command.eta = eta;
              send(std::move(next), std::move(command));
            });
  });
}

void RestDoor::remove(Call call) {
  auto task = parse_task_of_path(call.route);
  if (!task) return send_error(std::move(call.reply), task.error(), call.route.queue);
  with_queue(std::move(call), [this, task = std::move(*task)](Call next, const QueueInfo&) mutable {
    DeleteTasks command;
    command.queue = next.route.queue;
    command.tasks.push_back(std::move(task));
    deferd::call(runtime_, std::move(command), std::move(next.reply),
                 [name = std::move(next.route.queue)](HttpReply reply,
                                                      Result<std::vector<Result<void>>> gone) {
                   if (!gone) return send_error(std::move(reply), gone.error(), name);
                   if (!gone->front())
                     return send_error(std::move(reply), gone->front().error(), name);
                   HttpResponse response;
                   response.status = 204;
                   reply.send(std::move(response));
                 });
  });
}

}  // namespace deferd::taskqueue_rest
