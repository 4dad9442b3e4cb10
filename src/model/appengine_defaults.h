// What App Engine puts where nobody has said anything (GAE-spec 5.5, 7, 8.1): its doors and its
// files say less than ours do.
#pragma once

#include "model/queue_settings.h"

namespace deferd {

// No limit of attempts or age, 0.1 s to an hour, 16 doublings.
RetryPolicy app_engine_retry();

// Tasks live as long as tasks may (CT-spec 9.1). A push queue is paced like App Engine's `default`:
// 5/s, bucket 5, 1000 at once.
QueueSettings app_engine_defaults(QueueMode mode);

}  // namespace deferd
