#include "engine/shard.h"

#include <algorithm>

#include "base/log.h"
#include "model/duration_text.h"

namespace deferd {

namespace {
template <class>
constexpr const char* command_name = "?";
template <>
constexpr const char* command_name<ConfigureQueue> = "configure_queue";
template <>
constexpr const char* command_name<DeleteQueue> = "delete_queue";
template <>
constexpr const char* command_name<GetQueue> = "get_queue";
template <>
constexpr const char* command_name<ListQueues> = "list_queues";
template <>
constexpr const char* command_name<SetQueueState> = "set_queue_state";
template <>
constexpr const char* command_name<PurgeQueue> = "purge_queue";
template <>
constexpr const char* command_name<GetQueueStats> = "get_queue_stats";
template <>
constexpr const char* command_name<SetProjectLimit> = "set_project_limit";
template <>
constexpr const char* command_name<GetProjectUse> = "get_project_use";
template <>
constexpr const char* command_name<AddTasks> = "add_tasks";
template <>
constexpr const char* command_name<GetTask> = "get_task";
template <>
constexpr const char* command_name<ListTasks> = "list_tasks";
template <>
constexpr const char* command_name<ListTasksByEta> = "list_tasks_by_eta";
template <>
constexpr const char* command_name<DeleteTasks> = "delete_tasks";
template <>
constexpr const char* command_name<RunTask> = "run_task";
template <>
constexpr const char* command_name<CancelTasks> = "cancel_tasks";
template <>
constexpr const char* command_name<GetOutcomes> = "get_outcomes";
template <>
constexpr const char* command_name<WatchTasks> = "watch_tasks";
template <>
constexpr const char* command_name<ListDead> = "list_dead";
template <>
constexpr const char* command_name<GetDead> = "get_dead";
template <>
constexpr const char* command_name<RetryDead> = "retry_dead";
template <>
constexpr const char* command_name<DeleteDead> = "delete_dead";
template <>
constexpr const char* command_name<LeaseTasks> = "lease_tasks";
template <>
constexpr const char* command_name<AckTasks> = "ack_tasks";
template <>
constexpr const char* command_name<RenewLeases> = "renew_leases";
template <>
constexpr const char* command_name<ModifyLease> = "modify_lease";
template <>
constexpr const char* command_name<ReleaseTasks> = "release_tasks";

// What may still be asked when nothing can be made durable any more.
template <class Command>
constexpr bool only_reads =
    std::is_same_v<Command, GetQueue> || std::is_same_v<Command, ListQueues> ||
    std::is_same_v<Command, GetQueueStats> || std::is_same_v<Command, GetProjectUse> ||
    std::is_same_v<Command, GetTask> || std::is_same_v<Command, ListTasks> ||
    std::is_same_v<Command, ListTasksByEta> || std::is_same_v<Command, GetOutcomes> ||
    std::is_same_v<Command, WatchTasks> || std::is_same_v<Command, ListDead> ||
    std::is_same_v<Command, GetDead>;
}  // namespace

void ShardCore::touch(Queue& queue) {
  if (queue.is_touched) return;
  queue.is_touched = true;
  touched.push_back(queue.shared_from_this());
}

void ShardCore::changed(Queue& queue, bool durable, const Now& now) {
  if (dirty.empty()) dirty_since = now.mono;
  dirty_durable = dirty_durable || durable;
  if (queue.is_dirty) return;
  queue.is_dirty = true;
  dirty.push_back(&queue);
}

Shard::Shard(const ShardOptions& options, Callback<QueueNumber()> next_number)
    : core_(options), next_number_(std::move(next_number)) {}

Shard::~Shard() {
  for (const auto& [number, queue] : by_number_) queue->forget_parked();
}

void Shard::load(std::vector<StoredQueue> queues, const Now& now, std::vector<GoneQueue> gone,
                 const std::vector<Document>& documents) {
  for (const Document& document : documents) core_.documents.put(document);
  for (GoneQueue& one : gone) gone_.emplace(std::move(one.name), one.free_at);
  for (const StoredQueue& stored : queues) {
    auto queue = std::make_shared<Queue>(core_, stored, now);
    if (!queue->counted()) uncounted_.push_back(queue->number());
    by_number_.emplace(queue->number(), queue);
    by_name_.emplace(queue->name(), queue);
    set_wake(*queue, now);
  }
}

Queue* Shard::find(const QueueName& name) {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : at->second.get();
}

template <class Command>
bool Shard::refused(Command& command) {
  std::optional<Error> error;
  if (core_.failed && !only_reads<Command>) error = *core_.failed;
  if (stopping_)
    error = Error{Reason::stopping, "the server is shutting down; try again in a moment", "",
                  Seconds(1)};
  if (!error) return false;
  core_.effects.replies.push_back(
      [reply = std::move(command.reply), error = std::move(*error)]() mutable {
        reply(deferd::fail(std::move(error)));
      });
  return true;
}

Error Shard::no_queue(const QueueName& name, const Now& now) const {
  const auto gone = gone_.find(name);
  if (gone != gone_.end() && gone->second > now.wall) {
    return Error{Reason::queue_gone,
                 "queue " + name.queue + " was deleted; its name is free again in " +
                     format_duration(gone->second - now.wall),
                 "", std::nullopt};
  }
  return Error{Reason::queue_missing,
               "no queue " + name.queue + "; create it first with PUT /v1/queues/" + name.queue +
                   " {\"mode\":\"push\"}",
               "", std::nullopt};
}

template <class Command>
Queue* Shard::queue_for(Command& command, const Now& now) {
  Queue* const queue = find(command.queue);
  if (queue != nullptr) return queue;
  core_.effects.replies.push_back(
      [reply = std::move(command.reply), error = no_queue(command.queue, now)]() mutable {
        reply(deferd::fail(std::move(error)));
      });
  return nullptr;
}

template <class Command>
Queue* Shard::queue_for(Command& command, QueueMode mode, const Now& now) {
  Queue* const queue = queue_for(command, now);
  if (queue == nullptr || queue->settings().mode == mode) return queue;
  core_.effects.replies.push_back([reply = std::move(command.reply), name = command.queue.queue,
                                   mode]() mutable {
    reply(deferd::fail(
        Reason::queue_mode,
        mode == QueueMode::pull
            ? "queue " + name +
                  " is a push queue: deferd sends its tasks to their urls, they cannot be leased"
            : "queue " + name +
                  " is a pull queue: its tasks are leased by workers, they cannot be run"));
  });
  return nullptr;
}

void Shard::apply(Command command, const Now& now) {
  std::visit(
      [this, &now](auto&& one) {
        using Type = std::decay_t<decltype(one)>;
        history_[history_next_++ % history_max] = command_name<Type>;
        if (!refused(one)) carry_out(std::move(one), now);
      },
      std::move(command));
}

void Shard::carry_out(ConfigureQueue command, const Now& now) {
  Queue* queue = find(command.queue);
  if (queue == nullptr) {
    Error error = no_queue(command.queue, now);
    if (error.reason == Reason::queue_gone) {
      core_.reply(std::move(command.reply),
                  Result<ConfigureQueue::Answer>(deferd::fail(std::move(error))));
      return;
    }
  }
  Result<QueueSettings> settings = command.change(queue == nullptr ? nullptr : &queue->settings());
  Result<void> ok;
  if (settings) ok = settings->check();
  if (settings && ok && queue != nullptr && settings->mode != queue->settings().mode) {
    ok = deferd::fail(
        Reason::queue_mode,
        "the mode of queue " + command.queue.queue + " cannot change; delete it and make it anew",
        "mode");
  }
  if (settings && ok && settings->dead.queue == command.queue.queue) {
    ok = deferd::fail(Reason::invalid,
                      "dead letters of queue " + command.queue.queue +
                          " cannot go on to itself; name another queue, or none to keep them here",
                      "dead.queue");
  }
  if (!settings || !ok) {
    core_.reply(
        std::move(command.reply),
        Result<ConfigureQueue::Answer>(deferd::fail(settings ? ok.error() : settings.error())));
    return;
  }
  const bool made = queue == nullptr;
  if (made) {
    QueueRecord record;
    record.number = next_number_();
    record.name = command.queue;
    record.settings = *settings;
    record.created = now.wall;
    auto fresh = std::make_shared<Queue>(core_, std::move(record), now);
    queue = fresh.get();
    by_number_.emplace(queue->number(), fresh);
    by_name_.emplace(command.queue, std::move(fresh));
    queue->mark_made(now);
    if (gone_.erase(command.queue) > 0) pending_.gone.push_back({command.queue, Wall{}});
  } else {
    queue->configure(*settings, now);
  }
  queue->when_durable(std::move(command.reply), ConfigureQueue::Answer{queue->info(), made});
}

void Shard::carry_out(DeleteQueue command, const Now& now) {
  Queue* const queue = queue_for(command, now);
  if (queue == nullptr) return;
  if (command.only_empty && queue->tasks() > 0) {
    core_.reply(std::move(command.reply),
                Result<void>(deferd::fail(Reason::queue_mode, "queue " + command.queue.queue +
                                                                  " holds tasks; purge it first")));
    return;
  }
  const std::shared_ptr<Queue> keep = by_name_.at(command.queue);
  by_name_.erase(command.queue);
  if (command.tombstone > Micros(0)) {
    const Wall free_at = now.wall + command.tombstone;
    gone_.insert_or_assign(command.queue, free_at);
    pending_.gone.push_back({command.queue, free_at});
  }
  queue->drop(now);
  queue->when_durable_void(std::move(command.reply));
}

void Shard::carry_out(GetQueue command, const Now& now) {
  if (Queue* const queue = queue_for(command, now))
    core_.reply(std::move(command.reply), Result<QueueInfo>(queue->info()));
}

void Shard::carry_out(ListQueues command, const Now&) {
  std::vector<QueueInfo> found;
  for (auto at = by_name_.upper_bound(QueueName{command.project, command.location, command.after});
       at != by_name_.end() && found.size() < command.queues_max; ++at) {
    const QueueName& name = at->first;
    if (!command.project.empty() &&
        (name.project != command.project || name.location != command.location))
      break;
    found.push_back(at->second->info());
  }
  core_.reply(std::move(command.reply), Result<std::vector<QueueInfo>>(std::move(found)));
}

void Shard::carry_out(SetQueueState command, const Now& now) {
  Queue* const queue = queue_for(command, now);
  if (queue == nullptr) return;
  queue->set_state(command.state, now);
  queue->when_durable(std::move(command.reply), queue->info());
}

void Shard::carry_out(PurgeQueue command, const Now& now) {
  Queue* const queue = queue_for(command, now);
  if (queue == nullptr) return;
  queue->purge(now);
  queue->when_durable(std::move(command.reply), queue->info());
}

void Shard::carry_out(GetQueueStats command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->get_stats(std::move(command), now);
}

void Shard::carry_out(SetProjectLimit command, const Now&) {
  core_.projects->account(command.project)->limit(command.bytes_max);
  pending_.projects.push_back({std::move(command.project), command.bytes_max});
  pending_.done.push_back([reply = std::move(command.reply)](const Error* error) mutable {
    reply(error == nullptr ? Result<void>() : Result<void>(deferd::fail(*error)));
  });
}

void Shard::carry_out(GetProjectUse command, const Now&) {
  const auto account = core_.projects->account(command.project);
  core_.reply(std::move(command.reply),
              Result<GetProjectUse::Answer>({account->bytes(), account->bytes_max()}));
}

void Shard::carry_out(AddTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->add_tasks(std::move(command), now);
}
void Shard::carry_out(GetTask command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->get_task(std::move(command), now);
}
void Shard::carry_out(ListTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->list_tasks(std::move(command), now);
}
void Shard::carry_out(ListTasksByEta command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->list_by_eta(std::move(command), now);
}
void Shard::carry_out(DeleteTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->delete_tasks(std::move(command), now);
}
void Shard::carry_out(RunTask command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::push, now))
    queue->run_task(std::move(command), now);
}
void Shard::carry_out(CancelTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->cancel_tasks(std::move(command), now);
}
void Shard::carry_out(GetOutcomes command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->get_outcomes(std::move(command), now);
}
void Shard::carry_out(WatchTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->watch_tasks(std::move(command), now);
}
void Shard::carry_out(ListDead command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->list_dead(std::move(command), now);
}
void Shard::carry_out(GetDead command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->get_dead(std::move(command), now);
}
void Shard::carry_out(RetryDead command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->retry_dead(std::move(command), now);
}
void Shard::carry_out(DeleteDead command, const Now& now) {
  if (Queue* const queue = queue_for(command, now)) queue->delete_dead(std::move(command), now);
}
void Shard::carry_out(LeaseTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::pull, now))
    queue->lease_tasks(std::move(command), now);
}
void Shard::carry_out(AckTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::pull, now))
    queue->ack_tasks(std::move(command), now);
}
void Shard::carry_out(RenewLeases command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::pull, now))
    queue->renew_leases(std::move(command), now);
}
void Shard::carry_out(ModifyLease command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::pull, now))
    queue->modify_lease(std::move(command), now);
}
void Shard::carry_out(ReleaseTasks command, const Now& now) {
  if (Queue* const queue = queue_for(command, QueueMode::pull, now))
    queue->release_tasks(std::move(command), now);
}

void Shard::attempt_done(const AttemptKey& key, const AttemptResult& result, const Now& now) {
  const auto at = by_number_.find(key.queue);
  DEFERD_ASSERT(at != by_number_.end(), "queue", key.queue);
  const std::shared_ptr<Queue> queue = at->second;
  queue->attempt_done(key, result, now);
  if (queue->is_over()) by_number_.erase(key.queue);
  // Queues that waited for one of the shard's slots.
  if (core_.starved.empty()) return;
  for (const QueueNumber number : std::exchange(core_.starved, {})) {
    if (const auto starved = by_number_.find(number); starved != by_number_.end())
      core_.touch(*starved->second);
  }
}

void Shard::read_done(std::uint64_t read, Result<ReadAnswer> answer, const Now& now) {
  ReadDone done = core_.take_read(read);
  done(std::move(answer), now);
}

void Shard::forwarded(std::uint64_t forward, const ForwardResult& result, const Now& now) {
  ForwardDone done = core_.take_forward(forward);
  done(result, now);
}

void Shard::committed(const Result<void>& result, const Now& now) {
  DEFERD_ASSERT(is_committing_);
  is_committing_ = false;
  std::vector<std::shared_ptr<Queue>> queues = std::exchange(committing_, {});
  if (result) {
    for (auto& done : std::exchange(committing_changes_, {}).done)
      core_.effects.replies.push_back([done = std::move(done)]() mutable { done(nullptr); });
  }
  if (!result) {
    fail(result.error(), now);
    return;
  }
  for (const auto& queue : queues) {
    queue->settle(now);
    if (queue->is_over()) by_number_.erase(queue->number());
  }
}

void Shard::fail(const Error& error, const Now& now) {
  if (!core_.failed) {
    core_.failed = error;
    core_.failed->reason = Reason::store_failed;
    log_error("shard.store_failed", {{"error", error.message}});
  }
  for (const auto& [number, queue] : by_number_) queue->fail_all(*core_.failed, now);
  for (Changes* changes : {&committing_changes_, &pending_}) {
    for (auto& done : std::exchange(*changes, {}).done) {
      core_.effects.replies.push_back(
          [done = std::move(done), error = *core_.failed]() mutable { done(&error); });
    }
  }
}

void Shard::step(const Now& now) {
  wake_due(now);
  pump_touched(now);
  if (!core_.failed) {
    while (!uncounted_.empty()) {
      const auto at = by_number_.find(uncounted_.back());
      const bool over = at == by_number_.end() || at->second->counted();
      if (!over) {
        at->second->count_more(now);
        if (!at->second->counted()) break;
        set_wake(*at->second, now);  // it may hold tasks that are too old
      }
      uncounted_.pop_back();
    }
    make_commit(now);
  } else {
    fail(*core_.failed, now);  // whoever came to wait since
  }
  Effects& effects = core_.effects;
  effects.wake_at = wakes_.empty() ? Mono::max() : wakes_.begin()->first;
  if (!is_committing_ && !core_.dirty.empty() && !core_.failed) {
    effects.wake_at = std::min(effects.wake_at, core_.dirty_since + core_.options.linger);
  }
}

Effects Shard::take_effects() { return std::exchange(core_.effects, Effects{}); }

void Shard::wake_due(const Now& now) {
  // When the wall clock jumped ahead, wakes that were computed before it are too late.
  const Nanos offset = now.wall.time_since_epoch() - now.mono.time_since_epoch();
  constexpr Nanos jump = Millis(1);
  if (clock_offset_ != Nanos::min() && offset > clock_offset_ + jump) {
    for (const auto& [at, number] : wakes_) core_.touch(*by_number_.at(number));
  }
  if (clock_offset_ == Nanos::min() || offset > clock_offset_ + jump ||
      offset < clock_offset_ - jump) {
    clock_offset_ = offset;
  }
  for (auto at = wakes_.begin(); at != wakes_.end() && at->first <= now.mono; ++at) {
    core_.touch(*by_number_.at(at->second));
  }
}

void Shard::pump_touched(const Now& now) {
  // Pumping one queue may touch others (never itself without end: each turn needs something to
  // happen).
  while (!core_.touched.empty()) {
    for (const std::shared_ptr<Queue>& queue : std::exchange(core_.touched, {})) {
      queue->is_touched = false;
      if (!stopping_) queue->pump(now);
      set_wake(*queue, now);
    }
  }
}

void Shard::set_wake(Queue& queue, const Now& now) {
  const Mono wake = stopping_ ? Mono::max() : queue.wake_at(now);
  if (wake == queue.heap_wake) return;
  if (queue.heap_wake != Mono::max()) wakes_.erase({queue.heap_wake, queue.number()});
  queue.heap_wake = wake;
  if (wake != Mono::max()) wakes_.insert({wake, queue.number()});
}

void Shard::make_commit(const Now& now) {
  if (is_committing_ || (core_.dirty.empty() && pending_.empty())) return;
  const bool sweep = now.mono >= sweep_at_;
  const bool waits = pending_.empty() && !core_.dirty_durable && !core_.hurry && !stopping_ &&
                     now.mono < core_.dirty_since + core_.options.linger &&
                     core_.dirty_changes < core_.options.linger_changes_max;
  if (waits) return;
  Batch batch;
  batch.durable = core_.dirty_durable || !pending_.empty();
  for (Queue* const queue : core_.dirty) {
    queue->is_dirty = false;
    queue->fill(batch, now);
    committing_.push_back(by_number_.at(queue->number()));
  }
  core_.dirty.clear();
  core_.dirty_durable = false;
  core_.hurry = false;
  core_.dirty_changes = 0;
  if (sweep) {
    forget_gone(now);
    sweep_at_ = now.mono + core_.options.sweep_interval;
  }
  if (sweep && core_.options.sweeps) {
    constexpr std::uint32_t names_max = 1000;
    batch.sweep_names_before = now.wall;
    batch.sweep_names_max += names_max;
  }
  if (sweep || !batch.documents.empty()) {
    for (Document& old : core_.documents.forget(now.wall))
      batch.documents.push_back(std::move(old));
  }
  committing_changes_ = std::exchange(pending_, {});
  batch.projects = committing_changes_.projects;
  batch.gone = committing_changes_.gone;
  is_committing_ = true;
  DEFERD_ASSERT(!core_.effects.commit.has_value());
  core_.effects.commit = std::move(batch);
}

void Shard::forget_gone(const Now& now) {
  for (auto at = gone_.begin(); at != gone_.end();) {
    if (at->second > now.wall) {
      ++at;
      continue;
    }
    pending_.gone.push_back({at->first, Wall{}});
    at = gone_.erase(at);
  }
}

void Shard::stop(const Now& now) {
  stopping_ = true;
  for (const auto& [name, queue] : by_name_) {
    queue->end_waits(now);
    core_.touch(*queue);
  }
}

bool Shard::is_idle() const {
  // Whoever waits for a read waits for an answer.
  return core_.attempts_running == 0 && !core_.is_reading() &&
         (core_.failed || (!is_committing_ && core_.dirty.empty() && pending_.empty()));
}

void Shard::check() const {
  for (const auto& [name, queue] : by_name_) queue->check();
}

std::string Shard::last_commands() const {
  std::string text = "last commands:";
  for (std::size_t i = 0; i < history_max; ++i) {
    const char* const name = history_[(history_next_ + i) % history_max];
    if (name != nullptr) text += std::string(" ") + name;
  }
  return text;
}

}  // namespace deferd
