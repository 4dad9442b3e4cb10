// A Runtime for the tests of doors: queues and tasks in maps, no store, no dispatcher, no rates. It
// answers on a thread of its own, as shards do, and can be told to fail. What the engine decides it
// decides only as far as a door's answers depend on it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/clock.h"
#include "runtime/runtime.h"

namespace deferd {

class FakeRuntime final : public Runtime {
 public:
  explicit FakeRuntime(const Clock& clock) : clock_(clock), thread_([this] { run(); }) {}
  ~FakeRuntime() override {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void enqueue(Command command) override {
    const std::scoped_lock lock(mutex_);
    mailbox_.push_back(std::move(command));
  }
  void enqueue_until(Command command, Mono) override { enqueue(std::move(command)); }
  void flush() override { changed_.notify_all(); }
  void stop(Mono, Callback<void()> done) override { std::move(done)(); }
  RuntimeStats stats() const override { return {}; }

  // Every command from now on fails so; nullopt: no more.
  void fail_with(std::optional<Error> error) {
    const std::scoped_lock lock(mutex_);
    failure_ = std::move(error);
  }
  // How many calls wait for what is to happen.
  std::size_t waiting() {
    const std::scoped_lock lock(mutex_);
    return waiting_.size();
  }
  std::uint64_t submitted() {
    const std::scoped_lock lock(mutex_);
    return submitted_;
  }

 private:
  struct Queue {
    QueueInfo info;
    std::map<std::uint64_t, TaskInfo> tasks;
    std::set<std::string> ended_names;
    std::map<std::uint64_t, Outcome> outcomes;
    std::map<std::uint64_t, TaskInfo> dead;
  };

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait_for(lock, Millis(2), [this] { return ended_ || !mailbox_.empty(); });
      if (ended_) break;
      while (!mailbox_.empty()) {
        Command command = std::move(mailbox_.front());
        mailbox_.pop_front();
        ++submitted_;
        std::visit([this](auto& each) { carry_out(each); }, command);
      }
      serve_waiting();
    }
    for (auto& [waiting, until] : waiting_)
      std::visit([this](auto& command) { try_answer(command, true); }, waiting);
  }

  template <class Command>
  void carry_out(Command& command) {
    if (failure_) {
      command.reply(fail(*failure_));
    } else {
      answer(command);
    }
  }

  static tl::unexpected<Error> no_queue() { return fail(Reason::queue_missing, "no such queue"); }
  static tl::unexpected<Error> not_asked() { return fail(Reason::unsupported, "not asked for"); }
  static tl::unexpected<Error> no_task() { return fail(Reason::task_missing, "no such task"); }
  static tl::unexpected<Error> lost() { return fail(Reason::lease_lost, "the lease is over"); }

  Queue* find(const QueueName& name) {
    const auto at = queues_.find(name);
    return at == queues_.end() ? nullptr : &at->second;
  }
  TaskInfo* find(Queue& queue, const TaskRef& ref) {
    for (auto& [id, info] : queue.tasks) {
      const bool same = std::holds_alternative<TaskId>(ref)
                            ? std::get<TaskId>(ref).value == id
                            : info.task.name() == std::get<std::string>(ref);
      if (same) return &refreshed(info);
    }
    return nullptr;
  }
  TaskInfo& refreshed(TaskInfo& info) {
    const Wall now = clock_.now().wall;
    if (info.state == TaskState::leased && info.task.place.eta <= now)
      info.task.progress.lease_token = 0;
    if (info.state != TaskState::in_flight && info.task.progress.lease_token == 0) {
      info.state = info.task.place.eta > now ? TaskState::scheduled : TaskState::ready;
    }
    return info;
  }
  TaskInfo* find_leased(Queue& queue, const Lease& lease) {
    TaskInfo* info = find(queue, lease.task);
    return info != nullptr && info->state == TaskState::leased &&
                   info->task.progress.lease_token == lease.token
               ? info
               : nullptr;
  }
  void end(Queue& queue, TaskId id, OutcomeState state, const AttemptReport* report = nullptr) {
    const auto at = queue.tasks.find(id.value);
    const Task& task = at->second.task;
    if (task.options != nullptr && task.options->keep_result > Micros(0)) {
      Outcome& outcome = queue.outcomes[id.value];
      outcome.id = id;
      outcome.name = task.name();
      outcome.state = state;
      outcome.reason = state == OutcomeState::failed ? DeathReason::failed : DeathReason::none;
      outcome.created = task.created;
      outcome.ended = clock_.now().wall;
      outcome.kept_until = outcome.ended + task.options->keep_result;
      outcome.attempts = task.progress.attempts;
      if (report != nullptr) {
        outcome.error = report->error;
        outcome.worker = report->worker;
        outcome.usage = report->usage;
        outcome.result = report->result;
      }
    }
    if (state == OutcomeState::failed) die(queue, at->second, report);
    if (const std::string_view name = at->second.task.name(); !name.empty())
      queue.ended_names.emplace(name);
    queue.tasks.erase(at);
  }

  void die(Queue& queue, TaskInfo info, const AttemptReport* report) {
    Progress& progress = info.task.progress;
    progress.death = DeathReason::failed;
    progress.own_priority = info.task.place.priority;
    progress.last_status = status_failed;
    info.task.place = {dead_lane, clock_.now().wall, ++last_id_};
    TaskStory story;
    story.history.push_back({.attempt = progress.attempts,
                             .started = info.task.created,
                             .took = Millis(1500),
                             .status = status_failed,
                             .error = report == nullptr ? "" : report->error,
                             .worker = report == nullptr ? "" : report->worker,
                             .log = report == nullptr ? "" : report->log,
                             .usage = report == nullptr ? std::nullopt : report->usage});
    info.story = std::make_shared<const TaskStory>(std::move(story));
    queue.dead[info.task.id.value] = std::move(info);
  }
  static TaskInfo* find_dead(Queue& queue, const TaskRef& ref) {
    for (auto& [id, info] : queue.dead) {
      if (ref == TaskRef(info.task.id) || ref == TaskRef(std::string(info.task.name())))
        return &info;
    }
    return nullptr;
  }

  void answer(ConfigureQueue& command) {
    Queue* queue = find(command.queue);
    auto settings = command.change(queue == nullptr ? nullptr : &queue->info.settings);
    if (!settings) return command.reply(fail(settings.error()));
    const bool made = queue == nullptr;
    queue = &queues_[command.queue];
    queue->info.name = command.queue;
    queue->info.settings = *settings;
    if (made) queue->info.created = clock_.now().wall;
    command.reply(ConfigureQueue::Answer{queue->info, made});
  }
  void answer(DeleteQueue& command) {
    if (queues_.erase(command.queue) == 0) return command.reply(no_queue());
    command.reply({});
  }
  void answer(GetQueue& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    command.reply(queue->info);
  }
  void answer(ListQueues& command) {
    std::vector<QueueInfo> found;
    for (const auto& [name, queue] : queues_) {
      if (name.project != command.project || name.location != command.location) continue;
      if (name.queue > command.after && found.size() < command.queues_max)
        found.push_back(queue.info);
    }
    command.reply(std::move(found));
  }
  void answer(SetQueueState& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    queue->info.state = command.state;
    command.reply(queue->info);
  }
  void answer(PurgeQueue& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    queue->tasks.clear();
    queue->info.purged = clock_.now().wall;
    command.reply(queue->info);
  }
  void answer(GetQueueStats& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    QueueStats stats;
    stats.tasks = queue->tasks.size();
    command.reply(stats);
  }

  Result<Task> add(Queue& queue, const NewTask& given) {
    const QueueSettings& settings = queue.info.settings;
    if (given.has_target != (settings.mode == QueueMode::push)) {
      return fail(Reason::invalid,
                  given.has_target ? "a pull queue takes no url" : "a push task needs a url",
                  "url");
    }
    Task task;
    task.options = given.options;
    task.payload = given.payload;
    task.bytes = static_cast<std::uint32_t>(given.payload->size()) + task_overhead_bytes;
    if (!task.name().empty()) {
      if (find(queue, TaskRef(std::string(task.name()))) != nullptr) {
        return fail(Reason::task_name_taken, "a task of this name is alive", "name");
      }
      if (queue.ended_names.contains(std::string(task.name()))) {
        return fail(Reason::task_name_recent, "a task of this name ended a short while ago",
                    "name");
      }
    }
    if (settings.max_tasks > 0 && queue.tasks.size() >= settings.max_tasks) {
      return fail(Reason::queue_full_tasks,
                  "the queue is full: max_tasks is " + std::to_string(settings.max_tasks));
    }
    const Wall now = clock_.now().wall;
    task.id = TaskId{++last_id_};
    task.created = now;
    task.place.order = last_id_;
    task.place.priority = given.priority.value_or(settings.priority);
    task.place.eta = given.eta ? std::max(*given.eta, now) : now + given.delay.value_or(Micros(0));
    queue.tasks[last_id_] = {task, task.place.eta > now ? TaskState::scheduled : TaskState::ready};
    return task;
  }
  void answer(SetProjectLimit& command) {
    limits_[command.project] = command.bytes_max;
    command.reply({});
  }
  void answer(GetProjectUse& command) {
    command.reply(GetProjectUse::Answer{.bytes_max = limits_[command.project]});
  }
  // /v1 does not ask for these.
  void answer(ListTasksByEta& command) { command.reply(not_asked()); }
  void answer(ModifyLease& command) { command.reply(not_asked()); }
  void answer(AddTasks& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    std::vector<Result<Task>> results;
    for (const NewTask& task : command.tasks) results.push_back(add(*queue, task));
    command.reply(std::move(results));
  }
  void answer(GetTask& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    const TaskInfo* info = find(*queue, command.task);
    if (info == nullptr) return command.reply(no_task());
    command.reply(*info);
  }
  void answer(ListTasks& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    ListTasks::Answer page;
    for (auto at = queue->tasks.upper_bound(command.after.value); at != queue->tasks.end(); ++at) {
      if (command.state && refreshed(at->second).state != *command.state) continue;
      if (page.tasks.size() == command.tasks_max) {
        page.next = page.tasks.back().task.id;
        break;
      }
      page.tasks.push_back(refreshed(at->second));
    }
    command.reply(std::move(page));
  }
  void answer(DeleteTasks& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    std::vector<Result<void>> results;
    for (const TaskRef& ref : command.tasks) {
      const TaskInfo* info = find(*queue, ref);
      results.push_back(info == nullptr ? Result<void>(no_task()) : Result<void>());
      if (info != nullptr) end(*queue, info->task.id, OutcomeState::cancelled);
    }
    command.reply(std::move(results));
  }
  // Many tasks of one queue, with a result for each.
  template <class T, class Command, class Act>
  void for_tasks(Command& command, Act act) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    std::vector<Result<T>> results;
    for (const TaskRef& ref : command.tasks) results.push_back(act(*queue, ref));
    command.reply(std::move(results));
  }
  void answer(CancelTasks& command) {
    for_tasks<TaskInfo>(command, [this](Queue& queue, const TaskRef& ref) -> Result<TaskInfo> {
      const TaskInfo* info = find(queue, ref);
      if (info == nullptr) return no_task();
      const TaskInfo was = *info;
      end(queue, was.task.id, OutcomeState::cancelled);
      return was;
    });
  }
  void answer(ListDead& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    std::map<Place, const Task*> by_death;
    for (const auto& [id, info] : queue->dead) by_death[info.task.place] = &info.task;
    ListDead::Answer page;
    for (auto at = by_death.upper_bound(command.after); at != by_death.end(); ++at) {
      const Task& task = *at->second;
      const DeadFilter& filter = command.filter;
      if (filter.key && *filter.key != task.key()) continue;
      if (filter.last_status && *filter.last_status != task.progress.last_status) continue;
      if (page.tasks.size() == command.tasks_max) {
        page.next = page.tasks.back().place;
        break;
      }
      page.tasks.push_back(task);
    }
    command.reply(std::move(page));
  }
  void answer(GetDead& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    const TaskInfo* info = find_dead(*queue, command.task);
    if (info == nullptr) return command.reply(no_task());
    command.reply(*info);
  }
  void answer(RetryDead& command) {
    for_tasks<TaskInfo>(command, [this](Queue& queue, const TaskRef& ref) -> Result<TaskInfo> {
      TaskInfo* info = find_dead(queue, ref);
      if (info == nullptr) return no_task();
      TaskInfo alive{info->task, TaskState::ready, nullptr};
      alive.task.place = {info->task.progress.own_priority, clock_.now().wall, ++last_id_};
      alive.task.progress = Progress();
      queue.dead.erase(alive.task.id.value);
      return queue.tasks[alive.task.id.value] = alive;
    });
  }
  void answer(DeleteDead& command) {
    for_tasks<void>(command, [](Queue& queue, const TaskRef& ref) -> Result<void> {
      const TaskInfo* info = find_dead(queue, ref);
      if (info == nullptr) return no_task();
      queue.dead.erase(info->task.id.value);
      return {};
    });
  }

  Result<GetOutcomes::Item> outcome_of(Queue& queue, const TaskRef& ref) {
    for (const auto& [id, outcome] : queue.outcomes) {
      if (ref == TaskRef(outcome.id) || ref == TaskRef(outcome.name))
        return GetOutcomes::Item{outcome, std::nullopt, {}};
    }
    const TaskInfo* info = find(queue, ref);
    if (info == nullptr) return no_task();
    if (info->task.options == nullptr || info->task.options->keep_result == Micros(0))
      return fail(Reason::outcome_not_kept, "the task keeps no result");
    return GetOutcomes::Item{std::nullopt, *info, {}};
  }
  // Nothing until one of the tasks has ended, or `waited`.
  bool try_answer(GetOutcomes& command, bool waited) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue()), true;
    std::vector<Result<GetOutcomes::Item>> items;
    bool any = false;
    for (const TaskRef& ref : command.tasks) {
      items.push_back(outcome_of(*queue, ref));
      any = any || !items.back() || items.back()->outcome;
    }
    if (any || waited) command.reply(std::move(items));
    return any || waited;
  }
  bool try_answer(WatchTasks& command, bool waited) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue()), true;
    std::vector<TaskRef> ended;
    for (const TaskRef& ref : command.tasks) {
      if (find(*queue, ref) == nullptr) ended.push_back(ref);
    }
    const bool any = !ended.empty();
    if (any || waited) command.reply(std::move(ended));
    return any || waited;
  }
  template <class Command>
  void wait_for(Command& command) {
    if (try_answer(command, command.wait == Micros(0))) return;
    const auto until = std::chrono::steady_clock::now() + command.wait;
    waiting_.emplace_back(std::move(command), until);
  }
  void answer(GetOutcomes& command) { wait_for(command); }
  void answer(WatchTasks& command) { wait_for(command); }

  void answer(RunTask& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    if (queue->info.settings.mode == QueueMode::pull) {
      return command.reply(fail(Reason::queue_mode, "a task of a pull queue is leased, not run"));
    }
    TaskInfo* info = find(*queue, command.task);
    if (info == nullptr) return command.reply(no_task());
    info->state = TaskState::in_flight;
    command.reply(*info);
  }

  std::vector<TaskInfo> lease(Queue& queue, const LeaseTasks& command) {
    std::vector<TaskInfo> leased;
    if (queue.info.state != QueueState::running) return leased;
    std::optional<std::string> key;
    if (command.by == LeaseTasks::By::key) key = command.key;
    for (auto& [id, info] : queue.tasks) {
      if (leased.size() == command.tasks_max) break;
      if (refreshed(info).state != TaskState::ready) continue;
      if (command.by == LeaseTasks::By::oldest_key && !key) key = std::string(info.task.key());
      if (key && info.task.key() != *key) continue;
      Task& task = info.task;
      info.state = TaskState::leased;
      task.progress.last_eta = task.place.eta;
      task.place.eta = clock_.now().wall + command.duration;
      task.progress.lease_token = ++last_token_;
      ++task.progress.attempts;
      leased.push_back(info);
    }
    return leased;
  }
  void answer(LeaseTasks& command) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    if (queue->info.settings.mode == QueueMode::push) {
      return command.reply(fail(Reason::queue_mode, "a push queue cannot be leased from"));
    }
    wait_for(command);
  }
  bool try_answer(LeaseTasks& command, bool waited) {
    Queue* queue = find(command.queue);
    auto leased = queue == nullptr ? std::vector<TaskInfo>() : lease(*queue, command);
    if (leased.empty() && queue != nullptr && !waited) return false;
    command.reply(std::move(leased));
    return true;
  }
  // Unlike the engine, the fake serves a caller that has gone as well: a door must cope with that
  // race.
  void serve_waiting() {
    std::erase_if(waiting_, [this](auto& call) {
      const bool waited = std::chrono::steady_clock::now() >= call.second;
      return std::visit([&](auto& command) { return try_answer(command, waited); }, call.first);
    });
  }
  template <class T, class Command, class Act>
  void for_leases(Command& command, Act act) {
    Queue* queue = find(command.queue);
    if (queue == nullptr) return command.reply(no_queue());
    std::vector<Result<T>> results;
    for (const Lease& lease : command.leases) {
      TaskInfo* info = find_leased(*queue, lease);
      results.push_back(info == nullptr ? Result<T>(lost()) : act(*queue, *info, lease));
    }
    command.reply(std::move(results));
  }
  void answer(AckTasks& command) {
    const auto state = command.failed ? OutcomeState::failed : OutcomeState::succeeded;
    for_leases<void>(command, [this, state](Queue& queue, TaskInfo& info, const Lease& lease) {
      end(queue, info.task.id, state, lease.report.get());
      return Result<void>();
    });
  }
  void answer(RenewLeases& command) {
    for_leases<TaskInfo>(command, [&](Queue&, TaskInfo& info, const Lease&) {
      info.task.place.eta = clock_.now().wall + command.duration;
      return Result<TaskInfo>(info);
    });
  }
  void answer(ReleaseTasks& command) {
    for_leases<void>(command, [&](Queue&, TaskInfo& info, const Lease&) {
      info.task.place.eta = clock_.now().wall + command.delay.value_or(Seconds(1));
      info.task.progress.lease_token = 0;
      info.task.progress.last_status = status_released;
      refreshed(info);
      return Result<void>();
    });
  }

  const Clock& clock_;
  std::recursive_mutex mutex_;  // protects all that follows; replies may submit the next command
  std::condition_variable_any changed_;
  bool ended_ = false;
  std::deque<Command> mailbox_;
  std::optional<Error> failure_;
  std::map<QueueName, Queue> queues_;
  std::map<std::string, std::uint64_t> limits_;  // by project
  using Waiting = std::variant<LeaseTasks, GetOutcomes, WatchTasks>;
  std::deque<std::pair<Waiting, std::chrono::steady_clock::time_point>> waiting_;
  std::uint64_t last_id_ = 1'800'000'000'000'000;
  std::uint64_t last_token_ = 0xabc0;
  std::uint64_t submitted_ = 0;
  std::thread thread_;  // last: it uses the others
};

}  // namespace deferd
