#include "store/rocksdb/committer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/log.h"

namespace deferd {
namespace {

// What one write takes at most, in bytes of tasks and outcomes; the first batch is taken whatever
// its size. RocksDB's own bound is 4 GB a write; this one is for the memory that holds it all a
// second time.
constexpr std::uint64_t write_bytes_max = 64 << 20;

std::uint64_t bytes_of(const Batch& batch) {
  std::uint64_t bytes = 0;
  for (const Batch::Put& put : batch.puts) bytes += put.task.payload->size() + task_overhead_bytes;
  for (const StoredOutcome& outcome : batch.outcomes) bytes += outcome.bytes.size();
  for (const AttemptEntry& entry : batch.history) bytes += entry.bytes.size();
  return bytes + (batch.moves.size() + batch.finishes.size()) * task_overhead_bytes;
}

}  // namespace

Result<void> Committer::start() {
  if (auto opened = ledger_.open(); !opened) return opened;
  thread_ = std::thread([this] { run(); });
  return {};
}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Committer::commit(Batch batch, Callback<void(Result<void>)> done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(batch), std::move(done)});
  }
  arrived_.notify_one();
}

std::vector<Committer::Waiting> Committer::take() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return !waiting_.empty() || stopping_; });
  std::size_t count = 0;
  for (std::uint64_t bytes = 0; count < waiting_.size() && bytes < write_bytes_max; ++count) {
    bytes += bytes_of(waiting_[count].batch);
  }
  if (count == waiting_.size()) return std::exchange(waiting_, {});
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Waiting> taken(std::move_iterator(waiting_.begin()), std::move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return taken;
}

void Committer::run() {
  while (true) {
    std::vector<Waiting> batches = take();
    if (batches.empty()) break;  // stopping, and all is done
    const Result<void> written = write(batches);
    for (Waiting& waiting : batches) waiting.done(written);
    if (written) change_logs();
  }
  // Not promised, but a machine that goes down after a clean end should find everything. (Not with
  // SyncWAL: RocksDB 7.8 aborts in it when a background fsync has failed before.)
  if (failure_ || !unsynced_) return;
  rocksdb::WriteBatch nothing;
  nothing.PutLogData("closed");
  rocksdb::WriteOptions options;
  options.sync = true;
  database_.db().Write(options, &nothing).PermitUncheckedError();
}

Result<void> Committer::write(std::vector<Waiting>& batches) {
  if (failure_) return fail(*failure_);
  using Clock = std::chrono::steady_clock;
  CommitReport report;
  report.batches = static_cast<std::uint32_t>(batches.size());
  for (const Waiting& waiting : batches) {
    const Batch& batch = waiting.batch;
    report.durable = report.durable || batch.durable;
    report.tasks +=
        static_cast<std::uint32_t>(batch.puts.size() + batch.moves.size() + batch.finishes.size());
  }

  const Clock::time_point begin = Clock::now();
  Result<void> done = pack(batches);
  const Clock::time_point packed = Clock::now();
  if (done) {
    report.bytes = tasks_->write_batch().GetDataSize();
    rocksdb::WriteOptions options;
    options.sync = report.durable;
    // The last write before a flush is synced in any case: see change_logs().
    if (unflushed_bytes_ + report.bytes >= database_.seams().flush_bytes) options.sync = true;
    unsynced_ = !options.sync;
    const rocksdb::Status status = database_.db().Write(options, &tasks_->write_batch());
    if (!status.ok()) done = fail(store_error("cannot write to the store", status));
  }
  report.packing = packed - begin;
  report.writing = Clock::now() - packed;
  report.failed = !done;
  if (done) {
    tasks_->committed();
    unflushed_bytes_ += report.bytes;
    ++unflushed_writes_;
  } else {
    failure_ = done.error();
    failure_->message += "; nothing is accepted until the server is started again";
    log_error("store.failed", {{"reason", failure_->message}});
    done = fail(*failure_);
  }
  if (on_commit_) on_commit_(report);
  return done;
}

Result<void> Committer::pack(std::vector<Waiting>& batches) {
  for (const Waiting& waiting : batches) {
    if (auto done = ledger_.sweep(waiting.batch); !done) return done;
  }
  for (const Waiting& waiting : batches) {
    ledger_.add(waiting.batch);
    if (auto done = tasks_->add(waiting.batch); !done) return done;
  }
  ledger_.finish();
  return tasks_->finish();
}

// RocksDB changes to another log when its memory is flushed, and only then (database.cc). All
// families together, so that no small one keeps an old log alive; and after a write that was
// synced, so that no log is left with a lost tail while a later one holds something (recovery would
// not notice the gap).
void Committer::change_logs() {
  constexpr std::uint64_t large_commit_bytes = 64 << 10;
  const bool large = unflushed_bytes_ >= database_.seams().flush_bytes;
  if (large || (first_log_ && unflushed_writes_ == 1)) {
    database_.log_files().make_spares(unflushed_bytes_ / unflushed_writes_ < large_commit_bytes);
  }
  const bool better = first_log_ && !unsynced_ && database_.log_files().better_log_ready();
  if (!large && !better) return;
  first_log_ = false;
  unflushed_bytes_ = 0;
  unflushed_writes_ = 0;
  rocksdb::FlushOptions options;
  options.wait = false;
  const rocksdb::Status status = database_.db().Flush(options, database_.families());
  if (status.ok()) return;
  failure_ = store_error("cannot flush the store", status);
  failure_->message += "; nothing is accepted until the server is started again";
  log_error("store.failed", {{"reason", failure_->message}});
}

}  // namespace deferd
