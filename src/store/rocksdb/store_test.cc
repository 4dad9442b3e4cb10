#include "store/rocksdb/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/testing/seed.h"
#include "store/conformance/suite.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/records.h"
#include "store/rocksdb/testing/rocks_box.h"

namespace deferd {
namespace {

// Forgets all it can at once: every commit reads its runs anew, and rewrites them as soon as they
// are thin.
Seams forgetful() {
  return {.file_system = nullptr, .flush_bytes = 64 << 10, .cached_slots_max = 0, .thin_rounds = 0};
}

INSTANTIATE_TEST_SUITE_P(RocksDb, StoreConformance,
                         testing::Values(rocks_boxes("rocksdb", early_flushes(), runs_layout()),
                                         rocks_boxes("rocksdb_forgetful", forgetful(),
                                                     runs_layout())),
                         store_param_name);

// ---- What only this store can do or suffer ----

constexpr Generation generation{QueueNumber{1}, 0};

Task task(std::uint64_t id, std::string payload = "payload") {
  Task task;
  task.id = TaskId{id};
  task.place.order = id;
  task.payload = share(std::move(payload));
  return task;
}

Batch puts(std::uint64_t first, std::uint64_t count, const std::string& payload = "payload") {
  Batch batch;
  for (std::uint64_t id = first; id < first + count; ++id) {
    batch.puts.push_back({generation, task(id, payload)});
  }
  return batch;
}

Batch finishes(std::uint64_t first, std::uint64_t count) {
  Batch batch;
  for (std::uint64_t id = first; id < first + count; ++id) {
    batch.finishes.push_back({generation, TaskId{id}, task(id).place, {}});
  }
  return batch;
}

std::size_t tasks_in(Store& store) {
  const auto answer =
      read_and_wait(store, ScanIds{generation, TaskId{0}, 1'000'000, std::uint64_t{1} << 40});
  if (!answer) {
    ADD_FAILURE() << answer.error().message;
    return 0;
  }
  return std::get<ScanAnswer>(*answer).tasks.size();
}

// Keys in a column family, so that nothing is left behind unseen.
std::size_t records(Database& database, rocksdb::ColumnFamilyHandle* family) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.db().NewIterator(rocksdb::ReadOptions(), family));
  std::size_t count = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++count;
  return count;
}

void commit(Store& store, Batch batch) {
  const auto done = commit_and_wait(store, std::move(batch));
  EXPECT_TRUE(done.has_value()) << done.error().message;
}

TEST(RocksStore, ItsFolderIsPrivateAndHasOneServer) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path() + "/a/b"};
  auto store = open_rocksdb(options);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  struct stat status{};
  ASSERT_EQ(::stat(options.folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);

  const auto second = open_rocksdb(options);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().reason, Reason::store_failed);
  EXPECT_NE(second.error().message.find("in use by another server (process " +
                                        std::to_string(::getpid()) + ")"),
            std::string::npos)
      << second.error().message;

  store->reset();
  EXPECT_TRUE(open_rocksdb(options).has_value());
}

TEST(RocksStore, AFolderOfBeforeThereWereOutcomesIsTaken) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path()};
  commit(**open_rocksdb(options), puts(1, 3));
  {
    const auto database = Database::open(options, Seams{});
    ASSERT_TRUE(database.has_value()) << database.error().message;
    for (auto* family : {(*database)->outcomes(), (*database)->ends(), (*database)->history()}) {
      ASSERT_TRUE((*database)->db().DropColumnFamily(family).ok());
    }
  }
  const auto store = open_rocksdb(options);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_EQ(tasks_in(**store), 3u);
  Batch batch;
  batch.outcomes = {{.queue = generation.queue, .id = TaskId{1}, .bytes = "outcome"}};
  commit(**store, std::move(batch));
  const auto found = read_and_wait(**store, FindOutcomes{generation.queue, {TaskId{1}}});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(std::get<FindOutcomesAnswer>(*found).outcomes[0], "outcome");
}

TEST(RocksStore, ANewerFormatIsRefusedAndLeftAlone) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path()};
  commit(**open_rocksdb(options), puts(1, 1));
  const auto write_format = [&](const std::string& text) {
    std::ofstream(folder.path() + "/FORMAT") << text;
  };
  for (const std::string text : {"deferd store, format 2\n", "something else", ""}) {
    write_format(text);
    const auto refused = open_rocksdb(options);
    ASSERT_FALSE(refused.has_value()) << text;
    EXPECT_NE(refused.error().message.find("format"), std::string::npos) << refused.error().message;
  }
  std::filesystem::remove(folder.path() + "/FORMAT");
  EXPECT_FALSE(open_rocksdb(options).has_value());
  write_format("deferd store, format 1\n");
  const auto store = open_rocksdb(options);
  ASSERT_TRUE(store.has_value());
  EXPECT_EQ(tasks_in(**store), 1u);
}

TEST(RocksStore, AFolderThatCannotBeMadeIsAnError) {
  const auto store = open_rocksdb(RocksOptions{.folder = "/proc/deferd"});
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().reason, Reason::store_failed);
}

// Many batches in one write, each with its own answer, and one report of them all.
TEST(RocksStore, WhatGathersIsWrittenTogether) {
  const Folder folder;
  std::vector<CommitReport> reports;
  RocksOptions options{.folder = folder.path()};
  options.on_commit = [&reports](const CommitReport& report) { reports.push_back(report); };
  auto store = open_rocksdb(options);
  ASSERT_TRUE(store.has_value());
  int done = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    Batch batch = puts(i, 1);
    batch.durable = i == 50;
    (*store)->commit(std::move(batch), [&done](Result<void> result) {
      EXPECT_TRUE(result.has_value());
      ++done;
    });
  }
  store->reset();
  EXPECT_EQ(done, 100);
  std::uint32_t batches = 0;
  std::uint32_t durable = 0;
  for (const CommitReport& report : reports) {
    batches += report.batches;
    durable += report.durable ? 1 : 0;
    EXPECT_EQ(report.tasks, report.batches);
    EXPECT_FALSE(report.failed);
  }
  EXPECT_EQ(batches, 100u);
  EXPECT_EQ(durable, 1u);
  EXPECT_LT(reports.size(), 100u);
}

TEST(RocksStore, NothingIsLeftOfTasksThatEnded) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path()};
  {
    auto store = open_rocksdb(options, forgetful());
    ASSERT_TRUE(store.has_value());
    const std::string large(20'000, 'x');
    commit(**store, puts(1, 300));
    commit(**store, puts(301, 20, large));
    Batch moves;
    for (std::uint64_t id = 1; id <= 320; id += 3) {
      Batch::Move move{generation, task(id).place, task(id)};
      move.task.place = {5, wall_from_micros(1000), 1000 + id};
      moves.moves.push_back(move);
    }
    commit(**store, std::move(moves));
    for (std::uint64_t id = 1; id <= 320; ++id) {
      Batch batch = finishes(id, 1);
      if (id % 3 == 1) batch.finishes[0].place = {5, wall_from_micros(1000), 1000 + id};
      batch.durable = id % 50 == 0;
      commit(**store, std::move(batch));
    }
    EXPECT_EQ(tasks_in(**store), 0u);
  }
  auto database = Database::open(options, early_flushes());
  ASSERT_TRUE(database.has_value());
  for (auto* family :
       {(*database)->runs(), (*database)->index(), (*database)->bodies(), (*database)->keys()}) {
    EXPECT_EQ(records(**database, family), 0u) << family->GetName();
  }
}

TEST(RocksStore, ARunThatFewKeepAliveIsRewritten) {
  const Folder folder;
  const RocksOptions options{.folder = folder.path()};
  const std::string payload(300, 'x');
  {
    auto store = open_rocksdb(options, forgetful());
    ASSERT_TRUE(store.has_value());
    commit(**store, puts(1, 200, payload));
    commit(**store, finishes(2, 198));
    commit(**store, puts(501, 1));
    EXPECT_EQ(tasks_in(**store), 3u);
  }
  {
    auto database = Database::open(options, early_flushes());
    ASSERT_TRUE(database.has_value());
    std::string value;
    const runs::RunKey key{generation, priority_default, Wall{}, 1};
    ASSERT_TRUE((*database)
                    ->db()
                    .Get(rocksdb::ReadOptions(), (*database)->runs(),
                         runs::run_key(key, runs::Kind::home), &value)
                    .ok());
    EXPECT_LT(value.size(), 2 * 300 + 100u) << "it still carries what is finished";
  }
  auto store = open_rocksdb(options, early_flushes());
  ASSERT_TRUE(store.has_value());
  EXPECT_EQ(tasks_in(**store), 3u);
  commit(**store, finishes(200, 1));
  commit(**store, finishes(1, 1));
  EXPECT_EQ(tasks_in(**store), 1u);
}

// Whichever write or fsync it is that fails: what was acknowledged before is there afterwards, also
// after a power cut, and nothing is acknowledged after it.
TEST(RocksStore, AnyWriteOrFsyncMayFail) {
  Random random(test_seed());
  for (int round = 0; round < 16; ++round) {
    RocksBox box(round % 2 == 0 ? early_flushes() : forgetful(), runs_layout());
    ASSERT_TRUE(box.is_open());
    const FaultyFiles::Fault faults[] = {FaultyFiles::Fault::no_space,
                                         FaultyFiles::Fault::write_fails,
                                         FaultyFiles::Fault::sync_fails};
    box.files().fail(faults[random.below(3)], random.below(60));
    std::uint64_t acknowledged = 0;
    bool failed = false;
    for (std::uint64_t i = 1; i <= 60 && !failed; ++i) {
      const auto done = commit_and_wait(box.store(), puts(i, 1, std::string(5000, 'x')));
      if (done) {
        acknowledged = i;
        continue;
      }
      failed = true;
      EXPECT_EQ(done.error().reason, Reason::store_failed);
      EXPECT_FALSE(commit_and_wait(box.store(), puts(i + 1, 1)).has_value());
      EXPECT_EQ(tasks_in(box.store()), acknowledged);
    }
    EXPECT_TRUE(failed);
    ASSERT_TRUE(random.chance(50) ? box.power_cut(random) : box.kill(random));
    const std::size_t tasks = tasks_in(box.store());
    EXPECT_GE(tasks, acknowledged);
    EXPECT_LE(tasks, acknowledged + 1);
    commit(box.store(), puts(100, 1));
  }
}

TEST(RocksStore, AFullDiskIsNamed) {
  RocksBox box(early_flushes(), runs_layout());
  ASSERT_TRUE(box.is_open());
  box.files().fail(FaultyFiles::Fault::no_space);
  const auto done = commit_and_wait(box.store(), puts(1, 1));
  ASSERT_FALSE(done.has_value());
  EXPECT_NE(done.error().message.find("the disk is full"), std::string::npos)
      << done.error().message;
}

// Logs change often, and each is full of zeros behind what was written.
TEST(RocksStore, PowerCutsAmongManyLogsLoseNothingDurable) {
  Random random(test_seed());
  RocksBox box(forgetful(), runs_layout());
  ASSERT_TRUE(box.is_open());
  std::uint64_t first = 1;
  std::uint64_t next = 1;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t count = 1 + random.below(20);
      commit(box.store(), puts(next, count, std::string(random.below(3000), 'x')));
      next += count;
      if (next - first > 100) {
        commit(box.store(), finishes(first, 50));
        first += 50;
      }
    }
    ASSERT_TRUE(box.power_cut(random));
    EXPECT_EQ(tasks_in(box.store()), next - first) << "round " << round;
  }
}

}  // namespace
}  // namespace deferd
