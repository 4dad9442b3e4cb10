// Uploading a queue.yaml: gather what exists, plan, and carry the plan out through the runtime. The
// one way in for the file of --queue-yaml, SIGHUP, /v1 and App Engine's old path, so all of them do
// the same (GAE-185).
//
// All that can be checked is checked before the first change, so a wrong file changes nothing. What
// is left is a store that fails or a server that stops half-way: then the error says so, every
// queue has either its old or its new settings, and uploading the same file again completes it.
//
// Uploads are carried out one after the other. Thread-safe; callbacks run on a shard's thread, or
// within the call when the file is wrong.
#pragma once

#include <memory>
#include <string>

#include "apply/plan.h"
#include "base/callback.h"
#include "base/result.h"
#include "config/queue_yaml.h"
#include "runtime/runtime.h"

namespace deferd {

struct QueueUpload {
  SourceText file;
  std::string project;
  std::string location;
  bool plan_only = false;
};

class QueueUploads {
 public:
  // The runtime outlives this, and every upload that has been accepted. `attempt_timeout`: of
  // queues that an upload makes, as queue.yaml has no word for it.
  static std::unique_ptr<QueueUploads> make(Runtime& runtime, QueueYamlLimits limits,
                                            Micros attempt_timeout = std::chrono::minutes(10));
  virtual ~QueueUploads() = default;

  // `done` is called once: with what was changed, or would be.
  virtual void upload(QueueUpload upload, Callback<void(Result<QueuePlan>)> done) = 0;

  // Waits for it. Not on a shard's thread.
  Result<QueuePlan> upload_and_wait(QueueUpload upload);
};

}  // namespace deferd
