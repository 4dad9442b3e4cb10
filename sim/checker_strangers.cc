// Strangers: tasks that nobody asked to be added. A commit that ends a task with a callback puts
// one, and what dies in a queue with another queue for its dead goes on there as one. They are
// judged by what they tell of the task that they come from, and otherwise believed.
#include <algorithm>

#include "sim/callbacks.h"
#include "sim/checker.h"

namespace deferd::sim {

namespace {
constexpr std::string_view forwarded = "forwarded-";  // how names of what goes on begin
bool is_forwarded(const Task& task) { return task.name().starts_with(forwarded); }
}  // namespace

bool Checker::is_stranger(const Task& task) {
  return is_forwarded(task) || ToldEnd::of(task.payload).has_value();
}

bool Checker::is_stranger(const ModelQueue& queue, const TaskRef& ref) {
  const auto* id = std::get_if<TaskId>(&ref);
  return id != nullptr ? queue.strangers.contains(*id)
                       : std::get<std::string>(ref).starts_with(forwarded);
}

bool Checker::meets_stranger(ModelQueue& queue, const Task& task) {
  if (!is_stranger(task)) return false;
  const std::optional<ToldEnd> end = ToldEnd::of(task.payload);
  const std::string what = end ? end->words() : std::string(task.name());
  const auto known = queue.strangers.find(task.id);
  if (known != queue.strangers.end()) {
    if (known->second.what != what) violated(15, "met as another task: " + what);
    return true;
  }
  const int property = end ? 30 : 31;
  // Whoever adds it again after a crash finds its name taken, as long as that is.
  for (const auto& [id, other] : queue.strangers) {
    if (other.what != what || failed_) continue;
    const bool may_be_free = now_.wall < wall_max_ || wall_max_ >= other.seen + queue.tombstone_min;
    const bool by_a_crash = is_forwarded(task) && other.life < process_ && may_be_free;
    // Of two that a crash made, both may die and go on here.
    const bool of_two = is_forwarded(task) && process_ > 1 && takes_the_dead(queue.name.queue);
    if (!by_a_crash && !of_two) violated(property, "there twice: " + what);
    if (is_violated()) return true;
  }
  queue.strangers.emplace(task.id,
                          Stranger{what, now_.wall, is_opening_ ? process_ - 1 : process_, 0});
  if (end) {
    judge_called_back(queue, *end);
  } else {
    judge_forwarded(queue, task);
  }
  return true;
}

bool Checker::takes_the_dead(const std::string& name) const {
  return std::ranges::any_of(queues_, [&](const auto& queue) {
    return std::ranges::any_of(queue->log,
                               [&](const auto& entry) { return entry.second.dead.queue == name; });
  });
}

void Checker::judge_called_back(const ModelQueue& queue, const ToldEnd& end) {
  ++marks_.called_back;
  // One that died where it was called from may go on, too.
  const auto calls_here = [&](const ModelTask& task) {
    return task.callback_queue() == queue.name.queue ||
           (!task.callback_queue().empty() && takes_the_dead(queue.name.queue));
  };
  // A queue that was made anew may have given an id of the one before it.
  ModelTask* found = nullptr;
  for (const auto& from : queues_) {
    if (from->name.queue != end.queue) continue;
    ModelTask* const task = by_id(*from, end.task);
    if (task != nullptr && (found == nullptr || calls_here(*task))) found = task;
  }
  if (found == nullptr) return violated(30, "called back of what was never added");
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) { violated(30, what + ": " + describe(task)); };
  if (!calls_here(task)) return bad("called back by another queue");
  if (failed_) {
    task.called_back.insert(end.ended);
    return;
  }
  if (task.life == Life::live) {
    if (sure(task) && !task.is_retried) return bad("called back, and it lives");
    if (!task.is_retried) {
      finish(task, EndCause::deleted, Wall{}, now_.wall, true);
      task.ended_from = Wall{};  // by what, nobody knows
    }
  }
  const bool is_new = !task.called_back.contains(end.ended);
  if (is_new && task.called_back.size() >= task.lives_max)
    return bad("called back of one end twice");
  task.called_back.insert(end.ended);
  if (task.is_retried || task.lives_max > 1 || !ended_surely(task)) return;
  if (end.ended < task.ended_from || end.ended > task.ended_to)
    return bad("called back of another end");
  if (std::pair(end.state, end.reason) != expected_end(task))
    return bad("called back as " + std::string(to_string(end.state)));
}

void Checker::judge_forwarded(const ModelQueue& queue, const Task& sent) {
  ++marks_.forwarded;
  if (ToldEnd::of(sent.payload)) return;
  ModelTask* const found = task_of(sent);
  if (found == nullptr) return violated(31, "what was forwarded was never added");
  ModelTask& task = *found;
  const auto bad = [&](const std::string& what) { violated(31, what + ": " + describe(task)); };
  const std::uint8_t priority =
      sent.place.priority < priority_count ? sent.place.priority : sent.progress.own_priority;
  if (*sent.payload != *task.given.payload || sent.key() != task.key() || priority != task.priority)
    return bad("forwarded with other fields");
  const auto goes_there = [&](const auto& entry) {
    return entry.second.dead.queue == queue.name.queue;
  };
  if (std::ranges::none_of(task.queue->log, goes_there))
    return bad("forwarded to a queue that it does not go to");
  ++task.forwarded;
  if (failed_) return;
  if (task.life == Life::live && !task.is_retried) {
    if (sure(task)) return bad("forwarded, and it lives");
    finish(task, EndCause::dropped, Wall{}, now_.wall, true);
    task.ended_from = Wall{};  // why, nobody knows
  }
  const bool is_well =
      task.life == Life::ended && task.lives_max == 1 && death_of(task) == DeathReason::none;
  if (is_well) return bad("forwarded, and it is not dead");
  if (task.forwarded > task.lives_max && queue.tombstone_min > Micros(std::chrono::hours(1)))
    return bad("forwarded twice");
}

void Checker::strangers_go_to(const QueueName& name) {
  if (!strangers_go_.insert(name).second) return;
  for (const auto& queue : queues_) {
    if (queue->name == name) queue->may_hold_strangers = true;
  }
}

// ---- What they do

void Checker::start_stranger(const Started& started) {
  ModelQueue* queue = nullptr;
  for (const auto& [name, current] : current_) {
    if (name == *started.what.queue) queue = current;
  }
  if (queue == nullptr) return violated(12, "an attempt from a queue that is no more");
  const Task& sent = started.what.task;
  if (!meets_stranger(*queue, sent) || is_violated()) return;
  Stranger& stranger = queue->strangers.at(sent.id);
  const auto bad = [&](int property, const std::string& what) {
    violated(property, what + ": " + stranger.what);
  };
  if (stranger.forced > 0) {
    --stranger.forced;
  } else {
    if (failed_ && run_ > failed_run_) return bad(18, "an attempt after a failed commit");
    if (stopping_) return bad(18, "an attempt while stopping");
    if (stranger.running > 0) return bad(3, "a second attempt at once");
    if (sent.place.eta > now_.wall) return bad(2, "an attempt before its time");
    if (queue->paused_since) return bad(12, "an attempt while the queue is paused");
    if (queue->running + 1 > static_cast<std::uint32_t>(queue->settings.concurrency))
      return bad(9, "more attempts at once than the queue may have");
    if (running_ + 1 > options_.attempts_max)
      return bad(9, "more attempts at once than the shard may have");
    if (!queue->bucket.take(now_.mono)) return bad(8, "faster than the rate allows");
  }
  attempts_[started.attempt] = {
      .task = nullptr, .started = now_, .stranger = &stranger, .queue = queue};
  ++stranger.running;
  ++queue->running;
  ++running_;
}

void Checker::end_stranger(const RunningAttempt& attempt, const AttemptResult& result) {
  ModelQueue& queue = *attempt.queue;
  --attempt.stranger->running;
  --queue.running;
  --running_;
  if (queue.dropped) return;
  const bool succeeded = result.status >= 200 && result.status <= 299;
  ++queue.executed;
  if (!succeeded && result.status != status_cancelled) ++queue.failed;
}

// ---- At the end of a run: who is missing

// What goes to a queue of this name may be lost there, or never come.
bool Checker::may_lose(const QueueName& name, QueueMode mode) const {
  bool is_there = false;
  for (const auto& queue : queues_) {
    if (queue->name != name) continue;
    is_there = is_there || !queue->dropped;
    if (queue->loses_strangers || queue->dropped || queue->settings.mode != mode) return true;
  }
  return !is_there;
}

void Checker::end_strangers() {
  for (const auto& [tag, task] : tasks_) {
    if (!ended_surely(*task) || task->lives_max > 1 || task->queue->dropped ||
        task->queue->loses_strangers)
      continue;
    const QueueName& own = task->queue->name;
    const std::string calls = task->callback_queue();
    if (!calls.empty() && task->called_back.empty() &&
        !may_lose({own.project, own.location, calls}, QueueMode::push))
      return violated(30, "nobody was called back of the end of " + describe(*task));
    const QueueSettings& settings = task->queue->settings;
    const std::string& graves = settings.dead.queue;
    if (graves.empty() || task->forwarded > 0 || task->grave.gone || task->grave.doubt ||
        death_of(*task).value_or(DeathReason::none) == DeathReason::none)
      continue;
    if (!may_lose({own.project, own.location, graves}, settings.mode))
      return violated(31, "dead, and it never went on: " + describe(*task));
  }
}

}  // namespace deferd::sim
