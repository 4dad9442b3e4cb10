// Payloads of every size.
#include "store/conformance/suite.h"

namespace deferd {
namespace {

std::string payload_of(std::size_t bytes) {
  std::string payload(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) payload[i] = static_cast<char>(i * 131 + bytes);
  return payload;
}

TEST_P(StoreConformance, PayloadsOfEverySizeComeBackAlsoAfterAMove) {
  const std::vector<std::size_t> sizes{0,    1,    127,   128,   1023,   1024,      1025,
                                       4096, 4097, 65535, 65536, 262144, 1'000'000, 3'000'000};
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    tasks.push_back(task(i + 1, at(0), 5, payload_of(sizes[i])));
  }
  commit(puts(tasks));
  Batch batch;
  for (std::size_t i = 0; i < tasks.size(); i += 2) {
    batch.moves.push_back(move(tasks[i], at(50), 100 + i));
    tasks[i].place = batch.moves.back().task.place;
  }
  commit(std::move(batch));
  for (const bool reopened : {false, true}) {
    if (reopened) ASSERT_TRUE(box().reopen());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto found = find(first, i + 1);
      ASSERT_TRUE(found.has_value()) << sizes[i];
      EXPECT_EQ(*found->payload == payload_of(sizes[i]), true) << sizes[i];
    }
    const auto scan = read<ScanAnswer>(ScanLane{first, 5, Place{5, at(49), 0}, 99, 1 << 30});
    ASSERT_EQ(scan.tasks.size(), sizes.size() / 2);
    for (std::size_t i = 0; i < scan.tasks.size(); ++i) {
      EXPECT_EQ(scan.tasks[i].payload->size(), sizes[2 * i]);
    }
  }
  batch = {};
  for (const Task& t : tasks) batch.finishes.push_back(finish(t));
  commit(std::move(batch));
  ASSERT_TRUE(box().reopen());
  EXPECT_EQ(all_ids(first), Ids{});
}

}  // namespace
}  // namespace deferd
