// Lays what a queue says of its HTTP tasks (model/http_target.h) over what one of them says, when
// it is pushed (CT-spec 9.11). Pure.
#pragma once

#include <string>
#include <string_view>

#include "model/http_target.h"
#include "model/push_request.h"

namespace deferd {

// The URL that the task is pushed to. Takes any text, and what comes out is to be parsed: where the
// task's own URL could not be sent, mostly neither can this.
std::string overridden_url(const HttpTarget& target, std::string_view url);

// All but the URL: method, headers, token. The request keeps views into `target`. Headers that
// belong to the connection or to Google are ignored, as a task's own are.
void override_request(const HttpTarget& target, PushRequestView& request);

// The request has no body any more, nor headers that speak of one.
void drop_body(PushRequestView& request);

}  // namespace deferd
