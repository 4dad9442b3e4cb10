// What a project's tasks count for, and the names of queues that were deleted.
#include <algorithm>

#include "sim/checker.h"

namespace deferd::sim {

// Between what surely is there, and all that may be, or ended so lately that it may still count.
Checker::Range Checker::project_use() {
  Range use;
  const bool may_hold_strangers =
      std::ranges::any_of(queues_, [](const auto& queue) { return queue->may_hold_strangers; });
  if (may_hold_strangers) use.high = std::numeric_limits<std::uint64_t>::max() / 2;
  for (const auto& queue : queues_) {
    for (ModelTask* task : queue->tasks) {
      use.high += task->bytes;
      if (!queue->dropped && sure(*task)) use.low += task->bytes;
    }
    for (const ModelTask* task : queue->ended) use.high += task->bytes;
    for (const auto& [id, task] : queue->by_id) {
      if (task->life == Life::ended && task->grave.revivals > 0) use.high += task->bytes;
    }
  }
  return use;
}

void Checker::judge(Call& call, const SetProjectLimit&, const Result<void>& answer) {
  if (!answer) return;
  durable(call);
  const auto at =
      std::ranges::find(limit_versions_, call.id, &std::pair<CallId, std::uint64_t>::first);
  if (at != limit_versions_.end()) limit_versions_.erase(limit_versions_.begin(), at);
}

void Checker::judge(Call& call, const GetProjectUse&, const Result<GetProjectUse::Answer>& answer) {
  if (!answer || failed_) return;
  if (answer->bytes_max != call.limit)
    return violated(22, "a project's limit is told as " + std::to_string(answer->bytes_max));
  if (!call.use.holds(answer->bytes)) {
    violated(22, "a project tells " + std::to_string(answer->bytes) +
                     " bytes in use; a recount gives " + std::to_string(call.use.low) + " to " +
                     std::to_string(call.use.high));
  }
}

// After an add that was accepted: what surely lives was all there by the last add of it.
void Checker::judge_project_added(Call& call) {
  const auto since = [&](auto&& fits) {
    for (auto at = limits_.rbegin(); at != limits_.rend(); ++at) {
      if (fits(at->second)) return true;
      if (at->first < call.applied_event) return false;
    }
    return false;
  };
  if (since([](std::uint64_t limit) { return limit == 0; })) return;
  const std::uint64_t use = project_use().low;
  if (since([&](std::uint64_t limit) { return use <= limit; })) return;
  violated(22, "a project holds " + std::to_string(use) + " bytes after an add, and its limit is " +
                   std::to_string(limits_.back().second));
}

bool Checker::may_be_full(const Call& call) const {
  // All that may have counted when it was applied, and all that was to be added since.
  const std::uint64_t most = call.use.high + (bytes_asked_ - call.asked);
  for (auto at = limits_.rbegin(); at != limits_.rend(); ++at) {
    if (at->second != 0 && most > at->second) return true;
    if (at->first < call.applied_event) return false;
  }
  return false;
}

void Checker::open_projects(const Opened& opened) {
  std::uint64_t limit = 0;
  for (const ProjectRecord& project : opened.projects) limit = project.bytes_max;
  const bool is_known = std::ranges::any_of(
      limit_versions_, [&](const auto& version) { return version.second == limit; });
  if (!is_known)
    return violated(22, "a project's limit is " + std::to_string(limit) + " after a restart");
  limits_ = {{event_, limit}};
  limit_versions_ = {{CallId{}, limit}};

  std::map<QueueName, GoneName> found;
  for (const GoneQueue& gone : opened.gone) {
    if (!deletions_.contains({gone.name, gone.free_at}))
      return violated(23, "the name of queue " + gone.name.queue + " is taken by no deletion");
    if (current_.contains(gone.name))
      return violated(23, "queue " + gone.name.queue + " is there, and its name is taken");
    found[gone.name] = {gone.free_at, CallId{}, true};
  }
  for (const auto& [name, gone] : gone_) {
    const bool must_be = gone.is_durable && gone.free_at > std::max(wall_max_, now_.wall);
    if (must_be && !found.contains(name))
      return violated(23, "the name of queue " + name.queue + " is free after a restart");
  }
  gone_ = std::move(found);
}

}  // namespace deferd::sim
