// Who may make which call (CT-spec 7, 11): the one place that all transports pass through.
#include <memory>
#include <utility>

#include "api/cloudtasks/methods.h"
#include "api/cloudtasks/text.h"

namespace deferd::cloudtasks {
namespace {

using Message = Method::Message;

Failure refusal(const Caller& caller, Permissions missing, const std::string& resource) {
  if (caller.is_anonymous())
    return failure_of(access_refusal(caller, missing, resource), Subject::queue);
  Failure failure;
  failure.set_code(google::rpc::PERMISSION_DENIED);
  failure.set_message("The principal (user or service account) lacks IAM permission \"" +
                      std::string(to_string(missing.first())) + "\" for the resource \"" +
                      resource + "\" (or the resource may not exist).");
  return failure;
}

// What access.yaml does not give, the policy of the queue may.
void run_by_policy(const Method& method, Service& service, const Message& request, Context context,
                   Permissions needs, QueueName queue, Method::Answer answer) {
  std::shared_ptr<Message> kept(request.New());
  kept->CopyFrom(request);
  GetQueue command;
  command.queue = queue;
  service.submit(
      context, std::move(command),
      [&method, &service, kept = std::move(kept), context, needs, queue = std::move(queue),
       answer = std::move(answer)](const Result<QueueInfo>& info) mutable {
        const bool there = info.has_value();
        if (!there && info.error().reason != Reason::queue_missing &&
            info.error().reason != Reason::queue_gone) {
          return answer(refuse(failure_of(info.error(), Subject::queue)));
        }
        const Caller& caller = *context.caller;
        const Permissions missing = there ? service.options.access->lacking(caller, needs, *info)
                                          : lacking(caller, needs, {queue.project, &queue});
        if (!missing.is_empty())
          return answer(refuse(refusal(caller, missing, method.resource(*kept))));
        method.run(service, *kept, context, std::move(answer));
      });
}

}  // namespace

ResourceTarget::ResourceTarget(std::string_view resource) {
  const auto words = split(resource, '/');
  if (words.size() == 1) {  // UploadQueueYaml names a project alone
    project = words[0];
  } else if (words[0] == "projects") {
    project = words[1];
  }
  if (words.size() < 6 || words[0] != "projects" || words[2] != "locations" || words[4] != "queues")
    return;
  if (auto name = QueueName::parse(words[1], words[3], words[5])) queue = std::move(*name);
}

void run(const Method& method, Service& service, const Message& request, Context context,
         Method::Answer answer) {
  const Access* access = service.options.access;
  if (access == nullptr) return method.run(service, request, context, std::move(answer));
  auto caller = access->authenticate(
      {context.credentials.authorization, context.credentials.api_key}, service.clock.now().wall);
  if (!caller) return answer(refuse(failure_of(caller.error(), Subject::queue)));
  context.caller = std::move(*caller);
  context.credentials = {};
  const Permissions needs =
      method.shows_all(request) ? method.needs | Permission::tasks_full_view : method.needs;
  ResourceTarget target(method.resource(request));
  const Permissions missing = lacking(*context.caller, needs, target.view());
  if (missing.is_empty()) return method.run(service, request, context, std::move(answer));
  if (target.queue.queue.empty())
    return answer(refuse(refusal(*context.caller, missing, method.resource(request))));
  run_by_policy(method, service, request, std::move(context), needs, std::move(target.queue),
                std::move(answer));
}

}  // namespace deferd::cloudtasks
