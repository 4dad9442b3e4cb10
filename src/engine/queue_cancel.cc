// Tasks that callers end (delete, cancel), and who waits for tasks to end.
#include <algorithm>

#include "engine/queue.h"

namespace deferd {

void Queue::end_by_caller(const Found& found, const Now& now) {
  if (found.kind == Found::Kind::pushing) {
    --tasks_pushing_;  // the request that runs still holds its slot; its outcome will find nobody
  } else {
    take_free(found.task);
    uncount_free(found.task);
  }
  if (auto entry = sample(TaskLogEntry::What::deleted, found.task, now))
    pending_.logged.push_back(std::move(*entry));
  conclude(found.task, {.state = OutcomeState::cancelled}, now, true);
}

void Queue::delete_tasks(DeleteTasks command, const Now& now) {
  find(command.tasks, Seek::headers, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         using Answer = Result<std::vector<Result<void>>>;
         if (!found || self->core_.failed) {
           self->core_.reply(std::move(command.reply),
                             Answer(fail(found ? self->store_error() : found.error())));
           return;
         }
         std::vector<Result<void>> results;
         std::size_t ended = 0;
         for (std::size_t i = 0; i < found->size(); ++i) {
           const Found& one = (*found)[i];
           if (one.kind == Found::Kind::missing || self->ending(one.task.id)) {
             results.emplace_back(fail(self->missing_error(one, command.tasks[i], "")));
             continue;
           }
           self->end_by_caller(one, later);
           ++ended;
           results.emplace_back();
         }
         const bool keeps = static_cast<bool>(command.document);
         if (keeps) {
           self->keep(command.document(results));
           self->mark_changed(later, true, 0);
         }
         if (ended == 0 && !keeps) {
           self->core_.reply(std::move(command.reply), Answer(std::move(results)));
           return;
         }
         self->pending_.done.push_back([reply = std::move(command.reply),
                                        results = std::move(results)](const Error* error) mutable {
           reply(error == nullptr ? Answer(std::move(results)) : Answer(fail(*error)));
         });
       });
}

void Queue::cancel_tasks(CancelTasks command, const Now& now) {
  find(command.tasks, Seek::payloads, now,
       [self = shared_from_this(), command = std::move(command)](Result<std::vector<Found>> found,
                                                                 const Now& later) mutable {
         using Answer = Result<std::vector<Result<TaskInfo>>>;
         if (!found || self->core_.failed) {
           self->core_.reply(std::move(command.reply),
                             Answer(fail(found ? self->store_error() : found.error())));
           return;
         }
         std::vector<Result<TaskInfo>> results;
         bool any = false;
         for (std::size_t i = 0; i < found->size(); ++i) {
           const Found& one = (*found)[i];
           if (one.kind == Found::Kind::missing || self->ending(one.task.id)) {
             results.emplace_back(fail(self->missing_error(one, command.tasks[i], "")));
             continue;
           }
           const bool pushing = one.kind == Found::Kind::pushing;
           results.emplace_back(self->info_of(one.task, pushing, later));
           self->end_by_caller(one, later);
           if (pushing) self->core_.effects.cancels.push_back({self->name_, one.task.id});
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

// ---- Waiting

// A WatchTasks under way.
struct Queue::Watching {
  WatchTasks command;
  Mono deadline;
};

void Queue::watch_tasks(WatchTasks command, const Now& now) {
  auto watching = std::make_shared<Watching>();
  watching->deadline = now.mono + command.wait;
  watching->command = std::move(command);
  look_at_watched(watching, now);
}

void Queue::look_at_watched(const std::shared_ptr<Watching>& watching, const Now& now) {
  find(watching->command.tasks, Seek::lives, now,
       [self = shared_from_this(), watching](Result<std::vector<Found>> found, const Now& later) {
         using Answer = Result<std::vector<TaskRef>>;
         WatchTasks& command = watching->command;
         if (!found) {
           self->core_.reply(std::move(command.reply), Answer(fail(found.error())));
           return;
         }
         const auto again = [raw = self.get(), watching](const Now& at) {
           raw->look_at_watched(watching, at);
         };
         if (self->wait_for_settle(*found, again)) return;
         std::vector<TaskRef> ended;
         std::vector<TaskId> alive;
         for (std::size_t i = 0; i < found->size(); ++i) {
           if ((*found)[i].kind == Found::Kind::missing) {
             ended.push_back(command.tasks[i]);
           } else {
             alive.push_back((*found)[i].task.id);
           }
         }
         std::optional<Error> error;
         if (ended.empty() && self->may_wait(watching->deadline, command.gone, later)) {
           error = self->wait_for_end(alive, watching->deadline, command.gone, again, later);
           if (!error) return;
         }
         self->core_.reply(std::move(command.reply),
                           error ? Answer(fail(std::move(*error))) : Answer(std::move(ended)));
       });
}

bool Queue::wait_for_settle(const std::vector<Found>& found, EndWaits::Resume again) {
  if (core_.failed) return false;
  const bool unsettled_end = std::ranges::any_of(found, [this](const Found& one) {
    return one.kind == Found::Kind::missing &&
           (ending(one.id) || outcomes_in_hand_.contains(one.id));
  });
  if (!unsettled_end) return false;
  core_.hurry = true;
  on_settle_.push_back([self = shared_from_this(),
                        again = std::move(again)](const Now& now) mutable { again(now); });
  return true;
}

bool Queue::may_wait(Mono deadline, const CallerGone& gone, const Now& now) const {
  const bool is_gone = gone != nullptr && gone->load(std::memory_order_relaxed);
  return deadline > now.mono && !is_gone && !waits_are_over_ && !core_.failed;
}

std::optional<Error> Queue::wait_for_end(const std::vector<TaskId>& tasks, Mono deadline,
                                         const CallerGone& gone, EndWaits::Resume resume,
                                         const Now& now) {
  const auto is_full = [&] {
    return core_.awaited_tasks + tasks.size() > core_.options.awaited_tasks_max;
  };
  if (is_full()) {
    std::vector<EndWaits::Resume> left;
    end_waits_.take_gone(left);
    for (auto& one : left) one(now);
  }
  if (is_full()) {
    return Error{Reason::overloaded,
                 "more callers wait for tasks to end than there is room for; try again later", "",
                 Seconds(1)};
  }
  end_waits_.add(tasks, deadline, gone, std::move(resume));
  core_.touch(*this);
  return std::nullopt;
}

}  // namespace deferd
