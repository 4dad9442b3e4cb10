#include "store/rocksdb/store.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "store/rocksdb/committer.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/layout.h"
#include "store/rocksdb/packer.h"
#include "store/rocksdb/reader.h"

namespace deferd {
namespace {

constexpr int reader_count = 2;

// A few threads that answer reads, first come first served.
class ReaderPool {
 public:
  ReaderPool(Database& database, const Layout& layout) : database_(database), layout_(layout) {
    for (int i = 0; i < reader_count; ++i) threads_.emplace_back([this] { run(); });
  }
  // Answers what waits, and ends the threads.
  ~ReaderPool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void read(Read read, Callback<void(Result<ReadAnswer>)> done) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({std::move(read), std::move(done)});
    }
    arrived_.notify_one();
  }

 private:
  struct Waiting {
    Read read;
    Callback<void(Result<ReadAnswer>)> done;
  };

  void run() {
    while (true) {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return !waiting_.empty() || stopping_; });
      if (waiting_.empty()) return;
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      next.done(layout_.read(database_, next.read));
    }
  }

  Database& database_;
  const Layout layout_;
  std::mutex mutex_;  // guards the two below
  std::condition_variable arrived_;
  std::deque<Waiting> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

class RocksStore final : public Store {
 public:
  RocksStore(std::unique_ptr<Database> database, const Layout& layout,
             std::function<void(const CommitReport&)> on_commit)
      : database_(std::move(database)),
        committer_(*database_, layout.writer(*database_), std::move(on_commit)),
        readers_(*database_, layout) {}

  Result<void> start() { return committer_.start(); }

  Result<Loaded> load() override { return load_queues(*database_); }
  void commit(Batch batch, Callback<void(Result<void>)> done) override {
    committer_.commit(std::move(batch), std::move(done));
  }
  void read(Read read, Callback<void(Result<ReadAnswer>)> done) override {
    readers_.read(std::move(read), std::move(done));
  }

 private:
  const std::unique_ptr<Database> database_;
  Committer committer_;
  ReaderPool readers_;  // ends first, then the committer, then the database
};

}  // namespace

Layout runs_layout() {
  return {[](Database& database) -> std::unique_ptr<LayoutWriter> {
            return std::make_unique<Packer>(database);
          },
          &answer_read};
}

Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options, const Seams& seams,
                                            const Layout& layout) {
  auto database = Database::open(options, seams);
  if (!database) return fail(database.error());
  auto store = std::make_unique<RocksStore>(std::move(*database), layout, options.on_commit);
  if (auto started = store->start(); !started) return fail(started.error());
  return store;
}

Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options, const Seams& seams) {
  return open_rocksdb(options, seams, runs_layout());
}

Result<std::unique_ptr<Store>> open_rocksdb(const RocksOptions& options) {
  return open_rocksdb(options, Seams{});
}

}  // namespace deferd
