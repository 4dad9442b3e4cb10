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

TEST_P(StoreConformance, AllKeysAreWalkedInTheOrderOfTheirBytes) {
  const std::string zero("a\0", 2);
  const std::string high("a\xff\xff");
  const std::vector<std::string> keys = {
      "a", zero, "aa", std::string(500, 'a'), "ab", high, "b", "ba", "c", "\xff", "\xff\xff"};
  std::vector<Task> tasks = {task(1, at(0))};
  std::vector<std::string> expected;
  for (const std::string& key : keys) {
    for (const int eta : {20, 10}) {
      tasks.push_back(with_key(task(tasks.size() + 1, at(eta)), key));
      expected.push_back(key + "@" + std::to_string(to_micros(at(eta == 20 ? 10 : 20))));
    }
  }
  commit(puts(tasks));
  for (const std::uint32_t page : {1U, 2U, 3U, 1000U}) {
    std::vector<std::string> met;
    ScanKeys scan{first, "", Place{0, Wall::min(), 0}, page, 1 << 20};
    while (true) {
      const auto answer = read<ScanAnswer>(scan);
      for (const Task& one : answer.tasks) {
        met.push_back(std::string(one.key()) + "@" + std::to_string(to_micros(one.place.eta)));
      }
      if (answer.end || answer.tasks.empty()) break;
      scan.key = answer.tasks.back().key();
      scan.after = answer.tasks.back().place;
    }
    EXPECT_EQ(met, expected) << "in pages of " << page;
  }
  const auto from = [&](const std::string& key) {
    const auto answer =
        read<ScanAnswer>(ScanKeys{first, key, Place{0, Wall::max(), 0}, 1, 1 << 20});
    return answer.tasks.empty() ? "none" : std::string(answer.tasks[0].key());
  };
  EXPECT_EQ(from(""), "a");
  EXPECT_EQ(from(zero), "aa");
  EXPECT_EQ(from("abc"), high);
  EXPECT_EQ(from(high), "b");
  EXPECT_EQ(from("bb"), "c");
  EXPECT_EQ(from("\xff\xff"), "none");
}

TEST_P(StoreConformance, AScanForTasksWithoutAKeyPassesOverOthersButNotForEver) {
  std::vector<Task> tasks;
  constexpr std::uint64_t keyed = keyed_tasks_max + 1;
  for (std::uint64_t id = 1; id <= keyed; ++id) tasks.push_back(with_key(task(id, at(0)), "k"));
  tasks.push_back(task(keyed + 1, at(0)));
  tasks.push_back(with_key(task(keyed + 2, at(0)), "k"));
  tasks.push_back(task(keyed + 3, at(1)));
  commit(puts(tasks));
  ScanLane scan{first, 5, Place{5, Wall::min(), 0}, 1, 1 << 20, true};
  auto answer = read<ScanAnswer>(scan);
  EXPECT_TRUE(answer.tasks.empty());
  EXPECT_FALSE(answer.end);
  EXPECT_EQ(answer.reached, (Place{5, at(0), keyed_tasks_max}));
  scan.after = answer.reached;
  answer = read<ScanAnswer>(scan);
  ASSERT_EQ(answer.tasks.size(), 1u);
  EXPECT_EQ(answer.tasks[0].id, TaskId{keyed + 1});
  EXPECT_FALSE(answer.end);
  EXPECT_EQ(answer.reached, answer.tasks[0].place);
  scan.after = answer.reached;
  scan.tasks_max = 10;
  answer = read<ScanAnswer>(scan);
  ASSERT_EQ(answer.tasks.size(), 1u);
  EXPECT_EQ(answer.tasks[0].id, TaskId{keyed + 3});
  EXPECT_TRUE(answer.end);
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
