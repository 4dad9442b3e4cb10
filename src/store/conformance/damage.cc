// Rule 7: damaged records are an error, never a crash and never silence.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, DamagedTasksAreAnErrorOfTheRead) {
  std::vector<Task> tasks;
  for (std::uint64_t id = 1; id <= 20; ++id) tasks.push_back(with_key(task(id, at(0)), "k"));
  commit(puts(tasks));
  Batch batch;
  batch.moves = {move(tasks[19], at(5), 21)};
  batch.finishes = {finish(tasks[0])};
  commit(std::move(batch));
  if (!box().damage_tasks()) return;  // a store without records has none to damage

  const Place start{5, Wall::min(), 0};
  const std::vector<Read> reads{
      ScanLane{first, 5, start, 100, 1 << 20}, ScanKey{first, "k", start, 100, 1 << 20},
      ScanIds{first, TaskId{0}, 100, 1 << 20}, FindTasks{first, {TaskId{2}}},
      FindTasks{first, {TaskId{20}}},          ScanPlaces{first, 5, start, 100}};
  for (const Read& what : reads) {
    const Result<ReadAnswer> answer = read_and_wait(store(), what);
    ASSERT_FALSE(answer.has_value()) << to_text(*answer);
    EXPECT_EQ(answer.error().reason, Reason::store_failed);
    EXPECT_FALSE(answer.error().message.empty());
  }
  // A commit that needs the records fails too, and does not end the process.
  batch = {};
  batch.finishes = {finish(tasks[1])};
  (void)commit_and_wait(store(), std::move(batch));
}

}  // namespace
}  // namespace deferd
