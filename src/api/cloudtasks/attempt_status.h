// How an attempt ended, as google.rpc.Status (CT-spec 9.5).
#pragma once

#include <cstdint>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

// `status`: an HTTP status or one of status_* (model/task.h).
google::rpc::Status attempt_status(std::int16_t status);

}  // namespace deferd::cloudtasks
