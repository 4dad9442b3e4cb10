#include "server/cron_file.h"

#include "base/log.h"
#include "config/config_tree.h"
#include "model/time_text.h"

namespace deferd {
namespace {

void log_change(const PlannedJob& planned) {
  std::string settings;
  for (const SettingChange& change : planned.settings) {
    settings += (settings.empty() ? "" : ", ") + change.setting;
  }
  const std::string due = format_time(planned.due);
  log_info("cron_yaml.job", {{"job", std::string_view(planned.job.id)},
                             {"url", std::string_view(planned.job.url)},
                             {"schedule", std::string_view(planned.job.recurrence.schedule)},
                             {"zone", std::string_view(planned.job.recurrence.zone)},
                             {"action", to_string(planned.action)},
                             {"settings", std::string_view(settings)},
                             {"next_run", std::string_view(due)}});
}

}  // namespace

Result<void> apply_cron_file(CronUploads& uploads, const std::string& file,
                             const std::string& project, const std::string& location) {
  auto source = read_config_file(file);
  if (!source) return fail(source.error());
  const auto plan = uploads.upload_and_wait(
      {.file = std::move(*source), .project = project, .location = location});
  if (!plan) return fail(plan.error());
  std::uint64_t changed = 0;
  for (const PlannedJob& planned : plan->jobs) {
    if (planned.action == JobAction::keep) continue;
    ++changed;
    log_change(planned);
  }
  log_info("cron_yaml.applied", {{"file", std::string_view(file)},
                                 {"jobs", std::uint64_t{plan->jobs.size()}},
                                 {"changed", changed}});
  return {};
}

}  // namespace deferd
