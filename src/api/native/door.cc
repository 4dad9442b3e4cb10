#include "api/native/door.h"

#include <utility>

#include "api/native/errors.h"

namespace deferd {

std::unique_ptr<HttpHandler> make_native_door(NativeDoorOptions options, Runtime& runtime,
                                              const Clock& clock) {
  return std::make_unique<native::NativeDoor>(std::move(options), runtime, clock);
}

}  // namespace deferd

namespace deferd::native {

constexpr PageQueryKnows no_query{};
constexpr PageQueryKnows page_query{.page = true};
constexpr PageQueryKnows tasks_query{.page = true, .state = true, .view = true};
constexpr PageQueryKnows view_query{.view = true};
constexpr PageQueryKnows plan_query{.plan = true};
constexpr PageQueryKnows app_query{.app = true};
constexpr PageQueryKnows result_query{.result = true};
constexpr PageQueryKnows dead_query{.page = true, .view = true, .dead = true};

using P = Permission;
constexpr Permissions nothing;
constexpr Permissions works = {P::tasks_run, P::tasks_full_view};  // the answer has bodies
constexpr Permissions configures = {P::queues_create, P::queues_update};
constexpr Permissions schedules = {P::queues_update, P::tasks_create};  // a job adds tasks

const NativeDoor::Endpoint NativeDoor::endpoints[] = {
    // The first, as it is asked for most.
    {Resource::tasks, "POST", &NativeDoor::add_task, no_query, P::tasks_create},
    {Resource::tasks_batch, "POST", &NativeDoor::add_tasks, no_query, P::tasks_create},
    {Resource::tasks_lease, "POST", &NativeDoor::lease_tasks, no_query, works},
    {Resource::tasks_ack, "POST", &NativeDoor::ack_tasks, no_query, P::tasks_run},
    {Resource::tasks_renew, "POST", &NativeDoor::renew_leases, no_query, P::tasks_run},
    {Resource::tasks_release, "POST", &NativeDoor::release_tasks, no_query, P::tasks_run},
    {Resource::tasks, "GET", &NativeDoor::list_tasks, tasks_query, P::tasks_list},
    {Resource::task, "GET", &NativeDoor::get_task, view_query, P::tasks_get},
    {Resource::task, "DELETE", &NativeDoor::delete_task, no_query, P::tasks_delete},
    {Resource::task_run, "POST", &NativeDoor::run_task, no_query, P::tasks_run},
    {Resource::tasks_fail, "POST", &NativeDoor::fail_tasks, no_query, P::tasks_run},
    {Resource::tasks_watch, "POST", &NativeDoor::watch_tasks, no_query, P::tasks_run},
    {Resource::tasks_results, "POST", &NativeDoor::get_results, no_query, P::tasks_get},
    {Resource::task_result, "GET", &NativeDoor::get_result, result_query, P::tasks_get},
    {Resource::task_cancel, "POST", &NativeDoor::cancel_task, no_query, P::tasks_delete},
    {Resource::dead, "GET", &NativeDoor::list_dead, dead_query, P::tasks_list},
    {Resource::dead_retry, "POST", &NativeDoor::retry_dead, no_query, P::tasks_delete},
    {Resource::dead_delete, "POST", &NativeDoor::delete_dead, no_query, P::tasks_delete},
    {Resource::dead_task, "GET", &NativeDoor::get_dead, view_query, P::tasks_get},
    {Resource::dead_task, "DELETE", &NativeDoor::delete_dead_task, no_query, P::tasks_delete},
    {Resource::dead_task_retry, "POST", &NativeDoor::retry_dead_task, no_query, P::tasks_delete},
    {Resource::queues, "GET", &NativeDoor::list_queues, page_query, P::queues_list},
    {Resource::queues_apply, "POST", &NativeDoor::apply_queues, plan_query, configures},
    {Resource::app_queues, "POST", &NativeDoor::update_app_engine_queues, app_query, configures},
    {Resource::queue, "PUT", &NativeDoor::put_queue, no_query, configures},
    {Resource::queue, "GET", &NativeDoor::get_queue, no_query, P::queues_get},
    {Resource::queue, "DELETE", &NativeDoor::delete_queue, no_query, P::queues_delete},
    {Resource::queue_pause, "POST", &NativeDoor::pause_queue, no_query, P::queues_pause},
    {Resource::queue_resume, "POST", &NativeDoor::resume_queue, no_query, P::queues_resume},
    {Resource::queue_purge, "POST", &NativeDoor::purge_queue, no_query, P::queues_purge},
    {Resource::queue_stats, "GET", &NativeDoor::queue_stats, no_query, P::queues_get},
    {Resource::cron, "GET", &NativeDoor::list_cron, no_query, P::queues_list},
    {Resource::cron, "POST", &NativeDoor::apply_cron, plan_query, schedules},
    {Resource::healthz, "GET", &NativeDoor::healthz, no_query, nothing},
    {Resource::readyz, "GET", &NativeDoor::readyz, no_query, nothing},
    {Resource::metrics, "GET", &NativeDoor::metrics, no_query, P::server_get},
    {Resource::config, "GET", &NativeDoor::config, no_query, P::server_get},
};

NativeDoor::NativeDoor(NativeDoorOptions options, Runtime& runtime, const Clock& clock)
    : options_(std::move(options)), runtime_(runtime), clock_(clock) {}

void NativeDoor::handle(const HttpRequest& request, HttpReply reply) {
  auto route = parse_route(request.path, options_.project, options_.location);
  if (!route) return reply.send(error_response(route.error()));
  const std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  if (method != "GET" && is_of_foreign_page(request)) {
    HttpResponse response;
    response.status = 403;
    response.body = error_json(403, "PERMISSION_DENIED",
                               "a web page of another origin may not change anything here");
    return reply.send(std::move(response));
  }
  std::string allowed;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.resource != route->resource) continue;
    if (endpoint.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
      continue;
    }
    auto query = parse_page_query(request.query, endpoint.query);
    if (!query) return reply.send(error_response(query.error()));
    Call call{request, std::move(*route), std::move(*query), std::move(reply)};
    if (options_.access != nullptr) return authorize(endpoint, std::move(call));
    return (this->*endpoint.run)(std::move(call));
  }
  HttpResponse response =
      error_response({Reason::unsupported, "this path takes " + allowed, {}, std::nullopt});
  response.headers = "Allow: " + allowed + "\r\n";
  reply.send(std::move(response));
}

TaskLimits NativeDoor::limits() const {
  return {.task_bytes_max = options_.task_bytes_max, .now = clock_.now().wall};
}

void send_json(HttpReply reply, int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  reply.send(std::move(response));
}

void send_error(HttpReply reply, Error error, const QueueAddress& queue) {
  if (error.reason == Reason::queue_missing) {
    const std::string path = queue.long_form ? queue.path() : "queues/" + queue.queue;
    error.message = "queue \"" + queue.queue + "\" does not exist; make it with PUT /v1/" + path;
  }
  reply.send(error_response(error));
}

}  // namespace deferd::native
