// How an attempt ended, as google.rpc.Status (CT-spec 9.5).
#pragma once

#include <google/rpc/code.pb.h>

#include <cstdint>

#include "api/cloudtasks/outcome.h"

namespace deferd::cloudtasks {

// `status`: an HTTP status or one of status_* (model/task.h); status_none: a lease that ended well.
google::rpc::Code attempt_code(std::int16_t status);
google::rpc::Status attempt_status(std::int16_t status);

}  // namespace deferd::cloudtasks
