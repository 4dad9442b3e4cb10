#include "apply/cron_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "cron/next.h"
#include "model/time_text.h"

namespace deferd {
namespace {

std::vector<SettingChange> differences(const CronJob& before, const CronJob& after) {
  std::vector<SettingChange> changes;
  const auto was = words_of(before);
  const auto is = words_of(after);
  for (std::size_t i = 0; i < is.size(); ++i) {
    if (was[i].second == is[i].second) continue;
    changes.push_back({std::string(is[i].first), was[i].second, is[i].second});
  }
  return changes;
}

// The first run of a job that is new, or whose schedule is.
Result<Wall> first_run(const CronYaml& file, const DeclaredJob& declared, const CronJob& job,
                       Wall now) {
  const auto refused = [&](const std::string& message) {
    return fail(file.source.error(declared.place, "job \"" + declared.url + "\": " + message,
                                  declared.url + ".schedule"));
  };
  const auto recurrence = Recurrence::make(job.recurrence);
  if (!recurrence) return refused(recurrence.error().message);
  const auto next = next_run(recurrence->schedule, recurrence->zone, now);
  if (next && *next - now <= eta_horizon) return *next;
  return refused("its first run would be " +
                 (next ? "on " + format_time(*next).substr(0, 10) : std::string("never")) +
                 "; a job must run within ten years");
}

}  // namespace

std::string_view to_string(JobAction action) {
  switch (action) {
    case JobAction::keep:
      return "keep";
    case JobAction::make:
      return "make";
    case JobAction::change:
      return "change";
    case JobAction::remove:
      return "remove";
  }
  return "keep";
}

bool CronPlan::changes_anything() const {
  return std::ranges::any_of(jobs,
                             [](const PlannedJob& job) { return job.action != JobAction::keep; });
}

Result<CronPlan> plan_cron(const CronYaml& file, const std::vector<CronJob>& there,
                           const CronPlanOptions& options, Wall now) {
  std::map<std::string_view, const CronJob*> existing;
  for (const CronJob& job : there) existing.emplace(job.id, &job);
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, std::size_t> equals;
  CronPlan plan;
  for (const DeclaredJob& declared : file.jobs) {
    const std::size_t before = equals[{declared.url, declared.schedule, declared.target}]++;
    PlannedJob planned;
    planned.job = make_cron_job(declared, before, options.missed, options.hostname);
    const auto at = existing.find(planned.job.id);
    const CronJob* const old = at == existing.end() ? nullptr : at->second;
    if (old != nullptr) {
      existing.erase(at);
      planned.settings = differences(*old, planned.job);
      planned.action = planned.settings.empty() ? JobAction::keep : JobAction::change;
    } else {
      planned.action = JobAction::make;
    }
    const bool keeps_time = old != nullptr && old->state != TaskState::in_flight &&
                            old->recurrence.zone == planned.job.recurrence.zone;
    if (planned.action == JobAction::keep || keeps_time) {
      planned.due = old->due;
    } else {
      const auto due = first_run(file, declared, planned.job, now);
      if (!due) return fail(due.error());
      planned.due = *due;
    }
    plan.jobs.push_back(std::move(planned));
  }
  for (const CronJob& job : there) {
    if (existing.contains(job.id)) {
      plan.jobs.push_back({.action = JobAction::remove, .job = job, .due = job.due});
    }
  }
  return plan;
}

}  // namespace deferd
