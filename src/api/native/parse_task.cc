#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "api/http/raw_json.h"
#include "api/http/text.h"
#include "api/native/json_fields.h"
#include "api/native/parse_retry.h"
#include "api/native/requests.h"
#include "base/header_text.h"
#include "base/text.h"
#include "model/duration_text.h"
#include "model/push_request.h"
#include "model/target_url.h"
#include "model/time_text.h"

namespace deferd::native {
namespace {

constexpr std::string_view header_name_rule = "1 to 256 letters, digits and -_.!#$%&'*+^`|~";
bool is_short_header_name(std::string_view name) {
  return name.size() <= 256 && is_header_name(name);
}

// What belongs to the connection or to deferd, not to the task.
constexpr std::string_view headers_kept[] = {"connection",
                                             "content-length",
                                             "expect",
                                             "host",
                                             "keep-alive",
                                             "proxy-authenticate",
                                             "proxy-authorization",
                                             "proxy-connection",
                                             "te",
                                             "trailer",
                                             "transfer-encoding",
                                             "upgrade"};
constexpr std::string_view headers_kept_prefix = "x-deferd-";

bool is_kept(std::string_view name) {
  for (const std::string_view kept : headers_kept) {
    if (equal_ignoring_case(name, kept)) return true;
  }
  return starts_ignoring_case(name, headers_kept_prefix);
}

// One task's own parts, as views into the document; encoded before it goes.
struct Parts {
  PushRequestView request;
  std::string decoded_body;  // of body_base64
  std::string json_body;     // only when its text could not be found again
};

void parse_headers(Fields& fields, const json::value& value, PushRequestView& request) {
  const json::object* headers = value.if_object();
  if (headers == nullptr) {
    fields.refuse("headers", "headers is " + std::string(kind_of(value)) +
                                 "; give an object of names and texts");
    return;
  }
  if (headers->size() > task_headers_max) {
    fields.refuse("headers", std::to_string(headers->size()) + " headers; give at most " +
                                 std::to_string(task_headers_max));
    return;
  }
  request.headers.reserve(headers->size());
  for (const auto& member : *headers) {
    const std::string_view name(member.key().data(), member.key().size());
    // A name that is no name is not repeated in an error's field.
    const bool is_token = is_short_header_name(name);
    const std::string field = is_token ? "headers." + std::string(name) : "headers";
    if (!is_token) {
      return fields.refuse(field, "a header's name is " + std::string(header_name_rule));
    }
    if (is_kept(name)) {
      return fields.refuse(field,
                           "header " + std::string(name) +
                               " is set by deferd or belongs to the connection; leave it out");
    }
    const json::string* text = member.value().if_string();
    if (text == nullptr) {
      return fields.refuse(field, "header " + std::string(name) + " is " +
                                      std::string(kind_of(member.value())) + "; give a string");
    }
    const std::string_view content(text->data(), text->size());
    if (!is_header_value(content)) {
      return fields.refuse(field,
                           "header " + std::string(name) +
                               " contains a line break or another control character; take it out");
    }
    for (const auto& [other, ignored] : request.headers) {
      if (equal_ignoring_case(other, name)) {
        return fields.refuse(
            field, "header " + std::string(name) + " is given twice (case does not count)");
      }
    }
    request.headers.emplace_back(name, content);
  }
}

bool has_header(const PushRequestView& request, std::string_view name) {
  return std::ranges::any_of(request.headers, [name](const auto& header) {
    return equal_ignoring_case(header.first, name);
  });
}

void parse_body(Fields& fields, std::string_view raw, Parts& parts) {
  const auto text = fields.text("body");
  const json::value* json_value = fields.any("json");
  const auto base64 = fields.text("body_base64");
  if (int{text.has_value()} + int{json_value != nullptr} + int{base64.has_value()} > 1) {
    return fields.refuse("body", "more than one of body, json and body_base64; give one of them");
  }
  if (text) parts.request.body = *text;
  if (base64) {
    auto decoded = decode_base64(*base64);
    if (!decoded) {
      return fields.refuse("body_base64",
                           "body_base64 is not base64 (A-Z a-z 0-9 + / with = at the end)");
    }
    parts.decoded_body = std::move(*decoded);
    parts.request.body = parts.decoded_body;
  }
  if (json_value != nullptr) {
    parts.request.body = raw_member(raw, "json");
    if (parts.request.body.empty()) {  // the key was written with an escape
      parts.json_body = json::serialize(*json_value);
      parts.request.body = parts.json_body;
    }
    if (!parts.request.url.empty() && !has_header(parts.request, "Content-Type")) {
      parts.request.headers.emplace_back("Content-Type", "application/json");
    }
  }
}

void parse_target(Fields& fields, PushRequestView& request) {
  const auto url = fields.text("url");
  const auto method = fields.text("method");
  const json::value* headers = fields.any("headers");
  if (url) {
    if (auto parsed = parse_target_url(*url); !parsed) fields.refuse_as("url", parsed.error());
    request.url = *url;
  }
  if (method) {
    const auto parsed = parse_http_method(*method);
    if (parsed) {
      request.method = *parsed;
    } else {
      fields.refuse_as("method", parsed.error());
    }
  }
  if (headers != nullptr) parse_headers(fields, *headers, request);
  if (!url && (method || headers != nullptr)) {
    fields.refuse("url", std::string(method ? "method" : "headers") +
                             " without a url: a push task needs one, and a pull task has neither");
  }
}

void parse_when(Fields& fields, const TaskLimits& limits, NewTask& task) {
  task.delay = fields.duration("delay", Micros(0), eta_horizon);
  if (const auto text = fields.text("eta")) {
    auto eta = parse_time(*text);
    if (!eta) {
      fields.refuse_as("eta", eta.error());
    } else if (*eta > limits.now + eta_horizon) {
      fields.refuse("eta", "eta lies more than " + format_duration(eta_horizon) + " ahead");
    } else {
      task.eta = *eta;
    }
    if (task.delay) fields.refuse("delay", "both delay and eta are given; give one of them");
  }
}

void parse_result_headers(Fields& fields, bool push, TaskOptions& options) {
  const json::array* names = fields.array("result_headers");
  if (names == nullptr) return;
  if (!push) {
    return fields.refuse("result_headers",
                         "result_headers is for tasks with a url: they are of its response");
  }
  if (names->size() > result_headers_max) {
    return fields.refuse("result_headers", std::to_string(names->size()) +
                                               " result_headers; give at most " +
                                               std::to_string(result_headers_max));
  }
  for (const json::value& each : *names) {
    const json::string* text = each.if_string();
    const std::string_view name =
        text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
    if (!is_short_header_name(name)) {
      return fields.refuse(
          "result_headers",
          "result_headers holds what is no header's name: one is " + std::string(header_name_rule));
    }
    options.result_headers.emplace_back(name);
  }
}

// What is kept of its end, and who is told.
void parse_outcome_options(Fields& fields, bool push, TaskOptions& options) {
  options.keep_result =
      fields.duration("keep_result", Seconds(1), keep_result_max).value_or(Micros(0));
  parse_result_headers(fields, push, options);
  if (const auto url = fields.text("callback_url")) {
    if (auto parsed = parse_target_url(*url); !parsed)
      fields.refuse_as("callback_url", parsed.error());
    options.callback_url = *url;
  }
  if (const auto queue = fields.text("callback_queue")) {
    // Only its last part is given: the others are the task's queue's.
    if (auto name = QueueName::parse("p", "l", *queue); !name)
      fields.refuse_as("callback_queue", name.error());
    if (options.callback_url.empty())
      fields.refuse("callback_queue", "callback_queue without a callback_url; give both");
    options.callback_queue = *queue;
  }
}

void parse_options(Fields& fields, bool push, NewTask& task) {
  TaskOptions options;
  if (const auto name = fields.text("name")) {
    auto parsed = parse_task_name(*name);
    if (parsed) {
      options.name = std::move(*parsed);
    } else {
      fields.refuse_as("name", parsed.error());
    }
  }
  if (const auto key = fields.text("key")) {
    if (key->size() > task_key_bytes_max) {
      fields.refuse("key", "key is " + std::to_string(key->size()) + " bytes; give at most " +
                               std::to_string(task_key_bytes_max));
    }
    options.key = *key;
  }
  if (const auto timeout = fields.duration("timeout", attempt_timeout_min, attempt_timeout_max)) {
    if (!push)
      fields.refuse("timeout", "timeout is for tasks with a url: a lease brings its own duration");
    options.timeout = *timeout;
  }
  if (const json::value* retry = fields.any("retry")) options.retry = parse_retry(fields, *retry);
  parse_outcome_options(fields, push, options);
  if (!options.empty()) task.options = std::make_shared<const TaskOptions>(std::move(options));
}

Result<NewTask> parse_one(const json::value& value, std::string_view raw, std::string path,
                          const TaskLimits& limits) {
  Fields fields(value, std::move(path));
  NewTask task;
  Parts parts;
  parse_target(fields, parts.request);
  parse_body(fields, raw, parts);
  const bool push = !parts.request.url.empty();
  parse_when(fields, limits, task);
  parse_options(fields, push, task);
  if (const auto priority = fields.integer("priority", 0, priority_count - 1)) {
    task.priority = static_cast<std::uint8_t>(*priority);
  }
  const HttpMethod method = parts.request.method;
  if (push && !parts.request.body.empty() &&
      (method == HttpMethod::get || method == HttpMethod::head)) {
    fields.refuse("body", "a " + std::string(to_string(method)) +
                              " carries no body; use POST, or leave it out");
  }
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  task.has_target = push;
  std::string payload = encode(parts.request);
  if (payload.size() > limits.task_bytes_max) {
    return fail(Reason::too_large,
                "the task is " + std::to_string(payload.size()) + " bytes; at most " +
                    std::to_string(limits.task_bytes_max) +
                    " are accepted (keep large data elsewhere, and send where it is)",
                fields.path() + "body");
  }
  task.payload = share(std::move(payload));
  return task;
}

}  // namespace

Result<NewTask> parse_task(std::string_view body, const TaskLimits& limits) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  return parse_one(document.root(), document.text(), "", limits);
}

Result<std::vector<Result<NewTask>>> parse_task_batch(std::string_view body,
                                                      const TaskLimits& limits) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  const json::array* tasks = fields.array("tasks");
  if (tasks == nullptr) {
    fields.refuse("tasks", "tasks is missing; give an array of 1 to " +
                               std::to_string(batch_tasks_max) + " tasks");
  } else if (tasks->empty() || tasks->size() > batch_tasks_max) {
    fields.refuse("tasks", "tasks has " + std::to_string(tasks->size()) + " elements; give 1 to " +
                               std::to_string(batch_tasks_max));
  }
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  std::vector<Result<NewTask>> results;
  results.reserve(tasks->size());
  RawElements elements(raw_member(document.text(), "tasks"));
  for (std::size_t i = 0; i < tasks->size(); ++i) {
    results.push_back(
        parse_one((*tasks)[i], elements.next(), "tasks[" + std::to_string(i) + "].", limits));
  }
  return results;
}

}  // namespace deferd::native
