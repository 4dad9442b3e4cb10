#include "api/appengine/door.h"

#include <google/protobuf/arena.h>

#include <utility>

#include "api/appengine/deadline.h"
#include "api/appengine/names.h"
#include "api/appengine/wire_reader.h"
#include "api/http/credentials.h"

namespace deferd {

std::unique_ptr<HttpHandler> make_appengine_door(AppEngineDoorOptions options, Runtime& runtime,
                                                 const Clock& clock) {
  return std::make_unique<appengine::AppEngineDoor>(std::move(options), runtime, clock);
}

bool is_appengine_path(std::string_view path) {
  return path == "/rpc_http" || path == "/remote_api";
}

}  // namespace deferd

namespace deferd::appengine {
namespace {

// Of one call. The smallest field takes two bytes and may cost sixty in memory: this bounds what a
// body can blow up to, far beyond what any SDK sends.
constexpr std::uint64_t fields_max = 100'000;

// A whole batch of an SDK; more of them are not even decoded.
constexpr std::uint64_t batch_requests_max = 100;

void send_text(HttpReply reply, int status, std::string text, std::string headers = {}) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.headers = std::move(headers);
  response.body = std::move(text);
  reply.send(std::move(response));
}

// Java's remote tools ask so which application they speak to (GAE-spec 1.7).
std::string remote_api_greeting(std::string_view app) {
  return "{app_id: " + std::string(app) + ", rtok: '0'}\n";
}

Face face_of(const HttpRequest& request) {
  return request.path == "/remote_api" ? Face::java_remote : Face::sdk;
}

RpcFailure too_many_fields() {
  return rpc_failure(
      Rpc::REQUEST_TOO_LARGE,
      "the request has more than " + std::to_string(fields_max) + " fields; send it in parts");
}

// What is wrong with the sizes of a request before it is decoded.
std::optional<RpcFailure> check_fields(std::string_view request, bool is_batch) {
  if (!is_batch) {
    if (count_fields(request, fields_max) > fields_max) return too_many_fields();
    return std::nullopt;
  }
  std::uint64_t requests = 0;
  std::uint64_t fields = 0;
  WireReader reader(request);
  for (WireReader::Field field; reader.next(field);) {
    if (++fields > fields_max) return too_many_fields();
    if (field.type != WireReader::Type::bytes ||
        field.number != wire::TaskQueueBulkAddRequest::kAddRequestFieldNumber) {
      continue;
    }
    if (++requests > batch_requests_max) {
      return refusal(Service::TOO_MANY_TASKS, "more than " + std::to_string(batch_requests_max) +
                                                  " tasks in one call; send at most " +
                                                  std::to_string(batch_requests_max));
    }
    fields += count_fields(field.bytes, fields_max);
    if (fields > fields_max) return too_many_fields();
  }
  return std::nullopt;
}

}  // namespace

using P = Permission;

const AppEngineDoor::Method AppEngineDoor::methods[] = {
    // The first, as they are asked for most.
    {"BulkAdd", &AppEngineDoor::with<wire::TaskQueueBulkAddRequest, &AppEngineDoor::bulk_add>,
     P::tasks_create},
    {"Add", &AppEngineDoor::with<wire::TaskQueueAddRequest, &AppEngineDoor::add>, P::tasks_create},
    {"Delete", &AppEngineDoor::with<wire::TaskQueueDeleteRequest, &AppEngineDoor::delete_tasks>,
     P::tasks_delete},
    {"QueryAndOwnTasks",
     &AppEngineDoor::with<wire::TaskQueueQueryAndOwnTasksRequest,
                          &AppEngineDoor::query_and_own_tasks>,
     {P::tasks_run, P::tasks_full_view}},
    {"ModifyTaskLease",
     &AppEngineDoor::with<wire::TaskQueueModifyTaskLeaseRequest, &AppEngineDoor::modify_task_lease>,
     P::tasks_run},
    {"FetchQueueStats",
     &AppEngineDoor::with<wire::TaskQueueFetchQueueStatsRequest, &AppEngineDoor::fetch_queue_stats>,
     P::queues_get},
    {"PurgeQueue",
     &AppEngineDoor::with<wire::TaskQueuePurgeQueueRequest, &AppEngineDoor::purge_queue>,
     P::queues_purge},
    {"FetchQueues",
     &AppEngineDoor::with<wire::TaskQueueFetchQueuesRequest, &AppEngineDoor::fetch_queues>,
     P::queues_list},
    {"QueryTasks",
     &AppEngineDoor::with<wire::TaskQueueQueryTasksRequest, &AppEngineDoor::query_tasks>,
     {P::tasks_list, P::tasks_full_view}},
    {"FetchTask",
     &AppEngineDoor::with<wire::TaskQueueFetchTaskRequest, &AppEngineDoor::fetch_task>,
     {P::tasks_get, P::tasks_full_view}},
    {"ForceRun",
     &AppEngineDoor::with<wire::TaskQueueForceRunRequest, &AppEngineDoor::force_run>,
     {P::queues_update, P::tasks_run}},
    {"UpdateQueue",
     &AppEngineDoor::with<wire::TaskQueueUpdateQueueRequest, &AppEngineDoor::update_queue>,
     {P::queues_create, P::queues_update}},
    {"PauseQueue",
     &AppEngineDoor::with<wire::TaskQueuePauseQueueRequest, &AppEngineDoor::pause_queue>,
     {P::queues_pause, P::queues_resume}},
    {"DeleteQueue",
     &AppEngineDoor::with<wire::TaskQueueDeleteQueueRequest, &AppEngineDoor::delete_queue>,
     P::queues_delete},
    {"DeleteGroup",
     &AppEngineDoor::with<wire::TaskQueueDeleteGroupRequest, &AppEngineDoor::delete_group>,
     P::queues_delete},
    {"UpdateStorageLimit",
     &AppEngineDoor::with<wire::TaskQueueUpdateStorageLimitRequest,
                          &AppEngineDoor::update_storage_limit>,
     P::queues_update},
};

AppEngineDoor::AppEngineDoor(AppEngineDoorOptions options, Runtime& runtime, const Clock& clock)
    : options_(std::move(options)), runtime_(runtime), clock_(clock) {}

std::optional<HttpResponse> AppEngineDoor::too_large(const HttpRequest& head) {
  return RpcReply::response_of(
      rpc_failure(Rpc::REQUEST_TOO_LARGE,
                  "the call is larger than this server takes; send it in parts"),
      face_of(head));
}

void AppEngineDoor::handle(const HttpRequest& request, HttpReply reply) {
  const bool remote = request.path == "/remote_api";
  if (remote && (request.method == "GET" || request.method == "HEAD")) {
    return send_text(std::move(reply), 200, remote_api_greeting(options_.default_app));
  }
  if (request.method != "POST") {
    return send_text(std::move(reply), 405,
                     "this path takes " + std::string(remote ? "GET and POST" : "POST") + "\n",
                     remote ? "Allow: GET, POST\r\n" : "Allow: POST\r\n");
  }
  if (is_of_foreign_page(request)) {
    return send_text(std::move(reply), 403, "a web page of another origin may not call the API\n");
  }
  rpc(request, std::move(reply), face_of(request));
}

void AppEngineDoor::rpc(const HttpRequest& request, HttpReply http_reply, Face face) {
  const auto envelope = read_envelope(request.body);
  if (!envelope) {
    return send_text(std::move(http_reply), 400,
                     "the body is no remote_api.Request: App Engine's SDKs post one here\n");
  }
  const Millis wait = wait_before(deadline_of(request.header("X-Google-RPC-Service-Deadline")));
  http_reply.answer_by(wait, [face] {
    return RpcReply::response_of(
        rpc_failure(Rpc::DEADLINE_EXCEEDED, "the deadline of the call passed before its end"),
        face);
  });
  RpcReply reply(std::move(http_reply), face, clock_.now().mono + wait);
  if (envelope->service != "taskqueue") {
    return reply.send(
        rpc_failure(Rpc::CALL_NOT_FOUND, "deferd serves only the service \"taskqueue\", not \"" +
                                             std::string(envelope->service.substr(0, 100)) + "\""));
  }
  const Method* method = nullptr;
  for (const Method& one : methods) {
    if (one.name == envelope->method) method = &one;
  }
  if (method == nullptr) {
    return reply.send(
        rpc_failure(Rpc::CALL_NOT_FOUND, "the service \"taskqueue\" has no method \"" +
                                             std::string(envelope->method.substr(0, 100)) + "\""));
  }
  auto identity = identify(request, envelope->request_id);
  if (!identity) return reply.send(failure_of(identity.error(), {}));
  std::string project = identity->app;
  (this->*method->run)({std::move(reply), std::move(*identity), method->needs, std::move(project)},
                       envelope->request);
}

Result<AppEngineDoor::Identity> AppEngineDoor::identify(const HttpRequest& request,
                                                        std::string_view ticket) const {
  const Wall now = clock_.now().wall;
  if (options_.access == nullptr) {
    const auto app = options_.tickets != nullptr ? options_.tickets->verify(ticket, now)
                                                 : Result<std::string>(std::string());
    return Identity{app && !app->empty() ? *app : options_.default_app, nullptr};
  }
  CredentialsView credentials = credentials_of(request);
  if (credentials.api_key.empty()) credentials.api_key = ticket;
  auto caller = options_.access->authenticate(credentials, now);
  if (!caller) return fail(caller.error());
  const std::string_view home = (*caller)->home();
  return Identity{home.empty() ? options_.default_app : std::string(home), std::move(*caller)};
}

template <class Request, auto run>
void AppEngineDoor::with(Call call, std::string_view bytes) {
  constexpr bool is_batch = std::is_same_v<Request, wire::TaskQueueBulkAddRequest>;
  if (auto failure = check_fields(bytes, is_batch)) return call.reply.send(*failure);
  google::protobuf::Arena arena;
  Request& request = *google::protobuf::Arena::CreateMessage<Request>(&arena);
  // In two steps: a message that lacks a field would be logged by the library otherwise.
  if (!request.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return call.reply.send(rpc_failure(
        Rpc::PARSE_ERROR, "the request does not decode as a " + Request::descriptor()->name()));
  }
  if (!request.IsInitialized()) {
    return call.reply.send(rpc_failure(
        Rpc::PARSE_ERROR, "missing in the request: " + request.InitializationErrorString()));
  }
  std::string_view app_id;
  if constexpr (is_batch) {
    if (request.add_request_size() > 0) app_id = request.add_request(0).app_id();
  } else if constexpr (requires { request.app_id(); }) {
    app_id = request.app_id();
  }
  if (!app_id.empty()) call.project = project_of(app_id);
  if (const Caller* caller = call.identity.caller.get(); caller != nullptr) {
    const Permissions missing = lacking(*caller, call.needs, {call.project});
    if (!missing.is_empty())
      return call.reply.send(
          failure_of(access_refusal(*caller, missing, "projects/" + call.project), {}));
  }
  (this->*run)(std::move(call), request);
}

}  // namespace deferd::appengine
