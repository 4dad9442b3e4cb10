// Remembered attempts.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

AttemptEntry attempt(Generation generation, std::uint64_t id, std::uint32_t number,
                     std::string bytes) {
  return {generation, TaskId{id}, number, std::move(bytes)};
}

Batch history(std::vector<AttemptEntry> entries) {
  Batch batch;
  batch.history = std::move(entries);
  return batch;
}

using Attempts = std::vector<std::string>;

TEST_P(StoreConformance, AttemptsOfATaskAreReadByNumber) {
  const std::string large(70'000, 'x');
  commit(history(
      {attempt(first, 1, 0, "a"), attempt(first, 2, 300, "other"), attempt(first, 1, 1, large)}));
  commit(history({attempt(first, 1, 256, "c"), attempt(first, 257, 0, "far")}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_TRUE(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{1}}).attempts ==
                (Attempts{"a", large, "c"}));
    EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{2}}).attempts, Attempts{"other"});
    EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{3}}).attempts, Attempts{});
    EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{257}}).attempts, Attempts{"far"});
  }
}

TEST_P(StoreConformance, AttemptsAreForgottenOneByOne) {
  constexpr std::uint32_t kept = 3;
  for (std::uint32_t number = 0; number < 20; ++number) {
    Batch batch = history({attempt(first, 1, number, std::to_string(number))});
    if (number >= kept) batch.history.push_back(attempt(first, 1, number - kept, ""));
    if (number == 10) ASSERT_TRUE(box().reopen());
    commit(std::move(batch));
  }
  const Attempts expected = {"17", "18", "19"};
  EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{1}}).attempts, expected);
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{1}}).attempts, expected);
  commit(history({attempt(first, 1, 17, ""), attempt(first, 1, 18, ""), attempt(first, 1, 19, ""),
                  attempt(first, 1, 20, "")}));
  EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{1}}).attempts, Attempts{});
}

TEST_P(StoreConformance, AttemptsGoWithTheirGenerationAndTheirQueue) {
  const Generation second{QueueNumber{1}, 1};
  const Generation other{QueueNumber{2}, 0};
  Batch batch = history({attempt(first, 1, 0, "first"), attempt(second, 2, 0, "second"),
                         attempt(other, 1, 0, "other")});
  batch.queues = {record(1, 1), record(2)};
  commit(std::move(batch));
  batch = history({attempt(first, 1, 1, "of the batch that purges")});
  batch.purged = {first};
  commit(std::move(batch));
  // An outcome that outlived the purge is forgotten, and its history with it.
  commit(history({attempt(first, 1, 0, ""), attempt(first, 1, 1, "")}));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{first, TaskId{1}}).attempts, Attempts{});
    EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{second, TaskId{2}}).attempts, Attempts{"second"});
  }
  batch = {};
  batch.dropped = {QueueNumber{1}};
  commit(std::move(batch));
  EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{second, TaskId{2}}).attempts, Attempts{});
  EXPECT_EQ(read<ScanHistoryAnswer>(ScanHistory{other, TaskId{1}}).attempts, Attempts{"other"});
}

}  // namespace
}  // namespace deferd
