// Who may make which call of /v1: what an endpoint needs stands in its row of the table (door.cc).
#include <memory>
#include <optional>
#include <utility>

#include "api/http/call.h"
#include "api/http/credentials.h"
#include "api/http/owned_request.h"
#include "api/native/door.h"
#include "api/native/errors.h"

namespace deferd::native {
namespace {

bool is_server_page(Resource resource) {
  return resource == Resource::metrics || resource == Resource::config;
}

std::string resource_text(const AccessTarget& target) {
  if (target.queue != nullptr) return target.queue->path();
  return target.project.empty() ? "this server" : "projects/" + std::string(target.project);
}

}  // namespace

void NativeDoor::authorize(const Endpoint& endpoint, Call call) {
  if (endpoint.needs.is_empty()) return (this->*endpoint.run)(std::move(call));
  auto caller = options_.access->authenticate(credentials_of(call.request), clock_.now().wall);
  if (!caller) return send_error(std::move(call.reply), caller.error(), call.route.queue);
  const Permissions needs =
      call.query.full ? endpoint.needs | Permission::tasks_full_view : endpoint.needs;
  std::string project = call.route.queue.project;
  if (endpoint.resource == Resource::app_queues) {
    auto application = application_of(call.query);
    if (!application) return send_error(std::move(call.reply), application.error(), {});
    project = std::move(*application);
  }
  AccessTarget target;
  if (!is_server_page(endpoint.resource)) target.project = project;
  const bool names_queue = !call.route.queue.queue.empty();
  if (names_queue) target.queue = &call.route.queue;
  const Permissions missing = lacking(**caller, needs, target);
  if (missing.is_empty()) return (this->*endpoint.run)(std::move(call));
  if (names_queue) {
    return authorize_by_policy(endpoint, std::move(call), std::move(*caller), needs);
  }
  send_error(std::move(call.reply), access_refusal(**caller, missing, resource_text(target)), {});
}

// What access.yaml does not give, the policy of the queue may.
void NativeDoor::authorize_by_policy(const Endpoint& endpoint, Call call, CallerPointer caller,
                                     Permissions needs) {
  GetQueue command;
  command.queue = call.route.queue;
  auto kept = std::make_unique<const OwnedRequest>(call.request);
  deferd::call(
      runtime_, std::move(command), std::move(call.reply),
      [this, &endpoint, kept = std::move(kept), route = std::move(call.route),
       query = std::move(call.query), caller = std::move(caller),
       needs](HttpReply reply, const Result<QueueInfo>& info) mutable {
        const bool there = info.has_value();
        if (!there && info.error().reason != Reason::queue_missing &&
            info.error().reason != Reason::queue_gone) {
          return send_error(std::move(reply), info.error(), route.queue);
        }
        const AccessTarget target{route.queue.project, &route.queue};
        const Permissions missing = there ? options_.access->lacking(*caller, needs, *info)
                                          : lacking(*caller, needs, target);
        if (!missing.is_empty()) {
          return send_error(std::move(reply),
                            access_refusal(*caller, missing, resource_text(target)), route.queue);
        }
        const HttpRequest request = kept->view();
        (this->*endpoint.run)({request, std::move(route), std::move(query), std::move(reply)});
      });
}

}  // namespace deferd::native
