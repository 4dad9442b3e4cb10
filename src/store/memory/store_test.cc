#include "store/memory/store.h"

#include <deque>

#include "store/conformance/suite.h"

namespace deferd {
namespace {

class MemoryBox final : public StoreBox {
 public:
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    store_ = std::make_unique<MemoryStore>(disk_);
    return true;
  }
  bool kill(Random& random) override {
    store_->abandon();
    disk_->kill(random);
    return reopen();
  }
  bool power_cut(Random& random) override {
    store_->abandon();
    disk_->power_cut(random);
    return reopen();
  }
  void fail_writes() override { store_->fail_all("no space left on device (as was asked for)"); }
  bool damage_tasks() override { return false; }

 private:
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::possible);
  std::unique_ptr<MemoryStore> store_ = std::make_unique<MemoryStore>(disk_);
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         testing::Values(StoreParam{"memory",
                                                    [] { return std::make_unique<MemoryBox>(); }}),
                         store_param_name);

// ---- What only this store can do: answers in its caller's time, and faults ----

struct Agenda {
  std::deque<Callback<void()>> waiting;
  std::function<void(Callback<void()>)> defer() {
    return [this](Callback<void()> completion) { waiting.push_back(std::move(completion)); };
  }
  void run_one() {
    Callback<void()> completion = std::move(waiting.front());
    waiting.pop_front();
    completion();
  }
};

constexpr Generation generation{QueueNumber{1}, 0};

Batch put(std::uint64_t id, bool durable) {
  Batch batch;
  batch.durable = durable;
  Task task;
  task.id = TaskId{id};
  task.place.order = id;
  task.payload = share("payload");
  batch.puts.push_back({generation, task});
  return batch;
}

std::size_t tasks_on(const std::shared_ptr<MemoryDisk>& disk) {
  MemoryStore store(disk);
  const auto answer = read_and_wait(store, ScanIds{generation, TaskId{0}, 1000, 1 << 20});
  return std::get<ScanAnswer>(*answer).tasks.size();
}

TEST(MemoryStore, AKillKeepsWhatWasAnsweredAndPerhapsWhatWasNot) {
  std::array<int, 4> seen{};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    Agenda agenda;
    const auto disk = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::possible);
    MemoryStore store(disk, {.defer = agenda.defer()});
    int answered = 0;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      store.commit(put(id, id == 1), [&answered](Result<void>) { ++answered; });
    }
    agenda.run_one();
    EXPECT_EQ(answered, 1);
    store.abandon();
    disk->kill(random);
    const std::size_t tasks = tasks_on(disk);
    ASSERT_GE(tasks, 1u);
    ++seen.at(tasks);
    while (!agenda.waiting.empty()) agenda.run_one();
    EXPECT_EQ(answered, 1) << "answered after its end";
  }
  for (const std::size_t tasks : {1, 2, 3}) EXPECT_GT(seen.at(tasks), 0) << tasks;
}

TEST(MemoryStore, APowerCutMayTakeWhatWasAnsweredButNotDurable) {
  std::array<int, 4> seen{};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const auto disk = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::possible);
    MemoryStore store(disk);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      EXPECT_TRUE(commit_and_wait(store, put(id, id == 1)).has_value());
    }
    store.abandon();
    disk->power_cut(random);
    const std::size_t tasks = tasks_on(disk);
    ASSERT_GE(tasks, 1u);
    ++seen.at(tasks);
  }
  for (const std::size_t tasks : {1, 2, 3}) EXPECT_GT(seen.at(tasks), 0) << tasks;
}

TEST(MemoryStore, ATornCommitFailsIsNotVisibleAndMayBeThereAfterACrash) {
  std::array<int, 3> seen{};
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const auto disk = std::make_shared<MemoryDisk>(MemoryDisk::Crashes::possible);
    MemoryStore store(disk);
    EXPECT_TRUE(commit_and_wait(store, put(1, true)).has_value());
    store.fail_next_commit(MemoryStore::Fault::torn);
    EXPECT_FALSE(commit_and_wait(store, put(2, true)).has_value());
    EXPECT_FALSE(commit_and_wait(store, put(3, true)).has_value());
    EXPECT_TRUE(store.failed());
    EXPECT_EQ(tasks_on(disk), 1u);
    store.abandon();
    disk->kill(random);
    ++seen.at(tasks_on(disk));
  }
  EXPECT_EQ(seen[0], 0);
  EXPECT_GT(seen[1], 0);
  EXPECT_GT(seen[2], 0);
}

TEST(MemoryStore, ClosingAnswersWhatWasDeferredAndOnlyOnce) {
  Agenda agenda;
  std::vector<Reason> reasons;
  {
    MemoryStore store(std::make_shared<MemoryDisk>(MemoryDisk::Crashes::never),
                      {.defer = agenda.defer()});
    store.commit(put(1, true), [&](Result<void> done) { reasons.push_back(done.error().reason); });
    store.read(FindTasks{generation, {TaskId{1}}},
               [&](Result<ReadAnswer> answer) { reasons.push_back(answer.error().reason); });
  }
  EXPECT_EQ(reasons, (std::vector{Reason::stopping, Reason::stopping}));
  while (!agenda.waiting.empty()) agenda.run_one();
  EXPECT_EQ(reasons.size(), 2u);
}

}  // namespace
}  // namespace deferd
