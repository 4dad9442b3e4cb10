// A task between a version's message and ours: checked with the texts of CT-spec 8.2 when it is
// made, shown as CT-spec 9 says when it is read. A task that came by another door is shown too, in
// Google's words.
#pragma once

#include <cloudtasks/notes.pb.h>
#include <google/protobuf/io/coded_stream.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "api/cloudtasks/attempt_status.h"
#include "api/cloudtasks/http_targets.h"
#include "api/cloudtasks/names.h"
#include "api/cloudtasks/queue_messages.h"
#include "api/cloudtasks/task_headers.h"
#include "api/cloudtasks/urls.h"
#include "base/text.h"
#include "engine/commands.h"
#include "model/push_request.h"
#include "model/time_text.h"

namespace deferd::cloudtasks {

// ---- which fields a version has them in

template <class Request>
std::string* body_field(Request& request) {
  if constexpr (requires { request.payload(); }) {
    return request.mutable_payload();
  } else {
    return request.mutable_body();
  }
}
template <class Request>
const std::string& body_of(const Request& request) {
  if constexpr (requires { request.payload(); }) {
    return request.payload();
  } else {
    return request.body();
  }
}
template <class Request>
const std::string& uri_of(const Request& request) {
  if constexpr (requires { request.relative_url(); }) {
    return request.relative_url();
  } else {
    return request.relative_uri();
  }
}
template <class Request>
std::string* uri_field(Request& request) {
  if constexpr (requires { request.relative_url(); }) {
    return request.mutable_relative_url();
  } else {
    return request.mutable_relative_uri();
  }
}

// ---- reading

// A task that is to be made, checked but for what depends on its queue.
struct ParsedTask {
  PushRequest request;
  TaskOptions options;
  std::optional<Wall> eta;
  bool pull = false;
};

template <class Request>
HeaderList headers_of(const Request& request) {
  return HeaderList(request.headers().begin(), request.headers().end());
}

template <class Request>
Outcome<void> read_http_request(const Request& given, ParsedTask& parsed) {
  PushRequest& request = parsed.request;
  auto url = checked_url(given.url());
  if (!url) return refuse(url.error());
  request.url = std::move(*url);
  const auto method = method_of(given.http_method());
  if (!method) return refuse_argument("HttpRequest.httpMethod is not a known method.");
  request.method = *method;
  const bool may_have_body =
      *method == HttpMethod::post || *method == HttpMethod::put || *method == HttpMethod::patch;
  if (!given.body().empty() && !may_have_body) {
    return refuse_argument("HttpRequest.body cannot be set with the method " +
                           std::string(to_string(*method)) + "; use POST, PUT or PATCH.");
  }
  auto headers = kept_headers(headers_of(given), false);
  if (!headers) return refuse(headers.error());
  request.headers = std::move(*headers);
  request.headers.emplace_back("User-Agent", http_user_agent);
  request.body = given.body();
  request.token = read_token(given);
  return {};
}

template <class Request>
Outcome<void> read_app_engine_request(const Request& given, ParsedTask& parsed) {
  PushRequest& request = parsed.request;
  auto uri = checked_relative_uri(uri_of(given));
  if (!uri) return refuse(uri.error());
  request.url = std::move(*uri);
  const auto method = method_of(given.http_method());
  if (!method) return refuse_argument("AppEngineHttpRequest.httpMethod is not a known method.");
  request.method = *method;
  const std::string& body = body_of(given);
  if (!body.empty() && *method != HttpMethod::post && *method != HttpMethod::put) {
    return refuse_argument("AppEngineHttpRequest.body cannot be set with the method " +
                           std::string(to_string(*method)) + "; use POST or PUT.");
  }
  const Routing routing = read_routing(given.app_engine_routing());
  if (!is_valid(routing)) {
    return refuse_argument(
        "AppEngineRouting: service, version and instance may contain only letters, numbers, "
        "hyphens, underscores and dots.");
  }
  auto headers = kept_headers(headers_of(given), true);
  if (!headers) return refuse(headers.error());
  request.headers = std::move(*headers);
  if (!body.empty() && find_header(request.headers, "Content-Type") == nullptr)
    request.headers.emplace_back("Content-Type", "application/octet-stream");
  if (!routing.empty()) request.headers.emplace_back("Host", target_of(routing));
  request.body = body;
  TaskNote note;
  if (!routing.empty()) write_routing(routing, *note.mutable_routing());
  request.note = note.SerializeAsString();
  return {};
}

constexpr Micros deadline_min = Seconds(15);
constexpr Micros http_deadline_max = std::chrono::minutes(30);
constexpr Micros http_deadline_default = std::chrono::minutes(10);
constexpr Micros app_engine_deadline_max = std::chrono::hours(24) + Seconds(15);
constexpr Micros schedule_ahead_max = std::chrono::hours(720);

template <class Task>
Outcome<void> read_deadline(const Task& given, ParsedTask& parsed) {
  const bool http = given.has_http_request();
  if (http) parsed.options.timeout = http_deadline_default;
  if constexpr (requires { given.dispatch_deadline(); }) {
    if (!given.has_dispatch_deadline()) return {};
    const Micros deadline = read_duration(given.dispatch_deadline());
    if (deadline < deadline_min ||
        deadline > (http ? http_deadline_max : app_engine_deadline_max)) {
      return refuse_argument(http ? "Task.dispatchDeadline must be between [15s, 30m]."
                                  : "Task.dispatchDeadline must be between [15s, 24h15s].");
    }
    parsed.options.timeout = std::chrono::floor<Millis>(deadline);
  }
  return {};
}

template <class Task>
Outcome<void> read_schedule(const Task& given, Wall now, ParsedTask& parsed) {
  if (!given.has_schedule_time()) return {};
  const Wall eta = read_time(given.schedule_time());
  if (eta > now + schedule_ahead_max) {
    return refuse_argument("The Task.scheduleTime, " + format_time(eta) +
                           ", is too far in the future. Schedule time must be no more than 720h in "
                           "the future.");
  }
  parsed.eta = eta;
  return {};
}

template <class Retry>
Outcome<RetryOverride> read_override(const Retry& retry) {
  if (auto ok = check_retry(retry); !ok) return refuse(ok.error());
  RetryOverride over;
  if (retry.max_attempts() != 0) over.max_attempts = retry.max_attempts();
  if (retry.has_max_retry_duration()) over.max_age = read_duration(retry.max_retry_duration());
  if (retry.has_min_backoff()) over.min_backoff = read_duration(retry.min_backoff());
  if (retry.has_max_backoff()) over.max_backoff = read_duration(retry.max_backoff());
  if (retry.max_doublings() != 0) over.max_doublings = retry.max_doublings();
  if (over.min_backoff && over.max_backoff && *over.min_backoff > *over.max_backoff) {
    return refuse_argument(
        "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.");
  }
  return over;
}

// In the order of CT-spec 7: payload, deadline, schedule time.
template <class Task>
Outcome<ParsedTask> parse_task(const Task& given, Wall now) {
  ParsedTask parsed;
  parsed.request.door = Door::cloudtasks;
  Outcome<void> ok;
  if (given.has_http_request()) {
    ok = read_http_request(given.http_request(), parsed);
  } else if (given.has_app_engine_http_request()) {
    ok = read_app_engine_request(given.app_engine_http_request(), parsed);
  } else if constexpr (requires { given.status(); }) {  // v2beta2 alone makes pull tasks
    if (!given.has_pull_message()) return refuse_argument("Task.payload_type is required.");
    constexpr std::size_t tag_bytes_max = 499;
    if (given.pull_message().tag().size() > tag_bytes_max)
      return refuse_argument("PullMessage.tag must be less than 500 characters long.");
    parsed.pull = true;
    parsed.request.body = given.pull_message().payload();
    parsed.options.key = given.pull_message().tag();
  } else {
    return refuse_argument("Task.message_type is required.");
  }
  if (!ok) return refuse(ok.error());
  if constexpr (requires { given.retry_config(); }) {
    if (given.has_retry_config()) {
      auto over = read_override(given.retry_config());
      if (!over) return refuse(over.error());
      parsed.options.retry = *over;
    }
  }
  if (!parsed.pull) {
    if (ok = read_deadline(given, parsed); !ok) return refuse(ok.error());
  }
  if (ok = read_schedule(given, now, parsed); !ok) return refuse(ok.error());
  return parsed;
}

// ---- writing

inline std::int32_t to_int32(std::uint64_t count) {
  constexpr std::uint64_t most = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(count, most));
}

template <class Request>
void write_app_engine_request(const PushRequestView& request, const QueueName& queue,
                              const TaskNote& note, Request& out) {
  *uri_field(out) = request.url;
  auto& headers = *out.mutable_headers();
  std::string user_agent;
  Routing routing;
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "User-Agent")) {
      user_agent = std::string(value) + " ";
    } else if (equal_ignoring_case(name, "Host")) {
      if (request.door == Door::cloudtasks) routing = routing_of_target(value);
    } else {
      headers[std::string(name)] = value;
    }
  }
  headers["User-Agent"] = user_agent.append(app_engine_user_agent);
  if (!request.body.empty()) headers["Content-Length"] = std::to_string(request.body.size());
  if (note.has_routing()) routing = read_routing(note.routing());
  if (!routing.empty()) write_routing(routing, *out.mutable_app_engine_routing());
  out.mutable_app_engine_routing()->set_host(shown_host(routing, queue.project, queue.location));
}

// What is sent, without its body unless `full`.
template <class Task>
void write_payload(const PushRequestView& request, const TaskOptions& options,
                   const QueueName& queue, bool full, Task& task) {
  using Request = std::remove_cvref_t<decltype(task.http_request())>;
  TaskNote note;
  if (request.door == Door::cloudtasks &&
      !note.ParseFromArray(request.note.data(), static_cast<int>(request.note.size()))) {
    note.Clear();
  }
  if (request.url.empty()) {
    if constexpr (requires { task.pull_message(); }) {
      auto& message = *task.mutable_pull_message();
      message.set_tag(options.key);
      if (full) message.mutable_payload()->assign(request.body);
    }
    return;
  }
  const auto method =
      static_cast<decltype(std::declval<Request>().http_method())>(number_of(request.method));
  if (request.url.starts_with('/')) {
    auto& out = *task.mutable_app_engine_http_request();
    out.set_http_method(method);
    write_app_engine_request(request, queue, note, out);
    if (full) body_field(out)->assign(request.body);
    return;
  }
  auto& out = *task.mutable_http_request();
  out.mutable_url()->assign(request.url);
  out.set_http_method(method);
  for (const auto& [name, value] : request.headers)
    (*out.mutable_headers())[std::string(name)] = value;
  if (request.token) write_token(*request.token, out);
  if (full) out.mutable_body()->assign(request.body);
}

// The counters and attempts (CT-spec 9.5): the first has its dispatch alone, the last also when it
// was due and, once it has ended, how.
template <class Task>
void write_progress(const TaskInfo& info, bool pull, Task& task) {
  const Progress& progress = info.task.progress;
  const auto write_last = [&](auto& last) {
    write_time(progress.last_eta, *last.mutable_schedule_time());
    write_time(progress.last_attempt, *last.mutable_dispatch_time());
    const bool ended = info.state != TaskState::in_flight && progress.last_status != status_none &&
                       progress.last_response >= progress.last_attempt;
    if (!ended) return;
    write_time(progress.last_response, *last.mutable_response_time());
    *last.mutable_response_status() = attempt_status(progress.last_status);
  };
  if constexpr (requires { task.status(); }) {
    auto& status = *task.mutable_status();
    status.set_attempt_dispatch_count(to_int32(progress.attempts));
    status.set_attempt_response_count(to_int32(progress.responses));
    if (progress.attempts == 0 || pull) return;
    write_time(progress.first_attempt,
               *status.mutable_first_attempt_status()->mutable_dispatch_time());
    write_last(*status.mutable_last_attempt_status());
  } else {
    task.set_dispatch_count(to_int32(progress.attempts));
    task.set_response_count(to_int32(progress.responses));
    if (progress.attempts == 0 || pull) return;
    write_time(progress.first_attempt, *task.mutable_first_attempt()->mutable_dispatch_time());
    write_last(*task.mutable_last_attempt());
  }
}

template <class Task>
void write_task(const TaskInfo& info, const PushRequestView& request, const QueueName& queue,
                bool full, Task& task) {
  static const TaskOptions none;
  const TaskOptions& options = info.task.options != nullptr ? *info.task.options : none;
  task.set_name(task_path(queue, options.name, info.task.id));
  write_payload(request, options, queue, full, task);
  write_time(info.task.place.eta, *task.mutable_schedule_time());
  write_time(Wall(std::chrono::floor<Seconds>(info.task.created.time_since_epoch())),
             *task.mutable_create_time());
  if constexpr (requires { task.dispatch_deadline(); }) {
    if (options.timeout > Micros(0)) {
      write_duration(options.timeout, *task.mutable_dispatch_deadline());
    } else if (task.has_http_request()) {
      write_duration(http_deadline_default, *task.mutable_dispatch_deadline());
    }
  }
  if constexpr (requires { task.retry_config(); }) {
    const RetryOverride& retry = options.retry;
    if (retry != RetryOverride{}) {
      auto& out = *task.mutable_retry_config();
      if (retry.max_attempts) out.set_max_attempts(*retry.max_attempts);
      if (retry.max_age) write_duration(*retry.max_age, *out.mutable_max_retry_duration());
      if (retry.min_backoff) write_duration(*retry.min_backoff, *out.mutable_min_backoff());
      if (retry.max_backoff) write_duration(*retry.max_backoff, *out.mutable_max_backoff());
      if (retry.max_doublings) out.set_max_doublings(*retry.max_doublings);
    }
  }
  write_progress(info, request.url.empty(), task);
  task.set_view(full ? Task::FULL : Task::BASIC);
}

// The same of what is stored.
template <class Task>
void write_task(const TaskInfo& info, const QueueName& queue, bool full, Task& task) {
  const auto request = info.task.payload != nullptr
                           ? decode_push_request_view(*info.task.payload)
                           : Result<PushRequestView>(fail(Reason::internal, "no payload"));
  write_task(info, request ? *request : PushRequestView{}, queue, full, task);
}

// What the task takes in full view (CT-spec 8.3), from its message without a body.
template <class Task>
std::size_t full_bytes(const Task& basic, std::size_t body_bytes) {
  using google::protobuf::io::CodedOutputStream;
  const std::size_t all = basic.ByteSizeLong();
  if (body_bytes == 0) return all;
  const auto length_bytes = [](std::size_t length) {
    return static_cast<std::size_t>(CodedOutputStream::VarintSize64(length));
  };
  std::size_t inner = basic.has_http_request() ? basic.http_request().ByteSizeLong()
                                               : basic.app_engine_http_request().ByteSizeLong();
  if constexpr (requires { basic.pull_message(); }) {
    if (basic.has_pull_message()) inner = basic.pull_message().ByteSizeLong();
  }
  const std::size_t grown = inner + 1 + length_bytes(body_bytes) + body_bytes;
  return all - inner - length_bytes(inner) + grown + length_bytes(grown);
}

}  // namespace deferd::cloudtasks
