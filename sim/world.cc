#include "sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace deferd::sim {

// The memory store at a distance: what is asked of it arrives after a while, and the answer takes
// another while. So a read may see what was committed after it was given, and answers overtake each
// other.
class World::SlowStore final : public Store {
 public:
  explicit SlowStore(World& world)
      : world_(world), memory_(world.disk_, {.defer = [this](Callback<void()> completion) {
                                 world_.plan(world_.clock_.now().mono + back_, world_.life_,
                                             std::move(completion));
                               }}) {}

  Result<Loaded> load() override { return memory_.load(); }

  void commit(Batch batch, Callback<void(Result<void>)> done) override {
    ++under_way_;
    Nanos takes = world_.between(world_.weather_.commit_min, world_.weather_.commit_max);
    if (world_.is_slow_) takes *= 100;
    const Nanos there = world_.between(Nanos(0), takes);
    world_.plan(
        world_.clock_.now().mono + there, world_.life_,
        [this, back = takes - there, batch = std::move(batch), done = std::move(done)]() mutable {
          back_ = back;
          memory_.commit(std::move(batch),
                         [this, done = std::move(done)](Result<void> result) mutable {
                           --under_way_;
                           if (!result) world_.emit(CommitFailed{});
                           done(std::move(result));
                         });
        });
  }

  void read(Read read, Callback<void(Result<ReadAnswer>)> done) override {
    ++under_way_;
    if (world_.trace_) std::printf("   %s\n", to_text(read).c_str());
    const Nanos takes = world_.between(world_.weather_.read_min, world_.weather_.read_max);
    const Nanos there = world_.between(Nanos(0), takes);
    world_.plan(
        world_.clock_.now().mono + there, world_.life_,
        [this, back = takes - there, read = std::move(read), done = std::move(done)]() mutable {
          back_ = back;
          memory_.read(std::move(read),
                       [this, done = std::move(done)](Result<ReadAnswer> answer) mutable {
                         --under_way_;
                         done(std::move(answer));
                       });
        });
  }

  MemoryStore& memory() { return memory_; }
  bool busy() const { return under_way_ > 0; }

 private:
  World& world_;
  Nanos back_{};  // of the call that is being made
  MemoryStore memory_;
  std::uint32_t under_way_ = 0;
};

World::World(const Weather& weather, Random random, Checker& checker, bool trace)
    : weather_(weather), random_(random), checker_(checker), trace_(trace), time_(clock_.now()) {}

World::~World() {
  // As a crash: nothing that is still planned is carried out.
  if (store_ != nullptr) store_->memory().abandon();
}

void World::emit(Event event) {
  ++events_;
  if (trace_) std::printf("%s\n", to_text(event).c_str());
  checker_.on(std::move(event));
}

// ---- The agenda

void World::plan(Mono at, std::uint64_t life, Callback<void()> act) {
  agenda_.push_back({at, planned_++, life, std::move(act)});
  std::ranges::push_heap(agenda_, std::ranges::greater{},
                         [](const Planned& p) { return std::pair(p.at, p.number); });
}

bool World::step() {
  if (agenda_.empty() || checker_.violation()) return false;
  std::ranges::pop_heap(agenda_, std::ranges::greater{},
                        [](const Planned& p) { return std::pair(p.at, p.number); });
  Planned next = std::move(agenda_.back());
  agenda_.pop_back();
  if (next.life != any_life && next.life != life_) return true;
  const Mono now = clock_.now().mono;
  if (next.at > now) clock_.advance(next.at - now);
  next.act();
  return !checker_.violation();
}

void World::plan_run(Mono at) {
  at = std::max(at, clock_.now().mono);
  if (at >= next_run_) return;
  next_run_ = at;
  plan(at, life_, [this, at] {
    if (at == next_run_) run();
  });
}

void World::run() {
  next_run_ = Mono::max();
  const Now now = clock_.now();
  engine_now_ = time_.at(now);
  wall_max_ = std::max(wall_max_, engine_now_.wall);
  emit(RunBegan{engine_now_});
  const Mono wake_at = loop_->run(now);
  emit(RunEnded{store_->busy(), wake_at});
  loop_->shard().check();
  if (stopping_ && loop_->is_idle()) {
    die(Death::stopped);
    return;
  }
  if (wake_at != Mono::max()) plan_run(wake_at);
}

// ---- Targets

void World::start(Attempt attempt, Callback<void(AttemptResult)> done) {
  const AttemptId id = next_attempt_;
  ++next_attempt_.value;
  Nanos takes{};
  AttemptResult result = outcome(attempt, takes);
  attempts_.emplace(id, Running{*attempt.queue, attempt.task.id, std::move(done)});
  emit(Started{id, std::move(attempt)});
  plan(clock_.now().mono + takes, life_,
       [this, id, result = std::move(result)]() mutable { end_attempt(id, std::move(result)); });
}

AttemptResult World::outcome(const Attempt& attempt, Nanos& takes) {
  takes = between(Nanos(0), weather_.target_max);
  AttemptResult result{.status = 200, .detail = {}, .retry_after = Micros(0)};
  if (!is_calm_ && random_.chance(weather_.hang_percent)) takes = Nanos::max();
  if (takes > attempt.timeout) {
    takes = attempt.timeout;
    result.status = status_timeout;
    return result;
  }
  if (is_calm_ || random_.chance(weather_.succeed_percent)) {
    static constexpr std::int16_t good[] = {200, 201, 204, 299};
    result.status = good[random_.below(std::size(good))];
    return result;
  }
  static constexpr std::int16_t bad[] = {500,           503, 404, 429, 300, 199, status_unreachable,
                                         status_refused};
  result.status = bad[random_.below(std::size(bad))];
  if (result.status > 0 && random_.chance(weather_.retry_after_percent)) {
    result.retry_after = Micros(random_.between(0, 5'000'000));
  }
  return result;
}

void World::cancel(const QueueName& queue, TaskId task) {
  for (const auto& [id, running] : attempts_) {
    if (running.queue != queue || running.task != task || random_.chance(30)) continue;
    plan(clock_.now().mono + between(Nanos(0), Millis(1)), life_, [this, cut_off = id] {
      end_attempt(cut_off, {.status = status_cancelled, .detail = {}, .retry_after = Micros(0)});
    });
  }
}

void World::end_attempt(AttemptId id, AttemptResult result) {
  const auto at = attempts_.find(id);
  if (at == attempts_.end()) return;
  Callback<void(AttemptResult)> done = std::move(at->second.done);
  attempts_.erase(at);
  emit(AttemptEnded{id, result});
  done(std::move(result));
}

// ---- The process

void World::open() {
  ++life_;
  stopping_ = false;
  restart_planned_ = false;
  is_slow_ = false;
  store_ = std::make_unique<SlowStore>(*this);
  auto loaded = store_->load();
  DEFERD_ASSERT(loaded.has_value());
  const Now now = clock_.now();
  time_ = EngineTime(now);
  engine_now_ = time_.at(now);
  Opened opened{.now = engine_now_,
                .next_number = loaded->next_number,
                .queues = loaded->queues,
                .tasks = {},
                .dead = {},
                .outcomes = {},
                .projects = loaded->projects,
                .gone = loaded->gone};
  MemoryStore disk(disk_);
  for (const StoredQueue& queue : loaded->queues) {
    const Generation generation{queue.record.number, queue.record.generation};
    disk.read(ScanIds{generation, TaskId{0}, 1'000'000, 1U << 30}, [&](Result<ReadAnswer> answer) {
      std::vector<Task>& tasks = opened.tasks[queue.record.number];
      tasks = std::move(std::get<ScanAnswer>(*answer).tasks);
      // What is dead does not live.
      std::vector<Task>& dead = opened.dead[queue.record.number];
      std::ranges::copy_if(tasks, std::back_inserter(dead),
                           [](const Task& task) { return task.place.priority == dead_lane; });
      std::erase_if(tasks, [](const Task& task) { return task.place.priority >= priority_count; });
    });
    disk.read(ScanOutcomes{queue.record.number, 1'000'000}, [&](Result<ReadAnswer> answer) {
      for (const auto& item : std::get<ScanOutcomesAnswer>(*answer).items)
        opened.outcomes[queue.record.number].insert(item.id);
    });
  }
  emit(std::move(opened));
  ShardOptions options = weather_.shard;
  options.seed = random_.next();
  options.recurrences = &recurrences_;
  options.callbacks = &callbacks_;
  options.projects = std::make_shared<ProjectUse>();
  for (const ProjectRecord& project : loaded->projects)
    options.projects->account(project.project)->limit(project.bytes_max);
  Dispatcher& targets = *this;
  loop_ = std::make_shared<ShardLoop>(
      options, [next = loaded->next_number]() mutable { return QueueNumber{next.value++}; },
      *store_, targets, now,
      [this, life = life_] {
        if (life == life_) plan_run(clock_.now().mono + between(Nanos(0), weather_.wake_max));
      },
      [this](Command command) { forward(std::move(command)); });
  loop_->load(std::move(loaded->queues), now, std::move(loaded->gone));
  next_run_ = Mono::max();
  plan_run(now.mono);
}

void World::forward(Command command) {
  auto& add = std::get<AddTasks>(command);
  add.reply = [this, life = life_,
               reply = std::move(add.reply)](Result<std::vector<Result<Task>>> result) mutable {
    plan(clock_.now().mono + between(Nanos(0), weather_.forward_max), life,
         [reply = std::move(reply), result = std::move(result)]() mutable {
           reply(std::move(result));
         });
  };
  plan(clock_.now().mono + between(Nanos(0), weather_.forward_max), life_,
       [this, command = std::move(command)]() mutable { loop_->post(std::move(command), 0); });
}

void World::die(Death how) {
  const bool planned = restart_planned_;
  emit(Died{how, clock_.now().mono});
  store_->memory().abandon();
  // After a failed commit nobody knows what of it is on the disk, however cleanly the process ends.
  if (how == Death::power_cut) {
    disk_->power_cut(random_);
  } else if (how == Death::killed || store_->memory().failed()) {
    disk_->kill(random_);
  }
  ++life_;
  loop_.reset();
  attempts_.clear();
  store_.reset();
  if (!planned) {
    restart_planned_ = true;
    after(between(Nanos(0), Seconds(2)), [this] { open(); });
  }
}

void World::stop() {
  if (stopping_) return;
  stopping_ = true;
  emit(Stopping{});
  loop_->post_stop();
  // Those that run are waited for, but not for ever.
  for (const auto& attempt : attempts_) {
    plan(clock_.now().mono + between(Nanos(0), Seconds(1)), life_, [this, running = attempt.first] {
      end_attempt(running, {.status = status_unreachable, .detail = {}, .retry_after = Micros(0)});
    });
  }
}

void World::strike(Mishap mishap) {
  const auto jump = [this] { return Micros(random_.between(1, weather_.jump_max.count())); };
  if (mishap == Mishap::clock_ahead || mishap == Mishap::clock_back) {
    clock_.set_wall(clock_.now().wall + (mishap == Mishap::clock_ahead ? jump() : -jump()));
    // The runtime looks at the clock twice a second at least.
    if (loop_ != nullptr) plan_run(clock_.now().mono + between(Nanos(0), Millis(500)));
    return;
  }
  if (loop_ == nullptr) return;
  const auto restart_later = [this] {
    after(between(Millis(1), Seconds(2)), [this, life = life_] {
      if (life != life_) return;
      if (random_.chance(50)) {
        die(Death::killed);
      } else {
        stop();
      }
    });
  };
  switch (mishap) {
    case Mishap::stop:
      stop();
      break;
    case Mishap::kill:
      die(Death::killed);
      break;
    case Mishap::power_cut:
      die(Death::power_cut);
      break;
    case Mishap::fail_commit:
      store_->memory().fail_next_commit(MemoryStore::Fault::lost);
      restart_later();
      break;
    case Mishap::tear_commit:
      store_->memory().fail_next_commit(MemoryStore::Fault::torn);
      restart_later();
      break;
    case Mishap::full:
      store_->memory().fail_all("no space left on device");
      restart_later();
      break;
    case Mishap::slow:
      is_slow_ = true;
      plan(clock_.now().mono + between(Millis(1), Seconds(3)), life_, [this] { is_slow_ = false; });
      break;
    case Mishap::fail_reads:
      store_->memory().fail_reads(true);
      plan(clock_.now().mono + between(Millis(1), Seconds(1)), life_,
           [this] { store_->memory().fail_reads(false); });
      break;
    case Mishap::clock_ahead:
    case Mishap::clock_back:
      break;
  }
}

void World::calm() {
  is_calm_ = true;
  is_slow_ = false;
  // Somebody sets the clock right, so that what was planned before it went back is not due in days.
  clock_.set_wall(std::max(clock_.now().wall, wall_max_));
  if (loop_ == nullptr) return;  // its next start is planned
  store_->memory().fail_reads(false);
  // Whatever fault was still to strike would strike in the calm.
  if (weather_.has(Mishap::fail_commit) || weather_.has(Mishap::tear_commit) ||
      store_->memory().failed())
    die(Death::killed);
}

}  // namespace deferd::sim
