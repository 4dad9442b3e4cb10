// Tasks by key, whatever their priority.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, AKeysTasksComeInOrderOfTheirPlacesWhateverTheirPriority) {
  commit(puts({with_key(task(1, at(20), 9), "k"), with_key(task(2, at(10), 0), "k"),
               with_key(task(3, at(10), 5), "k"), task(4, at(0), 5),
               with_key(task(5, at(0), 5), "other")}));
  EXPECT_EQ(key_ids(first, "k"), (Ids{2, 3, 1}));
  EXPECT_EQ(key_ids(first, "k", 1), (Ids{2, 3, 1}));
  EXPECT_EQ(key_ids(first, "other"), (Ids{5}));
  EXPECT_EQ(key_ids(first, "none"), Ids{});
  const auto scan = read<ScanAnswer>(ScanKey{first, "k", Place{0, at(10), 2}, 1, 1 << 20});
  ASSERT_EQ(scan.tasks.size(), 1u);
  EXPECT_EQ(to_text(scan.tasks[0]), to_text(with_key(task(3, at(10), 5), "k")));
  EXPECT_FALSE(scan.end);
}

TEST_P(StoreConformance, KeysThatBeginAlikeDoNotMix) {
  const std::string zero("a\0", 2);
  commit(puts({with_key(task(1, at(0)), "a"), with_key(task(2, at(0)), "ab"),
               with_key(task(3, at(0)), zero), with_key(task(4, at(0)), std::string(500, 'a')),
               with_key(task(5, at(0)), std::string(499, 'a'))}));
  EXPECT_EQ(key_ids(first, "a"), (Ids{1}));
  EXPECT_EQ(key_ids(first, "ab"), (Ids{2}));
  EXPECT_EQ(key_ids(first, zero), (Ids{3}));
  EXPECT_EQ(key_ids(first, std::string(500, 'a')), (Ids{4}));
  EXPECT_EQ(key_ids(first, std::string(499, 'a')), (Ids{5}));
  EXPECT_EQ(key_ids(Generation{QueueNumber{1}, 1}, "a"), Ids{});
  EXPECT_EQ(key_ids(Generation{QueueNumber{2}, 0}, "a"), Ids{});
}

TEST_P(StoreConformance, KeysFollowMovesAndFinishes) {
  Task one = with_key(task(1, at(10)), "k");
  const Task two = with_key(task(2, at(20)), "k");
  commit(puts({one, two}));
  Batch batch;
  batch.moves = {move(one, at(30), 3)};
  one.place = batch.moves[0].task.place;
  commit(std::move(batch));
  EXPECT_EQ(key_ids(first, "k"), (Ids{2, 1}));
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(key_ids(first, "k", 1), (Ids{2, 1}));
  batch = {};
  batch.finishes = {finish(two)};
  commit(std::move(batch));
  EXPECT_EQ(key_ids(first, "k"), (Ids{1}));
  batch = {};
  batch.finishes = {finish(one)};
  commit(std::move(batch));
  EXPECT_EQ(key_ids(first, "k"), Ids{});
}

}  // namespace
}  // namespace deferd
