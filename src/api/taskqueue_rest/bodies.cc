#include "api/taskqueue_rest/bodies.h"

#include <charconv>
#include <memory>
#include <utility>

#include "api/http/json_document.h"
#include "api/http/text.h"
#include "api/taskqueue_rest/errors.h"
#include "model/push_request.h"

namespace deferd::taskqueue_rest {
namespace {

tl::unexpected<Error> bad(std::string_view message) {
  return fail(Reason::invalid, std::string(message));
}

Result<const boost::json::object*> parse_object(JsonDocument& document, std::string_view body) {
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  const boost::json::object* object = document.root().if_object();
  if (object == nullptr || body.empty()) {
    return bad("the request's body must be a Task, a JSON object");
  }
  return object;
}

// Null when it is not there; null in JSON counts as that.
const boost::json::value* find(const boost::json::object& task, std::string_view name) {
  const boost::json::value* value = task.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::optional<std::string_view>> text_of(const boost::json::object& task,
                                                std::string_view name) {
  const boost::json::value* value = find(task, name);
  if (value == nullptr) return std::optional<std::string_view>();
  const boost::json::string* text = value->if_string();
  if (text == nullptr) return bad(std::string(name) + " must be a string");
  return std::optional<std::string_view>(std::string_view(text->data(), text->size()));
}

// "q", or "projects/s~app/taskqueues/q" as a lease's answer spells it.
bool names_queue(std::string_view text, const QueueName& queue) {
  constexpr std::string_view prefix = "projects/";
  constexpr std::string_view middle = "/taskqueues/";
  if (!text.starts_with(prefix)) return text == queue.queue;
  text.remove_prefix(prefix.size());
  const std::size_t at = text.find(middle);
  return at != text.npos && without_partition(text.substr(0, at)) == queue.project &&
         text.substr(at + middle.size()) == queue.queue;
}

Result<std::optional<LeaseEnd>> lease_end_of(const boost::json::object& task) {
  const boost::json::value* value = find(task, "leaseTimestamp");
  if (value == nullptr) return std::optional<LeaseEnd>();
  std::optional<std::int64_t> number;
  if (const std::int64_t* given = value->if_int64()) number = *given;
  if (const boost::json::string* text = value->if_string()) {
    std::int64_t parsed = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, parsed);
    if (error == std::errc() && stop == end) number = parsed;
  }
  if (!number || *number < 0) return bad("leaseTimestamp must be a whole number, as a string");
  constexpr std::int64_t seconds_below = 1'000'000'000'000;
  return std::optional<LeaseEnd>(LeaseEnd{*number, *number < seconds_below});
}

// A name that no task can have is the name of no task.
Result<TaskRef> task_of(std::string_view id) {
  auto task = parse_task_ref(id);
  if (task) return task;
  return fail(Reason::task_missing, "there is no such task: " + task.error().message);
}

}  // namespace

Result<NewTask> parse_insert(std::string_view body, const Route& route,
                             std::uint64_t task_bytes_max) {
  JsonDocument document;
  const auto object = parse_object(document, body);
  if (!object) return fail(object.error());
  const auto payload = text_of(**object, "payloadBase64");
  const auto id = text_of(**object, "id");
  const auto tag = text_of(**object, "tag");
  const auto queue = text_of(**object, "queueName");
  for (const auto* member : {&payload, &id, &tag, &queue}) {
    if (!*member) return fail(member->error());
  }
  if (!*payload) return bad(payload_missing_text);
  if (*queue && !names_queue(**queue, route.queue)) {
    return bad("queueName is not that of the queue that the path names; leave it out");
  }
  auto bytes = decode_any_base64(**payload);
  if (!bytes) return bad("payloadBase64 is not base64 (A-Z a-z 0-9 - _, with = at the end or not)");

  TaskOptions options;
  if (*id && !(*id)->empty()) {
    auto name = parse_task_name(**id);
    if (!name) return fail(Reason::invalid, name.error().message, "id");
    options.name = std::move(*name);
  }
  if (*tag) {
    if ((*tag)->size() > tag_bytes_max) {
      return bad("tag is " + std::to_string((*tag)->size()) + " bytes; give at most " +
                 std::to_string(tag_bytes_max));
    }
    options.key = **tag;
  }
  NewTask task;
  if (!options.empty()) task.options = std::make_shared<const TaskOptions>(std::move(options));
  PushRequestView request;
  request.door = Door::appengine;
  request.body = *bytes;
  std::string encoded = encode(request);
  if (encoded.size() > task_bytes_max) {
    return fail(Reason::too_large, "the task is " + std::to_string(encoded.size()) +
                                       " bytes; at most " + std::to_string(task_bytes_max) +
                                       " are accepted");
  }
  task.payload = share(std::move(encoded));
  return task;
}

bool LeaseEnd::matches(Wall eta) const {
  const std::int64_t micros = to_micros(eta);
  return in_seconds ? micros / 1'000'000 == value : micros == value;
}

Result<LeaseUpdate> parse_update(std::string_view body, const Route&) {
  JsonDocument document;
  const auto object = parse_object(document, body);
  if (!object) return fail(object.error());
  const auto id = text_of(**object, "id");
  if (!id) return fail(id.error());
  auto end = lease_end_of(**object);
  if (!end) return fail(end.error());
  if (!*id) return bad("id must be specified: the name of the task whose lease changes");
  if (!*end) return bad("leaseTimestamp must be specified, as the lease's answer gave it");
  auto task = task_of(**id);
  if (!task) return fail(task.error());
  return LeaseUpdate{std::move(*task), *end};
}

Result<LeaseUpdate> parse_patch(std::string_view body, const Route& route) {
  JsonDocument document;
  const auto object = parse_object(document, body);
  if (!object) return fail(object.error());
  const auto id = text_of(**object, "id");
  const auto queue = text_of(**object, "queueName");
  if (!id) return fail(id.error());
  if (!queue || !*queue) return bad(queue_name_invalid_text);
  if (!names_queue(**queue, route.queue)) return bad(queue_name_fixed_text);
  if (*id && **id != route.task) return bad(task_id_fixed_text);
  auto end = lease_end_of(**object);
  if (!end) return fail(end.error());
  auto task = parse_task_of_path(route);
  if (!task) return fail(task.error());
  return LeaseUpdate{std::move(*task), *end};
}

Result<TaskRef> parse_task_of_path(const Route& route) { return task_of(route.task); }

}  // namespace deferd::taskqueue_rest
