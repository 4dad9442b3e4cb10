// Tasks on their way to another queue: dead letters of a queue with DeadLetters::queue, and what
// stands in outgoing_lane. They are read in pages, added to the queue that they go to (which
// another shard may own: Effects::forwards), and end here when that add was answered.
//
// Each is added under a name that tells queue and place, so that an add which is repeated after a
// crash finds the name taken and adds nothing. What a queue refuses stays, and is tried again after
// a pause that grows; others go past it meanwhile.
#include <algorithm>

#include "base/log.h"
#include "engine/queue.h"

namespace deferd {

namespace {
constexpr std::array lanes_aside = {dead_lane, outgoing_lane};

// Places are never used twice: one that died, was retried and died again goes on twice.
std::string forwarded_name(QueueNumber queue, const Place& place) {
  return "forwarded-" + std::to_string(queue.value) + "-" + std::to_string(place.order);
}

NewTask forwarded_task(QueueNumber queue, const Task& task, bool has_target) {
  auto options = std::make_shared<TaskOptions>();
  options->name = forwarded_name(queue, task.place);
  options->key = task.key();
  NewTask forwarded;
  forwarded.priority = task.progress.own_priority;
  forwarded.options = std::move(options);
  forwarded.payload = task.payload;
  forwarded.has_target = has_target;
  return forwarded;
}
}  // namespace

// One page, on its way to one or several queues.
struct Queue::Page {
  struct Part {
    QueueName target;
    std::vector<Task> tasks;
  };
  std::uint8_t lane = 0;
  std::uint32_t generation = 0;
  std::uint64_t read = 0;
  std::vector<Part> parts;
  std::size_t parts_left = 0;
  std::optional<Error> refused;  // the first
  QueueName refused_by;
};

Mono Queue::forwards_at(std::uint8_t lane, const Now& now) const {
  const bool any = lane == outgoing_lane
                       ? counters_.outgoing.count > 0
                       : counters_.dead.count > 0 && !record_.settings.dead.queue.empty();
  const Forwarding& state = forwarding(lane);
  if (!any || state.under_way || !(state.more || state.behind)) return Mono::max();
  return std::max({state.more ? now.mono : state.again_at, retry_reads_at_});
}

Mono Queue::forwards_at(const Now& now) const {
  return std::min(forwards_at(dead_lane, now), forwards_at(outgoing_lane, now));
}

void Queue::forward_again() {
  for (const std::uint8_t lane : lanes_aside) {
    Forwarding& state = forwarding(lane);
    state.after = {lane, Wall::min(), 0};
    state.more = true;
    state.behind = false;
    state.pause = Micros(0);
  }
}

void Queue::forward_tasks(const Now& now) {
  constexpr std::uint32_t tasks_max = 100;
  constexpr std::uint64_t bytes_max = 1 << 20;
  for (const std::uint8_t lane : lanes_aside) {
    if (forwards_at(lane, now) > now.mono) continue;
    Forwarding& state = forwarding(lane);
    if (!state.more) {
      state.after = {lane, Wall::min(), 0};
      state.behind = false;
    }
    state.more = false;
    state.under_way = true;
    const std::uint64_t read = task_changes_.begin_read();
    core_.read(
        ScanLane{{record_.number, record_.generation}, lane, state.after, tasks_max, bytes_max},
        [self = shared_from_this(), lane, read, generation = record_.generation](
            Result<ReadAnswer> answer, const Now& later) {
          const bool obsolete = self->dropped_ || generation != self->record_.generation;
          if (!obsolete && answer && !self->core_.failed) {
            self->forward_page(lane, std::get<ScanAnswer>(std::move(*answer)), read, later);
            return;
          }
          self->task_changes_.end_read(read);
          if (obsolete) return;
          self->core_.touch(*self);
          Forwarding& state = self->forwarding(lane);
          state.under_way = false;
          state.more = true;
          if (answer) return;
          log_error("queue.forward_failed",
                    {{"queue", self->name_->queue}, {"error", answer.error().message}});
          self->retry_reads_at_ = later.mono + self->core_.options.read_retry;
        });
  }
}

QueueName Queue::forward_target(const Task& task) const {
  return {name_->project, name_->location,
          task.place.priority == dead_lane ? record_.settings.dead.queue
                                           : task.options->callback_queue};
}

void Queue::forward_page(std::uint8_t lane, ScanAnswer found, std::uint64_t read, const Now& now) {
  Forwarding& state = forwarding(lane);
  auto page = std::make_shared<Page>();
  page->lane = lane;
  page->generation = record_.generation;
  page->read = read;
  state.more = state.more || !found.end;
  for (Task& task : found.tasks) {
    if (!fresh(task, read)) {
      // On its way in or out. Those behind it wait until that is settled (note_aside()).
      state.more = !held_.contains(task.id) && !unsettled(task.id);
      break;
    }
    state.after = task.place;
    forwarded_.insert(task.id);
    const QueueName target = forward_target(task);
    auto part = std::ranges::find(page->parts, target, &Page::Part::target);
    if (part == page->parts.end()) part = page->parts.insert(part, {target, {}});
    part->tasks.push_back(std::move(task));
  }
  page->parts_left = page->parts.size();
  if (page->parts.empty()) end_page(*page, now);
  const bool has_target = lane == outgoing_lane || record_.settings.mode == QueueMode::push;
  for (const Page::Part& part : page->parts) {
    AddTasks add;
    add.queue = part.target;
    for (const Task& task : part.tasks)
      add.tasks.push_back(forwarded_task(record_.number, task, has_target));
    core_.forward(std::move(add), [self = shared_from_this(), page, &part](
                                      const ForwardResult& result, const Now& later) {
      self->forwarded(*page, part.target, part.tasks, result, later);
    });
  }
}

void Queue::forwarded(Page& page, const QueueName& target, const std::vector<Task>& tasks,
                      const ForwardResult& result, const Now& now) {
  const bool obsolete = dropped_ || page.generation != record_.generation || core_.failed;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!obsolete) forwarded_.erase(tasks[i].id);
    std::optional<Error> error;
    if (!result) error = result.error();
    if (result && !(*result)[i]) error = (*result)[i].error();
    // Added before, by an add whose answer was lost.
    if (error &&
        (error->reason == Reason::task_name_taken || error->reason == Reason::task_name_recent))
      error.reset();
    if (error) {
      if (!page.refused) page.refused_by = target;
      if (!page.refused) page.refused = std::move(error);
    } else if (!obsolete && fresh(tasks[i], page.read)) {  // else it was deleted meanwhile
      end_aside(tasks[i], now, false);
      ++activity().forwarded_total;
    }
  }
  if (--page.parts_left == 0) end_page(page, now);
}

void Queue::end_page(const Page& page, const Now& now) {
  constexpr Micros pause_min = Seconds(1);
  constexpr Micros pause_max = Seconds(60);
  task_changes_.end_read(page.read);
  if (dropped_ || page.generation != record_.generation) return;
  core_.touch(*this);
  Forwarding& state = forwarding(page.lane);
  state.under_way = false;
  if (page.refused) {
    if (state.pause == Micros(0)) {
      log_warn("queue.forward_refused", {{"queue", name_->path()},
                                         {"to", page.refused_by.queue},
                                         {"error", page.refused->message}});
    }
    if (!state.behind) {
      state.pause = std::clamp(state.pause * 2, pause_min, pause_max);
      state.again_at = now.mono + state.pause;
    }
    state.behind = true;
    state.refused = page.refused->message;
  } else if (!state.more && !state.behind) {
    state.pause = Micros(0);
    state.refused.clear();
  }
}

}  // namespace deferd
