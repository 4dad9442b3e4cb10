// What holders do with their leases: acknowledge, renew, modify, give back. Each finds its tasks,
// checks that the lease is theirs and live, and changes them in one commit.
#include <algorithm>
#include <limits>

#include "engine/queue.h"

namespace deferd {

std::optional<Error> Queue::lease_error(const Found& found, const Lease& lease,
                                        const Now& now) const {
  const auto* name = std::get_if<std::string>(&lease.task);
  const std::string task = name != nullptr ? *name : to_string(std::get<TaskId>(lease.task));
  if (found.kind == Found::Kind::missing || ending(found.task.id)) {
    return missing_error(found, lease.task, "id");
  }
  if (held_.contains(found.task.id)) {
    return Error{Reason::invalid, "task " + task + " is named twice in one call", "id",
                 std::nullopt};
  }
  const std::uint64_t token = found.task.progress.lease_token;
  const bool by_end = lease.token == 0;
  const bool is_its = by_end ? lease.end == found.task.place.eta : lease.token == token;
  if (token == 0 || !is_its) {
    return Error{Reason::lease_lost,
                 std::string(by_end ? "the eta given is not that" : "the lease token is not that") +
                     " of task " + task + ": another worker may have it now",
                 by_end ? "eta" : "lease_token", std::nullopt};
  }
  if (found.task.place.eta <= now.wall) {
    return Error{Reason::lease_lost,
                 "the lease of task " + task + " ended " +
                     format_duration(now.wall - found.task.place.eta) +
                     " ago; lease it again, and renew in time",
                 "lease_token", std::nullopt};
  }
  return std::nullopt;
}

void Queue::end_lease(Task& task, std::int16_t status, Wall ended, const AttemptReport* report,
                      const Now& now) {
  Progress& progress = task.progress;
  activity().attempt_ended(now.mono, ended - progress.last_attempt, status);
  count_usage(report);
  remember_lease(task, status, ended, report);
  if (!lease_workers_.empty()) lease_workers_.erase(task.id);
  progress.lease_token = 0;
  progress.lease_is_named = false;
  progress.last_status = status;
  progress.last_response = ended;
}

void Queue::end_lease_well(Task& task, const AttemptReport* report, const Now& now) {
  activity().attempt_ended(now.mono, now.wall - task.progress.last_attempt, status_none);
  count_usage(report);
  task.progress.last_status = status_none;
  // What a log tells has no other place.
  if (report != nullptr && !report->log.empty() && keep_result_of(task) > Micros(0))
    remember_lease(task, status_none, now.wall, report);
}

bool Queue::is_exhausted(const Task& task, const Now& now) const {
  const Progress& progress = task.progress;
  return progress.attempts > 0 &&
         exhausted(policy_of(task), progress.attempts, now.wall - progress.first_attempt);
}

bool Queue::is_last_lease(const Task& task, Wall end) const {
  const Progress& progress = task.progress;
  const std::int32_t deaths_max = record_.settings.poison_after;
  const bool is_last_death =
      progress.lease_is_named && deaths_max > 0 && progress.deaths + 1 >= deaths_max;
  return is_last_death || (progress.attempts > 0 && exhausted(policy_of(task), progress.attempts,
                                                              end - progress.first_attempt));
}

DeathReason Queue::death_after_lease(Task& task, bool worker_died, const Now& now) const {
  const std::int32_t deaths_max = record_.settings.poison_after;
  std::uint16_t& deaths = task.progress.deaths;
  if (worker_died && deaths < std::numeric_limits<std::uint16_t>::max()) ++deaths;
  if (worker_died && deaths_max > 0 && deaths >= deaths_max) return DeathReason::poison;
  return is_exhausted(task, now) ? DeathReason::attempts : DeathReason::none;
}

namespace {
// Of what the task did, not of what its worker did to it.
bool tells_of_death(const Lease& lease) {
  if (lease.report == nullptr || !lease.report->usage) return false;
  const ExitCause cause = lease.report->usage->cause;
  return cause == ExitCause::signalled || cause == ExitCause::out_of_memory;
}
}  // namespace

template <class Command, class Item, class Act>
void Queue::with_leases(Command command, const Now& now, Act act) {
  std::vector<TaskRef> refs;
  refs.reserve(command.leases.size());
  for (const Lease& lease : command.leases) refs.push_back(lease.task);
  find(std::move(refs), Seek::headers, now,
       [self = shared_from_this(), command = std::move(command), act = std::move(act)](
           Result<std::vector<Found>> found, const Now& later) mutable {
         using Answer = Result<std::vector<Result<Item>>>;
         if (!found || self->core_.failed) {
           self->core_.reply(std::move(command.reply),
                             Answer(fail(found ? self->store_error() : found.error())));
           return;
         }
         self->due_counts_.fold(later.wall);
         std::vector<Result<Item>> results;
         results.reserve(found->size());
         bool any = false;
         for (std::size_t i = 0; i < found->size(); ++i) {
           if (std::optional<Error> error =
                   self->lease_error((*found)[i], command.leases[i], later)) {
             results.emplace_back(fail(std::move(*error)));
             continue;
           }
           Task& task = (*found)[i].task;
           self->take_free(task);
           self->uncount_free(task);
           results.push_back(act(*self, command, command.leases[i], std::move(task), later));
           any = true;
         }
         if (!any) {
           self->core_.reply(std::move(command.reply), Answer(std::move(results)));
           return;
         }
         self->pending_.done.push_back([reply = std::move(command.reply),
                                        results = std::move(results)](const Error* error) mutable {
           reply(error == nullptr ? Answer(std::move(results)) : Answer(fail(*error)));
         });
       });
}

void Queue::ack_tasks(AckTasks command, const Now& now) {
  with_leases<AckTasks, void>(std::move(command), now,
                              [](Queue& self, const AckTasks& ack, const Lease& lease, Task task,
                                 const Now& later) -> Result<void> {
                                // Durable before it is answered: an acknowledged ack never comes
                                // back.
                                const AttemptReport* const report = lease.report.get();
                                Ending ending{.report = report};
                                if (ack.failed) {
                                  self.end_lease(task, status_failed, later.wall, report, later);
                                  ending.state = OutcomeState::failed;
                                  ending.reason = DeathReason::failed;
                                } else {
                                  self.end_lease_well(task, report, later);
                                }
                                self.conclude(task, ending, later, true);
                                return {};
                              });
}

void Queue::renew_leases(RenewLeases command, const Now& now) {
  with_leases<RenewLeases, TaskInfo>(
      std::move(command), now,
      [](Queue& self, const RenewLeases& renew, const Lease&, Task task,
         const Now& later) -> Result<TaskInfo> {
        self.move_task(std::make_unique<Task>(std::move(task)), later.wall + renew.duration, later,
                       true, true);
        return TaskInfo{*self.pending_.moves.back().task, TaskState::leased};
      });
}

Error Queue::paused_error() const {
  return Error{Reason::queue_paused, "queue " + name_->queue + " is paused; resume it first", "",
               std::nullopt};
}

// Known by the ETA: whoever changes the lease first gives it another, so of two callers with one
// ETA only the first finds it.
void Queue::modify_lease(ModifyLease command, const Now& now) {
  if (record_.state != QueueState::running) {
    core_.reply(std::move(command.reply), Result<TaskInfo>(fail(paused_error())));
    return;
  }
  find({command.task}, Seek::headers, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         std::optional<Error> error;
         if (!found || self->core_.failed) {
           error = found ? self->store_error() : found.error();
         } else {
           error = self->modify_error(command, found->front(), later);
         }
         if (error) {
           self->core_.reply(std::move(command.reply), Result<TaskInfo>(fail(std::move(*error))));
           return;
         }
         TaskInfo changed =
             self->modify_found(std::move(found->front().task), command.duration, later);
         self->when_durable(std::move(command.reply), std::move(changed));
       });
}

std::optional<Error> Queue::modify_error(const ModifyLease& command, const Found& found,
                                         const Now& now) const {
  if (record_.state != QueueState::running) return paused_error();
  if (found.kind == Found::Kind::missing) return missing_error(found, command.task, "id");
  const Wall eta = found.task.place.eta;
  if (eta != command.eta) {
    return Error{Reason::lease_lost,
                 "the eta given is not that of the task: another worker may have it now", "eta",
                 std::nullopt};
  }
  if (eta < now.wall) {
    return Error{Reason::lease_lost,
                 "the lease ended " + format_duration(now.wall - eta) +
                     " ago; lease the task again, and renew in time",
                 "eta", std::nullopt};
  }
  return std::nullopt;
}

TaskInfo Queue::modify_found(Task task, Micros duration, const Now& now) {
  due_counts_.fold(now.wall);
  take_free(task);
  uncount_free(task);
  Progress& progress = task.progress;
  const bool was_leased = progress.lease_token != 0;
  if (duration > Micros(0)) {
    if (!was_leased) {
      // A task that is held though nobody leased it: no attempt, but as long as it lasts a lease.
      while (progress.lease_token == 0) progress.lease_token = core_.random.next();
      progress.lease_is_named = false;
      progress.last_attempt = now.wall;
    }
    move_task(std::make_unique<Task>(std::move(task)), now.wall + duration, now, true, true);
    return {*pending_.moves.back().task, TaskState::leased};
  }
  if (was_leased) end_lease(task, status_released, now.wall, nullptr, now);
  if (was_leased && is_exhausted(task, now)) {
    conclude(task, {.state = OutcomeState::failed, .reason = DeathReason::attempts}, now, true);
    task.place.eta = now.wall;
    return {std::move(task), TaskState::ready};
  }
  move_task(std::make_unique<Task>(std::move(task)), now.wall, now, true, false);
  return {*pending_.moves.back().task, TaskState::ready};
}

void Queue::release_tasks(ReleaseTasks command, const Now& now) {
  with_leases<ReleaseTasks, void>(
      std::move(command), now,
      [](Queue& self, const ReleaseTasks& release, const Lease& lease, Task task,
         const Now& later) -> Result<void> {
        self.end_lease(task, status_released, later.wall, lease.report.get(), later);
        const DeathReason death = self.death_after_lease(task, tells_of_death(lease), later);
        if (death != DeathReason::none) {
          self.conclude(
              task, {.state = OutcomeState::failed, .reason = death, .report = lease.report.get()},
              later, true);
          return {};
        }
        const Micros delay = release.delay.value_or(
            backoff(self.policy_of(task), std::max(1U, task.progress.attempts)));
        self.move_task(std::make_unique<Task>(std::move(task)), later.wall + delay, later, true,
                       false);
        return {};
      });
}

}  // namespace deferd
