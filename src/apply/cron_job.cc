#include "apply/cron_job.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>

#include "cron/next.h"
#include "model/push_request.h"
#include "proto/appengine/task_note.pb.h"

namespace deferd {
namespace {

constexpr std::string_view host_header = "Host";

// FNV-1a in 128 bits; the 0 between the parts can be in none of them.
std::string identity(std::initializer_list<std::string_view> parts) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide prime = (Wide{1} << 88) + 0x13b;
  Wide hash = (Wide{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
  for (const std::string_view part : parts) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
    hash *= prime;
  }
  std::string hex;
  for (int shift = 124; shift >= 0; shift -= 4) {
    hex += "0123456789abcdef"[static_cast<unsigned>(hash >> shift) & 15];
  }
  return hex;
}

// "v2.worker", however it was written.
std::string service_of(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == target.npos) return std::string(target);
  return std::string(target.substr(colon + 1)) + "." + std::string(target.substr(0, colon));
}

std::string seconds_words(Micros duration) {
  char text[32];
  const double seconds = static_cast<double>(duration.count()) / 1e6;
  return {text, std::to_chars(text, text + sizeof text, seconds).ptr};
}

RetryOverride override_of(const RetryPolicy& retry) {
  return {retry.max_attempts, retry.max_age, retry.min_backoff, retry.max_backoff,
          retry.max_doublings};
}

}  // namespace

CronJob make_cron_job(const DeclaredJob& declared, std::size_t equals_before, CronMissed missed,
                      std::string_view hostname) {
  CronJob job;
  job.id = identity({declared.url, declared.schedule, declared.target,
                     equals_before == 0 ? "" : std::to_string(equals_before)});
  job.url = declared.url;
  job.target = declared.target;
  if (!declared.target.empty()) {
    job.host = service_of(declared.target) + "." + std::string(hostname);
  }
  job.description = declared.description;
  job.recurrence = {missed, declared.timezone, declared.schedule};
  job.retry = declared.retry;
  job.attempt_deadline = declared.attempt_deadline;
  return job;
}

NewTask write_cron_job(const CronJob& job, Wall due) {
  // As App Engine's own door keeps it, so that QueryTasks tells it.
  appengine::wire::TaskNote note;
  if (!job.description.empty()) note.set_description(job.description);
  note.set_schedule(job.recurrence.schedule);
  note.set_timezone(job.recurrence.zone);
  if (!job.target.empty()) note.set_cron_target(job.target);

  PushRequest request;
  request.door = Door::appengine;
  request.method = HttpMethod::get;
  request.url = job.url;
  if (!job.host.empty()) request.headers.emplace_back(host_header, job.host);
  request.note = note.SerializeAsString();

  TaskOptions options;
  options.name = job.id;
  options.retry = override_of(job.retry);
  options.timeout = job.attempt_deadline;
  options.recurrence = job.recurrence.text();

  NewTask task;
  task.eta = due;
  task.options = std::make_shared<const TaskOptions>(std::move(options));
  task.payload = share(encode(request));
  task.has_target = true;
  return task;
}

std::optional<CronJob> read_cron_job(const TaskInfo& info) {
  const Task& task = info.task;
  if (!task.options || task.options->recurrence.empty() || !task.payload) return std::nullopt;
  auto recurrence = RecurrenceText::parse(task.options->recurrence);
  const auto request = decode_push_request_view(*task.payload);
  if (!recurrence || !request) return std::nullopt;
  appengine::wire::TaskNote note;
  if (!note.ParseFromArray(request->note.data(), static_cast<int>(request->note.size()))) {
    return std::nullopt;
  }
  CronJob job;
  job.id = task.name();
  job.url = request->url;
  job.target = note.cron_target();
  for (const auto& [name, value] : request->headers) {
    if (name == host_header) job.host = value;
  }
  job.description = note.description();
  job.recurrence = std::move(*recurrence);
  job.retry = task.options->retry.over(RetryPolicy{});
  job.attempt_deadline = task.options->timeout;
  job.state = info.state;
  job.due = task.place.eta;
  job.progress = task.progress;
  return job;
}

std::vector<std::pair<std::string_view, std::string>> words_of(const CronJob& job) {
  const RetryPolicy& retry = job.retry;
  return {
      {"url", job.url},
      {"schedule", job.recurrence.schedule},
      {"timezone", job.recurrence.zone},
      {"description", job.description},
      {"target", job.target},
      {"host", job.host},
      {"attempt_deadline", job.attempt_deadline == Micros(0)
                               ? std::string()
                               : seconds_words(job.attempt_deadline) + "s"},
      {"retry_parameters.job_retry_limit", std::to_string(retry.max_attempts - 1)},
      {"retry_parameters.job_age_limit",
       retry.max_age == Micros(0) ? std::string() : seconds_words(retry.max_age) + "s"},
      {"retry_parameters.min_backoff_seconds", seconds_words(retry.min_backoff)},
      {"retry_parameters.max_backoff_seconds", seconds_words(retry.max_backoff)},
      {"retry_parameters.max_doublings", std::to_string(retry.max_doublings)},
      {"cron_missed", std::string(to_string(job.recurrence.missed))},
  };
}

std::vector<Wall> next_runs(const CronJob& job, Wall now, std::size_t count) {
  std::vector<Wall> runs;
  const auto recurrence = Recurrence::make(job.recurrence);
  if (!recurrence) return runs;
  // The due time of a job that runs is that of this run, which is not to come.
  Wall last = now;
  if (job.state != TaskState::in_flight && count > 0) {
    const bool skipped = job.recurrence.missed == CronMissed::skip && now - job.due > missed_grace;
    if (!skipped) runs.push_back(job.due);
    last = std::max(now, job.due);
  }
  while (runs.size() < count) {
    const auto next = next_run(recurrence->schedule, recurrence->zone, last);
    if (!next) break;
    runs.push_back(*next);
    last = *next;
  }
  return runs;
}

QueueSettings cron_queue_settings(const QueueSettings* there, std::size_t jobs) {
  const auto count = static_cast<std::int32_t>(std::max<std::size_t>(1, jobs));
  QueueSettings settings;
  if (there != nullptr) {
    settings = *there;
  } else {
    settings = QueueSettings::defaults(QueueMode::push);
    settings.rate = Rate{.count = 0, .period = Seconds(1), .unlimited = false};
    settings.burst = 1;
    settings.concurrency = 1000;
    settings.retry.max_attempts = -1;
  }
  if (!settings.rate.unlimited && settings.rate.per_second() < count) {
    settings.rate = Rate{.count = count * std::int64_t{1000}, .period = Seconds(1)};
  }
  settings.burst = std::max(settings.burst, count);
  settings.tombstone = Micros(0);
  return settings;
}

}  // namespace deferd
