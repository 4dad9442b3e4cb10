// A job of cron.yaml as it is stored: one recurring task of the queue `__cron`, that is moved on
// to its next time whenever a run has ended. All that a job says is in its task, so what runs and
// what /v1/cron shows cannot differ, and no table of jobs can get out of step with them.
//
// Jobs have no name of their own; the task's is made of what identifies one (GAE-spec 9.1): url,
// schedule and target, and its place among jobs that are equal in these. So an upload of the same
// file finds the same tasks, and moving jobs about within the file changes nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/cron_yaml.h"
#include "cron/recurrences.h"
#include "engine/commands.h"

namespace deferd {

constexpr std::string_view cron_queue = "__cron";

struct CronJob {
  std::string id;  // the task's name: 32 hex digits
  std::string url;
  std::string target;  // as written
  std::string host;    // what that is as a Host header, by which it is routed; empty: none
  std::string description;
  RecurrenceText recurrence;
  RetryPolicy retry{.max_attempts = 1};
  Micros attempt_deadline{0};

  // Of a job that exists.
  TaskState state = TaskState::scheduled;
  Wall due{};
  Progress progress;
};

// `equals_before`: how many jobs of the file before this one have its url, schedule and target.
// `hostname`: the application's default one, which Host headers end with.
CronJob make_cron_job(const DeclaredJob& declared, std::size_t equals_before, CronMissed missed,
                      std::string_view hostname);

// To be due at `due`.
NewTask write_cron_job(const CronJob& job, Wall due);
// Nothing: the task is not a job's.
std::optional<CronJob> read_cron_job(const TaskInfo& info);

// What the job says, in the words of cron.yaml and in their order: {"timezone", "UTC"}.
std::vector<std::pair<std::string_view, std::string>> words_of(const CronJob& job);

// When it will run; of a plain interval as if runs took no time. Fewer than `count`: no more, or
// its zone is gone.
std::vector<Wall> next_runs(const CronJob& job, Wall now, std::size_t count);

// The queue of the jobs as App Engine has it: one start a second and at most one at once, but for
// each job, so that those of one minute do not hold each other up. Names are free at once, so that
// a job can be taken out of the file and put back. Settings that an operator has raised stay.
QueueSettings cron_queue_settings(const QueueSettings* there, std::size_t jobs);

}  // namespace deferd
