// What uploading a cron.yaml would change, worked out before anything is changed. Pure: a file, the
// jobs that exist and the time go in, a list of changes comes out.
//
//   a job that is in the file and exists as it says is left alone, with its next time (GAE-195)
//   one that says something else is replaced; as long as schedule and zone are the same it keeps
//     its next time, or the time that it missed
//   a new one is due at its first time after now: `every 5 minutes` five minutes from now, not at
//     once
//   one that is not in the file is removed; a file without jobs removes all of them
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apply/cron_job.h"
#include "apply/plan.h"
#include "base/result.h"
#include "config/cron_yaml.h"

namespace deferd {

enum class JobAction : std::uint8_t { keep, make, change, remove };
std::string_view to_string(JobAction action);

struct PlannedJob {
  JobAction action = JobAction::keep;
  CronJob job;  // as it is to be; of one that is removed, as it is
  Wall due{};   // its next run; of one that is removed, the run that will not be
  std::vector<SettingChange> settings;  // of a change
};

struct CronPlan {
  std::vector<PlannedJob> jobs;  // the file's, in its order, then those that are removed

  bool changes_anything() const;
};

struct CronPlanOptions {
  CronMissed missed = CronMissed::run;
  std::string hostname;                               // the application's default one
  Micros attempt_timeout = std::chrono::minutes(10);  // of the queue, when it is made
};

// Fails with Reason::invalid and a complete complaint about the file.
Result<CronPlan> plan_cron(const CronYaml& file, const std::vector<CronJob>& there,
                           const CronPlanOptions& options, Wall now);

}  // namespace deferd
