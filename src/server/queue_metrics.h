// What /metrics shows of queues and of calls, made from what is counted elsewhere.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "api/cloudtasks/cloudtasks.h"
#include "server/metrics.h"

namespace deferd {

std::vector<prometheus::MetricFamily> queue_metrics(const SeenQueues& queues);

// Of Cloud Tasks' API, by the labels that Google's metric api/request_count has.
prometheus::MetricFamily call_metrics(const std::vector<CallCount>& calls);

}  // namespace deferd
