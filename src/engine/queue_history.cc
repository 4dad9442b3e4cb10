// What is remembered of a task's attempts: one small record each, put by the commit that notes its
// end and numbered by the task's progress, so that whoever ends the task can forget them without a
// read. And what workers report of theirs.
#include <algorithm>

#include "engine/queue.h"

namespace deferd {

void Queue::remember_attempt(Task& task, const AttemptRecord& record) {
  Progress& progress = task.progress;
  const auto attempts_max = static_cast<std::uint32_t>(record_.settings.history);
  const Generation generation{record_.number, record_.generation};
  if (attempts_max > 0)
    pending_.history.push_back({generation, task.id, progress.history_end++, encode(record)});
  while (progress.history_end - progress.history_first > attempts_max)
    pending_.history.push_back({generation, task.id, progress.history_first++, {}});
}

void Queue::remember_lease(Task& task, std::int16_t status, Wall ended,
                           const AttemptReport* report) {
  AttemptRecord record{.attempt = task.progress.attempts,
                       .started = task.progress.last_attempt,
                       .took = ended - task.progress.last_attempt,
                       .status = status,
                       .error = {},
                       .worker = worker_of(task, report),
                       .log = {},
                       .usage = {}};
  if (report != nullptr) {
    record.error = report->error;
    record.log = report->log;
    record.usage = report->usage;
  }
  remember_attempt(task, record);
}

void Queue::forget_history(std::uint32_t generation, TaskId id, const Progress& progress) {
  for (std::uint32_t i = progress.history_first; i < progress.history_end; ++i)
    pending_.history.push_back({{record_.number, generation}, id, i, {}});
}

void Queue::read_history(TaskId id, HistoryRead then) {
  core_.read(ScanHistory{{record_.number, record_.generation}, id},
             [self = shared_from_this(), then = std::move(then)](Result<ReadAnswer> answer,
                                                                 const Now& now) mutable {
               if (!answer) {
                 then(fail(answer.error()), now);
                 return;
               }
               std::vector<AttemptRecord> history;
               for (const std::string& bytes : std::get<ScanHistoryAnswer>(*answer).attempts) {
                 Result<AttemptRecord> record = decode_attempt_record(bytes);
                 if (!record) {
                   then(fail(record.error()), now);
                   return;
                 }
                 history.push_back(std::move(*record));
               }
               then(std::move(history), now);
             });
}

void Queue::tell_story(TaskInfo info, Reply<TaskInfo> reply) {
  auto story = std::make_shared<TaskStory>();
  if (info.state == TaskState::leased) story->worker = worker_of(info.task, nullptr);
  if (info.task.progress.history_first == info.task.progress.history_end) {
    info.story = std::move(story);
    core_.reply(std::move(reply), Result<TaskInfo>(std::move(info)));
    return;
  }
  const TaskId id = info.task.id;
  read_history(id,
               [this, info = std::move(info), story = std::move(story), reply = std::move(reply)](
                   Result<std::vector<AttemptRecord>> history, const Now&) mutable {
                 if (!history) {
                   core_.reply(std::move(reply), Result<TaskInfo>(fail(history.error())));
                   return;
                 }
                 story->history = std::move(*history);
                 info.story = std::move(story);
                 core_.reply(std::move(reply), Result<TaskInfo>(std::move(info)));
               });
}

std::string Queue::worker_of(const Task& task, const AttemptReport* report) const {
  if (report != nullptr && !report->worker.empty()) return report->worker;
  const auto at = lease_workers_.find(task.id);
  return at == lease_workers_.end() ? std::string() : *at->second;
}

void Queue::count_usage(const AttemptReport* report) {
  if (report == nullptr || !report->usage) return;
  const AttemptUsage& usage = *report->usage;
  UsageTotals& totals = activity().usage;
  totals.cpu += usage.cpu;
  totals.wall += usage.wall;
  totals.memory_peak_max = std::max(totals.memory_peak_max, usage.memory_peak_bytes);
  ++totals.causes[static_cast<std::size_t>(usage.cause)];
}

}  // namespace deferd
