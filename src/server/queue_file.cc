#include "server/queue_file.h"

#include "base/log.h"
#include "config/config_tree.h"

namespace deferd {
namespace {

void log_change(const PlannedQueue& queue) {
  std::string settings;
  for (const SettingChange& change : queue.settings) {
    settings += (settings.empty() ? "" : ", ") + change.setting + " ";
    if (!change.before.empty()) settings += change.before + " -> ";
    settings += change.after;
  }
  // A queue that stops because a file no longer names it may be a surprise.
  const LogLevel level = queue.action == PlannedAction::disable ? LogLevel::warn : LogLevel::info;
  log(level, "queue_yaml.queue",
      {{"queue", std::string_view(queue.name.queue)},
       {"action", to_string(queue.action)},
       {"settings", std::string_view(settings)}});
}

}  // namespace

Result<void> apply_queue_file(QueueUploads& uploads, const std::string& file,
                              const std::string& project, const std::string& location) {
  auto source = read_config_file(file);
  if (!source) return fail(source.error());
  const auto plan = uploads.upload_and_wait(
      {.file = std::move(*source), .project = project, .location = location});
  if (!plan) return fail(plan.error());
  std::uint64_t changed = 0;
  for (const PlannedQueue& queue : plan->queues) {
    if (queue.action == PlannedAction::keep) continue;
    ++changed;
    log_change(queue);
  }
  if (plan->storage_limit) {
    log_info("queue_yaml.storage_limit", {{"before", std::string_view(plan->storage_limit->before)},
                                          {"after", std::string_view(plan->storage_limit->after)}});
  }
  log_info("queue_yaml.applied", {{"file", std::string_view(file)},
                                  {"queues", std::uint64_t{plan->queues.size()}},
                                  {"changed", changed}});
  return {};
}

}  // namespace deferd
