// How long a caller waits for its answer (GAE-spec 1.3). Pure.
#pragma once

#include <string_view>

#include "base/time.h"

namespace deferd::appengine {

// Of the header X-Google-RPC-Service-Deadline: seconds, also parts of one. What is no positive
// number is as good as none: 60 s. At most an hour.
Millis deadline_of(std::string_view text);

// When to tell a caller that its call takes too long: a little before it gives up, so that it
// learns it from us.
Millis wait_before(Millis deadline);

}  // namespace deferd::appengine
