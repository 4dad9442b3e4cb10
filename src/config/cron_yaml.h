// cron.yaml: the jobs of an App Engine application as a file declares them (GAE-spec 9.1). Parsing
// knows nothing of the jobs that exist; what a file changes is worked out in src/apply.
//
// The rules are those of App Engine's SDK, and so are the texts of complaints; around them stand
// file, line, column and job. Beyond App Engine's a schedule may be that of a crontab.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config_tree.h"
#include "model/retry_policy.h"

namespace deferd {

// Schedule, zone and url are such that everything behind takes them.
struct DeclaredJob {
  std::string url;       // a path: "/tasks/summary?full=1"
  std::string schedule;  // as written
  std::string timezone = "UTC";
  std::string description;
  // "[service:]version-or-service", or "[version.]service" as everything else writes it; empty: the
  // default service.
  std::string target;
  // After a run that failed. Without retry_parameters there is no second attempt (GAE-192).
  RetryPolicy retry{.max_attempts = 1};
  Micros attempt_deadline{0};  // 0: the queue's
  TextPlace place;             // of its url
};

struct CronYaml {
  SourceText source;              // for complaints that only the state of a server gives rise to
  std::vector<DeclaredJob> jobs;  // in the file's order
};

constexpr std::size_t cron_jobs_max = 1000;  // four times what App Engine takes
constexpr std::int32_t job_retry_limit_max = 5;

// Errors have Reason::invalid, a complete complaint as message and "JOB.KEY" as field.
Result<CronYaml> parse_cron_yaml(SourceText source);

}  // namespace deferd
