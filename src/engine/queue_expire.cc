// Tasks that grew too old (QueueSettings::task_ttl): they are dropped, whether they ever ran or not
// and whatever the queue's state; a push that runs is not cut off, and its outcome is dropped.
//
// Nothing is kept for it but one mark (Expiry): the oldest task tells when to look again, and a
// look reads the tasks behind the mark in the order of their creation, up to the first that is
// young enough. So a queue whose tasks end in time is looked at about once in task_ttl. A task that
// recurs never grows too old.
#include <algorithm>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {

namespace {
bool is_too_old(const Task& task, Micros ttl, const Now& now) {
  return ttl > Micros(0) && task.created + ttl <= now.wall;
}

// It was dead, and somebody wants it to be tried again all the same.
bool was_retried(const Task& task) { return task.progress.death != DeathReason::none; }
}  // namespace

Wall Queue::expires_from() const {
  const Micros ttl = record_.settings.task_ttl;
  // After a restart the first look comes when the queue was counted, so that many queues do not
  // look at once.
  if (ttl == Micros(0) || counters_.tasks == 0 || expiry_.looking || !counted()) return Wall::max();
  return expiry_.created + ttl;
}

void Queue::expire(const Now& now) {
  if (expires_from() > now.wall || std::max(expiry_.not_before, retry_reads_at_) > now.mono) return;
  constexpr std::uint32_t tasks_max = 100;
  constexpr std::uint64_t bytes_max = 1 << 20;
  // What is not committed yet is not read.
  Wall unseen_from = now.wall;
  for (const Changes* changes : {&committing_, &pending_}) {
    if (!changes->puts.empty()) unseen_from = std::min(unseen_from, changes->puts.front()->created);
  }
  expiry_.looking = true;
  const std::uint64_t read = task_changes_.begin_read();
  core_.read(ScanIds{{record_.number, record_.generation}, expiry_.passed, tasks_max, bytes_max},
             [self = shared_from_this(), unseen_from, read, generation = record_.generation](
                 Result<ReadAnswer> answer, const Now& later) {
               self->core_.touch(*self);
               const bool obsolete = self->dropped_ || generation != self->record_.generation;
               if (answer && !obsolete) {
                 auto& found = std::get<ScanAnswer>(*answer);
                 self->expire_found(std::move(found.tasks), found.end, unseen_from, read,
                                    generation, later);
                 return;
               }
               self->task_changes_.end_read(read);
               self->expiry_.looking = false;
               if (answer) return;
               log_error("queue.expire_failed",
                         {{"queue", self->name_->queue}, {"error", answer.error().message}});
               self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
             });
}

void Queue::expire_found(std::vector<Task> oldest, bool end, Wall unseen_from, std::uint64_t read,
                         std::uint32_t generation, const Now& now) {
  constexpr Micros pause = Seconds(1);  // between two looks, when the first left nothing to do
  Expiry next = expiry_;
  next.looking = false;
  bool more = !end;
  std::vector<Task> old;
  for (Task& task : oldest) {
    const bool is_exempt = is_recurring(task) || is_aside(task.place) || was_retried(task);
    if (unsettled(task.id) || !(is_exempt || is_too_old(task, record_.settings.task_ttl, now))) {
      next.created = task.created;
      unseen_from = task.created;
      more = false;
      break;
    }
    next.passed = task.id;
    if (!is_exempt) old.push_back(std::move(task));
  }
  if (!more) {
    next.created = unseen_from;
    next.not_before = now.mono + pause;
  }
  recheck(std::move(old), read, generation, now,
          [self = shared_from_this(), next](Result<std::vector<Found>> found, const Now& later) {
            self->core_.touch(*self);
            self->expiry_.looking = false;
            if (!found || self->core_.failed) {
              self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
              return;
            }
            self->due_counts_.fold(later.wall);
            bool all_old = true;
            bool some_move = false;
            for (const Found& one : *found) {
              if (one.kind == Found::Kind::missing || self->ending(one.task.id)) continue;
              if (one.kind == Found::Kind::moving) {
                some_move = true;
                continue;
              }
              if (!is_too_old(one.task, self->record_.settings.task_ttl,
                              later)) {  // task_ttl was raised meanwhile
                all_old = false;
                continue;
              }
              if (one.kind == Found::Kind::pushing) {
                --self->tasks_pushing_;
              } else {
                self->take_free(one.task);
                self->uncount_free(one.task);
              }
              self->conclude(one.task, {.state = OutcomeState::expired, .reason = DeathReason::age},
                             later, false);
            }
            if (some_move) {  // they are looked at again when that is settled
              self->expiry_.looking = true;
              self->on_settle_.push_back([self](const Now&) {
                self->expiry_.looking = false;
                self->core_.touch(*self);
              });
            } else if (all_old) {
              self->expiry_ = next;
            }
          });
}

}  // namespace deferd
