// Outcomes that are kept.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

constexpr QueueNumber queue{1};

StoredOutcome outcome(std::uint64_t id, Wall kept_until, std::string bytes = "outcome") {
  return {.queue = queue, .id = TaskId{id}, .kept_until = kept_until, .bytes = std::move(bytes)};
}

// To forget it.
StoredOutcome no_outcome(std::uint64_t id, Wall kept_until) { return outcome(id, kept_until, ""); }

Batch outcomes(std::vector<StoredOutcome> outcomes) {
  Batch batch;
  batch.outcomes = std::move(outcomes);
  return batch;
}

FindOutcomes find_all(QueueNumber number, std::initializer_list<std::uint64_t> ids) {
  FindOutcomes find{number, {}};
  for (const std::uint64_t id : ids) find.ids.push_back(TaskId{id});
  return find;
}

std::string ids_of(const ScanOutcomesAnswer& answer) {
  std::string text;
  for (const auto& item : answer.items) text += std::to_string(item.id.value) + ' ';
  return text + (answer.end ? "end" : "more");
}

TEST_P(StoreConformance, OutcomesAreFoundByIdAndScannedByTheirEnd) {
  const std::string large(1 << 20, 'x');
  StoredOutcome two = outcome(2, at(10), large);
  two.generation = 7;
  two.history_first = 3;
  two.history_end = 300'000;
  commit(outcomes({outcome(1, at(30)), two, outcome(3, at(10), "three")}));
  commit(outcomes({outcome(4, at(20), std::string("zero\0byte", 9))}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto found = read<FindOutcomesAnswer>(find_all(queue, {3, 9, 2, 4, 3}));
    ASSERT_EQ(found.outcomes.size(), 5u);
    EXPECT_EQ(found.outcomes[0], "three");
    EXPECT_EQ(found.outcomes[1], std::nullopt);
    EXPECT_TRUE(found.outcomes[2] == large);
    EXPECT_EQ(found.outcomes[3], std::string("zero\0byte", 9));
    EXPECT_EQ(found.outcomes[4], "three");

    const auto all = read<ScanOutcomesAnswer>(ScanOutcomes{queue, 10});
    EXPECT_EQ(ids_of(all), "2 3 4 1 end");
    EXPECT_EQ(all.items[0].kept_until, at(10));
    EXPECT_EQ(all.items[0].bytes, large.size());
    EXPECT_EQ(all.items[0].generation, 7u);
    EXPECT_EQ(all.items[0].history_first, 3u);
    EXPECT_EQ(all.items[0].history_end, 300'000u);
    EXPECT_EQ(all.items[3].bytes, 7u);
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 3})), "2 3 4 more");
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 4})), "2 3 4 1 end");
  }
  EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{QueueNumber{2}, 3})), "end");
}

TEST_P(StoreConformance, AnOutcomeIsForgottenAndMayBePutAnew) {
  commit(outcomes({outcome(1, at(10), "first"), outcome(2, at(20))}));
  ASSERT_TRUE(box().reopen());
  // A task that was dead, with a kept outcome, lives again and ends once more.
  commit(outcomes({no_outcome(1, at(10)), outcome(1, at(30), "second")}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(read<FindOutcomesAnswer>(find_all(queue, {1})).outcomes[0], "second");
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 9})), "2 1 end");
  }
  commit(outcomes({no_outcome(2, at(20))}));
  commit(outcomes({no_outcome(1, at(30)), outcome(1, at(30), "third")}));
  commit(outcomes({no_outcome(1, at(30)), outcome(3, at(5))}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto found = read<FindOutcomesAnswer>(find_all(queue, {1, 2, 3}));
    EXPECT_EQ(found.outcomes[0], std::nullopt);
    EXPECT_EQ(found.outcomes[1], std::nullopt);
    EXPECT_EQ(found.outcomes[2], "outcome");
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 9})), "3 end");
  }
}

TEST_P(StoreConformance, OutcomesOutlivePurgesNotTheirQueue) {
  StoredOutcome other = outcome(1, at(10), "other");
  other.queue = QueueNumber{2};
  Batch batch = outcomes({outcome(1, at(10)), other});
  batch.queues = {record(1), record(2)};
  commit(std::move(batch));
  batch = {};
  batch.purged = {first};
  commit(std::move(batch));
  EXPECT_EQ(read<FindOutcomesAnswer>(find_all(queue, {1})).outcomes[0], "outcome");
  EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 9})), "1 end");

  batch = outcomes({outcome(2, at(10))});  // what a batch does to a queue that it drops is gone too
  batch.dropped = {queue};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto found = read<FindOutcomesAnswer>(find_all(queue, {1, 2}));
    EXPECT_EQ(found.outcomes[0], std::nullopt);
    EXPECT_EQ(found.outcomes[1], std::nullopt);
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{queue, 9})), "end");
    EXPECT_EQ(read<FindOutcomesAnswer>(find_all(QueueNumber{2}, {1})).outcomes[0], "other");
    EXPECT_EQ(ids_of(read<ScanOutcomesAnswer>(ScanOutcomes{QueueNumber{2}, 9})), "1 end");
  }
}

}  // namespace
}  // namespace deferd
