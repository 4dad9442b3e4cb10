// How long a caller says that it waits.
#pragma once

#include <optional>

#include "api/http/http.h"
#include "base/time.h"

namespace deferd::cloudtasks::rest {

// From X-Server-Timeout (seconds, "12.5") or grpc-timeout ("1500m"). Nothing: it does not say, or
// not so that it can be read.
std::optional<Nanos> timeout_of(const HttpRequest& request);

}  // namespace deferd::cloudtasks::rest
