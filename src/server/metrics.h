// Prometheus metrics. Label sets are bounded: queues are labelled by name for the first
// `queues_max` in order of their names only; nothing is labelled by task, target or caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/cloudtasks/cloudtasks.h"
#include "api/http/server.h"
#include "dispatch/push_dispatcher.h"
#include "engine/stats.h"
#include "model/names.h"
#include "runtime/runtime.h"
#include "store/rocksdb/store.h"

namespace deferd {

using SeenQueues = std::vector<std::pair<QueueName, QueueStats>>;

class Metrics {
 public:
  static constexpr std::size_t queues_max = 100;

  Metrics();
  ~Metrics();

  // The store's thread, after each commit.
  void committed(const CommitReport& report);

  // Now and then, from one thread: what is kept elsewhere.
  void observe(const RuntimeStats& runtime, const HttpStats& http, const PushStats& push);
  // All queues to be shown; others vanish.
  void observe_queues(SeenQueues queues);

  // In Prometheus' text format. Any thread.
  std::string text(const std::vector<CallCount>& calls) const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace deferd
