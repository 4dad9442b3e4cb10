// The URL that a queue has for tasks which come without one: the one that Firebase's command line
// registered with it, else that of its http_target, whatever its enforce mode.
//
// A registered one is not kept as an http_target: with any enforce mode that would change tasks
// with a URL of their own, at least where that says no port or query (CT-spec 9.11).
#pragma once

#include <string>
#include <utility>

#include "api/cloudtasks/service.h"
#include "model/http_target.h"
#include "model/queue_settings.h"

namespace deferd::cloudtasks::rest {

// https unless the target says otherwise. Requires a host.
std::string url_of(const HttpTarget& target);

// Fails with FAILED_PRECONDITION when the queue has none.
Outcome<std::string> default_url_of(const QueueInfo& queue);

// `then(Outcome<std::string>)` gets the URL, on the call's thread, once. Fails as a call about the
// queue does, and as default_url_of() does.
template <class Then>
void with_default_url(Service& service, QueueName queue, const Context& context, Then then) {
  GetQueue command;
  command.queue = std::move(queue);
  service.submit(context, std::move(command),
                 [then = std::move(then)](const Result<QueueInfo>& info) mutable {
                   if (!info) return then(refuse(failure_of(info.error(), Subject::queue)));
                   then(default_url_of(*info));
                 });
}

}  // namespace deferd::cloudtasks::rest
