// Moving tasks: leases, retries, postponements.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, AMovedTaskKeepsWhatItCarriesAndTakesItsNewPlaceAndProgress) {
  Task one = task(1, at(10), 5, "one");
  one.options =
      std::make_shared<const TaskOptions>(TaskOptions{.name = "n", .timeout = Seconds(3)});
  commit(puts({one, task(2, at(10), 5, "two"), task(3, at(20), 5, "three")}));
  Batch batch;
  batch.moves = {move(one, at(30), 4)};
  batch.moves[0].task.progress = {.attempts = 1, .last_status = 503, .first_attempt = at(11)};
  const Progress progress = batch.moves[0].task.progress;
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 5), (Ids{2, 3, 1}));
    EXPECT_EQ(lane_ids(first, 5, 1), (Ids{2, 3, 1}));
    EXPECT_EQ(all_ids(first), (Ids{1, 2, 3}));
    Task expected = one;
    expected.place = Place{5, at(30), 4};
    expected.progress = progress;
    const auto found = find(first, 1);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(to_text(*found), to_text(expected));
    const auto scan = read<ScanAnswer>(ScanLane{first, 5, Place{5, at(20), 3}, 9, 1 << 20});
    ASSERT_EQ(scan.tasks.size(), 1u);
    EXPECT_EQ(to_text(scan.tasks[0]), to_text(expected));
  }
}

TEST_P(StoreConformance, MovesGoToAndFroBeforeAndAfterWhereTheyCameFrom) {
  Task one = task(1, at(10));
  commit(puts({one, task(2, at(10)), task(3, at(10))}));
  std::uint64_t order = 3;
  for (const std::int64_t ms : {50, 5, 10, 10, 100, -100}) {
    Batch batch;
    batch.moves = {move(one, at(ms), ++order)};
    one.place = batch.moves[0].task.place;
    commit(std::move(batch));
    EXPECT_EQ(lane_ids(first, 5), ms < 10 ? (Ids{1, 2, 3}) : (Ids{2, 3, 1})) << ms;
    EXPECT_EQ(find(first, 1)->place, one.place);
  }
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(lane_ids(first, 5), (Ids{1, 2, 3}));
}

TEST_P(StoreConformance, ManyTasksLeasedTogetherThenAckedInParts) {
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 300; ++id)
    tasks.push_back(task(id, at(0), 5, std::to_string(id)));
  commit(puts({tasks.begin(), tasks.begin() + 150}));
  commit(puts({tasks.begin() + 150, tasks.end()}));
  std::uint64_t order = 300;
  Batch lease;  // 100 over the border of both commits
  for (std::size_t i = 100; i < 200; ++i) {
    lease.moves.push_back(move(tasks[i], at(60'000), ++order));
    lease.moves.back().task.progress.lease_token = order;
    tasks[i].place = lease.moves.back().task.place;
  }
  commit(std::move(lease));
  Batch ack;
  for (std::size_t i = 100; i < 200; ++i) {
    if (i % 10 != 0) ack.finishes.push_back(finish(tasks[i]));
  }
  commit(std::move(ack));
  Ids expected;
  for (std::uint64_t id = 1; id <= 300; ++id) {
    if (id <= 100 || id > 200) expected.push_back(id);
  }
  for (std::uint64_t id = 101; id <= 200; id += 10) expected.push_back(id);
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 5), expected);
    EXPECT_EQ(lane_ids(first, 5, 7), expected);
    const auto found = find(first, 151);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found->payload, "151");
    EXPECT_NE(found->progress.lease_token, 0u);
  }
  Batch rest;  // after a reopening, the rest of the lease ends too, one lease is renewed before
  rest.moves = {move(tasks[110], at(90'000), ++order)};
  tasks[110].place = rest.moves[0].task.place;
  commit(std::move(rest));
  EXPECT_EQ(lane_ids(first, 5).back(), 111u);
  Batch last;
  for (std::size_t i = 100; i < 200; i += 10) last.finishes.push_back(finish(tasks[i]));
  commit(std::move(last));
  expected.resize(200);
  EXPECT_EQ(lane_ids(first, 5), expected);
  EXPECT_EQ(all_ids(first), expected);
}

TEST_P(StoreConformance, PutsAndMovesOfOneCommitToOneInstantStayInOrder) {
  const Task one = task(1, at(0));
  const Task two = task(2, at(0));
  commit(puts({one, two}));
  Batch batch = puts({task(3, at(50)), task(5, at(50)), task(7, at(50))});
  batch.moves = {move(one, at(50), 4), move(two, at(50), 6)};
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, 5), (Ids{3, 1, 5, 2, 7}));
  EXPECT_EQ(lane_ids(first, 5, 1), (Ids{3, 1, 5, 2, 7}));
  EXPECT_EQ(lane_ids(first, 5, 2), (Ids{3, 1, 5, 2, 7}));
  EXPECT_EQ(all_ids(first), (Ids{1, 2, 3, 5, 7}));
}

TEST_P(StoreConformance, AMoveMayChangeThePriority) {
  const Task one = task(1, at(0), 3);
  commit(puts({one, task(2, at(0), 3)}));
  Batch batch;
  batch.moves = {move(one, at(0), 3)};
  batch.moves[0].task.place.priority = 8;
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, 3), (Ids{2}));
  EXPECT_EQ(lane_ids(first, 8), (Ids{1}));
  EXPECT_EQ(find(first, 1)->place, (Place{8, at(0), 3}));
}

TEST_P(StoreConformance, EveryTaskOfARunMovesAndComesBack) {
  // All leave their first place, so nothing but what they carry is left there; then they end in
  // another order.
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 40; ++id)
    tasks.push_back(task(id, at(0), 5, std::to_string(id)));
  commit(puts(tasks));
  std::uint64_t order = 40;
  for (int round = 0; round < 3; ++round) {
    Batch batch;
    for (Task& t : tasks) {
      batch.moves.push_back(move(t, at(static_cast<std::int64_t>((t.id.value * 7) % 5)), ++order));
      t.place = batch.moves.back().task.place;
    }
    commit(std::move(batch));
    ASSERT_TRUE(box().reopen());
    for (const Task& t : tasks) {
      const auto found = find(first, t.id.value);
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(found->place, t.place);
      EXPECT_EQ(*found->payload, std::to_string(t.id.value));
    }
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    Batch batch;
    batch.durable = false;
    batch.finishes = {finish(tasks[(i * 13) % tasks.size()])};
    commit(std::move(batch));
    EXPECT_EQ(lane_ids(first, 5).size(), tasks.size() - i - 1);
  }
}

}  // namespace
}  // namespace deferd
