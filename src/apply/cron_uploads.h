// Uploading a cron.yaml, and telling which jobs there are. The one way in for the file of
// --cron-yaml, SIGHUP and /v1/cron.
//
// All that can be checked is checked before the first change, so a wrong file changes nothing. When
// a store fails or a server stops half-way the error says so; uploading the same file again
// completes it. A job that is replaced is away between two commits: when the server dies just then,
// the upload was not answered, and the next start with the file puts it back.
//
// Uploads are carried out one after the other. Thread-safe; callbacks run on a shard's thread, or
// within the call when the file is wrong.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apply/cron_plan.h"
#include "base/callback.h"
#include "base/result.h"
#include "config/cron_yaml.h"
#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

struct CronUpload {
  SourceText file;
  std::string project;
  std::string location;
  bool plan_only = false;
};

struct CronUploadOptions {
  CronMissed missed = CronMissed::run;
  // Of an application, which is a project's name; called within upload().
  std::function<std::string(const std::string& project)> hostname;
  Micros attempt_timeout = std::chrono::minutes(10);  // of the queue of the jobs, when it is made
};

class CronUploads {
 public:
  // The references outlive this, and every call that has been accepted.
  static std::unique_ptr<CronUploads> make(Runtime& runtime, const Clock& clock,
                                           CronUploadOptions options);
  virtual ~CronUploads() = default;

  // `done` is called once: with what was changed, or would be.
  virtual void upload(CronUpload upload, Callback<void(Result<CronPlan>)> done) = 0;

  // The jobs of a project and location, the next to run first.
  virtual void list(std::string project, std::string location,
                    Callback<void(Result<std::vector<CronJob>>)> done) = 0;

  // Waits for it. Not on a shard's thread.
  Result<CronPlan> upload_and_wait(CronUpload upload);
};

}  // namespace deferd
