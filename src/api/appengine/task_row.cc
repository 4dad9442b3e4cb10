#include "api/appengine/task_row.h"

#include <algorithm>
#include <limits>

#include "api/appengine/retry.h"
#include "model/push_request.h"
#include "proto/appengine/task_note.pb.h"

namespace deferd::appengine {
namespace {

using Row = wire::TaskQueueQueryTasksResponse::Task;

// PATCH and OPTIONS, which other doors know, App Engine has no number for.
std::optional<Row::RequestMethod> method_of(HttpMethod method) {
  switch (method) {
    case HttpMethod::get:
      return Row::GET;
    case HttpMethod::post:
      return Row::POST;
    case HttpMethod::head:
      return Row::HEAD;
    case HttpMethod::put:
      return Row::PUT;
    case HttpMethod::del:
      return Row::DELETE;
    case HttpMethod::patch:
    case HttpMethod::options:
      break;
  }
  return std::nullopt;
}

std::int32_t to_int32(std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(count, most));
}

void write_request(const PushRequestView& request, Row& row) {
  const bool push = !request.url.empty();
  if (push) {
    row.set_url(request.url.data(), request.url.size());
    if (const auto method = method_of(request.method)) row.set_method(*method);
    for (const auto& [name, value] : request.headers) {
      auto* header = row.add_header();
      header->set_key(name.data(), name.size());
      header->set_value(value.data(), value.size());
    }
  }
  if (!push || request.method == HttpMethod::post || request.method == HttpMethod::put) {
    row.set_body(request.body.data(), request.body.size());
    row.set_body_size(to_int32(request.body.size()));
  }
  wire::TaskNote note;
  if (request.door != Door::appengine || request.note.empty() ||
      !note.ParseFromArray(request.note.data(), static_cast<int>(request.note.size()))) {
    return;
  }
  if (note.has_description()) row.set_description(note.description());
  if (note.has_payload()) row.set_payload(note.payload());
  if (note.has_retry_parameters()) *row.mutable_retry_parameters() = note.retry_parameters();
  if (note.has_schedule()) {
    row.mutable_crontimetable()->set_schedule(note.schedule());
    row.mutable_crontimetable()->set_timezone(note.timezone());
  }
}

// Of the last attempt, once it has ended.
void write_run_log(const TaskInfo& info, Row& row) {
  const Progress& progress = info.task.progress;
  const bool ended =
      progress.last_status != status_none && progress.last_response >= progress.last_attempt;
  if (info.state == TaskState::in_flight || !ended) return;
  auto* log = row.mutable_runlog();
  log->set_dispatched_usec(to_micros(progress.last_attempt));
  log->set_lag_usec((progress.last_attempt - progress.last_eta).count());
  log->set_elapsed_usec((progress.last_response - progress.last_attempt).count());
  if (progress.last_status > 0) log->set_response_code(progress.last_status);
  // As the next attempt's X-AppEngine-TaskRetryReason will say it.
  const bool no_instance = progress.last_status <= 0 || progress.last_status == 503;
  log->set_retry_reason(no_instance ? "Instance Unavailable" : "App Error");
}

}  // namespace

std::string name_of(const Task& task) {
  return task.name().empty() ? to_string(task.id) : std::string(task.name());
}

void write_task(const TaskInfo& info, Row& row) {
  const Task& task = info.task;
  row.set_task_name(name_of(task));
  row.set_eta_usec(to_micros(task.place.eta));
  row.set_creation_time_usec(
      Micros(std::chrono::floor<Seconds>(task.created.time_since_epoch())).count());
  const auto request = task.payload != nullptr
                           ? decode_push_request_view(*task.payload)
                           : Result<PushRequestView>(fail(Reason::internal, "no payload"));
  if (request) write_request(*request, row);
  const bool pull = request && request->url.empty();
  if (pull && !task.key().empty()) row.set_tag(task.key().data(), task.key().size());

  // The attempt that runs counts when it has failed; a lease counts when it is given.
  const Progress& progress = task.progress;
  const bool runs = info.state == TaskState::in_flight && progress.attempts > 0;
  row.set_retry_count(to_int32(progress.attempts - (runs ? 1U : 0U)));
  row.set_execution_count(to_int32(progress.responses));
  if (progress.first_attempt != Wall{}) row.set_first_try_usec(to_micros(progress.first_attempt));
  if (!pull) write_run_log(info, row);

  if (task.options == nullptr) return;
  if (task.options->timeout > Micros(0)) {
    row.set_dispatch_deadline_usec(task.options->timeout.count());
  }
  // Of other doors: in App Engine's words. What was given here is in the note, as given.
  if (!row.has_retry_parameters() && task.options->retry != RetryOverride{}) {
    wire::TaskQueueRetryParameters retry;
    if (write_retry(task.options->retry.over(app_engine_retry()),
                    pull ? QueueMode::pull : QueueMode::push, retry)) {
      *row.mutable_retry_parameters() = std::move(retry);
    }
  }
}

}  // namespace deferd::appengine
