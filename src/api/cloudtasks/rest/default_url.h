// The URL that a queue has for tasks which come without one: that of its http_target, whatever its
// enforce mode (docs/reference/cloud-tasks.md).
#pragma once

#include <string>
#include <utility>

#include "api/cloudtasks/service.h"
#include "model/http_target.h"

namespace deferd::cloudtasks::rest {

// https unless the target says otherwise. Requires a host.
std::string url_of(const HttpTarget& target);

// FAILED_PRECONDITION
Failure no_default_url(const QueueName& queue);

// `then(Outcome<std::string>)` gets the URL, on the call's thread, once. Fails as a call about the
// queue does, and with FAILED_PRECONDITION when no target with a host is set.
template <class Then>
void with_default_url(Service& service, QueueName queue, const Context& context, Then then) {
  GetQueue command;
  command.queue = std::move(queue);
  service.submit(context, std::move(command),
                 [then = std::move(then)](const Result<QueueInfo>& info) mutable {
                   if (!info) return then(refuse(failure_of(info.error(), Subject::queue)));
                   const auto& target = info->settings.http_target;
                   if (!target || !target->host) return then(refuse(no_default_url(info->name)));
                   then(Outcome<std::string>(url_of(*target)));
                 });
}

}  // namespace deferd::cloudtasks::rest
