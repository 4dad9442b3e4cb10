// GET /v1/cron: the jobs there are, and when each runs next. POST /v1/cron: those of a cron.yaml
// take their place, or only the plan of what would change.
#include <utility>

#include "api/native/answers.h"
#include "api/native/door.h"
#include "apply/cron_uploads.h"
#include "model/duration_text.h"
#include "model/time_text.h"

namespace deferd::native {
namespace {

constexpr std::size_t next_runs_shown = 5;

void write_text(JsonWriter& json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.member(name, text);
}

void write_job(JsonWriter& json, const CronJob& job, Wall now) {
  json.begin_object()
      .member("id", job.id)
      .member("url", job.url)
      .member("schedule", job.recurrence.schedule)
      .member("timezone", job.recurrence.zone);
  write_text(json, "description", job.description);
  write_text(json, "target", job.target);
  if (job.attempt_deadline > Micros(0))
    json.member("attempt_deadline", format_duration(job.attempt_deadline));
  write_retry(json, job.retry);
  json.member("missed", to_string(job.recurrence.missed)).member("state", to_string(job.state));
  json.key("next_runs").begin_array();
  for (const Wall run : next_runs(job, now, next_runs_shown)) json.value(format_time(run));
  json.end_array();
  if (job.progress.last_attempt != Wall{})
    json.member("last_run", format_time(job.progress.last_attempt));
  write_last_status(json, job.progress.last_status);
  json.end_object();
}

std::string jobs_json(const std::vector<CronJob>& jobs, Wall now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("jobs").begin_array();
  for (const CronJob& job : jobs) write_job(json, job, now);
  json.end_array().end_object();
  return body;
}

void text_or_null(JsonWriter& json, std::string_view name, const std::string& text) {
  json.key(name);
  if (text.empty()) {
    json.null();
  } else {
    json.value(text);
  }
}

std::string plan_json(const CronPlan& plan, bool applied) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("applied", applied).key("jobs").begin_array();
  for (const PlannedJob& planned : plan.jobs) {
    json.begin_object()
        .member("id", planned.job.id)
        .member("url", planned.job.url)
        .member("schedule", planned.job.recurrence.schedule)
        .member("timezone", planned.job.recurrence.zone)
        .member("action", to_string(planned.action));
    if (planned.action != JobAction::remove) json.member("next_run", format_time(planned.due));
    json.key("settings").begin_array();
    for (const SettingChange& change : planned.settings) {
      json.begin_object().member("setting", change.setting);
      text_or_null(json, "before", change.before);
      text_or_null(json, "after", change.after);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return body;
}

// What answers on the thread of the connection, from whichever thread it is called.
template <class Answer, class Write>
Callback<void(Result<Answer>)> answer_with(HttpReply reply, Write write) {
  std::shared_ptr<HttpThread> thread = reply.thread();
  return [thread = std::move(thread), reply = std::move(reply),
          write = std::move(write)](Result<Answer> answer) mutable {
    HttpThread& home = *thread;
    home.post([thread = std::move(thread), reply = std::move(reply), write = std::move(write),
               answer = std::move(answer)]() mutable {
      if (!answer) return send_error(std::move(reply), answer.error(), {});
      send_json(std::move(reply), 200, write(*answer));
    });
  };
}

constexpr std::string_view no_cron = "this server keeps no cron jobs";

}  // namespace

void NativeDoor::list_cron(Call call) {
  if (options_.cron == nullptr) {
    return send_error(std::move(call.reply),
                      {Reason::unsupported, std::string(no_cron), "", std::nullopt}, {});
  }
  options_.cron->list(call.route.queue.project, call.route.queue.location,
                      answer_with<std::vector<CronJob>>(std::move(call.reply),
                                                        [this](const std::vector<CronJob>& jobs) {
                                                          return jobs_json(jobs, clock_.now().wall);
                                                        }));
}

void NativeDoor::apply_cron(Call call) {
  if (options_.cron == nullptr) {
    return send_error(std::move(call.reply),
                      {Reason::unsupported, std::string(no_cron), "", std::nullopt}, {});
  }
  CronUpload upload;
  upload.file = {"cron.yaml", std::string(call.request.body)};
  upload.project = call.route.queue.project;
  upload.location = call.route.queue.location;
  upload.plan_only = call.query.plan;
  const bool applied = !upload.plan_only;
  options_.cron->upload(std::move(upload), answer_with<CronPlan>(std::move(call.reply),
                                                                 [applied](const CronPlan& plan) {
                                                                   return plan_json(plan, applied);
                                                                 }));
}

}  // namespace deferd::native
