#include "sim/checker.h"

#include <algorithm>
#include <span>
#include <type_traits>

#include "base/assert.h"

namespace deferd::sim {

namespace {
constexpr std::uint64_t unsettled = std::numeric_limits<std::uint64_t>::max();

// Calls that change nothing: they may be asked also after a failed commit.
template <class C>
constexpr bool only_reads =
    std::is_same_v<C, GetQueue> || std::is_same_v<C, ListQueues> ||
    std::is_same_v<C, GetQueueStats> || std::is_same_v<C, GetTask> ||
    std::is_same_v<C, ListTasks> || std::is_same_v<C, ListTasksByEta> ||
    std::is_same_v<C, GetProjectUse> || std::is_same_v<C, GetOutcomes> ||
    std::is_same_v<C, WatchTasks> || std::is_same_v<C, ListDead> || std::is_same_v<C, GetDead>;

// The queue modes that a call is for.
template <class C>
constexpr std::optional<QueueMode> mode_of() {
  if constexpr (std::is_same_v<C, RunTask>) return QueueMode::push;
  if constexpr (std::is_same_v<C, LeaseTasks> || std::is_same_v<C, AckTasks> ||
                std::is_same_v<C, RenewLeases> || std::is_same_v<C, ReleaseTasks> ||
                std::is_same_v<C, ModifyLease>) {
    return QueueMode::pull;
  }
  return std::nullopt;
}

bool is_tight(const QueueSettings& settings) { return settings.result_bytes_max < (1 << 20); }
bool forgets(const DeadLetters& dead) {
  return dead.keep < std::chrono::hours(24) || (dead.bytes_max != 0 && dead.bytes_max < (1 << 20));
}
// Nobody tells when one of them goes.
bool is_tight(const DeadLetters& dead) { return forgets(dead) || !dead.queue.empty(); }

// Or so old that it ends before it is sent or seen.
bool may_lose_strangers(const QueueSettings& settings) {
  return settings.task_ttl > Micros(0) || forgets(settings.dead);
}

bool has_name(const NewTask& task) { return task.options && !task.options->name.empty(); }
}  // namespace

void Checker::violated(int property, std::string text) {
  if (violation_) return;
  violation_ = Violation{property, std::move(text)};
}

void Checker::on(Event event) {
  if (is_violated()) return;
  ++event_;
  struct Visit {
    Checker& self;
    void operator()(Called& e) const {
      Call call;
      call.id = e.call;
      call.command = std::move(e.command);
      call.wanted = std::move(e.wanted);
      call.called_at = self.now_.mono;
      self.calls_.emplace(e.call, std::move(call));
      self.inbox_.emplace_back(e.call);
    }
    void operator()(AttemptEnded& e) const { self.inbox_.emplace_back(std::move(e)); }
    void operator()(CommitFailed& e) const { self.inbox_.emplace_back(e); }
    void operator()(Stopping& e) const { self.inbox_.emplace_back(e); }
    void operator()(const RunBegan& e) const {
      self.runs_at_once_ = e.now.mono == self.now_.mono ? self.runs_at_once_ + 1 : 0;
      if (self.runs_at_once_ > 2000)
        self.violated(17, "the shard turns round and round without an end");
      self.note_disturbance(e.now);
      self.now_ = e.now;
      self.wall_max_ = std::max(self.wall_max_, e.now.wall);
      ++self.run_;
      self.run_event_ = self.event_;
      self.in_run_ = true;
      self.take_inbox();
    }
    void operator()(const Configured& e) const {
      const auto at = self.calls_.find(e.call);
      if (at == self.calls_.end()) return;
      if (e.before != at->second.before) {
        self.violated(15, "configuring queue: the settings handed over are not those in force");
      }
    }
    void operator()(Started& e) const {
      self.runs_at_once_ = 0;  // that was progress
      self.starts_.push_back(std::move(e));
    }
    void operator()(Answered& e) const {
      if (self.in_run_) {
        self.answers_.push_back(std::move(e));
      } else {
        self.answer(e);
      }
    }
    void operator()(const RunEnded& e) const {
      self.in_run_ = false;
      for (const Answered& answered : std::exchange(self.answers_, {})) {
        ++self.event_;
        self.answer(answered);
        if (self.is_violated()) return;
      }
      for (const Started& started : std::exchange(self.starts_, {})) {
        ++self.event_;
        self.start(started);
        if (self.is_violated()) return;
      }
      self.check_idle_hands(e);
    }
    void operator()(const Died& e) const { self.die(e); }
    void operator()(const Opened& e) const { self.open(e); }
    void operator()(const Ended& e) const { self.end(e); }
  };
  std::visit(Visit{*this}, event);
}

void Checker::take_inbox() {
  for (auto& item : std::exchange(inbox_, {})) {
    ++event_;
    if (const auto* id = std::get_if<CallId>(&item)) {
      apply(calls_.at(*id));
    } else if (const auto* ended = std::get_if<AttemptEnded>(&item)) {
      end_attempt(*ended);
    } else if (std::holds_alternative<CommitFailed>(item)) {
      failed_ = true;
      failed_run_ = run_;
    } else {
      stopping_ = true;
      stopping_run_ = run_;
    }
    if (is_violated()) return;
  }
}

// ---- What a call does, as far as its instant is known: it is taken in order by this run.

void Checker::mark(Call& call, ModelTask* task, bool may_end, bool may_move) {
  if (may_end) {
    ++task->endings;
    call.endings.push_back({task, event_, task->unsure_event});
    task->unsure_event = event_;
  }
  if (may_move) {
    ++task->movings;
    call.movings.push_back({task, event_, task->changed_event});
    task->changed_event = event_;
  }
}

// While the call's own answer is judged, its tasks are as sure as if it had not been: if nothing
// else shook them.
void Checker::unmark(const Call& call) {
  for (auto mark = call.endings.rbegin(); mark != call.endings.rend(); ++mark) {
    --mark->task->endings;
    if (mark->task->unsure_event == mark->at) mark->task->unsure_event = mark->before;
  }
  for (auto mark = call.movings.rbegin(); mark != call.movings.rend(); ++mark) {
    --mark->task->movings;
    if (mark->task->changed_event == mark->at) mark->task->changed_event = mark->before;
  }
}

// For all other calls they were not sure until now.
void Checker::forget_marks(const Call& call) {
  for (const Call::Mark& mark : call.endings) mark.task->unsure_event = event_;
  for (const Call::Mark& mark : call.movings) mark.task->changed_event = event_;
}

void Checker::apply(Call& call) {
  call.applied = true;
  call.applied_event = event_;
  call.applied_run = run_;
  call.applied_at = now_;
  std::visit(
      [&](const auto& command) {
        using C = std::decay_t<decltype(command)>;
        if (failed_ && !only_reads<C>) call.must_fail = Reason::store_failed;
        if (stopping_) call.must_fail = Reason::stopping;
        if (call.must_fail) return;
        call.asked = bytes_asked_;
        if constexpr (std::is_same_v<C, ListQueues>) {
          for (const auto& [name, queue] : current_) {
            if (name.project != command.project || name.location != command.location ||
                name.queue <= command.after)
              continue;
            if (call.queues.size() == command.queues_max) break;
            call.queues.push_back(
                {name, queue->settings, queue->state, queue->created, std::nullopt});
          }
        } else if constexpr (std::is_same_v<C, SetProjectLimit>) {
          limits_.emplace_back(event_, command.bytes_max);
          limit_versions_.emplace_back(call.id, command.bytes_max);
        } else if constexpr (std::is_same_v<C, GetProjectUse>) {
          call.use = project_use();
          call.limit = limits_.back().second;
        } else {
          const auto current = current_.find(command.queue);
          if (current != current_.end()) call.queue = current->second;
          const auto gone = gone_.find(command.queue);
          const bool is_gone =
              call.queue == nullptr && gone != gone_.end() && gone->second.free_at > now_.wall;
          if (is_gone) {
            ++marks_.queue_gone;
            call.must_fail = Reason::queue_gone;
            return;
          }
          if constexpr (std::is_same_v<C, ConfigureQueue>) {
            if (call.queue != nullptr) call.before = call.queue->settings;
            if (!call.wanted.dead.queue.empty())
              strangers_go_to(
                  {command.queue.project, command.queue.location, call.wanted.dead.queue});
            if (!call.wanted.check()) {
              call.must_fail = Reason::invalid;
            } else if (call.queue != nullptr && call.wanted.mode != call.queue->settings.mode) {
              call.must_fail = Reason::queue_mode;
            } else if (call.queue != nullptr) {
              ModelQueue& queue = *call.queue;
              // By the settings that go, some leased tasks may be dropped already.
              for (ModelTask* task : queue.tasks) static_cast<void>(sure(*task));
              queue.settings = call.wanted;
              queue.results_are_tight |= is_tight(call.wanted);
              queue.dead_are_tight |= is_tight(call.wanted.dead);
              queue.loses_strangers |= may_lose_strangers(call.wanted);
              queue.log.emplace_back(event_, queue.settings);
              queue.bucket.change(call.wanted.rate, call.wanted.burst, now_.mono);
              queue.tombstone_min = std::min(queue.tombstone_min, call.wanted.tombstone);
              queue.tombstone_max = std::max(queue.tombstone_max, call.wanted.tombstone);
              queue.versions.push_back({queue.settings, queue.state, call.id});
            } else {
              auto made = std::make_unique<ModelQueue>();
              made->name = command.queue;
              // Only a queue that was made and deleted within one commit leaves its number to
              // another.
              for (const auto& old : queues_) {
                if (old->number == next_number_) old->number = QueueNumber{};
              }
              made->number = next_number_;
              ++next_number_.value;
              made->settings = call.wanted;
              made->results_are_tight = is_tight(call.wanted);
              made->dead_are_tight = is_tight(call.wanted.dead);
              made->loses_strangers = may_lose_strangers(call.wanted);
              made->created = now_.wall;
              made->made_by = call.id;
              made->bucket.reset(call.wanted.rate, call.wanted.burst, now_.mono);
              made->tombstone_min = made->tombstone_max = call.wanted.tombstone;
              made->versions.push_back({made->settings, made->state, call.id});
              made->running_event = event_;
              made->log.emplace_back(event_, made->settings);
              made->may_hold_strangers = strangers_go_.contains(made->name);
              gone_.erase(command.queue);
              call.queue = made.get();
              current_[command.queue] = made.get();
              queues_.push_back(std::move(made));
            }
            return;
          }
          if (call.queue == nullptr) {
            call.must_fail = Reason::queue_missing;
            return;
          }
          ModelQueue& queue = *call.queue;
          call.before = queue.settings;
          if (mode_of<C>() && *mode_of<C>() != queue.settings.mode) {
            call.must_fail = Reason::queue_mode;
            return;
          }
          const auto mark_all = [&](const auto& refs, bool may_end, bool may_move, auto ref_of) {
            call.may_end = may_end;
            call.may_move = may_move;
            for (const auto& one : refs) {
              const TaskRef& ref = ref_of(one);
              if (const auto* given = std::get_if<std::string>(&ref)) call.names.push_back(*given);
              for (ModelTask* task : candidates(queue, ref)) mark(call, task, may_end, may_move);
            }
          };
          const auto itself = [](const TaskRef& ref) -> const TaskRef& { return ref; };
          const auto of_lease = [](const Lease& lease) -> const TaskRef& { return lease.task; };
          if constexpr (std::is_same_v<C, DeleteQueue>) {
            queue.dropped = true;
            current_.erase(command.queue);
            if (command.tombstone > Micros(0)) {
              gone_[command.queue] = {now_.wall + command.tombstone, call.id, false};
              deletions_.emplace(command.queue, now_.wall + command.tombstone);
            }
            for (ModelTask* task : queue.tasks) mark(call, task, true, false);
          } else if constexpr (std::is_same_v<C, GetQueue>) {
            call.queues.push_back(
                {queue.name, queue.settings, queue.state, queue.created, std::nullopt});
          } else if constexpr (std::is_same_v<C, SetQueueState>) {
            queue.state = command.state;
            queue.paused_since.reset();
            queue.running_event = event_;
            queue.versions.push_back({queue.settings, queue.state, call.id});
          } else if constexpr (std::is_same_v<C, PurgeQueue>) {
            purge_dead(queue, false, event_);
            queue.loses_strangers = true;
            for (ModelTask* task : queue.tasks) {
              // Names must be looked up first: such an add may be carried out after the purge.
              const auto add =
                  task->life == Life::asked ? calls_.find(task->added_by) : calls_.end();
              if (add != calls_.end() && add->second.fits.empty()) {
                task->doubt = true;
                task->unsure_event = event_;
              } else {
                mark(call, task, true, false);
                exhume(call, task);
                call.purged.push_back(task);
              }
            }
          } else if constexpr (std::is_same_v<C, GetQueueStats>) {
            call.recount = recount(queue);
            for (const ModelTask* task : queue.tasks)
              call.least = std::min(call.least, task->eta_from);
          } else if constexpr (std::is_same_v<C, AddTasks>) {
            const Recount before = recount(queue);
            // With a limit of the project it is not told which of them were refused.
            const bool named =
                std::ranges::any_of(command.tasks, has_name) || limits_.back().second != 0;
            call.use = project_use();
            Range tasks = before.tasks;
            Range bytes = before.bytes;
            for (const NewTask& given : command.tasks) {
              auto task = std::make_unique<ModelTask>();
              task->tag = tag_of(given.payload).value_or(0);
              task->queue = &queue;
              task->given = given;
              task->added_by = call.id;
              task->priority = given.priority.value_or(queue.settings.priority);
              if (const std::string calls = task->callback_queue(); !calls.empty())
                strangers_go_to({queue.name.project, queue.name.location, calls});
              task->bytes = static_cast<std::uint32_t>(task_overhead_bytes + given.payload->size() +
                                                       task->name().size() + task->key().size() +
                                                       task->recurrence().size());
              bytes_asked_ += task->bytes;
              const QueueSettings& s = queue.settings;
              Fit fit = Fit::fits;
              if (s.max_tasks != 0 && tasks.low >= s.max_tasks) {
                fit = Fit::too_many;
              } else if (s.max_bytes != 0 && bytes.low + task->bytes > s.max_bytes) {
                const bool may_be_full = queue.may_hold_strangers || tasks.high >= s.max_tasks;
                fit = s.max_tasks != 0 && may_be_full ? Fit::unknown : Fit::too_large;
              } else if ((queue.may_hold_strangers && (s.max_tasks != 0 || s.max_bytes != 0)) ||
                         (s.max_tasks != 0 && tasks.high >= s.max_tasks) ||
                         (s.max_bytes != 0 && bytes.high + task->bytes > s.max_bytes)) {
                fit = Fit::unknown;
              }
              if (is_valid(*task)) {
                if (fit == Fit::fits) ++tasks.low, bytes.low += task->bytes;
                if (fit == Fit::fits || fit == Fit::unknown)
                  ++tasks.high, bytes.high += task->bytes;
              }
              if (!named) call.fits.push_back(fit);
              call.added.push_back(task.get());
              queue.tasks.push_back(task.get());
              task->unsure_event = event_;
              task->changed_event = event_;
              if (!task->name().empty()) {
                queue.by_name[std::string(task->name())].push_back(task.get());
                for (auto& [id, other] : calls_) {
                  if (other.queue != &queue ||
                      std::ranges::find(other.names, task->name()) == other.names.end())
                    continue;
                  mark(other, task.get(), other.may_end, other.may_move);
                  if (std::holds_alternative<RetryDead>(other.command) ||
                      std::holds_alternative<DeleteDead>(other.command))
                    exhume(other, task.get());
                }
              }
              const Tag tag = task->tag;
              DEFERD_ASSERT(tasks_.emplace(tag, std::move(task)).second, "tag used twice", tag);
            }
          } else if constexpr (std::is_same_v<C, DeleteTasks> || std::is_same_v<C, CancelTasks>) {
            mark_all(command.tasks, true, false, itself);
          } else if constexpr (std::is_same_v<C, DeleteDead> || std::is_same_v<C, RetryDead>) {
            for (const TaskRef& ref : command.tasks) {
              if (const auto* name = std::get_if<std::string>(&ref)) call.names.push_back(*name);
            }
            exhume(call, command.tasks);
          } else if constexpr (std::is_same_v<C, RunTask>) {
            mark_all(std::span(&command.task, 1), false, true, itself);
          } else if constexpr (std::is_same_v<C, LeaseTasks>) {
            ++queue.leases_out;
          } else if constexpr (std::is_same_v<C, AckTasks>) {
            mark_all(command.leases, true, false, of_lease);
          } else if constexpr (std::is_same_v<C, RenewLeases>) {
            mark_all(command.leases, false, true, of_lease);
          } else if constexpr (std::is_same_v<C, ReleaseTasks>) {
            mark_all(command.leases, true, true, of_lease);
          } else if constexpr (std::is_same_v<C, ModifyLease>) {
            if (queue.state != QueueState::running) {
              call.must_fail = Reason::queue_paused;
              return;
            }
            mark_all(std::span(&command.task, 1), true, true, itself);
          } else if constexpr (std::is_same_v<C, ListTasksByEta>) {
            for (ModelTask* task : queue.tasks) {
              if (sure(*task) && settled(*task)) call.listed.push_back(task);
            }
          }
        }
      },
      call.command);
}

bool Checker::is_valid(const ModelTask& task) {
  const bool is_push = task.queue->settings.mode == QueueMode::push;
  return task.given.has_target == is_push &&
         (is_push || task.callback_queue() != task.queue->name.queue);
}

bool Checker::refers(const Command& command, const ModelTask& task) {
  const auto fits = [&](const TaskRef& ref) {
    const auto* name = std::get_if<std::string>(&ref);
    return name != nullptr ? task.name() == *name : task.id == std::get<TaskId>(ref);
  };
  return std::visit(
      [&](const auto& given) {
        if constexpr (requires { given.leases; }) {
          return std::ranges::any_of(given.leases,
                                     [&](const Lease& lease) { return fits(lease.task); });
        } else if constexpr (requires { fits(given.task); }) {
          return fits(given.task);
        } else if constexpr (requires { fits(given.tasks.front()); }) {
          return std::ranges::any_of(given.tasks, fits);
        } else {
          return false;
        }
      },
      command);
}

// ---- The model

std::vector<ModelTask*> Checker::candidates(ModelQueue& queue, const TaskRef& ref) const {
  std::vector<ModelTask*> found;
  if (const auto* name = std::get_if<std::string>(&ref)) {
    if (const auto at = queue.by_name.find(*name); at != queue.by_name.end()) {
      for (ModelTask* task : at->second) {
        if (task->life == Life::asked || task->life == Life::live) found.push_back(task);
      }
    }
  } else if (const auto at = queue.by_id.find(std::get<TaskId>(ref)); at != queue.by_id.end()) {
    if (at->second->life == Life::live) found.push_back(at->second);
  }
  return found;
}

ModelTask* Checker::task_of(const Task& task) const {
  const std::optional<Tag> tag = tag_of(task.payload);
  if (!tag) return nullptr;
  const auto at = tasks_.find(*tag);
  return at == tasks_.end() ? nullptr : at->second.get();
}

RetryPolicy Checker::policy_of(const ModelTask& task) const {
  const RetryPolicy& queue = task.queue->settings.retry;
  return task.given.options ? task.given.options->retry.over(queue) : queue;
}

bool Checker::sure(ModelTask& task) {
  if (task.life != Life::live) return false;
  // A leased task that was tried too often is dropped when somebody asks for tasks: nobody is told.
  const bool may_be_dropped =
      task.queue->settings.mode == QueueMode::pull && task.attempts > 0 &&
      task.eta_from <= now_.wall &&
      exhausted(policy_of(task), task.attempts, now_.wall - task.first_attempt);
  const std::int32_t poison_after = task.queue->settings.poison_after;
  const bool may_be_poisoned = task.queue->settings.mode == QueueMode::pull &&
                               would_be_death(task) && task.eta_from <= now_.wall &&
                               poison_after > 0 &&
                               task.deaths + 1 >= static_cast<std::uint32_t>(poison_after);
  const bool may_be_old = may_be_too_old(task);
  if (may_be_old && !task.doubt) ++marks_.aged;
  if (may_be_dropped || may_be_poisoned || may_be_old) {
    task.doubt = true;
    task.unsure_event = event_;
  }
  drift(task);
  return !task.doubt && task.endings == 0;
}

bool Checker::sure_since(ModelTask& task, EventNumber event) {
  return sure(task) && task.unsure_event < event;
}

bool Checker::still_since(const ModelTask& task, EventNumber event) const {
  const bool may_be_granted = task.queue->settings.mode == QueueMode::pull &&
                              task.queue->leases_out > 0 && task.eta_from <= now_.wall;
  return task.movings == 0 && task.forced == 0 && !may_be_granted && task.changed_event < event;
}

bool Checker::settled(const ModelTask& task) const {
  if (task.is_settled || task.changed_run <= horizon_) return true;
  if (task.changed_run == unsettled || failed_ || options_.settle_within == Nanos::max())
    return false;
  return now_.mono - task.changed_at > options_.settle_within;
}

bool Checker::waiting(ModelTask& task) {
  return sure(task) && task.running == 0 && task.forced == 0 && task.movings == 0 &&
         task.eta_to <= now_.wall && settled(task);
}

void Checker::changed(ModelTask& task, bool is_settled) {
  task.changed_event = event_;
  task.is_settled = is_settled;
  task.changed_run = is_settled ? 0 : run_;
  task.changed_at = now_.mono;
}

void Checker::finish(ModelTask& task, EndCause cause, Wall from, Wall to, bool is_durable) {
  ModelQueue& queue = *task.queue;
  task.life = Life::ended;
  task.cause = cause;
  task.failed = false;
  task.ended_event = event_;
  task.ended_at = now_.mono;
  task.unsure_event = event_;
  task.end_is_durable = is_durable;
  Grave grave;
  grave.endings = task.grave.endings;
  grave.revivals = task.grave.revivals;
  grave.doubt = task.grave.doubt;
  grave.unsure_event = event_;
  if (is_durable) grave.settled_event = event_;
  task.grave = grave;
  task.ended_from = task.doubt || task.endings > 0 ? Wall{} : from;  // it may have ended before
  task.ended_to = to;
  std::erase(queue.tasks, &task);
  if (!is_durable) queue.ended.push_back(&task);
}

void Checker::durable(Call& call) {
  if (failed_)
    violated(18,
             "call " + std::to_string(call.id.value) + " was acknowledged after a failed commit");
  horizon_ = std::max(horizon_, call.applied_run);
  if (call.queue == nullptr) return;
  ModelQueue& queue = *call.queue;
  queue.made_durable = true;
  const auto at = std::ranges::find(queue.versions, call.id, &ModelQueue::Version::call);
  if (at != queue.versions.end()) queue.versions.erase(queue.versions.begin(), at);
}

std::string Checker::describe(const ModelTask& task) const {
  static constexpr const char* lives[] = {"asked for", "refused", "live", "ended"};
  static constexpr const char* causes[] = {
      "",          " (completed)",     " (dropped)",         " (acked)",   " (deleted)",
      " (purged)", " (queue deleted)", " (lost in a crash)", " (poisoned)"};
  std::string text = "task " + std::to_string(task.tag) + " of " + task.queue->name.queue + " [#" +
                     std::to_string(task.id.value) + ", priority " + std::to_string(task.priority) +
                     ", " + lives[static_cast<int>(task.life)] +
                     causes[static_cast<int>(task.cause)] + ", eta " +
                     std::to_string(to_micros(task.eta_from));
  if (task.eta_to != task.eta_from) text += ".." + std::to_string(to_micros(task.eta_to));
  text += ", attempts " + std::to_string(task.attempts) + "]";
  return text;
}

Checker::Recount Checker::recount(ModelQueue& queue) {
  Recount count;
  const auto slot_of = [](Wall eta) {
    return std::chrono::ceil<Millis>(eta.time_since_epoch()).count();
  };
  const std::int64_t slot_now = std::chrono::floor<Millis>(now_.wall.time_since_epoch()).count();
  count_dead(queue, count);
  // A retry counts before it is answered.
  for (const auto& [id, task] : queue.by_id) {
    if (task->life != Life::ended || task->grave.revivals == 0) continue;
    ++count.tasks.high;
    count.bytes.high += task->bytes;
    ++count.ready.high;
  }
  for (ModelTask* task : queue.tasks) {
    const bool is_sure = sure(*task);
    count.tasks.low += is_sure ? 1 : 0;
    count.tasks.high += 1;
    count.bytes.low += is_sure ? task->bytes : 0;
    count.bytes.high += task->bytes;
    Range* const of[] = {&count.scheduled, &count.ready, &count.leased};
    if (task->running > 0) {
      count.in_flight.low += is_sure ? 1 : 0;
      count.in_flight.high += 1;
      if (is_sure) continue;
    }
    const bool may_be_granted = queue.settings.mode == QueueMode::pull && queue.leases_out > 0 &&
                                task->eta_from <= now_.wall;
    const bool due_from = slot_of(task->eta_from) <= slot_now;
    const bool due_to = slot_of(task->eta_to) <= slot_now;
    const bool known = is_sure && task->movings == 0 && !may_be_granted && due_from == due_to;
    if (!known) {
      for (Range* range : of) ++range->high;
      if (task->movings > 0) ++count.in_flight.high;
      continue;
    }
    Range& range = due_to ? count.ready : task->lease_token != 0 ? count.leased : count.scheduled;
    ++range.low;
    ++range.high;
  }
  count.executed = queue.executed;
  count.failed = queue.failed;
  return count;
}

// ---- Attempts

void Checker::start(const Started& started) {
  ++marks_.starts;
  const Task& sent = started.what.task;
  if (is_stranger(sent)) return start_stranger(started);
  ModelTask* const found = task_of(sent);
  if (found == nullptr) return violated(2, "an attempt of a task that was never added");
  ModelTask& task = *found;
  ModelQueue& queue = *task.queue;
  const auto bad = [&](int property, const std::string& what) {
    violated(property, what + ": " + describe(task));
  };

  const bool forced = task.forced > 0;
  if (forced && task.end_run == run_ && task.is_recurring()) {
    undo_end(task);
  } else if (forced && task.end_run == run_) {
    if (task.life == Life::ended &&
        task.cause == EndCause::completed) {  // it went out, and its twin came back
      --task.forced;
      attempts_[started.attempt] = {.task = &task, .started = now_, .forced = true};
      ++task.running;
      ++queue.running;
      ++running_;
      return;
    }
    if (task.life == Life::ended &&
        task.cause == EndCause::dropped) {  // the twin's failure decided nothing
      task.life = Life::live;
      std::erase(queue.ended, &task);
      queue.tasks.push_back(&task);
    }
    if (started.what.task.place.eta == task.eta_before)
      task.eta_from = task.eta_to = task.eta_before;
  }
  switch (task.life) {
    case Life::asked:
      return bad(2, "an attempt before the add was answered");
    case Life::refused:
      return bad(2, "an attempt of a task whose add was refused");
    case Life::ended:
      switch (task.cause) {
        case EndCause::acked:
        case EndCause::deleted:
          return bad(6, "an attempt of a task that was deleted");
        case EndCause::purged:
        case EndCause::queue_deleted:
          return bad(12, "an attempt of a task that was purged");
        case EndCause::dropped:
          return bad(7, "an attempt after the last one");
        default:
          return bad(3, "an attempt of a task that was completed");
      }
    case Life::live:
      break;
  }
  drift(task);
  if (*started.what.queue != queue.name)
    return bad(15, "an attempt from queue " + started.what.queue->queue);
  if (queue.settings.mode != QueueMode::push) return bad(15, "a push from a pull queue");

  if (forced) {
    --task.forced;
    ++marks_.forced;
  } else {
    if (failed_ && run_ > failed_run_) return bad(18, "an attempt after a failed commit");
    if (stopping_) return bad(18, "an attempt while stopping");
    if (task.running > 0) return bad(3, "a second attempt at once");
    if (task.eta_from > now_.wall) return bad(2, "an attempt before its time");
    if (queue.paused_since) return bad(12, "an attempt while the queue is paused");
    if (queue.running + 1 > static_cast<std::uint32_t>(queue.settings.concurrency)) {
      return bad(9,
                 "more than " + std::to_string(queue.settings.concurrency) + " attempts at once");
    }
    if (running_ + 1 > options_.attempts_max)
      return bad(9, "more attempts at once than the shard may have");
    if (!queue.bucket.take(now_.mono)) return bad(8, "faster than the rate allows");
    check_order(task);
    if (is_violated()) return;
    judge_age(task, now_.wall);
    if (is_violated()) return;
  }
  if (!forced) task.doubt = false;

  const Progress& progress = sent.progress;
  if (task.id != TaskId{} && sent.id != task.id)
    return bad(15, "sent under the id #" + std::to_string(sent.id.value));
  if (progress.attempts != task.attempts) {
    return bad(7, "sent with " + std::to_string(progress.attempts) + " attempts before this one");
  }
  if (sent.place.eta < task.eta_from || sent.place.eta > task.eta_to) {
    return bad(7, "sent with eta " + std::to_string(to_micros(sent.place.eta)));
  }
  if (task.is_recurring()) {
    start_recurring(task, sent, forced);
    if (is_violated()) return;
  }
  if (sent.place.priority != task.priority) return bad(15, "sent with another priority");
  if (sent.payload == nullptr || *sent.payload != *task.given.payload)
    return bad(15, "sent with another payload");
  if (sent.name() != task.name() || sent.key() != task.key())
    return bad(15, "sent with another name or key");
  const auto fits = [&](const QueueSettings& settings) {
    const bool own = task.given.options && task.given.options->timeout > Micros(0);
    return started.what.timeout == (own ? task.given.options->timeout : settings.timeout);
  };
  // Started by hand, it may have been before the queue was configured in this very run.
  if (!fits(queue.settings) && !(forced && any_since(queue, run_event_, fits))) {
    return bad(15, "sent with another timeout");
  }

  attempts_[started.attempt] = {.task = &task, .started = now_, .forced = forced};
  ++task.attempts;
  ++task.running;
  ++queue.running;
  ++running_;
  if (task.first_attempt == Wall{}) task.first_attempt = now_.wall;
  task.changed_event = event_;
}

void Checker::check_order(const ModelTask& task) {
  for (ModelTask* other : task.queue->tasks) {
    if (other == &task || other->priority < task.priority || !waiting(*other)) continue;
    if (other->priority > task.priority) {
      return violated(11, describe(task) + " went before " + describe(*other));
    }
    const bool placed_before =
        other->eta_to < task.eta_from ||
        (other->eta_from == other->eta_to && task.eta_from == task.eta_to &&
         other->eta_to == task.eta_from && other->order != 0 && other->order < task.order);
    if (placed_before)
      return violated(
          11, describe(task) + " went before " + describe(*other) + ", which was placed first");
  }
}

void Checker::end_attempt(const AttemptEnded& ended) {
  const auto at = attempts_.find(ended.attempt);
  if (at == attempts_.end()) return violated(16, "an attempt ended that never began");
  const RunningAttempt attempt = at->second;
  attempts_.erase(at);
  if (attempt.stranger != nullptr) return end_stranger(attempt, ended.result);
  ModelTask& task = *attempt.task;
  ModelQueue& queue = *task.queue;
  if (!attempt.is_of_an_earlier_life) --task.running;
  --queue.running;
  --running_;
  if (queue.dropped) {  // if the deletion is lost in a crash, so is this end
    task.changed_event = event_;
    task.changed_run = unsettled;
    task.is_settled = false;
    return;
  }
  const bool succeeded = ended.result.status >= 200 && ended.result.status <= 299;
  const bool cut_off = ended.result.status == status_cancelled;
  ++queue.executed;
  if (!succeeded && !cut_off) ++queue.failed;
  if (task.life != Life::live || attempt.is_of_an_earlier_life) return;
  if (cut_off) ++marks_.cut_off;
  if (cut_off && !failed_ && sure(task))
    return violated(26, "cut off though it lives: " + describe(task));
  if (failed_) {  // it can no longer be recorded
    task.changed_run = unsettled;
    task.is_settled = false;
    return;
  }
  if (task.is_recurring()) return end_recurring(task, attempt, ended.result);
  task.end_run = run_;
  task.eta_before = task.eta_from;
  static_cast<void>(sure(task));  // it may have grown too old while it ran
  if (succeeded) {
    finish(task, EndCause::completed, now_.wall, now_.wall, false);
    changed(task, false);
    return;
  }
  task.changed_event = event_;
  if (task.running > 0) return;  // the other one decides
  const RetryPolicy policy = policy_of(task);
  if (exhausted(policy, task.attempts, now_.wall - task.first_attempt)) {
    ++marks_.dropped;
    finish(task, EndCause::dropped, now_.wall, now_.wall, false);
    changed(task, false);
    return;
  }
  const Wall base = attempt.forced ? attempt.started.wall : now_.wall;
  const Micros asked = retry_after_in_force(policy, ended.result.retry_after);
  task.eta_from = std::max({base + backoff(policy, task.attempts), now_.wall + asked, now_.wall});
  task.eta_to = task.eta_from;
  task.order = 0;
  changed(task, false);
}

void Checker::check_idle_hands(const RunEnded& run) {
  if (run.store_busy || failed_ || stopping_) return;
  const bool for_good = run.wake_at == Mono::max();
  // A wall clock that runs ahead by less than this need not be noticed.
  constexpr Millis late_max(2);
  for (const auto& [name, current] : current_) {
    ModelQueue& queue = *current;
    if (queue.state != QueueState::running) continue;
    if (queue.settings.mode == QueueMode::push) {
      const bool may_start =
          queue.running < static_cast<std::uint32_t>(queue.settings.concurrency) &&
          running_ < options_.attempts_max &&
          (queue.settings.rate.unlimited || queue.settings.rate.count > 0);
      if (!may_start) continue;
      // A change of the rate loses parts of a token, so what is in the bucket then is not known.
      if (!for_good && (queue.log.size() > 1 || !queue.bucket.surely_has_token(now_.mono)))
        continue;
    } else {
      const bool asked = std::ranges::any_of(calls_, [&](const auto& entry) {
        const auto* lease = std::get_if<LeaseTasks>(&entry.second.command);
        return lease != nullptr && entry.second.queue == &queue && !entry.second.must_fail &&
               lease->by == LeaseTasks::By::any && lease->gone == nullptr;
      });
      if (!asked) continue;
    }
    if (!for_good && options_.reads_may_fail) continue;  // then it waits before it reads again
    for (ModelTask* task : queue.tasks) {
      if (!sure(*task) || (!for_good && task->eta_to + late_max > now_.wall)) continue;
      if (task->running > 0 || task->movings > 0 || !settled(*task)) continue;
      return violated(17, (for_good ? "the shard sleeps for good while there is "
                                    : "the shard sleeps though there is ") +
                              describe(*task));
    }
  }
}

// ---- Crashes and restarts

void Checker::die(const Died& died) {
  if (died.how == Death::stopped) {
    if (!calls_.empty()) {
      return violated(16, "call " + std::to_string(calls_.begin()->first.value) +
                              " was not answered before the end");
    }
  }
  lost_power_ = died.how == Death::power_cut;
  // What is known to survive: by the horizon, whatever happened; what was committed, if the machine
  // did not lose power.
  const auto survives = [&](const ModelTask& task) {
    if (task.changed_run <= horizon_) return true;
    if (task.changed_run == unsettled || failed_ || lost_power_) return false;
    return died.how == Death::stopped || task.is_settled ||
           (options_.settle_within != Nanos::max() &&
            died.at - task.changed_at > options_.settle_within);
  };
  for (const auto& made : queues_) {
    ModelQueue& queue = *made;
    for (ModelTask* task : queue.tasks) {
      static_cast<void>(sure(*task));
      if (task->endings > 0) task->doubt = true;
      const bool may_be_granted = queue.settings.mode == QueueMode::pull &&
                                  (queue.leases_out > 0 || failed_) && task->eta_from <= now_.wall;
      task->is_on_disk = task->movings == 0 && !may_be_granted && survives(*task);
    }
    for (const auto& [id, task] : queue.by_id) {
      Grave& grave = task->grave;
      grave.doubt = grave.doubt || grave.endings > 0;
      grave.may_live = grave.may_live || grave.revivals > 0;
      grave.endings = grave.revivals = 0;
      if (!grave.may_live || task->life != Life::ended || queue.dropped_durable) continue;
      task->end_is_durable = false;
      if (std::ranges::find(queue.ended, task) == queue.ended.end()) queue.ended.push_back(task);
    }
    for (ModelTask* task : queue.ended) {
      task->end_is_durable = task->end_is_durable || task->changed_run <= horizon_;
      task->is_on_disk = !task->grave.may_live && (task->end_is_durable || survives(*task));
    }
    queue.leases_out = 0;
    queue.running = 0;
    for (auto& [id, stranger] : queue.strangers) stranger.running = 0;
  }
  calls_.clear();
  inbox_.clear();
  starts_.clear();
  answers_.clear();
  attempts_.clear();
  running_ = 0;
}

void Checker::open(const Opened& opened) {
  now_ = opened.now;
  ++process_;
  is_opening_ = true;
  undisturbed_since_ = now_.mono;
  next_number_ = opened.next_number;
  current_.clear();
  std::map<QueueNumber, const StoredQueue*> stored;
  for (const StoredQueue& queue : opened.queues) stored[queue.record.number] = &queue;
  const std::vector<Task> none;
  const std::set<TaskId> no_outcomes;
  for (const auto& made : queues_) {
    ModelQueue& queue = *made;
    const auto at = stored.find(queue.number);
    if (at == stored.end()) {
      if (queue.made_durable && !queue.dropped) {
        return violated(19, "queue " + queue.name.queue + " is gone after a restart");
      }
      queue.dropped = true;
      queue.dropped_durable = true;
      for (ModelTask* task : std::vector<ModelTask*>(queue.tasks)) {
        finish(*task, EndCause::queue_deleted, now_.wall, now_.wall, true);
      }
      queue.ended.clear();
      continue;
    }
    const StoredQueue& found = *at->second;
    stored.erase(at);
    if (queue.dropped_durable)
      return violated(12, "queue " + queue.name.queue + " is back after its deletion was answered");
    const auto tasks = opened.tasks.find(queue.number);
    open_queue(queue, found, tasks == opened.tasks.end() ? none : tasks->second);
    if (is_violated()) return;
    const auto dead = opened.dead.find(queue.number);
    open_dead(queue, found, dead == opened.dead.end() ? none : dead->second);
    if (is_violated()) return;
    const auto outcomes = opened.outcomes.find(queue.number);
    open_outcomes(queue, found, outcomes == opened.outcomes.end() ? no_outcomes : outcomes->second);
    if (is_violated()) return;
  }
  if (!stored.empty()) return violated(19, "the disk holds a queue that nobody made");
  open_projects(opened);
  is_opening_ = false;
  failed_ = false;
  stopping_ = false;
}

void Checker::open_queue(ModelQueue& queue, const StoredQueue& stored,
                         const std::vector<Task>& tasks) {
  if (!current_.emplace(queue.name, &queue).second)
    return violated(19, "two queues " + queue.name.queue + " on the disk");
  const auto version = std::ranges::find_if(queue.versions, [&](const ModelQueue::Version& one) {
    return one.settings == stored.record.settings && one.state == stored.record.state;
  });
  if (version == queue.versions.end()) {
    return violated(
        19, "queue " + queue.name.queue +
                " has settings or a state that are neither the last acknowledged nor newer");
  }
  queue.settings = stored.record.settings;
  queue.state = stored.record.state;
  queue.versions = {*version};
  queue.log = {{event_, queue.settings}};
  queue.made_durable = true;
  queue.dropped = false;
  queue.created = stored.record.created;
  queue.bucket.reset(queue.settings.rate, queue.settings.burst, now_.mono);
  queue.executed = 0;
  queue.failed = 0;
  queue.dead_are_tight = queue.dead_are_tight || is_tight(queue.settings.dead);
  queue.running_event = event_;
  queue.paused_event = event_;
  queue.paused_since.reset();
  if (queue.state != QueueState::running) queue.paused_since = now_.wall;

  std::map<Tag, const Task*> on_disk;
  for (const Task& task : tasks) {
    if (meets_stranger(queue, task)) continue;
    const ModelTask* const known = task_of(task);
    if (known == nullptr || known->queue != &queue)
      return violated(2, "the disk holds a task that was never added");
    if (known->life == Life::refused)
      return violated(16, "refused, and yet on the disk: " + describe(*known));
    if (known->life == Life::ended && !known->grave.may_live &&
        (known->end_is_durable || known->is_on_disk)) {
      const bool by_caller = known->cause == EndCause::acked || known->cause == EndCause::deleted;
      const bool by_purge =
          known->cause == EndCause::purged || known->cause == EndCause::queue_deleted;
      return violated(by_caller  ? 6
                      : by_purge ? 12
                                 : 3,
                      "ended for good, and yet on the disk: " + describe(*known));
    }
    on_disk.emplace(known->tag, &task);
  }
  const auto adopt = [&](ModelTask& task, const Task& found) {
    task.life = Life::live;
    task.cause = EndCause::none;
    task.grave = {};
    task.outcome.reset();
    task.doubt = false;
    task.endings = task.movings = task.forced = task.running = 0;
    task.id = found.id;
    task.created = found.created;
    task.priority = found.place.priority;
    task.attempts = found.progress.attempts;
    task.first_attempt = found.progress.first_attempt;
    task.recurs = {.due = found.progress.run_due};
    task.drifted = false;
    task.end_run = 0;
    task.eta_from = task.eta_to = found.place.eta;
    task.order = found.place.order;
    if (task.lease_token != found.progress.lease_token && task.lease_token != 0)
      task.old_tokens.push_back(task.lease_token);
    task.lease_token = found.progress.lease_token;
    task.lease_end = found.place.eta;
    task.lease_is_named = found.progress.lease_is_named;
    task.deaths = found.progress.deaths;
    task.is_retried = found.progress.death != DeathReason::none;
    task.unsure_event = event_;
    task.changed_event = event_;
    // What a killed process had committed survives, but not yet a loss of power.
    task.changed_run = lost_power_ ? 0 : run_;
    task.is_settled = true;
    queue.by_id[task.id] = &task;
    queue.last_id = std::max(queue.last_id, task.id.value);
  };
  for (ModelTask* task : std::vector<ModelTask*>(queue.tasks)) {
    const auto at = on_disk.find(task->tag);
    if (at == on_disk.end()) {
      if (task->life == Life::asked) {
        task->life = Life::refused;
        std::erase(queue.tasks, task);
        continue;
      }
      if (sure(*task)) return violated(1, "gone after a restart: " + describe(*task));
      // What only the end of a process took is not yet safe from a loss of power.
      finish(*task, EndCause::lost_in_crash, Wall{}, std::max(now_.wall, wall_max_), lost_power_);
      task->changed_run = run_;
      continue;
    }
    const Task& found = *at->second;
    if (task->life == Life::live && task->is_on_disk) {
      if (found.place.eta < task->eta_from || found.place.eta > task->eta_to) {
        return violated(1, "stored with eta " + std::to_string(to_micros(found.place.eta)) + ": " +
                               describe(*task));
      }
      if (task->running == 0 && found.progress.attempts != task->attempts) {
        return violated(7, "stored with " + std::to_string(found.progress.attempts) +
                               " attempts: " + describe(*task));
      }
      if (found.progress.deaths != task->deaths ||
          (found.progress.lease_token != 0 &&
           found.progress.lease_is_named != task->lease_is_named)) {
        return violated(29, "stored with " + std::to_string(found.progress.deaths) +
                                " deaths, or another holder: " + describe(*task));
      }
      if (found.payload == nullptr || *found.payload != *task->given.payload ||
          found.place.priority != task->priority) {
        return violated(15, "stored with another payload or priority: " + describe(*task));
      }
    }
    adopt(*task, found);
  }
  for (ModelTask* task : std::exchange(queue.ended, {})) {
    const auto at = on_disk.find(task->tag);
    if (at == on_disk.end()) {
      task->end_is_durable = task->end_is_durable || lost_power_;
      if (!task->end_is_durable) queue.ended.push_back(task);
      continue;
    }
    ++marks_.resurrected;
    adopt(*task, *at->second);
    queue.tasks.push_back(task);
  }
}

void Checker::end(const Ended& ended) {
  if (!calls_.empty()) {
    return violated(16,
                    "call " + std::to_string(calls_.begin()->first.value) + " was never answered");
  }
  for (const auto& [name, queue] : current_) {
    for (ModelTask* task : queue->tasks) {
      if (sure(*task)) return violated(ended.drained ? 1 : 17, "never ended: " + describe(*task));
    }
  }
  if (ended.drained) end_strangers();
  if (!ended.drained) violated(17, "the queues did not drain after the faults ended");
}

}  // namespace deferd::sim
