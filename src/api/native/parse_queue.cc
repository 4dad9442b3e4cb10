#include "api/native/json_fields.h"
#include "api/native/parse_retry.h"
#include "api/native/requests.h"
#include "model/duration_text.h"

namespace deferd::native {
namespace {

constexpr std::int64_t size_max = std::int64_t{1} << 53;  // what every JSON reader can hold

Error push_only(std::string_view field) {
  return Error{Reason::invalid,
               std::string(field) +
                   " is for push queues: workers of a pull queue set their own pace; leave it out",
               std::string(field), std::nullopt};
}

std::optional<std::uint64_t> bytes_max(Fields& fields) {
  const auto most = fields.integer("max_bytes", 0, size_max);
  return most ? std::optional(static_cast<std::uint64_t>(*most)) : std::nullopt;
}

void parse_dead_letters(Fields& owner, const json::value& value, QueueChange& change) {
  Fields fields(value, owner.path() + "dead.");
  change.dead_keep = fields.duration("keep", Micros(0), dead_keep_max);
  change.dead_bytes_max = bytes_max(fields);
  if (const auto queue = fields.text("queue")) {
    // Only its last part is given: the others are the queue's own.
    if (auto name = QueueName::parse("p", "l", *queue); !queue->empty() && !name)
      fields.refuse_as("queue", name.error());
    change.dead_queue = *queue;
  }
  if (auto ok = fields.finish(); !ok) owner.refuse(ok.error());
}

}  // namespace

Result<QueueChange> parse_queue_change(std::string_view body) {
  JsonDocument document;
  if (auto ok = document.parse(body); !ok) return fail(ok.error());
  Fields fields(document.root(), "");
  QueueChange change;
  if (const auto mode = fields.text("mode")) {
    if (*mode == "push") {
      change.mode = QueueMode::push;
    } else if (*mode == "pull") {
      change.mode = QueueMode::pull;
    } else {
      fields.refuse("mode", "mode is none of \"push\" and \"pull\"");
    }
  }
  if (const auto text = fields.text("rate")) {
    auto rate = parse_rate(*text);
    if (rate) {
      change.rate = *rate;
    } else {
      fields.refuse_as("rate", rate.error());
    }
  }
  if (const auto burst = fields.integer("burst", 1, 1'000'000))
    change.burst = static_cast<std::int32_t>(*burst);
  if (const auto most = fields.integer("concurrency", 1, 100'000)) {
    change.concurrency = static_cast<std::int32_t>(*most);
  }
  change.timeout = fields.duration("timeout", attempt_timeout_min, attempt_timeout_max);
  if (const auto priority = fields.integer("priority", 0, priority_count - 1)) {
    change.priority = static_cast<std::uint8_t>(*priority);
  }
  if (const json::value* retry = fields.any("retry")) change.retry = parse_retry(fields, *retry);
  if (const auto most = fields.integer("max_tasks", 0, size_max)) {
    change.max_tasks = static_cast<std::uint64_t>(*most);
  }
  change.max_bytes = bytes_max(fields);
  change.tombstone = fields.duration("tombstone", Micros(0), std::chrono::hours(24 * 30));
  change.task_ttl = fields.duration("task_ttl", Micros(0), task_ttl_max);
  if (const json::value* dead = fields.any("dead")) parse_dead_letters(fields, *dead, change);
  if (const auto deaths = fields.integer("poison_after", 0, 1000))
    change.poison_after = static_cast<std::int32_t>(*deaths);
  if (const auto attempts = fields.integer("history", 0, history_max))
    change.history = static_cast<std::int32_t>(*attempts);
  if (const json::value* value = fields.any("results")) {
    Fields results(*value, fields.path() + "results.");
    change.result_bytes_max = bytes_max(results);
    if (auto ok = results.finish(); !ok) fields.refuse(ok.error());
  }
  if (auto ok = fields.finish(); !ok) return fail(ok.error());
  return change;
}

Result<QueueSettings> QueueChange::over(const QueueSettings* current) const {
  QueueSettings settings =
      current != nullptr ? *current : QueueSettings::defaults(mode.value_or(QueueMode::push));
  if (mode && *mode != settings.mode) {
    return fail(Reason::invalid,
                "mode of a queue cannot change; delete the queue, or make one of another name",
                "mode");
  }
  if (settings.mode == QueueMode::pull) {
    if (rate) return fail(push_only("rate"));
    if (burst) return fail(push_only("burst"));
    if (concurrency) return fail(push_only("concurrency"));
    if (timeout) return fail(push_only("timeout"));
  } else if (poison_after) {
    return fail(Reason::invalid,
                "poison_after is for pull queues: it counts workers that die; leave it out",
                "poison_after");
  }
  if (rate) settings.rate = *rate;
  if (burst) settings.burst = *burst;
  if (concurrency) settings.concurrency = *concurrency;
  if (timeout) settings.timeout = *timeout;
  if (priority) settings.priority = *priority;
  if (retry.max_attempts) settings.retry.max_attempts = *retry.max_attempts;
  if (retry.max_age) settings.retry.max_age = *retry.max_age;
  if (retry.min_backoff) settings.retry.min_backoff = *retry.min_backoff;
  if (retry.max_backoff) settings.retry.max_backoff = *retry.max_backoff;
  if (retry.max_doublings) settings.retry.max_doublings = *retry.max_doublings;
  if (max_tasks) settings.max_tasks = *max_tasks;
  if (max_bytes) settings.max_bytes = *max_bytes;
  if (tombstone) settings.tombstone = *tombstone;
  if (task_ttl) settings.task_ttl = *task_ttl;
  if (dead_keep) settings.dead.keep = *dead_keep;
  if (dead_bytes_max) settings.dead.bytes_max = *dead_bytes_max;
  if (dead_queue) settings.dead.queue = *dead_queue;
  if (poison_after) settings.poison_after = *poison_after;
  if (history) settings.history = *history;
  if (result_bytes_max) settings.result_bytes_max = *result_bytes_max;
  if (auto ok = settings.check(); !ok) return fail(ok.error());
  return settings;
}

}  // namespace deferd::native
