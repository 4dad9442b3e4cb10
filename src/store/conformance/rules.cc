// Atomicity, order and visibility: rules 1, 2, 3, 5 and 6.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/testing/seed.h"
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, BatchesGivenWithoutWaitingEndInOrderAndOnce) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> ended;
  for (int i = 0; i < 200; ++i) {
    Batch batch = puts({task(static_cast<std::uint64_t>(i) + 1, at(0))});
    batch.durable = i % 3 == 0;
    store().commit(std::move(batch), [&, i](Result<void> done) {
      EXPECT_TRUE(done.has_value());
      const std::lock_guard lock(mutex);
      ended.push_back(i);
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, Seconds(30), [&] { return ended.size() == 200; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(ended[static_cast<std::size_t>(i)], i);
  lock.unlock();
  EXPECT_EQ(lane_ids(first, 5).size(), 200u);
}

// A task put by one batch, moved by the next and ended by a third, none of them waited for:
// whatever the store merges, the outcome is that of one after the other.
TEST_P(StoreConformance, BatchesThatFollowEachOtherClosely) {
  std::atomic<int> left = 0;
  const auto done = [&left](Result<void> result) {
    EXPECT_TRUE(result.has_value()) << result.error().message;
    if (--left == 0) left.notify_all();
  };
  std::uint64_t order = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<Task> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(with_key(task(++order, at(round)), "k"));
    left += 3;
    store().commit(puts(tasks), done);
    Batch moves;
    for (Task& t : tasks) {
      if (t.id.value % 2 == 0) continue;
      moves.moves.push_back(move(t, at(1000 + round), ++order));
      t.place = moves.moves.back().task.place;
    }
    store().commit(std::move(moves), done);
    Batch ends;
    ends.durable = false;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (i != 3) ends.finishes.push_back(finish(tasks[i]));
    }
    store().commit(std::move(ends), done);
  }
  for (int now = left; now != 0; now = left) left.wait(now);
  EXPECT_EQ(lane_ids(first, 5).size(), 50u);
  EXPECT_EQ(all_ids(first, 7).size(), 50u);
  EXPECT_EQ(key_ids(first, "k", 7).size(), 50u);
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(lane_ids(first, 5).size(), 50u);
}

// Each batch swaps one task for another, so a read that sees a batch by halves sees two or none.
TEST_P(StoreConformance, AReadSeesABatchWholeWhileOthersWrite) {
  constexpr int writers = 3;
  constexpr std::uint64_t swaps = 150;
  std::atomic<int> writing = writers;
  for (std::uint64_t w = 0; w < writers; ++w) {
    commit(puts({task(1, at(0))}, {QueueNumber{w + 1}, 0}));
  }
  std::vector<std::thread> threads;
  for (std::uint64_t w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      const Generation generation{QueueNumber{w + 1}, 0};
      Task old = task(1, at(0));
      for (std::uint64_t i = 2; i <= swaps; ++i) {
        const Task next = task(i, at(static_cast<std::int64_t>((i * 7919) % 100)));
        Batch batch = puts({next}, generation);
        batch.durable = i % 2 == 0;
        batch.finishes = {finish(old, generation)};
        EXPECT_TRUE(commit_and_wait(store(), std::move(batch)).has_value());
        old = next;
      }
      --writing;
    });
  }
  while (writing > 0) {
    for (std::uint64_t w = 0; w < writers; ++w) {
      const Generation generation{QueueNumber{w + 1}, 0};
      EXPECT_EQ(lane_ids(generation, 5).size(), 1u);
      EXPECT_EQ(all_ids(generation).size(), 1u);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(StoreConformance, WhatWasAcknowledgedSurvivesAKill) {
  Random random(test_seed());
  const Task one = task(1, at(0));
  commit(puts({one, task(2, at(0))}));
  Batch batch;
  batch.durable = false;
  batch.finishes = {finish(one)};
  commit(std::move(batch));
  ASSERT_TRUE(box().kill(random));
  EXPECT_EQ(lane_ids(first, 5), (Ids{2}));
}

TEST_P(StoreConformance, ADurableBatchAndAllBeforeItSurviveAPowerCut) {
  Random random(test_seed());
  for (int round = 0; round < 5; ++round) {
    const auto base = static_cast<std::uint64_t>(round) * 10;
    const Task one = task(base + 1, at(0));
    commit(puts({one, task(base + 2, at(0))}));
    Batch batch;
    batch.durable = false;
    batch.finishes = {finish(one)};
    commit(std::move(batch));
    commit(puts({task(base + 3, at(0))}));
    ASSERT_TRUE(box().power_cut(random));
    EXPECT_EQ(find(first, base + 1), std::nullopt);
    EXPECT_TRUE(find(first, base + 2).has_value());
    EXPECT_TRUE(find(first, base + 3).has_value());
  }
}

// Batches that are not durable may be lost in a power cut, but only the last of them, and each as a
// whole.
TEST_P(StoreConformance, APowerCutKeepsWholeBatchesAndNoLaterOneWithoutTheEarlier) {
  Random random(test_seed());
  std::uint64_t id = 0;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t base = id;
    commit(puts({task(++id, at(0))}));
    const std::uint64_t batches = random.below(30);
    for (std::uint64_t i = 0; i < batches; ++i) {
      Batch batch = puts({task(id + 1, at(0), 5, std::string(random.below(5000), 'x')),
                          task(id + 2, at(1), 6, "y")});
      id += 2;
      batch.durable = false;
      commit(std::move(batch));
    }
    ASSERT_TRUE(box().power_cut(random));
    bool lost = false;
    EXPECT_TRUE(find(first, base + 1).has_value());
    for (std::uint64_t even = base + 2; even <= id; even += 2) {
      const bool there = find(first, even).has_value();
      EXPECT_EQ(there, find(first, even + 1).has_value()) << "half a batch";
      EXPECT_FALSE(there && lost) << "a batch without the one before it";
      lost = lost || !there;
    }
  }
}

TEST_P(StoreConformance, ClosingAnswersWhatIsUnderWay) {
  int ended = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    store().commit(puts({task(i, at(0))}), [&ended](Result<void>) { ++ended; });
    store().read(FindTasks{first, {TaskId{1}}}, [](Result<ReadAnswer>) {});
  }
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(ended, 20);
}

}  // namespace
}  // namespace deferd
