// Putting, finding, finishing and scanning tasks.
#include <limits>

#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, AnEmptyStoreHasNothing) {
  Result<Store::Loaded> loaded = store().load();
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_TRUE(loaded->queues.empty());
  EXPECT_EQ(loaded->next_number, QueueNumber{1});
  EXPECT_EQ(lane_ids(first, 5), Ids{});
  EXPECT_EQ(all_ids(first), Ids{});
  EXPECT_EQ(key_ids(first, "k"), Ids{});
  EXPECT_EQ(find(first, 1), std::nullopt);
}

TEST_P(StoreConformance, ATaskComesBackAsItWasPut) {
  Task full = task(7, at(1500), 9, std::string("\0\xff payload", 10));
  full.created = at(-5);
  full.bytes = 123456;
  full.progress = {.attempts = 3,
                   .responses = 2,
                   .executions = 1,
                   .last_status = status_unreachable,
                   .first_attempt = at(1),
                   .last_attempt = at(2),
                   .last_eta = at(3),
                   .last_response = at(4),
                   .lease_token = std::numeric_limits<std::uint64_t>::max()};
  TaskOptions options{.name = "a-name", .key = "a key with spaces", .timeout = Seconds(30)};
  options.retry = {.max_attempts = -1,
                   .max_age = Seconds(0),
                   .min_backoff = Millis(1),
                   .max_backoff = Seconds(9),
                   .max_doublings = 0};
  full.options = std::make_shared<const TaskOptions>(options);
  const Task plain = task(8, at(1500), 9, "");
  commit(puts({full, plain}));

  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto found = find(first, 7);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(to_text(*found), to_text(full));
    const auto scan = read<ScanAnswer>(ScanLane{first, 9, Place{9, Wall::min(), 0}, 10, 1 << 20});
    ASSERT_EQ(scan.tasks.size(), 2u);
    EXPECT_EQ(to_text(scan.tasks[0]), to_text(full));
    EXPECT_EQ(to_text(scan.tasks[1]), to_text(plain));
  }
}

TEST_P(StoreConformance, LanesAreOrderedByEtaThenOrder) {
  // Equal ETAs, ETAs out of order, before 1970, and the ends of time.
  commit(puts({task(1, at(30)), task(2, at(10)), task(3, at(20)), task(4, at(10)),
               task(5, wall_from_micros(-1)), task(6, Wall::max()), task(7, Wall::min()),
               task(8, wall_from_micros(0))}));
  commit(puts({task(9, at(10)), task(10, at(5))}));
  const Ids expected{7, 5, 8, 10, 2, 4, 9, 3, 1, 6};
  EXPECT_EQ(lane_ids(first, 5), expected);
  EXPECT_EQ(lane_ids(first, 5, 1), expected);
  EXPECT_EQ(lane_ids(first, 5, 3), expected);
  EXPECT_EQ(all_ids(first, 3), (Ids{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST_P(StoreConformance, LanesQueuesAndGenerationsAreApart) {
  commit(puts({task(1, at(1), 0), task(2, at(1), 9), task(3, at(1), 5), task(4, at(1), 0)}));
  const Generation second{QueueNumber{1}, 1};
  const Generation other{QueueNumber{2}, 0};
  const Generation last{QueueNumber{std::numeric_limits<std::uint64_t>::max() - 1},
                        std::numeric_limits<std::uint32_t>::max() - 1};
  commit(puts({task(5, at(0), 0)}, second));
  commit(puts({task(1, at(0), 0)}, other));
  commit(puts({task(1, at(0), 0), task(2, at(0), 9)}, last));
  EXPECT_EQ(lane_ids(first, 0), (Ids{1, 4}));
  EXPECT_EQ(lane_ids(first, 5), (Ids{3}));
  EXPECT_EQ(lane_ids(first, 9), (Ids{2}));
  EXPECT_EQ(lane_ids(second, 0), (Ids{5}));
  EXPECT_EQ(lane_ids(other, 0), (Ids{1}));
  EXPECT_EQ(lane_ids(last, 0), (Ids{1}));
  EXPECT_EQ(lane_ids(last, 9), (Ids{2}));
  EXPECT_EQ(all_ids(last), (Ids{1, 2}));
  EXPECT_EQ(find(second, 1), std::nullopt);
}

TEST_P(StoreConformance, AScanStartsStrictlyAfterAnyPlace) {
  commit(puts({task(10, at(10)), task(11, at(10)), task(13, at(10)), task(14, at(20))}));
  const auto after = [&](Wall eta, std::uint64_t order) {
    Ids ids;
    for (const Task& t :
         read<ScanAnswer>(ScanLane{first, 5, Place{5, eta, order}, 10, 1 << 20}).tasks) {
      ids.push_back(t.id.value);
    }
    return ids;
  };
  EXPECT_EQ(after(at(10), 9), (Ids{10, 11, 13, 14}));
  EXPECT_EQ(after(at(10), 10), (Ids{11, 13, 14}));
  EXPECT_EQ(after(at(10), 12), (Ids{13, 14}));
  EXPECT_EQ(after(at(10), 13), (Ids{14}));
  EXPECT_EQ(after(at(10), std::numeric_limits<std::uint64_t>::max()), (Ids{14}));
  EXPECT_EQ(after(at(15), 1), (Ids{14}));
  EXPECT_EQ(after(at(20), 14), Ids{});
  EXPECT_EQ(after(Wall::max(), std::numeric_limits<std::uint64_t>::max()), Ids{});
}

TEST_P(StoreConformance, PagesStopAtTheirLimitsAndTellTheEnd) {
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 10; ++id)
    tasks.push_back(task(id, at(1), 5, std::string(100, 'x')));
  commit(puts(tasks));
  const Place start{5, Wall::min(), 0};
  auto page = read<ScanAnswer>(ScanLane{first, 5, start, 10, 1 << 20});
  EXPECT_EQ(page.tasks.size(), 10u);
  EXPECT_TRUE(page.end);
  page = read<ScanAnswer>(ScanLane{first, 5, start, 9, 1 << 20});
  EXPECT_EQ(page.tasks.size(), 9u);
  EXPECT_FALSE(page.end);
  page = read<ScanAnswer>(ScanLane{first, 5, start, 100, 1});  // at least one
  EXPECT_EQ(page.tasks.size(), 1u);
  EXPECT_FALSE(page.end);
  page = read<ScanAnswer>(
      ScanLane{first, 5, start, 100, 300});  // the one that reaches the limit ends the page
  EXPECT_EQ(page.tasks.size(), 3u);
  page = read<ScanAnswer>(ScanLane{first, 5, start, 100, 301});
  EXPECT_EQ(page.tasks.size(), 4u);
  page = read<ScanAnswer>(ScanIds{first, TaskId{3}, 3, 1 << 20});
  EXPECT_EQ(page.tasks.size(), 3u);
  EXPECT_FALSE(page.end);
  page = read<ScanAnswer>(ScanIds{first, TaskId{7}, 3, 1 << 20});
  EXPECT_EQ(page.tasks.size(), 3u);
  EXPECT_TRUE(page.end);
}

TEST_P(StoreConformance, FinishedTasksAreGone) {
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 6; ++id) tasks.push_back(task(id, at(1)));
  commit(puts(tasks));
  Batch batch;
  batch.finishes = {finish(tasks[0]), finish(tasks[2]), finish(tasks[5])};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 5), (Ids{2, 4, 5}));
    EXPECT_EQ(lane_ids(first, 5, 1), (Ids{2, 4, 5}));
    EXPECT_EQ(all_ids(first, 2), (Ids{2, 4, 5}));
    EXPECT_EQ(find(first, 3), std::nullopt);
    EXPECT_TRUE(find(first, 4).has_value());
  }
  batch = {};
  batch.finishes = {finish(tasks[1]), finish(tasks[3]), finish(tasks[4])};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(lane_ids(first, 5), Ids{});
    EXPECT_EQ(all_ids(first), Ids{});
    EXPECT_EQ(find(first, 4), std::nullopt);
  }
}

TEST_P(StoreConformance, TasksOfOneCommitAreFoundHoweverTheirLanesInterleave) {
  // Ids of several priorities and ETAs alternate, so whatever is packed together overlaps in ids.
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 60; ++id) {
    tasks.push_back(task(id, at(static_cast<std::int64_t>(id % 3)), static_cast<int>(id % 4)));
  }
  commit(puts(tasks));
  commit(puts({task(100, at(0), 0), task(101, at(0), 1)}));
  for (std::uint64_t id = 0; id <= 102; ++id) {
    const bool there = (id >= 1 && id <= 60) || id == 100 || id == 101;
    EXPECT_EQ(find(first, id).has_value(), there) << id;
  }
  Ids expected;
  for (std::uint64_t id = 1; id <= 60; ++id) expected.push_back(id);
  expected.insert(expected.end(), {100, 101});
  EXPECT_EQ(all_ids(first), expected);
  EXPECT_EQ(all_ids(first, 7), expected);
}

TEST_P(StoreConformance, AThousandTasksOfOneInstantAndOneCommit) {
  std::vector<Task> tasks;
  Ids expected;
  for (std::uint64_t id = 1; id <= 2500; ++id) {
    tasks.push_back(task(id, at(1), 5, std::string(id % 500, 'x')));
    expected.push_back(id);
  }
  commit(puts(tasks));
  EXPECT_EQ(lane_ids(first, 5), expected);
  EXPECT_EQ(lane_ids(first, 5, 333), expected);
  Batch batch;
  Ids left;
  for (const Task& t : tasks) {
    if (t.id.value % 7 != 0) {
      batch.finishes.push_back(finish(t));
    } else {
      left.push_back(t.id.value);
    }
  }
  commit(std::move(batch));
  EXPECT_EQ(lane_ids(first, 5), left);
  EXPECT_EQ(all_ids(first), left);
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(lane_ids(first, 5), left);
  EXPECT_EQ(all_ids(first), left);
  // One after the other until none is left; each is found until it ends.
  for (const std::uint64_t id : left) {
    const auto found = find(first, id);
    ASSERT_TRUE(found.has_value()) << id;
    EXPECT_EQ(found->payload->size(), id % 500);
    Batch one;
    one.durable = false;
    one.finishes = {finish(*found)};
    commit(std::move(one));
    EXPECT_EQ(find(first, id), std::nullopt);
  }
  EXPECT_EQ(lane_ids(first, 5), Ids{});
}

TEST_P(StoreConformance, PlacesAreScannedWithoutTasks) {
  Task leased = task(3, at(7));
  leased.progress.lease_token = 99;
  commit(puts({task(1, at(5)), task(2, at(5)), leased}));
  auto places = read<ScanPlacesAnswer>(ScanPlaces{first, 5, Place{5, Wall::min(), 0}, 2});
  ASSERT_EQ(places.items.size(), 2u);
  EXPECT_EQ(places.items[0].eta, at(5));
  EXPECT_EQ(places.items[0].order, 1u);
  EXPECT_FALSE(places.items[0].leased);
  EXPECT_FALSE(places.end);
  places = read<ScanPlacesAnswer>(ScanPlaces{first, 5, Place{5, at(5), 2}, 2});
  ASSERT_EQ(places.items.size(), 1u);
  EXPECT_EQ(places.items[0].eta, at(7));
  EXPECT_TRUE(places.items[0].leased);
  EXPECT_TRUE(places.end);
}

}  // namespace
}  // namespace deferd
