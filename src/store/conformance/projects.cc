// Limits of projects, and names of queues that were deleted.
#include <algorithm>

#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, LimitsOfProjectsAreKeptUntilTheyAreTakenAway) {
  Batch batch;
  batch.projects = {{"a", 1000}, {"b", 1}, {"b", 2000}, {"c", 3000}};
  commit(std::move(batch));
  batch = {};
  batch.projects = {{"c", 0}, {"never", 0}};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    std::ranges::sort(loaded->projects, {}, &ProjectRecord::project);
    EXPECT_EQ(loaded->projects, (std::vector<ProjectRecord>{{"a", 1000}, {"b", 2000}}));
    EXPECT_TRUE(loaded->queues.empty());
  }
}

TEST_P(StoreConformance, NamesOfDeletedQueuesAreKeptUntilTheyAreForgotten) {
  const QueueName one{"p.1:x", "europe-west1", "q_1"};
  const QueueName two{"p", "l", "q"};
  Batch batch;
  batch.gone = {{one, at(1)}, {two, at(2)}};
  commit(std::move(batch));
  batch = {};
  batch.gone = {{one, at(3)}, {two, Wall{}}};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    EXPECT_EQ(loaded->gone, (std::vector<GoneQueue>{{one, at(3)}}));
  }
}

TEST_P(StoreConformance, RecurringTasksComeBackWithTheirWordsAndWhenTheirRunWasDue) {
  Task plain = task(1, at(10));
  Task recurring = task(2, at(10));
  recurring.options = std::make_shared<const TaskOptions>(
      TaskOptions{.name = "n", .recurrence = "every 5 minutes"});
  Task bare = task(3, at(10));
  bare.options = std::make_shared<const TaskOptions>(TaskOptions{.recurrence = "hourly"});
  commit(puts({plain, recurring, bare}));
  Batch::Move moved = move(bare, at(20), 4);
  moved.task.progress.attempts = 1;
  moved.task.progress.run_due = at(10);
  bare.place = moved.task.place;
  bare.progress = moved.task.progress;
  Batch batch;
  batch.moves = {moved};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    EXPECT_EQ(to_text(*find(first, 1)), to_text(plain));
    EXPECT_EQ(to_text(*find(first, 2)), to_text(recurring));
    EXPECT_EQ(to_text(*find(first, 3)), to_text(bare));
  }
}

}  // namespace
}  // namespace deferd
