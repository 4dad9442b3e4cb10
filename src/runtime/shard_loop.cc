#include "runtime/shard_loop.h"

namespace deferd {

ShardLoop::ShardLoop(const ShardOptions& options, Callback<QueueNumber()> next_number, Store& store,
                     Dispatcher& dispatcher, const Now& now, Callback<void()> wake,
                     Callback<void(Command)> forward)
    : store_(store),
      dispatcher_(dispatcher),
      task_log_(options.task_log),
      wake_(std::move(wake)),
      forward_(std::move(forward)),
      time_(now),
      shard_(options, std::move(next_number)) {}

void ShardLoop::load(std::vector<StoredQueue> stored, const Now& system,
                     std::vector<GoneQueue> gone, const std::vector<Document>& documents) {
  shard_.load(std::move(stored), time_.at(system), std::move(gone), documents);
  queues.store(shard_.queue_count(), std::memory_order_relaxed);
}

void ShardLoop::post(Event event, bool waking) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (inbox_.empty()) asleep_ = true;
    inbox_.push_back(std::move(event));
    if (waking) wake = std::exchange(asleep_, false);
  }
  if (wake) wake_();
}

void ShardLoop::wake_if_waiting() {
  {
    const std::lock_guard lock(mutex_);
    if (inbox_.empty() || !std::exchange(asleep_, false)) return;
  }
  wake_();
}

void ShardLoop::post(Command command, std::uint64_t bytes, bool waking, Mono good_until) {
  waiting_bytes.fetch_add(bytes, std::memory_order_relaxed);
  post(Event(Posted{std::move(command), bytes, good_until}), waking);
}

void ShardLoop::post_stop() { post(Event(Stop{})); }

bool ShardLoop::empty() const {
  const std::lock_guard lock(mutex_);
  return inbox_.empty();
}

void ShardLoop::take(Event event, const Now& now) {
  struct Visit {
    ShardLoop& loop;
    const Now& now;
    void operator()(Posted& posted) const {
      loop.applied_bytes_ += posted.bytes;
      if (now.mono >= posted.good_until) {
        std::visit(
            [](auto& command) {
              command.reply(fail(Reason::timeout,
                                 "the caller's deadline passed before this was begun; nothing "
                                 "was done"));
            },
            posted.command);
        return;
      }
      loop.shard_.apply(std::move(posted.command), now);
    }
    void operator()(AttemptDone& done) const {
      loop.shard_.attempt_done(done.key, done.result, now);
    }
    void operator()(ReadAnswered& read) const {
      loop.shard_.read_done(read.id, std::move(read.answer), now);
    }
    void operator()(Committed& committed) const {
      loop.waiting_bytes.fetch_sub(loop.committing_bytes_, std::memory_order_relaxed);
      loop.committing_bytes_ = 0;
      loop.shard_.committed(committed.result, now);
    }
    void operator()(Forwarded& forwarded) const {
      loop.shard_.forwarded(forwarded.id, forwarded.result, now);
    }
    void operator()(Stop&) const { loop.shard_.stop(now); }
  };
  std::visit(Visit{*this, now}, event);
}

Mono ShardLoop::run(const Now& system) {
  const Now now = time_.at(system);
  set_assert_context(
      [](const void* owner) {
        return static_cast<const ShardLoop*>(owner)->shard_.last_commands();
      },
      this);
  {
    const std::lock_guard lock(mutex_);
    taken_.swap(inbox_);
  }
  for (Event& event : taken_) take(std::move(event), now);
  taken_.clear();
  shard_.step(now);
  Effects effects = shard_.take_effects();
  const Mono wake_at = effects.wake_at;
  if (effects.commit) {
    committing_bytes_ += std::exchange(applied_bytes_, 0);
  } else if (committing_bytes_ == 0 || failed.load(std::memory_order_relaxed)) {
    // Nothing is under way that these wait for.
    waiting_bytes.fetch_sub(std::exchange(applied_bytes_, 0), std::memory_order_relaxed);
  }
  carry_out(std::move(effects));
  queues.store(shard_.queue_count(), std::memory_order_relaxed);
  failed.store(shard_.failed(), std::memory_order_relaxed);
  return wake_at;
}

void ShardLoop::carry_out(Effects effects) {
  // The commit first: the disk is what everything else waits for.
  if (effects.commit) {
    commits.fetch_add(1, std::memory_order_relaxed);
    store_.commit(std::move(*effects.commit), [self = shared_from_this()](Result<void> result) {
      self->post(Event(Committed{std::move(result)}));
    });
  }
  for (auto& attempt : effects.attempts) {
    dispatcher_.start(std::move(attempt.attempt),
                      [self = shared_from_this(), key = attempt.key](AttemptResult result) {
                        self->post(Event(AttemptDone{key, std::move(result)}));
                      });
  }
  for (const auto& cancel : effects.cancels) dispatcher_.cancel(*cancel.queue, cancel.task);
  for (auto& read : effects.reads) {
    store_.read(std::move(read.read),
                [self = shared_from_this(), id = read.id](Result<ReadAnswer> answer) {
                  self->post(Event(ReadAnswered{id, std::move(answer)}));
                });
  }
  for (auto& forward : effects.forwards) {
    // A mailbox that is never emptied again must not keep its own loop.
    forward.add.reply = [weak = weak_from_this(), id = forward.id](ForwardResult result) {
      if (const auto self = weak.lock()) self->post(Event(Forwarded{id, std::move(result)}));
    };
    forward_(std::move(forward.add));
  }
  for (auto& reply : effects.replies) reply();
  if (!effects.logged.empty()) task_log_->write(std::move(effects.logged));
}

}  // namespace deferd
