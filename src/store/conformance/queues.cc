// Queue records and counters.
#include <algorithm>
#include <limits>

#include "store/conformance/suite.h"

namespace deferd {
namespace {

TEST_P(StoreConformance, QueuesComeBackWithEverySettingAndTheirCounters) {
  QueueRecord queue = record(5, 3);
  queue.name = QueueName{"project-1", "europe-west1", "the_queue"};
  queue.state = QueueState::paused;
  queue.settings.mode = QueueMode::push;
  queue.settings.rate = Rate{.count = 1, .period = Seconds(4), .unlimited = false};
  queue.settings.burst = 17;
  queue.settings.concurrency = 18;
  queue.settings.timeout = Millis(1500);
  queue.settings.priority = 9;
  queue.settings.retry = {.max_attempts = -1,
                          .max_age = Seconds(1),
                          .min_backoff = Millis(2),
                          .max_backoff = Seconds(3),
                          .max_doublings = 4};
  queue.settings.max_tasks = std::numeric_limits<std::uint64_t>::max();
  queue.settings.max_bytes = 1;
  queue.settings.tombstone = Seconds(0);
  queue.settings.appengine = {.target = "v1.worker",
                              .rate_text = "10/m",
                              .user_emails = {"a@example.com", "b@example.com"},
                              .writer_emails = {"c@example.com"}};
  queue.settings.note = std::string("a\0b", 3);
  queue.purges = {{1, at(1)}, {2, at(2)}};
  QueueCounters counters;
  counters.tasks = 12;
  counters.bytes = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < counters.lane_tasks.size(); ++i) counters.lane_tasks[i] = i * i;
  counters.last_order = 1234567890123;
  counters.due_from = Wall::max();

  Batch batch;
  batch.queues = {queue, record(2)};
  batch.queues[1].settings.rate.unlimited = true;
  batch.counters = {{queue.number, counters}};
  const QueueRecord other = batch.queues[1];
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    Store::Loaded expected{{{other, {}}, {queue, counters}}, QueueNumber{6}, {}, {}};
    std::ranges::sort(loaded->queues, {}, [](const StoredQueue& q) { return q.record.number; });
    EXPECT_EQ(to_text(*loaded), to_text(expected));
  }
}

TEST_P(StoreConformance, TheLastRecordAndTheLastCountersHold) {
  Batch batch;
  batch.queues = {record(1)};
  commit(std::move(batch));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    batch = {};
    batch.durable = false;
    batch.counters = {{QueueNumber{1}, {.tasks = i, .last_order = i}}};
    commit(std::move(batch));
  }
  batch = {};
  batch.queues = {record(1)};
  batch.queues[0].state = QueueState::disabled;
  commit(std::move(batch));
  ASSERT_TRUE(box().reopen());
  const auto loaded = store().load();
  ASSERT_TRUE(loaded.has_value());
  ASSERT_EQ(loaded->queues.size(), 1u);
  EXPECT_EQ(loaded->queues[0].record.state, QueueState::disabled);
  EXPECT_EQ(loaded->queues[0].counters.tasks, 5u);
}

TEST_P(StoreConformance, AQueueNumberIsNeverUsedTwice) {
  Batch batch;
  batch.queues = {record(3)};
  commit(std::move(batch));
  batch = {};
  batch.dropped = {QueueNumber{3}};
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    const auto loaded = store().load();
    ASSERT_TRUE(loaded.has_value());
    EXPECT_TRUE(loaded->queues.empty());
    EXPECT_EQ(loaded->next_number, QueueNumber{4});
  }
}

}  // namespace
}  // namespace deferd
