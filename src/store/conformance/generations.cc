// Purged generations and dropped queues.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, APurgeTakesItsGenerationAndNothingElse) {
  const Generation second{QueueNumber{1}, 1};
  const Generation other{QueueNumber{2}, 0};
  const std::string large(100'000, 'x');
  Task moved = with_key(task(2, at(0)), "k");
  commit(puts({task(1, at(0), 5, large), moved, task(3, at(0))}));
  commit(puts({with_key(task(4, at(0), 5, large), "k")}, second));
  commit(puts({with_key(task(1, at(0), 5, large), "k")}, other));
  Batch batch;
  batch.moves = {move(moved, at(9), 5)};
  batch.finishes = {finish(task(3, at(0)))};
  commit(std::move(batch));

  batch = {};
  batch.purged = {first};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 5), Ids{});
    EXPECT_EQ(all_ids(first), Ids{});
    EXPECT_EQ(key_ids(first, "k"), Ids{});
    EXPECT_EQ(find(first, 1), std::nullopt);
    EXPECT_EQ(find(first, 2), std::nullopt);
    EXPECT_EQ(lane_ids(second, 5), (Ids{4}));
    EXPECT_EQ(key_ids(second, "k"), (Ids{4}));
    EXPECT_EQ(find(other, 1)->payload->size(), large.size());
    EXPECT_EQ(key_ids(other, "k"), (Ids{1}));
  }
}

TEST_P(StoreConformance, WhatABatchDoesToAGenerationThatItPurgesIsGoneWithIt) {
  const Generation second{QueueNumber{1}, 1};
  const Task one = task(1, at(0));
  const Task two = task(2, at(0));
  commit(puts({one, two}));
  Batch batch = puts({with_key(task(3, at(0)), "k")});
  batch.puts.push_back({second, task(4, at(0))});
  batch.moves = {move(one, at(5), 5)};
  batch.finishes = {finish(two)};
  batch.purged = {first};
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, 5), Ids{});
  EXPECT_EQ(all_ids(first), Ids{});
  EXPECT_EQ(key_ids(first, "k"), Ids{});
  EXPECT_EQ(lane_ids(second, 5), (Ids{4}));
}

TEST_P(StoreConformance, ADroppedQueueLeavesNothing) {
  Batch batch;
  batch.queues = {record(1), record(2)};
  batch.counters = {{QueueNumber{1}, {.tasks = 3}}, {QueueNumber{2}, {.tasks = 4}}};
  batch.names = {{QueueNumber{1}, "a", {TaskId{1}, 0, {}}},
                 {QueueNumber{1}, "b", {TaskId{2}, 0, at(1)}},
                 {QueueNumber{2}, "a", {TaskId{1}, 0, {}}},
                 {QueueNumber{2}, "b", {TaskId{2}, 0, at(2)}}};
  for (const std::uint64_t number : {1, 2}) {
    for (const std::uint32_t generation : {0, 3}) {
      batch.puts.push_back(
          {{QueueNumber{number}, generation}, with_key(task(generation + 1, at(0)), "k")});
    }
  }
  commit(std::move(batch));
  batch = {};
  batch.dropped = {QueueNumber{1}};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value());
    ASSERT_EQ(loaded->queues.size(), 1u);
    EXPECT_EQ(loaded->queues[0].record.number, QueueNumber{2});
    EXPECT_EQ(loaded->queues[0].counters.tasks, 4u);
    for (const std::uint32_t generation : {0, 3}) {
      EXPECT_EQ(all_ids({QueueNumber{1}, generation}), Ids{});
      EXPECT_EQ(lane_ids({QueueNumber{1}, generation}, 5), Ids{});
      EXPECT_EQ(key_ids({QueueNumber{1}, generation}, "k"), Ids{});
      EXPECT_EQ(key_ids({QueueNumber{2}, generation}, "k"), (Ids{generation + 1}));
    }
    EXPECT_EQ(read<FindNamesAnswer>(FindNames{QueueNumber{1}, {"a"}}).entries[0], std::nullopt);
    EXPECT_TRUE(read<FindNamesAnswer>(FindNames{QueueNumber{2}, {"a"}}).entries[0].has_value());
  }
  // Its tombstones do not trouble a later sweep.
  batch = {};
  batch.sweep_names_before = at(100);
  batch.sweep_names_max = 10;
  commit(std::move(batch));
  EXPECT_EQ(read<FindNamesAnswer>(FindNames{QueueNumber{2}, {"b"}}).entries[0], std::nullopt);
}

}  // namespace
}  // namespace deferd
