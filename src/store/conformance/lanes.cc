// Lanes beyond those of priorities: of dead tasks and of those on their way to another queue.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

Batch::Move to_lane(const Task& task, std::uint8_t lane, Wall eta, std::uint64_t order) {
  Batch::Move move{{QueueNumber{1}, 0}, task.place, task};
  move.task.place = Place{lane, eta, order};
  move.task.payload = nullptr;
  return move;
}

TEST_P(StoreConformance, ATaskThatDiesMovesToTheDeadLaneAndBack) {
  Task one = with_key(task(1, at(10), 7, std::string(5000, 'x')), "k");
  commit(puts({one, with_key(task(2, at(20), 7), "k"), task(3, at(30), 7)}));
  Batch batch;
  batch.moves = {to_lane(one, dead_lane, at(50), 4)};
  batch.moves[0].task.progress = {.attempts = 5,
                                  .last_status = 500,
                                  .lease_is_named = true,
                                  .deaths = 3,
                                  .history_first = 2,
                                  .history_end = 12,
                                  .death = DeathReason::poison,
                                  .own_priority = 7};
  one.place = batch.moves[0].task.place;
  one.progress = batch.moves[0].task.progress;
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 7), (Ids{2, 3}));
    EXPECT_EQ(lane_ids(first, dead_lane), (Ids{1}));
    EXPECT_EQ(lane_ids(first, outgoing_lane), Ids{});
    EXPECT_EQ(key_ids(first, "k"), (Ids{2}));
    EXPECT_EQ(
        read<ScanAnswer>(ScanKeys{first, "", Place{0, Wall::min(), 0}, 9, 1 << 20}).tasks.size(),
        1u);
    EXPECT_EQ(all_ids(first), (Ids{1, 2, 3}));
    const auto found = find(first, 1);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(to_text(*found), to_text(one));
    const auto places =
        read<ScanPlacesAnswer>(ScanPlaces{first, dead_lane, Place{dead_lane, Wall::min(), 0}, 9});
    ASSERT_EQ(places.items.size(), 1u);
    EXPECT_EQ(places.items[0].eta, at(50));
  }
  batch = {};
  batch.moves = {to_lane(one, 7, at(15), 5)};
  batch.moves[0].task.progress = {};
  one.place = batch.moves[0].task.place;
  one.progress = {};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 7), (Ids{1, 2, 3}));
    EXPECT_EQ(lane_ids(first, dead_lane), Ids{});
    EXPECT_EQ(key_ids(first, "k"), (Ids{1, 2}));
    EXPECT_EQ(to_text(*find(first, 1)), to_text(one));
  }
  batch = {};
  batch.finishes = {finish(one)};
  commit(std::move(batch));
  EXPECT_EQ(key_ids(first, "k"), (Ids{2}));
}

TEST_P(StoreConformance, ADeadTaskEndsOrMovesOnWithinItsLanes) {
  Task one = with_key(task(1, at(0)), "k");
  Task two = with_key(task(2, at(0)), "k");
  commit(puts({one, two}));
  Batch batch;
  batch.moves = {to_lane(one, dead_lane, at(9), 3), to_lane(two, dead_lane, at(9), 4)};
  one.place = batch.moves[0].task.place;
  two.place = batch.moves[1].task.place;
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, dead_lane, 1), (Ids{1, 2}));
  batch = {};
  batch.moves = {to_lane(one, outgoing_lane, at(10), 5)};
  batch.finishes = {finish(two)};
  one.place = batch.moves[0].task.place;
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, dead_lane), Ids{});
    EXPECT_EQ(lane_ids(first, outgoing_lane), (Ids{1}));
    EXPECT_EQ(key_ids(first, "k"), Ids{});
  }
  batch = {};
  batch.finishes = {finish(one)};
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, outgoing_lane), Ids{});
  EXPECT_EQ(all_ids(first), Ids{});
}

TEST_P(StoreConformance, TasksArePutIntoTheOutgoingLaneAndPurgedWithTheRest) {
  const Task one = with_key(task(1, at(0), outgoing_lane), "k");
  const Task two = task(2, at(0), outgoing_lane);
  commit(puts({one, two}));
  Batch batch;
  batch.finishes = {finish(one)};
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, outgoing_lane), (Ids{2}));
  EXPECT_EQ(key_ids(first, "k"), Ids{});
  batch = {};
  batch.purged = {first};
  commit(std::move(batch));
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(lane_ids(first, outgoing_lane), Ids{});
  EXPECT_EQ(all_ids(first), Ids{});
}

}  // namespace
}  // namespace deferd
