#include "model/appengine_defaults.h"

namespace deferd {

RetryPolicy app_engine_retry() {
  RetryPolicy policy;
  policy.max_attempts = -1;
  return policy;
}

QueueSettings app_engine_defaults(QueueMode mode) {
  QueueSettings settings = QueueSettings::defaults(mode);
  settings.retry = app_engine_retry();
  settings.task_ttl = task_ttl_max;
  if (mode == QueueMode::push) {
    settings.rate = Rate{.count = 5000, .period = Seconds(1), .unlimited = false};
    settings.burst = 5;
    settings.concurrency = 1000;
  }
  return settings;
}

}  // namespace deferd
