// A queue that App Engine's side makes, before anybody has set anything (GAE-spec 5.5, 8.1).
#pragma once

#include "api/appengine/retry.h"
#include "model/queue_settings.h"

namespace deferd::appengine {

inline QueueSettings default_settings(QueueMode mode) {
  QueueSettings settings = QueueSettings::defaults(mode);
  settings.retry = default_retry();
  if (mode == QueueMode::push) {
    settings.rate = {.count = 5'000, .period = Seconds(1)};  // 5/s
    settings.burst = 5;
    settings.concurrency = 1000;
  }
  return settings;
}

}  // namespace deferd::appengine
