// What App Engine's SDKs are told of the engine's reasons (GAE-spec 4, 1.4).
#pragma once

#include <optional>
#include <string_view>

#include "api/appengine/envelope.h"
#include "base/result.h"

namespace deferd::appengine {

// The code of a single task's result, where there is one: what concerns the whole server has none.
std::optional<ErrorCode> code_of(Reason reason);

// A whole call's failure. `queue` for texts that help.
RpcFailure failure_of(const Error& error, std::string_view queue);

// Whether the queue is not there, or not there any more.
bool is_not_there(const Error& error);

// A queue that is not there.
RpcFailure unknown_queue(std::string_view queue);

}  // namespace deferd::appengine
