#include "api/appengine/add_check.h"

#include <utility>

#include "api/appengine/names.h"
#include "api/appengine/retry.h"
#include "api/appengine/task_headers.h"
#include "model/duration_text.h"
#include "model/push_request.h"
#include "model/target_url.h"
#include "proto/appengine/task_note.pb.h"

namespace deferd::appengine {
namespace {

using AddRequest = wire::TaskQueueAddRequest;

AddCheck refused(ErrorCode code, std::string detail) {
  AddCheck check;
  check.code = code;
  check.detail = std::move(detail);
  return check;
}

AddCheck refused_early(ErrorCode code, std::string detail) {
  AddCheck check = refused(code, std::move(detail));
  check.before_queue = true;
  return check;
}

HttpMethod method_of(const AddRequest& request) {
  switch (request.method()) {
    case AddRequest::GET:
      return HttpMethod::get;
    case AddRequest::HEAD:
      return HttpMethod::head;
    case AddRequest::PUT:
      return HttpMethod::put;
    case AddRequest::DELETE:
      return HttpMethod::del;
    case AddRequest::POST:
      break;
  }
  return HttpMethod::post;
}

bool has_body(HttpMethod method) { return method == HttpMethod::post || method == HttpMethod::put; }

std::size_t header_bytes(const AddRequest& request) {
  std::size_t bytes = 0;
  for (const auto& header : request.header())
    bytes += header.key().size() + header.value().size() + 4;
  return bytes;
}

// As the Python SDK counts, which refuses what is larger itself.
std::size_t strict_size(const AddRequest& request) {
  const std::string_view method =
      request.mode() == wire::TaskQueueMode::PULL ? "PULL" : to_string(method_of(request));
  return method.size() + request.body().size() + request.url().size() + header_bytes(request);
}

std::size_t relaxed_size(const AddRequest& request) {
  return request.body().size() + request.url().size() + header_bytes(request) +
         request.description().size() + request.payload().size();
}

AddCheck check_size(const AddRequest& request, const AddRules& rules) {
  const bool pull = request.mode() == wire::TaskQueueMode::PULL;
  if (rules.strict) {
    const std::size_t most = pull ? strict_pull_bytes_max : strict_push_bytes_max;
    const std::size_t size = strict_size(request);
    if (size > most) {
      return refused(Service::TASK_TOO_LARGE,
                     "the task is " + std::to_string(size) +
                         " bytes, method, url, headers and body together; at most " +
                         std::to_string(most) + " are accepted");
    }
  }
  const std::size_t size = relaxed_size(request);
  if (size > rules.task_bytes_max) {
    return refused(Service::TASK_TOO_LARGE, "the task is " + std::to_string(size) +
                                                " bytes, url, headers and body together; at most " +
                                                std::to_string(rules.task_bytes_max) +
                                                " are accepted");
  }
  return {};
}

AddCheck check_url(std::string_view url) {
  if (url.size() > url_chars_max) {
    return refused(Service::INVALID_URL, "the url has " + std::to_string(url.size()) +
                                             " characters; at most " +
                                             std::to_string(url_chars_max) + " are accepted");
  }
  if (auto ok = check_target_path(url); !ok)
    return refused(Service::INVALID_URL, ok.error().message);
  return {};
}

// What the task says about a push beyond its url, into `push` and `options`.
AddCheck take_push(const AddRequest& request, PushRequestView& push, TaskOptions& options) {
  if (AddCheck check = check_url(request.url()); check.code != Service::OK) return check;
  push.url = request.url();
  push.method = method_of(request);
  if (has_body(push.method)) push.body = request.body();
  push.headers.reserve(static_cast<std::size_t>(request.header_size()));
  for (const auto& header : request.header()) {
    switch (fate_of(header.key(), header.value())) {
      case HeaderFate::kept:
        push.headers.emplace_back(header.key(), header.value());
        break;
      case HeaderFate::dropped:
        break;
      case HeaderFate::refused:
        return refused(Service::INVALID_REQUEST,
                       "a header has no name, or a line break or another character in it that no "
                       "header may have");
    }
  }
  if (request.has_dispatch_deadline_usec()) {
    const Micros deadline(request.dispatch_deadline_usec());
    if (deadline < dispatch_deadline_min || deadline > dispatch_deadline_max) {
      return refused(
          Service::INVALID_DISPATCH_DEADLINE,
          "dispatch_deadline_usec is " + std::to_string(deadline.count()) + "; give 15 s to 24 h");
    }
    options.timeout = deadline;
  }
  return {};
}

std::string note_of(const AddRequest& request) {
  wire::TaskNote note;
  if (request.has_description()) note.set_description(request.description());
  if (request.has_payload()) note.set_payload(request.payload());
  if (request.has_retry_parameters()) {
    *note.mutable_retry_parameters() = request.retry_parameters();
    note.mutable_retry_parameters()->DiscardUnknownFields();
  }
  return note.SerializeAsString();
}

AddCheck check_head(const AddRequest& request, const AddRules& rules, TaskOptions& options) {
  if (!request.task_name().empty()) {
    // Those that the engine takes; of App Engine's it leaves out 20 digits that begin with 0.
    auto name = is_task_name(request.task_name())
                    ? parse_task_name(request.task_name())
                    : Result<std::string>(
                          fail(Reason::invalid, "a task name is 1 to 500 of a-z A-Z 0-9 _ -"));
    if (!name) return refused_early(Service::INVALID_TASK_NAME, name.error().message);
    options.name = std::move(*name);
  }
  if (!is_queue_name(request.queue_name())) {
    return refused_early(Service::INVALID_QUEUE_NAME, "a queue name is 1 to 100 of a-z A-Z 0-9 -");
  }
  const Micros horizon = rules.strict ? strict_eta_horizon : eta_horizon;
  // now + horizon cannot overflow; eta_usec may be any number.
  if (request.eta_usec() < 0 || request.eta_usec() > to_micros(rules.now + horizon)) {
    return refused_early(Service::INVALID_ETA, "eta_usec is " + std::to_string(request.eta_usec()) +
                                                   "; give microseconds since 1970, at most " +
                                                   format_duration(horizon) + " ahead");
  }
  return {};
}

}  // namespace

AddCheck check_add(const AddRequest& request, const AddRules& rules) {
  TaskOptions options;
  PushRequestView push;
  push.door = Door::appengine;
  if (AddCheck check = check_head(request, rules, options); check.code != Service::OK) return check;
  if (request.has_crontimetable()) {
    return refused(Service::PERMISSION_DENIED,
                   "recurring tasks are declared in cron.yaml, not added");
  }
  if (AddCheck check = check_size(request, rules); check.code != Service::OK) return check;
  const bool pull = request.mode() == wire::TaskQueueMode::PULL;
  if (pull) {
    if (!request.has_body()) {
      return refused(Service::INVALID_REQUEST, "a pull task needs a body, though it may be empty");
    }
    if (request.tag().size() > task_key_bytes_max) {
      return refused(Service::INVALID_TAG,
                     "the tag has " + std::to_string(request.tag().size()) + " bytes; at most " +
                         std::to_string(task_key_bytes_max) + " are accepted");
    }
    push.body = request.body();
    options.key = request.tag();
  } else {
    if (AddCheck check = take_push(request, push, options); check.code != Service::OK) return check;
  }
  if (request.has_retry_parameters()) {
    if (auto wrong = check_retry(request.retry_parameters())) {
      return refused(Service::INVALID_RETRY_PARAMETERS, std::move(*wrong));
    }
    options.retry = whole_override(
        retry_policy_of(request.retry_parameters(), pull ? QueueMode::pull : QueueMode::push));
  }
  if (!pull && !request.tag().empty()) {
    return refused(Service::INVALID_TAG, "a tag is for tasks of pull queues");
  }

  const std::string note = note_of(request);
  push.note = note;
  AddCheck check;
  check.task.has_target = !pull;
  check.task.payload = share(encode(push));
  if (request.eta_usec() > 0) check.task.eta = wall_from_micros(request.eta_usec());
  if (!options.empty())
    check.task.options = std::make_shared<const TaskOptions>(std::move(options));
  return check;
}

}  // namespace deferd::appengine
