#include "apply/plan.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "model/appengine_defaults.h"
#include "model/duration_text.h"

namespace deferd {
namespace {

using Words = std::vector<std::pair<std::string_view, std::string>>;

constexpr std::string_view nothing = "none";

std::string rate_words(const QueueSettings& settings) {
  const std::string& written = settings.appengine.rate_text;
  // As it was written, unless /v1 has set another since.
  if (!written.empty()) {
    const auto rate = parse_queue_rate(written);
    if (rate && *rate == settings.rate) return written;
  }
  return format_rate(settings.rate);
}

std::string seconds_words(Micros duration) {
  char text[32];
  const double seconds = static_cast<double>(duration.count()) / 1e6;
  return {text, std::to_chars(text, text + sizeof text, seconds).ptr};
}

std::string list_words(const std::vector<std::string>& items) {
  std::string words;
  for (const std::string& item : items) words += (words.empty() ? "" : ", ") + item;
  return words.empty() ? std::string(nothing) : words;
}

// Every setting that queue.yaml knows, in its words and its order.
Words words_of(const QueueSettings& settings) {
  const RetryPolicy& retry = settings.retry;
  Words words{{"mode", settings.mode == QueueMode::push ? "push" : "pull"}};
  std::int32_t limit = retry.max_attempts;
  if (settings.mode == QueueMode::push) {
    words.emplace_back("rate", rate_words(settings));
    words.emplace_back("bucket_size", std::to_string(settings.burst));
    words.emplace_back("max_concurrent_requests", std::to_string(settings.concurrency));
    words.emplace_back("target", settings.appengine.target.empty() ? std::string(nothing)
                                                                   : settings.appengine.target);
    if (limit > 0) --limit;  // queue.yaml counts what follows the first attempt
  }
  words.emplace_back("retry_parameters.task_retry_limit",
                     limit < 0 ? std::string(nothing) : std::to_string(limit));
  words.emplace_back("retry_parameters.task_age_limit", retry.max_age == Micros(0)
                                                            ? std::string(nothing)
                                                            : seconds_words(retry.max_age) + "s");
  words.emplace_back("retry_parameters.min_backoff_seconds", seconds_words(retry.min_backoff));
  words.emplace_back("retry_parameters.max_backoff_seconds", seconds_words(retry.max_backoff));
  words.emplace_back("retry_parameters.max_doublings", std::to_string(retry.max_doublings));
  if (settings.mode == QueueMode::pull) {
    words.emplace_back("acl.user_email", list_words(settings.appengine.user_emails));
    words.emplace_back("acl.writer_email", list_words(settings.appengine.writer_emails));
  }
  return words;
}

const std::string* find(const Words& words, std::string_view setting) {
  const auto at = std::ranges::find(words, setting, &Words::value_type::first);
  return at == words.end() ? nullptr : &at->second;
}

// What differs; a setting of one mode alone stands with "none" on the other side.
std::vector<SettingChange> differences(const QueueSettings& before, const QueueSettings& after) {
  const Words old_words = words_of(before);
  const Words new_words = words_of(after);
  std::vector<SettingChange> changes;
  for (const auto& [setting, value] : new_words) {
    const std::string* const was = find(old_words, setting);
    const std::string old_value = was == nullptr ? std::string(nothing) : *was;
    if (old_value != value) changes.push_back({std::string(setting), old_value, value});
  }
  for (const auto& [setting, value] : old_words) {
    if (find(new_words, setting) == nullptr && value != nothing)
      changes.push_back({std::string(setting), value, std::string(nothing)});
  }
  return changes;
}

// Of a queue that is made: its mode and rate, and what is not App Engine's default.
std::vector<SettingChange> new_settings(const QueueSettings& settings) {
  const Words defaults = words_of(app_engine_defaults(settings.mode));
  std::vector<SettingChange> changes;
  for (auto& [setting, value] : words_of(settings)) {
    if (setting == "mode" || setting == "rate" || value != *find(defaults, setting))
      changes.push_back({std::string(setting), "", std::move(value)});
  }
  return changes;
}

Result<PlannedQueue> plan_declared(const QueueYaml& file, const DeclaredQueue& declared,
                                   const ExistingQueue* existing) {
  PlannedQueue planned;
  planned.declared = declared;
  if (existing == nullptr) {
    planned.action = PlannedAction::make;
    planned.write = true;
    planned.settings = new_settings(declared.settings);
    return planned;
  }
  const QueueSettings after = declared.over(existing->settings);
  planned.write = after != existing->settings;
  planned.settings = differences(existing->settings, after);
  planned.remake = after.mode != existing->settings.mode;
  if (planned.remake && existing->tasks > 0) {
    const auto mode = [](QueueMode m) { return m == QueueMode::push ? "push" : "pull"; };
    Error error = file.source.error(
        declared.place,
        "queue \"" + declared.name + "\": its mode cannot change from " +
            mode(existing->settings.mode) + " to " + mode(after.mode) + " while it holds " +
            std::to_string(existing->tasks) + (existing->tasks == 1 ? " task" : " tasks") +
            "; purge it first, or take another name",
        declared.name + ".mode");
    error.reason = Reason::queue_mode;
    return fail(std::move(error));
  }
  if (!planned.settings.empty()) planned.action = PlannedAction::change;
  if (existing->state == QueueState::disabled) planned.action = PlannedAction::enable;
  if (existing->state == QueueState::paused && file.resume_paused_queues)
    planned.action = PlannedAction::resume;
  return planned;
}

bool stays_when_left_out(const ExistingQueue& queue) {
  return queue.name == "default" || !queue_yaml_can_name(queue.name) ||
         queue.state == QueueState::disabled;
}

std::string limit_words(std::uint64_t bytes) {
  return bytes == 0 ? std::string(nothing) : format_storage_limit(bytes);
}

}  // namespace

std::string_view to_string(PlannedAction action) {
  switch (action) {
    case PlannedAction::keep:
      return "keep";
    case PlannedAction::make:
      return "make";
    case PlannedAction::change:
      return "change";
    case PlannedAction::enable:
      return "enable";
    case PlannedAction::resume:
      return "resume";
    case PlannedAction::disable:
      return "disable";
  }
  return "keep";
}

bool QueuePlan::changes_anything() const {
  return storage_limit.has_value() || std::ranges::any_of(queues, [](const PlannedQueue& queue) {
           return queue.action != PlannedAction::keep || queue.write;
         });
}

Result<QueuePlan> plan_queues(const QueueYaml& file, const ExistingProject& there) {
  std::map<std::string_view, const ExistingQueue*> undeclared;
  for (const ExistingQueue& queue : there.queues) undeclared.emplace(queue.name, &queue);
  QueuePlan plan;
  for (const DeclaredQueue& declared : file.queues) {
    const auto name = QueueName::parse(there.project, there.location, declared.name);
    if (!name) return fail(name.error());
    const auto at = undeclared.find(declared.name);
    auto planned = plan_declared(file, declared, at == undeclared.end() ? nullptr : at->second);
    if (!planned) return fail(planned.error());
    if (at != undeclared.end()) undeclared.erase(at);
    planned->name = *name;
    plan.queues.push_back(std::move(*planned));
  }
  for (const auto& [name, queue] : undeclared) {
    PlannedQueue planned;
    planned.name = {there.project, there.location, queue->name};
    planned.action = stays_when_left_out(*queue) ? PlannedAction::keep : PlannedAction::disable;
    plan.queues.push_back(std::move(planned));
  }
  plan.storage_limit_bytes = file.total_storage_limit.value_or(0);
  if (plan.storage_limit_bytes != there.storage_limit_bytes) {
    plan.storage_limit = {"total_storage_limit", limit_words(there.storage_limit_bytes),
                          limit_words(plan.storage_limit_bytes)};
  }
  return plan;
}

}  // namespace deferd
