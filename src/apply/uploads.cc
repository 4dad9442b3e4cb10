#include "apply/uploads.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <utility>

namespace deferd {
namespace {

constexpr std::uint32_t page_queues = 1000;

// One upload under way: each step goes on from the reply of the last, so there is never more than
// one call of it. Kept alive by the callbacks.
class Upload : public std::enable_shared_from_this<Upload> {
 public:
  using Done = Callback<void(Result<QueuePlan>)>;

  Upload(Runtime& runtime, QueueUpload upload, QueueYaml file, Done done)
      : runtime_(runtime),
        plan_only_(upload.plan_only),
        file_(std::move(file)),
        done_(std::move(done)) {
    there_.project = std::move(upload.project);
    there_.location = std::move(upload.location);
  }

  void start() { list_queues(""); }

 private:
  // ---- What there is

  void list_queues(std::string after) {
    ask(ListQueues{there_.project, there_.location, std::move(after), page_queues, {}},
        [this](std::vector<QueueInfo> page) {
          for (QueueInfo& queue : page) {
            there_.queues.push_back({.settings = std::move(queue.settings),
                                     .state = queue.state,
                                     .name = std::move(queue.name.queue)});
          }
          if (page.size() == page_queues) return list_queues(there_.queues.back().name);
          get_limit();
        });
  }

  void get_limit() {
    ask(GetProjectUse{there_.project, {}}, [this](GetProjectUse::Answer use) {
      there_.storage_limit_bytes = use.bytes_max;
      look_closer(0);
    });
  }

  // What only single queues tell: whether one that changes its mode holds tasks, and whether the
  // name of a new one is free.
  void look_closer(std::size_t index) {
    for (; index < file_.queues.size(); ++index) {
      const DeclaredQueue& declared = file_.queues[index];
      const auto name = QueueName::parse(there_.project, there_.location, declared.name);
      if (!name) return end(fail(name.error()));
      const auto at =
          std::ranges::lower_bound(there_.queues, declared.name, {}, &ExistingQueue::name);
      if (at == there_.queues.end() || at->name != declared.name) return check_name(index, *name);
      if (at->settings.mode == declared.settings.mode) continue;
      return ask(GetQueueStats{*name, {}}, [this, index, at](const QueueStats& stats) {
        at->tasks = stats.tasks;
        look_closer(index + 1);
      });
    }
    plan();
  }

  void check_name(std::size_t index, const QueueName& name) {
    GetQueue command{name, {}};
    command.reply = [self = shared_from_this(), index](Result<QueueInfo> queue) {
      Upload& upload = *self;
      if (queue || queue.error().reason == Reason::queue_missing)
        return upload.look_closer(index + 1);
      Error error = queue.error();
      const DeclaredQueue& declared = upload.file_.queues[index];
      error.message = upload.file_.source.complaint(
          declared.place, "queue \"" + declared.name + "\": " + error.message);
      upload.end(fail(std::move(error)));
    };
    runtime_.submit(std::move(command));
  }

  // ---- What changes

  void plan() {
    auto plan = plan_queues(file_, there_);
    if (!plan || plan_only_) return end(std::move(plan));
    plan_ = std::move(*plan);
    for (const PlannedQueue& queue : plan_.queues) {
      if (queue.remake) remake(queue);
      if (queue.write) configure(queue);
      if (queue.action == PlannedAction::enable || queue.action == PlannedAction::resume)
        set_state(queue, QueueState::running);
    }
    // Only when all that is declared runs.
    for (const PlannedQueue& queue : plan_.queues) {
      if (queue.action == PlannedAction::disable) set_state(queue, QueueState::disabled);
    }
    if (plan_.storage_limit) {
      steps_.emplace_back([this] {
        step(SetProjectLimit{there_.project, plan_.storage_limit_bytes, {}}, "total_storage_limit");
      });
    }
    next_step();
  }

  void remake(const PlannedQueue& queue) {
    steps_.emplace_back([this, &queue] {
      DeleteQueue command{queue.name, {}};
      command.only_empty = true;  // a task may have come in since it was counted
      step(std::move(command), queue.name.queue);
    });
  }

  void configure(const PlannedQueue& queue) {
    steps_.emplace_back([this, &queue] {
      const auto change = [declared =
                               *queue.declared](const QueueSettings* now) -> Result<QueueSettings> {
        return now == nullptr ? declared.settings : declared.over(*now);
      };
      step(ConfigureQueue{queue.name, change, {}}, queue.name.queue);
    });
  }

  void set_state(const PlannedQueue& queue, QueueState state) {
    steps_.emplace_back(
        [this, &queue, state] { step(SetQueueState{queue.name, state, {}}, queue.name.queue); });
  }

  void next_step() {
    if (steps_done_ == steps_.size()) return end(std::move(plan_));
    steps_[steps_done_]();
  }

  template <class Command>
  void step(Command command, std::string what) {
    command.reply = [self = shared_from_this(), what = std::move(what)](const auto& answer) {
      Upload& upload = *self;
      if (!answer) return upload.end_half_way(answer.error(), what);
      ++upload.steps_done_;
      upload.next_step();
    };
    runtime_.submit(std::move(command));
  }

  void end_half_way(Error error, const std::string& what) {
    error.message = what + ": " + error.message;
    if (steps_done_ > 0) {
      error.message += "; " + std::to_string(steps_done_) + " of " + std::to_string(steps_.size()) +
                       " changes had been made before; upload the file again to complete it";
    }
    end(fail(std::move(error)));
  }

  // ---- Common

  template <class Command, class Then>
  void ask(Command command, Then then) {
    command.reply = [self = shared_from_this(), then = std::move(then)](auto answer) mutable {
      if (!answer) return self->end(fail(answer.error()));
      then(std::move(*answer));
    };
    runtime_.submit(std::move(command));
  }

  void end(Result<QueuePlan> result) { std::exchange(done_, nullptr)(std::move(result)); }

  Runtime& runtime_;
  const bool plan_only_;
  const QueueYaml file_;
  Done done_;
  ExistingProject there_;
  QueuePlan plan_;
  std::vector<std::function<void()>> steps_;
  std::size_t steps_done_ = 0;
};

class OneAtATime final : public QueueUploads {
 public:
  OneAtATime(Runtime& runtime, QueueYamlLimits limits, Micros attempt_timeout)
      : state_(std::make_shared<State>(runtime)),
        limits_(limits),
        attempt_timeout_(attempt_timeout) {}

  void upload(QueueUpload upload, Callback<void(Result<QueuePlan>)> done) override {
    auto file = parse_queue_yaml(std::move(upload.file), limits_);
    if (!file) return done(fail(file.error()));
    for (DeclaredQueue& queue : file->queues) queue.settings.timeout = attempt_timeout_;
    std::unique_lock lock(state_->mutex);
    state_->waiting.push_back({std::move(upload), std::move(*file), std::move(done)});
    if (std::exchange(state_->busy, true)) return;
    lock.unlock();
    next(state_);
  }

 private:
  struct Waiting {
    QueueUpload upload;
    QueueYaml file;
    Callback<void(Result<QueuePlan>)> done;
  };
  // Shared with the upload that is under way, which may outlive the door that began it.
  struct State {
    explicit State(Runtime& r) : runtime(r) {}
    Runtime& runtime;
    std::mutex mutex;  // protects what follows
    std::deque<Waiting> waiting;
    bool busy = false;
  };

  static void next(const std::shared_ptr<State>& state) {
    std::unique_lock lock(state->mutex);
    if (state->waiting.empty()) {
      state->busy = false;
      return;
    }
    Waiting one = std::move(state->waiting.front());
    state->waiting.pop_front();
    lock.unlock();
    auto done = [state, done = std::move(one.done)](Result<QueuePlan> result) mutable {
      done(std::move(result));
      next(state);
    };
    std::make_shared<Upload>(state->runtime, std::move(one.upload), std::move(one.file),
                             std::move(done))
        ->start();
  }

  const std::shared_ptr<State> state_;
  const QueueYamlLimits limits_;
  const Micros attempt_timeout_;
};

}  // namespace

std::unique_ptr<QueueUploads> QueueUploads::make(Runtime& runtime, QueueYamlLimits limits,
                                                 Micros attempt_timeout) {
  return std::make_unique<OneAtATime>(runtime, limits, attempt_timeout);
}

Result<QueuePlan> QueueUploads::upload_and_wait(QueueUpload upload) {
  std::promise<Result<QueuePlan>> promise;
  auto future = promise.get_future();
  this->upload(std::move(upload),
               [&promise](Result<QueuePlan> result) { promise.set_value(std::move(result)); });
  return future.get();
}

}  // namespace deferd
