// Where an answer 3xx sends a push, and what goes there (CT-spec 9.12; methods change as they do in
// browsers). Pure.
#pragma once

#include <optional>
#include <string_view>

#include "model/push_request.h"
#include "model/target_url.h"

namespace deferd {

// Whether an answer of this status asks for another place, in its Location.
bool is_redirect(int status);

// What `location`, any text, says when it comes from `from`: an absolute URL, or a reference that
// is resolved as RFC 3986, 5.2 has it. Nothing: it is no http or https URL that can be sent to.
std::optional<TargetUrl> resolve_location(const TargetUrl& from, std::string_view location);

// As the request is sent to the place that the answer named. After 303, and after 301 or 302 to a
// POST, it is a GET without a body; 307 and 308 change nothing. To another scheme, host or port no
// Authorization and no Cookie goes.
void redirect_request(int status, bool same_place, PushRequestView& request);

}  // namespace deferd
