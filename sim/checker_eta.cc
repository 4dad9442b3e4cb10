// Leases known by their ETA, and lists by ETA.
#include <algorithm>
#include <tuple>

#include "sim/checker.h"

namespace deferd::sim {

void Checker::judge_modify_refused(Call& call, const ModifyLease& command, const Error& error) {
  ++marks_.modify_refused;
  if (error.reason == Reason::task_missing || error.reason == Reason::task_gone)
    return judge_missing(call, command.task, "modifying a lease", error);
  if (error.reason != Reason::lease_lost || failed_) return;
  for (ModelTask* task : candidates(*call.queue, command.task)) {
    const bool is_right =
        task->eta_from == command.eta && task->eta_to == command.eta && command.eta >= now_.wall;
    if (is_right && sure_since(*task, call.applied_event) &&
        still_since(*task, call.applied_event)) {
      return violated(20, "the right eta was refused: " + describe(*task));
    }
  }
}

void Checker::judge(Call& call, const ModifyLease& command, const Result<TaskInfo>& answer) {
  if (!answer) return judge_modify_refused(call, command, answer.error());
  ++marks_.modified;
  ModelTask* found = nullptr;
  for (const auto& [tag, one] : tasks_) {
    if (one->queue == call.queue && one->id == answer->task.id) found = one.get();
  }
  if (found == nullptr) return violated(20, "a lease was modified of a task that never was");
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) { violated(20, what + ": " + describe(task)); };
  const auto* name = std::get_if<std::string>(&command.task);
  if (name != nullptr ? task.name() != *name : task.id != std::get<TaskId>(command.task))
    return bad("another task's lease was modified");
  if (task.life == Life::asked || task.life == Life::refused ||
      (task.life == Life::ended && task.ended_event < call.applied_event))
    return bad("a lease of a task that is no more was modified");
  durable(call);
  if (task.life == Life::ended) return;
  if (command.eta < task.eta_from || command.eta > task.eta_to)
    return bad("modified with the eta " + std::to_string(to_micros(command.eta)));
  if (command.eta < call.applied_at.wall) return bad("modified after its end");
  const Task& told = answer->task;
  const Wall at = told.place.eta - command.duration;
  if (at < call.applied_at.wall || at > now_.wall)
    return bad("modified for another time than asked for");
  if (command.eta < at) return bad("modified after its end");
  const bool was_leased = task.lease_token != 0;
  const bool gives_back = command.duration == Micros(0);
  if (!gives_back) {
    const std::uint64_t token = told.progress.lease_token;
    if (token == 0 || (was_leased && token != task.lease_token))
      return bad("modified with another token");
    if (answer->state != TaskState::leased) return bad("modified, and told in another state");
    if (told.progress.attempts != task.attempts) return bad("modified, and counted as an attempt");
    if (!was_leased) task.lease_is_named = false;
    task.lease_token = token;
    task.lease_end = told.place.eta;
  } else {
    const auto is_over = [&](const QueueSettings& settings) {
      const RetryPolicy policy =
          task.given.options ? task.given.options->retry.over(settings.retry) : settings.retry;
      return was_leased && task.attempts > 0 &&
             exhausted(policy, task.attempts, at - task.first_attempt);
    };
    const bool may_end = any_since(*call.queue, call.applied_event, is_over);
    const bool may_stay = any_since(*call.queue, call.applied_event,
                                    [&](const QueueSettings& s) { return !is_over(s); });
    if (!may_stay) {
      ++marks_.dropped;
      return finish(task, EndCause::dropped, at, now_.wall, true);
    }
    if (may_end) task.doubt = true;
    if (was_leased) task.old_tokens.push_back(task.lease_token);
    task.lease_token = 0;
    task.lease_is_named = false;
  }
  task.eta_from = task.eta_to = told.place.eta;
  task.order = told.place.order;
  task.unsure_event = event_;
  changed(task, true);
}

void Checker::judge(Call& call, const ListTasksByEta& command,
                    const Result<std::vector<TaskInfo>>& answer) {
  if (!answer) return;
  if (answer->size() > command.tasks_max)
    return violated(24, "a list holds more tasks than were asked for");
  using At = std::tuple<std::string, Wall, std::uint64_t>;
  const auto key_of = [&](std::string_view key) {
    return command.key ? std::string(key) : std::string();
  };
  const At from(key_of(command.key.value_or("")), command.eta, command.order);
  std::optional<At> last;
  std::vector<const ModelTask*> seen;
  for (const TaskInfo& info : *answer) {
    const At at(key_of(info.task.key()), info.task.place.eta, info.task.place.order);
    if (last ? at <= *last : at < from) return violated(24, "a list is out of order");
    if (command.key && info.task.key().empty())
      return violated(24, "a list by key holds a task without one");
    last = at;
    if (meets_stranger(*call.queue, info.task)) continue;
    ModelTask* const task = judge_sighting(call, info);
    if (task == nullptr) return;
    seen.push_back(task);
  }
  ++marks_.listed;
  if (failed_ || call.queue->dropped) return;
  std::ranges::sort(seen);
  if (std::ranges::adjacent_find(seen) != seen.end())
    return violated(24, "a list holds a task twice");
  const bool is_whole = answer->size() < command.tasks_max;
  if (!is_whole && !last) return;
  for (ModelTask* task : call.listed) {
    if (!sure_since(*task, call.applied_event) || !still_since(*task, call.applied_event)) continue;
    if (command.key && task->key().empty()) continue;
    // Its order may not be known: then only where the eta decides.
    const std::string key = key_of(task->key());
    const std::pair low(key, task->eta_from);
    const std::pair high(key, task->eta_to);
    const bool is_after = low > std::pair(std::get<0>(from), std::get<1>(from));
    const bool is_before = is_whole || high < std::pair(std::get<0>(*last), std::get<1>(*last));
    if (is_after && is_before && !std::ranges::binary_search(seen, task))
      return violated(24, "a list by eta leaves out " + describe(*task));
  }
}

// Not later than any task that stood still, and not earlier than all there are.
void Checker::judge_oldest(Call& call, const QueueStats& stats) {
  if (options_.reads_may_fail || stopping_ || call.queue->dropped) return;
  Wall most = Wall::max();
  Wall least = call.least;
  bool all_still = true;
  if (call.queue->may_hold_strangers) least = Wall::min();
  for (ModelTask* task : call.queue->tasks) {
    least = std::min(least, task->eta_from);
    const bool is_still =
        sure_since(*task, call.applied_event) && still_since(*task, call.applied_event);
    all_still = all_still && is_still;
    if (is_still) most = std::min(most, task->eta_to);
  }
  const std::string told =
      stats.oldest_eta ? std::to_string(to_micros(*stats.oldest_eta)) : std::string("none");
  const bool too_late = most != Wall::max() && stats.oldest_eta.value_or(Wall::max()) > most;
  const bool too_early = all_still && stats.oldest_eta && *stats.oldest_eta < least;
  if (too_late || too_early) {
    violated(14, "queue " + call.queue->name.queue + " tells " + told +
                     " as its oldest eta; it is from " + std::to_string(to_micros(least)) + " to " +
                     std::to_string(to_micros(most)));
  }
}

}  // namespace deferd::sim
