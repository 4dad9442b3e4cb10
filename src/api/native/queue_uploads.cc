// POST .../queues:apply: the queues of a project as a queue.yaml declares them, or only the plan of
// what would change. App Engine's own tools call the same by its old path.
#include <algorithm>

#include "api/http/json_writer.h"
#include "api/native/door.h"
#include "apply/uploads.h"

namespace deferd::native {
namespace {

void write_change(JsonWriter& json, const SettingChange& change) {
  json.begin_object().member("setting", change.setting).key("before");
  if (change.before.empty()) {
    json.null();
  } else {
    json.value(change.before);
  }
  json.member("after", change.after).end_object();
}

std::string plan_json(const QueuePlan& plan, bool applied) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("applied", applied).key("queues").begin_array();
  for (const PlannedQueue& queue : plan.queues) {
    json.begin_object()
        .member("queue", queue.name.queue)
        .member("action", to_string(queue.action))
        .key("settings")
        .begin_array();
    for (const SettingChange& change : queue.settings) write_change(json, change);
    json.end_array().end_object();
  }
  json.end_array();
  if (plan.storage_limit) {
    json.key("total_storage_limit").begin_object();
    json.member("before", plan.storage_limit->before).member("after", plan.storage_limit->after);
    json.end_object();
  }
  json.end_object();
  return body;
}

}  // namespace

void NativeDoor::apply_queues(Call call) {
  QueueUpload upload;
  upload.file = {"queue.yaml", std::string(call.request.body)};
  upload.project = call.route.queue.project;
  upload.location = call.route.queue.location;
  upload.plan_only = call.query.plan;
  upload_queues(std::move(call), std::move(upload));
}

// It stands in the query, perhaps with the partition it had at Google ("s~shop").
Result<std::string> NativeDoor::application_of(const PageQuery& query) const {
  if (query.app.empty()) return options_.app.empty() ? options_.project : options_.app;
  const std::size_t tilde = query.app.find('~');
  std::string app = tilde == std::string::npos ? query.app : query.app.substr(tilde + 1);
  // Only to check it: a queue is not named here.
  if (auto ok = QueueName::parse(app, options_.location, "q"); !ok)
    return fail(Reason::invalid, ok.error().message, "appId");
  return app;
}

void NativeDoor::update_app_engine_queues(Call call) {
  QueueUpload upload;
  upload.file = {"queue.yaml", std::string(call.request.body)};
  auto application = application_of(call.query);
  if (!application) return send_error(std::move(call.reply), application.error(), {});
  upload.project = std::move(*application);
  upload.location = options_.location;
  upload_queues(std::move(call), std::move(upload));
}

void NativeDoor::upload_queues(Call call, QueueUpload upload) {
  if (options_.uploads == nullptr) {
    return send_error(std::move(call.reply),
                      {Reason::unsupported, "this server takes no queue.yaml", "", std::nullopt},
                      {});
  }
  const bool applied = !upload.plan_only;
  std::shared_ptr<HttpThread> thread = call.reply.thread();
  options_.uploads->upload(std::move(upload),
                           [thread = std::move(thread), reply = std::move(call.reply),
                            applied](Result<QueuePlan> plan) mutable {
                             HttpThread& home = *thread;
                             home.post([thread = std::move(thread), reply = std::move(reply),
                                        applied, plan = std::move(plan)]() mutable {
                               if (!plan) return send_error(std::move(reply), plan.error(), {});
                               send_json(std::move(reply), 200, plan_json(*plan, applied));
                             });
                           });
}

}  // namespace deferd::native
