#include "sim/workload.h"

#include <algorithm>
#include <memory>
#include <numeric>

namespace deferd::sim {

namespace {
constexpr std::size_t known_max = 200;
template <class T>
Callback<void(const Result<T>&)> ignore() {
  return [](const Result<T>&) {};
}
}  // namespace

Workload::Workload(World& world, const Weather& weather, Random random)
    : world_(world), weather_(weather), random_(random), mishap_random_(random_.fork()) {}

QueueName Workload::name_of(std::size_t queue) const {
  return {"p", "l", (is_push(queue) ? "push" : "pull") + std::to_string(queue)};
}

void Workload::begin() {
  deeds_left_ = weather_.deeds;
  for (std::size_t queue = 0; queue < weather_.push_queues + weather_.pull_queues; ++queue)
    configure(queue);
  next_deed();
  if (weather_.any_mishap()) next_mishap();
}

void Workload::next_deed() {
  if (deeds_left_ == 0) return;
  world_.after(Nanos(random_.between(0, weather_.gap_max.count())), [this] {
    --deeds_left_;
    const std::uint32_t total =
        std::accumulate(weather_.deed_weights.begin(), weather_.deed_weights.end(), 0U);
    auto dice = static_cast<std::uint32_t>(random_.below(total));
    std::size_t deed = 0;
    while (dice >= weather_.deed_weights[deed]) dice -= weather_.deed_weights[deed++];
    do_deed(static_cast<Deed>(deed));
    next_deed();
  });
}

void Workload::next_mishap() {
  world_.after(Nanos(mishap_random_.between(1, weather_.mishap_gap_max.count())), [this] {
    if (deeds_left_ == 0) return;
    std::size_t mishap = 0;
    do {
      mishap = mishap_random_.below(mishap_count);
    } while (!weather_.mishaps[mishap]);
    world_.strike(static_cast<Mishap>(mishap));
    next_mishap();
  });
}

// ---- The storm

QueueSettings Workload::some_settings(std::size_t queue) {
  const bool push =
      is_push(queue) !=
      random_.chance(1);  // now and then the other mode: refused, or another kind of queue
  QueueSettings settings = QueueSettings::defaults(push ? QueueMode::push : QueueMode::pull);
  if (weather_.slow_rates || random_.chance(10)) {
    static constexpr std::int64_t counts[] = {0, 250, 1000, 10'000,
                                              100'000};  // thousandths a second
    settings.rate = {.count = counts[random_.below(std::size(counts))],
                     .period = Seconds(1),
                     .unlimited = false};
    if (random_.chance(20))
      settings.rate = {.count = 7'000, .period = Seconds(60), .unlimited = false};
    settings.burst = static_cast<std::int32_t>(random_.between(1, 10));
  }
  if (random_.chance(10)) settings.rate.unlimited = true;
  if (weather_.tight_limits || random_.chance(10)) {
    if (random_.chance(70)) settings.concurrency = static_cast<std::int32_t>(random_.between(1, 5));
    if (random_.chance(50)) settings.max_tasks = static_cast<std::uint64_t>(random_.between(1, 30));
    if (random_.chance(50))
      settings.max_bytes = static_cast<std::uint64_t>(random_.between(100, 5'000));
    if (random_.chance(70))
      settings.retry.max_attempts = static_cast<std::int32_t>(random_.between(1, 4));
    if (random_.chance(30)) settings.retry.max_age = Micros(random_.between(1, 3'000'000));
  }
  static constexpr Micros timeouts[] = {Millis(1), Millis(20), Millis(500), Seconds(5)};
  settings.timeout = timeouts[random_.below(std::size(timeouts))];
  static constexpr Micros backoffs[] = {Micros(0), Millis(1), Millis(100), Seconds(2)};
  settings.retry.min_backoff = backoffs[random_.below(std::size(backoffs))];
  settings.retry.max_backoff = settings.retry.min_backoff + Micros(random_.between(0, 10'000'000));
  settings.retry.max_doublings = static_cast<std::int32_t>(random_.between(0, 4));
  settings.priority = static_cast<std::uint8_t>(random_.chance(80) ? priority_default
                                                                   : random_.below(priority_count));
  settings.tombstone = Micros(random_.between(0, weather_.tombstone_max.count()));
  if (weather_.ttl_max > Micros(0) && random_.chance(70))
    settings.task_ttl = Micros(random_.between(1, weather_.ttl_max.count()));
  if (weather_.tight_results)
    settings.result_bytes_max = static_cast<std::uint64_t>(random_.between(1, 500));
  if (weather_.tight_dead) {
    settings.dead.keep = Micros(random_.chance(30) ? 0 : random_.between(1, 5'000'000));
    if (random_.chance(50))
      settings.dead.bytes_max = static_cast<std::uint64_t>(random_.between(1, 1'000));
  }
  const bool is_first = queue == 0 || queue == weather_.push_queues;
  if (weather_.forwards && is_first && settings.dead.keep > Micros(0))
    settings.dead.queue = name_of(queue + 1).queue;
  if (weather_.named_percent > 0)
    settings.poison_after = static_cast<std::int32_t>(random_.between(0, 3));
  return settings;
}

void Workload::configure(std::size_t queue) {
  ConfigureQueue command;
  command.queue = name_of(queue);
  QueueSettings settings = some_settings(queue);
  if (random_.chance(2)) settings.burst = 0;  // refused
  world_.call(std::move(command), ignore<ConfigureQueue::Answer>(), settings);
}

void Workload::note(std::size_t queue, const Task& task) {
  Known known{queue, task.id};
  if (!task.name().empty() && random_.chance(50)) known.ref = std::string(task.name());
  if (known_.size() < known_max) {
    known_.push_back(std::move(known));
  } else {
    known_[random_.below(known_max)] = std::move(known);
  }
}

void Workload::add(std::size_t queue) {
  AddTasks command;
  command.queue = name_of(queue);
  const std::int64_t tasks = random_.between(1, weather_.batch_max);
  for (std::int64_t i = 0; i < tasks; ++i) {
    NewTask task;
    task.payload = payload_of(next_tag_++, random_.below(weather_.payload_max));
    task.has_target = is_push(queue) != random_.chance(1);
    if (random_.chance(weather_.priority_percent)) {
      task.priority = static_cast<std::uint8_t>(random_.below(weather_.priority_pool));
    }
    if (random_.chance(weather_.delay_percent)) {
      const Micros delay(random_.between(0, weather_.delay_max.count()));
      if (random_.chance(weather_.past_percent)) {
        task.eta = world_.engine_wall() - delay;
      } else if (random_.chance(50)) {
        task.eta = world_.engine_wall() + delay;
      } else {
        task.delay = delay;
      }
    }
    TaskOptions options;
    if (random_.chance(weather_.name_percent))
      options.name = "n" + std::to_string(random_.below(weather_.name_pool));
    if (random_.chance(weather_.key_percent)) options.key = some_key();
    if (random_.chance(weather_.options_percent)) {
      if (random_.chance(50)) options.timeout = Micros(random_.between(1, 1'000'000));
      if (random_.chance(50))
        options.retry.max_attempts = static_cast<std::int32_t>(random_.between(1, 4));
      if (random_.chance(30)) options.retry.max_age = Micros(random_.between(1, 2'000'000));
      if (random_.chance(30)) options.retry.min_backoff = Micros(random_.between(0, 1'000'000));
    }
    if (weather_.recurring_percent > 0 && task.has_target &&
        random_.chance(weather_.recurring_percent)) {
      Rule rule;
      rule.span = random_.between(1'000, weather_.span_max.count());
      rule.last = world_.engine_wall() + Micros(random_.between(0, 20 * rule.span));
      if (random_.chance(50)) rule.late = random_.between(0, 2 * rule.span);
      options.recurrence = rule.words();
      if (!options.retry.max_attempts) options.retry.max_attempts = 1 + random_.below(3);
    }
    if (weather_.keep_percent > 0 && random_.chance(weather_.keep_percent))
      options.keep_result = Micros(random_.between(1, weather_.keep_max.count()));
    if (weather_.callback_percent > 0 && random_.chance(weather_.callback_percent)) {
      options.callback_url = "http://caller/ended";
      if (!is_push(queue) || random_.chance(50))
        options.callback_queue = name_of(random_.below(weather_.push_queues)).queue;
    }
    if (!options.empty()) task.options = std::make_shared<const TaskOptions>(std::move(options));
    command.tasks.push_back(std::move(task));
  }
  world_.call(std::move(command),
              Callback<void(const Result<std::vector<Result<Task>>>&)>(
                  [this, queue](const Result<std::vector<Result<Task>>>& answer) {
                    if (!answer) return;
                    for (const Result<Task>& task : *answer) {
                      if (task) note(queue, *task);
                    }
                  }));
}

TaskRef Workload::some_task(std::size_t queue) {
  if (random_.chance(5)) return "n" + std::to_string(random_.below(weather_.name_pool));
  if (random_.chance(2)) return TaskId{random_.below(1000)};
  // A few tries to find one of this queue; another's is a good question too.
  for (int i = 0; i < 4 && !known_.empty(); ++i) {
    const Known& known = known_[random_.below(known_.size())];
    if (known.queue == queue || i == 3) return known.ref;
  }
  return TaskId{1};
}

void Workload::lease(std::size_t queue) {
  LeaseTasks command;
  command.queue = name_of(queue);
  command.tasks_max = static_cast<std::uint32_t>(random_.between(1, random_.chance(50) ? 2 : 20));
  command.duration = Micros(random_.between(1'000, weather_.lease_max.count()));
  if (weather_.deed_weights[first_extra_deed] > 0) command.refuse_paused = random_.chance(30);
  command.wait =
      random_.chance(50) ? Micros(0) : Micros(random_.between(0, weather_.wait_max.count()));
  if (random_.chance(weather_.key_percent)) {
    command.by = random_.chance(50) ? LeaseTasks::By::key : LeaseTasks::By::oldest_key;
    if (command.by == LeaseTasks::By::key && !random_.chance(10)) command.key = some_key();
  }
  if (weather_.named_percent > 0 && random_.chance(weather_.named_percent)) command.worker = "w";
  if (command.wait > Micros(0) && random_.chance(10)) {
    command.gone = std::make_shared<std::atomic<bool>>(false);
    world_.after(Nanos(random_.between(0, Nanos(command.wait).count())),
                 [gone = command.gone] { gone->store(true); });
  }
  world_.call(
      std::move(command),
      Callback<void(const Result<std::vector<TaskInfo>>&)>(
          [this, queue](const Result<std::vector<TaskInfo>>& answer) {
            if (!answer) return;
            for (const TaskInfo& info : *answer) {
              if (Checker::is_stranger(info.task)) continue;
              TaskRef ref = info.task.id;
              if (!info.task.name().empty() && random_.chance(50))
                ref = std::string(info.task.name());
              held_.push_back({queue, {ref, info.task.progress.lease_token}, info.task.place.eta});
              if (held_.size() > known_max) held_.erase(held_.begin());
            }
          }));
}

std::vector<Lease> Workload::some_leases(std::size_t queue) {
  std::vector<Lease> leases;
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (held_[i].queue == queue) mine.push_back(i);
  }
  const bool careful = random_.chance(weather_.careful_percent);
  const std::int64_t wanted = random_.between(1, random_.chance(70) ? 2 : 10);
  for (std::int64_t i = 0; i < wanted && !mine.empty(); ++i) {
    // The newest, as good workers do, or any.
    const std::size_t at = careful ? mine.size() - 1 : random_.below(mine.size());
    Lease lease = held_[mine[at]].lease;
    if (!careful && random_.chance(10)) lease.token ^= 1;
    if (!careful && random_.chance(5)) lease.token = 0;
    if (weather_.leases_by_end) lease.token = 0, lease.end = held_[mine[at]].eta;
    leases.push_back(lease);
    if (careful) mine.pop_back();  // nobody is named twice
  }
  if (leases.empty()) leases.push_back({some_task(queue), random_.next()});
  return leases;
}

void Workload::walk(std::size_t queue, std::optional<TaskState> state, TaskId after) {
  ListTasks command;
  command.queue = name_of(queue);
  command.state = state;
  command.after = after;
  command.tasks_max = static_cast<std::uint32_t>(random_.chance(50) ? random_.between(1, 5) : 100);
  world_.call(std::move(command),
              Callback<void(const Result<ListTasks::Answer>&)>(
                  [this, queue, state](const Result<ListTasks::Answer>& answer) {
                    if (!answer || !answer->next || deeds_left_ == 0) return;
                    const Nanos pause(random_.between(0, 2'000'000));
                    world_.after(pause, [this, queue, state, next = *answer->next] {
                      walk(queue, state, next);
                    });
                  }));
}

void Workload::do_deed(Deed deed) {
  const std::size_t queue = some_queue();
  const QueueName name = name_of(queue);
  switch (deed) {
    case Deed::configure:
      configure(queue);
      break;
    case Deed::delete_queue:
      world_.call(DeleteQueue{name,
                              {},
                              weather_.deed_weights[first_extra_deed] > 0 && random_.chance(50)
                                  ? Micros(random_.between(0, 2'000'000))
                                  : Micros(0)},
                  ignore<void>());
      if (random_.chance(80)) configure(queue);
      break;
    case Deed::get_queue:
      world_.call(GetQueue{name, {}}, ignore<QueueInfo>());
      break;
    case Deed::list_queues:
      world_.call(ListQueues{"p",
                             "l",
                             random_.chance(50) ? "" : name.queue,
                             static_cast<std::uint32_t>(random_.between(1, 5)),
                             {}},
                  ignore<std::vector<QueueInfo>>());
      break;
    case Deed::pause:
      world_.call(
          SetQueueState{name, random_.chance(80) ? QueueState::paused : QueueState::disabled, {}},
          ignore<QueueInfo>());
      break;
    case Deed::resume:
      world_.call(SetQueueState{name, QueueState::running, {}}, ignore<QueueInfo>());
      break;
    case Deed::purge:
      world_.call(PurgeQueue{name, {}}, ignore<QueueInfo>());
      break;
    case Deed::stats:
      world_.call(GetQueueStats{name, {}}, ignore<QueueStats>());
      break;
    case Deed::add:
      add(queue);
      break;
    case Deed::get:
      world_.call(GetTask{name, some_task(queue), {}}, ignore<TaskInfo>());
      break;
    case Deed::list: {
      std::optional<TaskState> state;
      if (random_.chance(30)) state = static_cast<TaskState>(random_.below(task_state_count));
      walk(queue, state, TaskId{0});
      break;
    }
    case Deed::remove: {
      DeleteTasks command;
      command.queue = name;
      const std::int64_t tasks = random_.between(1, random_.chance(70) ? 1 : 5);
      for (std::int64_t i = 0; i < tasks; ++i) command.tasks.push_back(some_task(queue));
      world_.call(std::move(command), ignore<std::vector<Result<void>>>());
      break;
    }
    case Deed::run:
      world_.call(RunTask{name, some_task(queue), {}}, ignore<TaskInfo>());
      break;
    case Deed::lease:
      lease(queue);
      break;
    case Deed::ack:
      ack(queue);
      break;
    case Deed::renew:
      world_.call(RenewLeases{name,
                              some_leases(queue),
                              Micros(random_.between(1'000, weather_.lease_max.count())),
                              {}},
                  ignore<std::vector<Result<TaskInfo>>>());
      break;
    case Deed::release:
      release(queue);
      break;
    case Deed::cancel: {
      CancelTasks command{name, some_tasks(queue), {}};
      world_.call(std::move(command), ignore<std::vector<Result<TaskInfo>>>());
      break;
    }
    case Deed::outcomes: {
      GetOutcomes command;
      command.queue = name;
      command.tasks = some_tasks(queue);
      command.history = random_.chance(50);
      command.wait = some_wait();
      world_.call(std::move(command), ignore<std::vector<Result<GetOutcomes::Item>>>());
      break;
    }
    case Deed::watch: {
      WatchTasks command{name, some_tasks(queue), some_wait(), nullptr, {}};
      world_.call(std::move(command), ignore<std::vector<TaskRef>>());
      break;
    }
    case Deed::list_dead:
      list_dead(queue, {dead_lane, Wall::min(), 0});
      break;
    case Deed::get_dead:
      world_.call(GetDead{name, some_task(queue), {}}, ignore<TaskInfo>());
      break;
    case Deed::delete_dead: {
      DeleteDead command{name, some_tasks(queue), {}};
      world_.call(std::move(command), ignore<std::vector<Result<void>>>());
      break;
    }
    case Deed::retry_dead:
      world_.call(RetryDead{name, some_tasks(queue), {}}, ignore<std::vector<Result<TaskInfo>>>());
      break;
    case Deed::modify:
      modify(queue);
      break;
    case Deed::list_by_eta:
      list_by_eta(queue);
      break;
    case Deed::limit:
      limit();
      break;
    case Deed::project_use:
      world_.call(GetProjectUse{"p", {}}, ignore<GetProjectUse::Answer>());
      break;
  }
}

std::vector<TaskRef> Workload::some_tasks(std::size_t queue) {
  std::vector<TaskRef> tasks;
  const std::int64_t wanted = random_.between(1, random_.chance(70) ? 1 : 5);
  for (std::int64_t i = 0; i < wanted; ++i) tasks.push_back(some_task(queue));
  return tasks;
}

Micros Workload::some_wait() {
  return random_.chance(50) ? Micros(0) : Micros(random_.between(0, weather_.wait_max.count()));
}

void Workload::ack(std::size_t queue) {
  AckTasks command{.queue = name_of(queue), .leases = some_leases(queue), .reply = {}};
  command.failed = weather_.fail_percent > 0 && random_.chance(weather_.fail_percent);
  if (weather_.keep_percent > 0 && random_.chance(50)) {
    for (Lease& lease : command.leases) {
      lease.report = std::make_shared<AttemptReport>();
      lease.report->log = random_.chance(50) ? "what it did" : "";
      lease.report->result = ResultBody{.headers = {}, .body = to_text(lease.task)};
    }
  }
  world_.call(std::move(command), ignore<std::vector<Result<void>>>());
}

void Workload::release(std::size_t queue) {
  ReleaseTasks command{name_of(queue), some_leases(queue), std::nullopt, {}};
  if (random_.chance(50))
    command.delay = Micros(random_.chance(50) ? 0 : random_.between(0, weather_.delay_max.count()));
  if (weather_.death_percent > 0) {
    static constexpr ExitCause harmless[] = {ExitCause::exited, ExitCause::cpu_time,
                                             ExitCause::killed};
    for (Lease& lease : command.leases) {
      AttemptUsage usage;
      usage.cause = !random_.chance(weather_.death_percent)
                        ? harmless[random_.below(std::size(harmless))]
                    : random_.chance(50) ? ExitCause::signalled
                                         : ExitCause::out_of_memory;
      lease.report = std::make_shared<AttemptReport>();
      lease.report->usage = usage;
    }
  }
  world_.call(std::move(command), ignore<std::vector<Result<void>>>());
}

void Workload::modify(std::size_t queue) {
  ModifyLease command;
  command.queue = name_of(queue);
  command.duration =
      random_.chance(30) ? Micros(0) : Micros(random_.between(1'000, weather_.lease_max.count()));
  std::vector<Held*> mine;
  // Mostly of leases that are not over.
  const bool any = random_.chance(20);
  for (Held& held : held_) {
    if (held.queue == queue && (any || held.eta >= world_.engine_wall())) mine.push_back(&held);
  }
  if (mine.empty() || random_.chance(5)) {
    command.task = some_task(queue);
    command.eta = world_.engine_wall() + Micros(random_.between(-1'000, 1'000));
  } else {
    // The newest, as good workers do, or any; now and then as if by two.
    const Held& held = *mine[random_.chance(weather_.careful_percent) ? mine.size() - 1
                                                                      : random_.below(mine.size())];
    command.task = held.lease.task;
    command.eta = held.eta + Micros(random_.chance(5) ? 1 : 0);
  }
  const int callers = random_.chance(20) ? 2 : 1;
  for (int i = 0; i < callers; ++i) {
    world_.call(ModifyLease{command.queue, command.task, command.eta, command.duration, {}},
                Callback<void(const Result<TaskInfo>&)>(
                    [this, queue, ref = command.task](const Result<TaskInfo>& answer) {
                      if (!answer || answer->state != TaskState::leased) return;
                      const Task& task = answer->task;
                      held_.push_back({queue, {ref, task.progress.lease_token}, task.place.eta});
                      if (held_.size() > known_max) held_.erase(held_.begin());
                    }));
  }
}

void Workload::list_by_eta(std::size_t queue) {
  ListTasksByEta command;
  command.queue = name_of(queue);
  if (random_.chance(50))
    command.eta = world_.engine_wall() +
                  Micros(random_.between(-weather_.delay_max.count(), weather_.delay_max.count()));
  if (random_.chance(20)) command.order = random_.next() >> 1;
  if (random_.chance(weather_.key_percent)) command.key = random_.chance(50) ? "" : some_key();
  command.tasks_max = static_cast<std::uint32_t>(random_.chance(50) ? random_.between(1, 5) : 1000);
  world_.call(std::move(command), ignore<std::vector<TaskInfo>>());
}

void Workload::list_dead(std::size_t queue, Place after) {
  ListDead command;
  command.queue = name_of(queue);
  command.after = after;
  command.tasks_max = static_cast<std::uint32_t>(random_.chance(50) ? random_.between(1, 5) : 1000);
  if (random_.chance(20))
    command.filter.reason = static_cast<DeathReason>(1 + random_.below(death_reason_count - 1));
  if (random_.chance(20)) command.filter.key = some_key();
  if (random_.chance(20))
    command.filter.since = world_.engine_wall() - Micros(random_.between(0, 10'000'000));
  if (random_.chance(20))
    command.filter.until = world_.engine_wall() - Micros(random_.between(0, 1'000'000));
  world_.call(std::move(command), Callback<void(const Result<ListDead::Answer>&)>(
                                      [this, queue](const Result<ListDead::Answer>& answer) {
                                        if (answer) retry(queue, answer->tasks);
                                        if (!answer || !answer->next || deeds_left_ == 0) return;
                                        const Nanos pause(random_.between(0, 2'000'000));
                                        world_.after(pause, [this, queue, next = *answer->next] {
                                          list_dead(queue, next);
                                        });
                                      }));
}

// As a door does that retries by a filter: those that a page told.
void Workload::retry(std::size_t queue, const std::vector<Task>& dead) {
  if (weather_.deed_weights[first_retry_deed] == 0 || dead.empty() || !random_.chance(50)) return;
  RetryDead command{name_of(queue), {}, {}};
  for (const Task& task : dead) {
    if (!Checker::is_stranger(task)) command.tasks.emplace_back(task.id);
  }
  if (command.tasks.empty()) return;
  world_.call(std::move(command), ignore<std::vector<Result<TaskInfo>>>());
}

void Workload::limit() {
  const std::uint64_t bytes_max =
      random_.chance(50) ? 0 : static_cast<std::uint64_t>(random_.between(100, 20'000));
  world_.call(SetProjectLimit{"p", bytes_max, {}}, ignore<void>());
}

// ---- The calm

void Workload::begin_calm() {
  calm_from_ = world_.now().mono;
  tick();
}

bool Workload::is_quiet() const {
  // By then every call of the storm was answered.
  return world_.now().mono > calm_from_ + Seconds(15);
}

void Workload::tick() {
  if (drained_) return;
  ++tick_;
  world_.call(ListQueues{"p", "l", "", 100, {}},
              Callback<void(const Result<std::vector<QueueInfo>>&)>(
                  [this](const Result<std::vector<QueueInfo>>& answer) {
                    if (answer) drain(*answer);
                  }));
  // What is not due for an hour needs no look twenty times a second.
  world_.after(tick_gap_, [this] { tick(); });
  tick_gap_ = std::min<Nanos>(tick_gap_ * 5 / 4, Seconds(10));
}

void Workload::drain(const std::vector<QueueInfo>& queues) {
  struct Count {
    std::size_t answers = 0;
    std::uint64_t tasks = 0;
  };
  auto count = std::make_shared<Count>();
  const auto takes = [&](const std::string& name, QueueMode mode) {
    return std::ranges::any_of(queues, [&](const QueueInfo& info) {
      return info.name.queue == name && info.settings.mode == mode;
    });
  };
  bool calls_back = true;
  for (std::size_t queue = 0; queue < weather_.push_queues; ++queue)
    calls_back = calls_back && takes(name_of(queue).queue, QueueMode::push);
  const bool strangers = weather_.forwards || weather_.callback_percent > 0;
  if (strangers) world_.call(SetProjectLimit{"p", 0, {}}, ignore<void>());
  for (const QueueInfo& info : queues) {
    QueueSettings wanted = info.settings;
    wanted.rate = {.count = 1'000'000, .period = Seconds(1), .unlimited = false};
    wanted.burst = 100;
    wanted.concurrency = 100;
    if (strangers) wanted.max_tasks = wanted.max_bytes = 0;
    wanted.timeout = Seconds(5);
    wanted.retry.max_backoff = std::min<Micros>(wanted.retry.max_backoff, Seconds(3));
    wanted.retry.min_backoff = std::min(wanted.retry.min_backoff, wanted.retry.max_backoff);
    if (wanted != info.settings) {
      ConfigureQueue command;
      command.queue = info.name;
      world_.call(std::move(command), ignore<ConfigureQueue::Answer>(), wanted);
    }
    if (info.state != QueueState::running) {
      world_.call(SetQueueState{info.name, QueueState::running, {}}, ignore<QueueInfo>());
    }
    if (info.settings.mode == QueueMode::pull) drain_leases(info.name, 0);
    // What goes to another queue gets there, if that is there to take it.
    const bool goes_on = takes(info.settings.dead.queue, info.settings.mode);
    world_.call(GetQueueStats{info.name, {}},
                Callback<void(const Result<QueueStats>&)>(
                    [this, count, goes_on, calls_back,
                     all = queues.size()](const Result<QueueStats>& answer) {
                      if (!answer) return;
                      ++count->answers;
                      count->tasks += answer->tasks;
                      if (calls_back) count->tasks += answer->outgoing;
                      if (goes_on) count->tasks += answer->dead;
                      if (count->answers == all && count->tasks == 0 && is_quiet()) drained_ = true;
                    }));
  }
  if (queues.empty() && is_quiet()) drained_ = true;
}

// Key by key until a key gives nothing, then whatever is left: nothing may hide from its key.
void Workload::drain_leases(const QueueName& name, std::uint32_t key) {
  const bool by_key = weather_.key_percent > 0 && key < weather_.key_pool;
  LeaseTasks lease;
  lease.queue = name;
  lease.tasks_max = 100;
  lease.duration = Seconds(10);
  if (by_key) {
    lease.by = LeaseTasks::By::key;
    lease.key = "k" + std::to_string(key);
  }
  world_.call(std::move(lease),
              Callback<void(const Result<std::vector<TaskInfo>>&)>(
                  [this, name, key, by_key](const Result<std::vector<TaskInfo>>& answer) {
                    if (!answer || (answer->empty() && !by_key)) return;
                    if (!answer->empty()) {
                      AckTasks ack;
                      ack.queue = name;
                      for (const TaskInfo& task : *answer) {
                        ack.leases.push_back({task.task.id, task.task.progress.lease_token});
                      }
                      world_.call(std::move(ack), ignore<std::vector<Result<void>>>());
                    }
                    const std::uint32_t next = answer->empty() ? key + 1 : key;
                    world_.after(Micros(100), [this, name, next] { drain_leases(name, next); });
                  }));
}

}  // namespace deferd::sim
