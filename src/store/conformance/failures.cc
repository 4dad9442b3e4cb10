// Rule 4: after one failed commit every later one fails, reads go on, and a new opening loses
// nothing.
#include "base/testing/seed.h"
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, AFailedCommitStopsAllLaterOnesAndReadsGoOn) {
  commit(puts({task(1, at(0)), task(2, at(0), 5, std::string(50'000, 'x'))}));
  box().fail_writes();
  for (std::uint64_t id = 3; id < 6; ++id) {
    const Result<void> done = commit_and_wait(store(), puts({task(id, at(0))}));
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().reason, Reason::store_failed);
    EXPECT_FALSE(done.error().message.empty());
  }
  EXPECT_EQ(lane_ids(first, 5), (Ids{1, 2}));
  EXPECT_EQ(find(first, 2)->payload->size(), 50'000u);

  ASSERT_TRUE(box().reopen());
  Ids ids = lane_ids(first, 5);
  // The first that failed may be there: its write failed, or what followed the write.
  if (ids.size() == 3) {
    EXPECT_EQ(ids.back(), 3u);
    ids.pop_back();
  }
  EXPECT_EQ(ids, (Ids{1, 2}));
  commit(puts({task(10, at(0))}));
  EXPECT_TRUE(find(first, 10).has_value());
}

TEST_P(StoreConformance, AFailureThenAPowerCutLosesNothingThatWasAcknowledged) {
  Random random(test_seed());
  commit(puts({task(1, at(0))}));
  box().fail_writes();
  EXPECT_FALSE(commit_and_wait(store(), puts({task(2, at(0))})).has_value());
  ASSERT_TRUE(box().power_cut(random));
  EXPECT_TRUE(find(first, 1).has_value());
  commit(puts({task(3, at(0))}));
  EXPECT_TRUE(find(first, 3).has_value());
}

}  // namespace
}  // namespace deferd
