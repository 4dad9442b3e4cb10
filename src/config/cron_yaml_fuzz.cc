// Any bytes as cron.yaml: they are refused with a place, or give jobs that hold what the header
// promises.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "config/cron_yaml.h"
#include "cron/recurrences.h"
#include "model/target_url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deferd;
  const auto file = parse_cron_yaml({"f", std::string(reinterpret_cast<const char*>(data), size)});
  if (!file) {
    DEFERD_ASSERT(file.error().reason == Reason::invalid);
    DEFERD_ASSERT(file.error().message.starts_with("f:"), "message", file.error().message);
    return 0;
  }
  DEFERD_ASSERT(file->jobs.size() <= cron_jobs_max);
  for (const DeclaredJob& job : file->jobs) {
    DEFERD_ASSERT(check_target_path(job.url).has_value(), "url", job.url);
    DEFERD_ASSERT(Recurrence::make({CronMissed::run, job.timezone, job.schedule}).has_value());
    DEFERD_ASSERT(job.retry.check("retry").has_value(), "job", job.url);
    DEFERD_ASSERT(job.retry.max_attempts >= 1 && job.retry.max_attempts <= 6);
    DEFERD_ASSERT(job.attempt_deadline >= Micros(0));
  }
  return 0;
}
