// The store alone: how many tasks a second it makes durable, beside what bare RocksDB gives on the
// same disk in the same run. One caller that waits for each commit, so a figure is what one shard
// gets; payloads are random bytes.
//
//   store_bench [--folder DIR] [--tasks 100] [--payload 300] [--seconds 3] [--backlog 10000]
//   [--apart yes] [--only ROW]
//
// Canonical workload: batches of 100 tasks of 300 bytes, fsync on every commit.
//   bare put      RocksDB, one entry a task, WriteBatch of 100, sync: the limit that one entry a
//   task has bare cycle    put 100 (entry under its lane key, id -> lane key), scan the next 100
//   from a mark, delete them add           put 100 a commit through the port cycle         put 100,
//   scan the next 100 from a mark, finish them; one commit lease cycle   put 100 + lease 100 (a
//   move) + finish the 100 leased before, a commit each
#include <rocksdb/db.h>
#include <rocksdb/table.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/store.h"
#include "store/rocksdb/store.h"

namespace deferd {
namespace {

struct Options {
  std::string folder = "/tmp/deferd_store_bench";
  std::uint64_t tasks = 100;
  std::uint64_t payload = 300;
  double seconds = 3;
  std::uint64_t backlog = 10'000;
  bool apart = false;  // every task has an ETA of its own, so runs are of one task
  std::string only;
};

using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Runs `step`, which handles `tasks` tasks, for a while after a warm-up of a fifth of it.
template <class Step>
void measure(const Options& options, const char* name, Step step) {
  const auto run = [&](double seconds) {
    const Clock::time_point begin = Clock::now();
    std::uint64_t steps = 0;
    double passed = 0;
    for (; passed < seconds; ++steps) {
      step();
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    return std::pair(steps, passed);
  };
  run(options.seconds / 5);
  const double cpu = cpu_seconds();
  const auto [steps, passed] = run(options.seconds);
  const double tasks = static_cast<double>(steps * options.tasks);
  std::printf("%-14s %10.0f tasks/s  %8.0f steps/s  %6.2f us CPU a task\n", name, tasks / passed,
              static_cast<double>(steps) / passed, (cpu_seconds() - cpu) * 1e6 / tasks);
  std::fflush(stdout);
}

std::string random_bytes(Random& random, std::uint64_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::string big_endian(std::uint64_t number) {
  std::string bytes;
  ByteWriter(bytes).be64(number);
  return bytes;
}

class Bare {
 public:
  explicit Bare(const std::string& folder) {
    std::filesystem::remove_all(folder);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.max_background_jobs = 2;
    options.compression = rocksdb::kNoCompression;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    rocksdb::DB* db = nullptr;
    check(rocksdb::DB::Open(options, folder, {{"default", options}, {"ids", options}}, &families,
                            &db));
    db_.reset(db);
    ids_.reset(families[1]);
    delete families[0];
  }
  ~Bare() { ids_.reset(); }

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* ids() { return ids_.get(); }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<rocksdb::ColumnFamilyHandle> ids_;
};

void bare_put(const Options& options, const std::string& folder) {
  Bare bare(folder);
  Random random(1);
  const std::string payload = random_bytes(random, options.payload);
  rocksdb::WriteOptions sync;
  sync.sync = true;
  std::uint64_t next = 0;
  measure(options, "bare put", [&] {
    rocksdb::WriteBatch batch;
    for (std::uint64_t i = 0; i < options.tasks; ++i) batch.Put(big_endian(++next), payload);
    check(bare.db().Write(sync, &batch));
  });
}

void bare_cycle(const Options& options, const std::string& folder) {
  Bare bare(folder);
  Random random(1);
  const std::string payload = random_bytes(random, options.payload);
  rocksdb::WriteOptions sync;
  sync.sync = true;
  std::uint64_t next = 0;
  const auto lane_key = [](std::uint64_t id) {
    return std::string("queue...gen.p") + big_endian(id / 100) + big_endian(id);
  };
  const auto put = [&](rocksdb::WriteBatch& batch) {
    for (std::uint64_t i = 0; i < options.tasks; ++i) {
      const std::string key = lane_key(++next);
      batch.Put(key, payload);
      batch.Put(bare.ids(), big_endian(next), key);
    }
  };
  while (next < options.backlog) {
    rocksdb::WriteBatch batch;
    put(batch);
    check(bare.db().Write({}, &batch));
  }
  std::string mark;
  measure(options, "bare cycle", [&] {
    rocksdb::WriteBatch batch;
    put(batch);
    const std::unique_ptr<rocksdb::Iterator> it(bare.db().NewIterator({}));
    std::uint64_t taken = 0;
    for (it->Seek(mark); it->Valid() && taken < options.tasks; it->Next(), ++taken) {
      mark = it->key().ToString();
      const std::string body = it->value().ToString();
      batch.SingleDelete(mark);
      batch.SingleDelete(bare.ids(), mark.substr(mark.size() - 8));
    }
    mark.push_back('\0');
    check(bare.db().Write(sync, &batch));
  });
}

// ---- Through the port ----

constexpr Generation generation{QueueNumber{1}, 0};

class Caller {
 public:
  Caller(const Options& options, const std::string& folder) : options_(options) {
    std::filesystem::remove_all(folder);
    auto store = open_rocksdb(RocksOptions{.folder = folder});
    if (!store) {
      std::fprintf(stderr, "%s\n", store.error().message.c_str());
      std::exit(1);
    }
    store_ = std::move(*store);
    Random random(1);
    payload_ = share(random_bytes(random, options.payload));
  }

  void add(Batch& batch) {
    now_ += Micros(100);
    for (std::uint64_t i = 0; i < options_.tasks; ++i) {
      if (options_.apart) now_ += Micros(1);
      Task task;
      task.id = TaskId{++order_};
      task.place = Place{5, now_, order_};
      task.created = now_;
      task.payload = payload_;
      task.bytes = static_cast<std::uint32_t>(payload_->size() + task_overhead_bytes);
      batch.puts.push_back({generation, std::move(task)});
    }
    batch.counters.push_back({generation.queue, {.tasks = order_, .last_order = order_}});
  }
  std::vector<Task> scan() {
    std::promise<Result<ReadAnswer>> promise;
    store_->read(ScanLane{generation, 5, mark_, static_cast<std::uint32_t>(options_.tasks),
                          std::uint64_t{1} << 30},
                 [&promise](Result<ReadAnswer> answer) { promise.set_value(std::move(answer)); });
    auto answer = promise.get_future().get();
    if (!answer) std::abort();
    auto tasks = std::move(std::get<ScanAnswer>(*answer).tasks);
    if (tasks.empty()) std::abort();
    mark_ = tasks.back().place;
    return tasks;
  }
  // As an engine does: what a scan brought is in its window, 4,096 at a time.
  std::vector<Task> next() {
    if (window_.empty()) {
      std::promise<Result<ReadAnswer>> promise;
      store_->read(ScanLane{generation, 5, mark_, 4096, std::uint64_t{1} << 30},
                   [&promise](Result<ReadAnswer> answer) { promise.set_value(std::move(answer)); });
      auto answer = promise.get_future().get();
      if (!answer) std::abort();
      for (Task& task : std::get<ScanAnswer>(*answer).tasks) window_.push_back(std::move(task));
      if (window_.empty()) std::abort();
      mark_ = window_.back().place;
    }
    std::vector<Task> tasks;
    while (!window_.empty() && tasks.size() < options_.tasks) {
      tasks.push_back(std::move(window_.front()));
      window_.pop_front();
    }
    return tasks;
  }
  void finish(Batch& batch, const std::vector<Task>& tasks) {
    for (const Task& task : tasks) {
      batch.finishes.push_back({generation, task.id, task.place, {}});
    }
  }
  std::vector<Task> lease(Batch& batch, std::vector<Task> tasks) {
    for (Task& task : tasks) {
      Batch::Move move{generation, task.place, task};
      move.task.place = Place{5, now_ + Seconds(60), ++order_};
      move.task.progress.attempts = 1;
      move.task.progress.first_attempt = now_;
      move.task.progress.last_attempt = now_;
      move.task.progress.lease_token = order_ * 0x9e3779b97f4a7c15;
      task.place = move.task.place;
      batch.moves.push_back(std::move(move));
    }
    return tasks;
  }
  void commit(Batch batch) {
    std::promise<Result<void>> promise;
    store_->commit(std::move(batch),
                   [&promise](Result<void> done) { promise.set_value(std::move(done)); });
    if (!promise.get_future().get()) std::abort();
  }
  void fill(std::uint64_t backlog) {
    while (order_ < backlog) {
      Batch batch;
      batch.durable = false;
      add(batch);
      commit(std::move(batch));
    }
  }

 private:
  const Options& options_;
  std::unique_ptr<Store> store_;
  SharedBytes payload_;
  std::uint64_t order_ = 0;
  Wall now_ = wall_from_micros(1'800'000'000'000'000);
  Place mark_{5, Wall::min(), 0};
  std::deque<Task> window_;
};

void add(const Options& options, const std::string& folder) {
  Caller caller(options, folder);
  measure(options, "add", [&] {
    Batch batch;
    caller.add(batch);
    caller.commit(std::move(batch));
  });
}

void cycle(const Options& options, const std::string& folder) {
  Caller caller(options, folder);
  caller.fill(options.backlog);
  measure(options, "cycle", [&] {
    Batch batch;
    caller.add(batch);
    caller.finish(batch, caller.scan());
    caller.commit(std::move(batch));
  });
}

void lease_cycle(const Options& options, const std::string& folder) {
  Caller caller(options, folder);
  caller.fill(options.backlog);
  std::vector<Task> leased;
  measure(options, "lease cycle", [&] {
    Batch puts;
    caller.add(puts);
    caller.commit(std::move(puts));
    Batch lease;
    auto tasks = caller.lease(lease, caller.next());
    caller.commit(std::move(lease));
    Batch finish;
    finish.durable = false;
    caller.finish(finish, leased);
    caller.commit(std::move(finish));
    leased = std::move(tasks);
  });
}

void reopen(const Options& options, const std::string& folder) {
  {
    Caller caller(options, folder);
    caller.fill(options.backlog);
  }
  const Clock::time_point begin = Clock::now();
  auto store = open_rocksdb(RocksOptions{.folder = folder});
  if (!store || !(*store)->load()) std::abort();
  std::promise<Result<ReadAnswer>> promise;
  (*store)->read(ScanLane{generation, 5, Place{5, Wall::min(), 0}, 100, std::uint64_t{1} << 30},
                 [&promise](Result<ReadAnswer> answer) { promise.set_value(std::move(answer)); });
  if (!promise.get_future().get()) std::abort();
  std::printf("%-14s %10.0f ms\n", "reopen",
              std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
}

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* const value = argv[i + 1];
    if (name == "--folder") options.folder = value;
    if (name == "--tasks") options.tasks = std::strtoull(value, nullptr, 10);
    if (name == "--payload") options.payload = std::strtoull(value, nullptr, 10);
    if (name == "--seconds") options.seconds = std::strtod(value, nullptr);
    if (name == "--backlog") options.backlog = std::strtoull(value, nullptr, 10);
    if (name == "--apart") options.apart = std::strcmp(value, "yes") == 0;
    if (name == "--only") options.only = value;
  }
  std::printf(
      "%llu tasks a commit, %llu bytes of payload, fsync on every durable commit, backlog %llu, "
      "one caller\n",
      static_cast<unsigned long long>(options.tasks),
      static_cast<unsigned long long>(options.payload),
      static_cast<unsigned long long>(options.backlog));
  const struct {
    const char* name;
    void (*run)(const Options&, const std::string&);
  } benches[] = {{"bare put", bare_put},       {"add", add},
                 {"bare cycle", bare_cycle},   {"cycle", cycle},
                 {"lease cycle", lease_cycle}, {"reopen", reopen}};
  for (const auto& bench : benches) {
    if (!options.only.empty() && options.only != bench.name) continue;
    bench.run(options, options.folder);
  }
  std::filesystem::remove_all(options.folder);
  return 0;
}

}  // namespace
}  // namespace deferd

int main(int argc, char** argv) { return deferd::main(argc, argv); }
