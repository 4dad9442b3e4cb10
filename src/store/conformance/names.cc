// Names of tasks and their tombstones.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

constexpr QueueNumber queue{1};

Batch set_names(std::vector<Batch::SetName> names) {
  Batch batch;
  batch.names = std::move(names);
  return batch;
}

Batch sweep(Wall before, std::uint32_t names_max) {
  Batch batch;
  batch.sweep_names_before = before;
  batch.sweep_names_max = names_max;
  return batch;
}

TEST_P(StoreConformance, NamesAreFoundAsTheyWereSet) {
  commit(set_names({{queue, "a", {TaskId{1}, 0, {}}},
                    {queue, "ab", {TaskId{2}, 7, at(5)}},
                    {QueueNumber{2}, "a", {TaskId{3}, 1, {}}}}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto found = read<FindNamesAnswer>(FindNames{queue, {"ab", "none", "a", ""}});
    ASSERT_EQ(found.entries.size(), 4u);
    EXPECT_EQ(found.entries[0], (NameEntry{TaskId{2}, 7, at(5)}));
    EXPECT_EQ(found.entries[1], std::nullopt);
    EXPECT_EQ(found.entries[2], (NameEntry{TaskId{1}, 0, {}}));
    EXPECT_EQ(found.entries[3], std::nullopt);
  }
  commit(set_names({{queue, "a", {TaskId{1}, 0, at(9)}}}));
  EXPECT_EQ(read<FindNamesAnswer>(FindNames{queue, {"a"}}).entries[0]->free_at, at(9));
}

TEST_P(StoreConformance, ASweepForgetsTheOldestTombstonesFirstAndNoLiveName) {
  std::vector<Batch::SetName> names{{queue, "live", {TaskId{100}, 0, {}}}};
  for (std::uint64_t i = 0; i < 10; ++i) {
    const std::uint64_t shuffled = (i * 7) % 10;
    names.push_back({queue,
                     "n" + std::to_string(shuffled),
                     {TaskId{shuffled}, 0, at(static_cast<std::int64_t>(shuffled))}});
  }
  commit(set_names(std::move(names)));
  const auto left = [&] {
    std::string left;
    for (int i = 0; i < 10; ++i) {
      if (read<FindNamesAnswer>(FindNames{queue, {"n" + std::to_string(i)}}).entries[0]) {
        left += std::to_string(i);
      }
    }
    return left;
  };
  EXPECT_EQ(left(), "0123456789");
  commit(sweep(at(0), 100));  // strictly before
  EXPECT_EQ(left(), "0123456789");
  commit(sweep(at(6), 2));
  EXPECT_EQ(left(), "23456789");
  ASSERT_TRUE(box().reopen());
  commit(sweep(at(6), 100));
  EXPECT_EQ(left(), "6789");
  commit(set_names({{queue, "n1", {TaskId{11}, 0, at(1)}}}));  // behind what was swept
  EXPECT_EQ(left(), "16789");
  commit(sweep(at(6), 100));
  EXPECT_EQ(left(), "6789");
  commit(sweep(Wall::max(), 100));
  EXPECT_EQ(left(), "");
  EXPECT_TRUE(read<FindNamesAnswer>(FindNames{queue, {"live"}}).entries[0].has_value());
}

TEST_P(StoreConformance, ANameTakenAnewIsNotSweptByItsOldTombstone) {
  commit(set_names({{queue, "a", {TaskId{1}, 0, at(1)}}, {queue, "b", {TaskId{2}, 0, at(1)}}}));
  commit(set_names({{queue, "a", {TaskId{3}, 0, {}}}}));
  // Taken anew in the very batch that sweeps.
  Batch batch = sweep(at(10), 100);
  batch.names = {{queue, "b", {TaskId{4}, 0, {}}}};
  commit(std::move(batch));
  ASSERT_TRUE(box().reopen());
  commit(sweep(at(10), 100));
  const auto found = read<FindNamesAnswer>(FindNames{queue, {"a", "b"}});
  EXPECT_EQ(found.entries[0], (NameEntry{TaskId{3}, 0, {}}));
  EXPECT_EQ(found.entries[1], (NameEntry{TaskId{4}, 0, {}}));
}

}  // namespace
}  // namespace deferd
