// Due counts against the dullest rival: all tasks in a list, counted anew at every step.
#include "engine/due_counts.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

struct Entry {
  Wall eta;
  bool leased = false;
  bool undecided = false;
};

struct Naive {
  std::uint64_t ready = 0;
  std::uint64_t scheduled = 0;
  std::uint64_t leased = 0;

  Naive(const std::vector<Entry>& tasks, Wall now) {
    for (const Entry& entry : tasks) {
      const auto slot = std::chrono::ceil<Millis>(entry.eta.time_since_epoch());
      const bool due = slot <= std::chrono::floor<Millis>(now.time_since_epoch());
      ++(due ? ready : entry.leased ? leased : scheduled);
    }
  }
};

// What the store would tell of a split that reads as far as `reach`.
void tell(DueCounts& counts, std::vector<Entry>& tasks, Wall reach) {
  for (Entry& entry : tasks) {
    if (!entry.undecided || entry.eta > reach) continue;
    counts.found(entry.eta, entry.leased);
    entry.undecided = false;
  }
}

class DueCountsWith : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Slots, DueCountsWith, testing::Values(4, 16, 100, 100'000));

TEST_P(DueCountsWith, AgreeWithARecountAsTimePasses) {
  Random random(test_seed());
  DueCounts counts(GetParam());
  std::vector<Entry> tasks;
  Wall now = wall_from_micros(1'000'000);
  counts.fold(now);
  std::uint32_t splits = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += Micros(random.between(0, 1'500));
    counts.fold(now);
    if (tasks.empty() || random.chance(55)) {
      const Entry entry{now + Micros(random.between(-5'000, 50'000)), random.chance(30)};
      counts.add(entry.eta, entry.leased);
      tasks.push_back(entry);
    } else {
      const auto at = static_cast<std::ptrdiff_t>(random.below(tasks.size()));
      counts.remove(tasks[static_cast<std::size_t>(at)].eta,
                    tasks[static_cast<std::size_t>(at)].leased);
      tasks.erase(tasks.begin() + at);
    }
    ASSERT_LE(counts.slots(), GetParam());
    const Naive before(tasks, now);
    ASSERT_EQ(counts.ready() + counts.scheduled() + counts.leased(), tasks.size());
    ASSERT_LE(counts.ready(), before.ready);
    if (!counts.is_blurred()) {
      ASSERT_EQ(counts.ready(), before.ready);
      ASSERT_EQ(counts.scheduled(), before.scheduled);
      ASSERT_EQ(counts.leased(), before.leased);
      continue;
    }
    if (!random.chance(20)) continue;
    // Told apart while tasks come and go and time passes.
    ++splits;
    const DueCounts::Range range = counts.begin_split();
    std::uint64_t undecided = 0;
    for (Entry& entry : tasks) {
      entry.undecided = entry.eta > range.after && entry.eta <= range.last;
      undecided += entry.undecided ? 1 : 0;
    }
    ASSERT_EQ(range.tasks, undecided);
    for (int meanwhile = 0; meanwhile < 10; ++meanwhile) {
      now += Micros(random.between(0, 1'500));
      counts.fold(now);
      const Entry entry{now + Micros(random.between(-5'000, 20'000)), random.chance(30)};
      counts.add(entry.eta, entry.leased);
      tasks.push_back(entry);
      const auto at = static_cast<std::ptrdiff_t>(random.below(tasks.size()));
      const Entry gone = tasks[static_cast<std::size_t>(at)];
      gone.undecided ? counts.remove_undecided(gone.leased) : counts.remove(gone.eta, gone.leased);
      tasks.erase(tasks.begin() + at);
    }
    const Wall reach =
        std::min(range.last, Wall(std::chrono::ceil<Millis>(now.time_since_epoch())) +
                                 Millis(random.between(0, 20)));
    tell(counts, tasks, reach);
    counts.end_split(reach);
    for (Entry& entry : tasks) entry.undecided = false;
    // Unless time has come to the next joined slot meanwhile.
    if (counts.is_blurred()) continue;
    const Naive after(tasks, now);
    ASSERT_EQ(counts.ready(), after.ready);
    ASSERT_EQ(counts.scheduled(), after.scheduled);
    ASSERT_EQ(counts.leased(), after.leased);
  }
  if (GetParam() < 100) EXPECT_GT(splits, 100U);
}

TEST(DueCounts, StayWithinTheirMemoryHoweverManyTasksAreScheduledApart) {
  constexpr std::size_t slots_max = 1024;
  constexpr std::uint64_t tasks = 5'000'000;
  Random random(test_seed());
  DueCounts counts(slots_max);
  const Wall now = wall_from_micros(1'000'000);
  counts.fold(now);
  const std::size_t before = mallinfo2().uordblks;  // 0 under a sanitizer's own malloc
  for (std::uint64_t i = 0; i < tasks; ++i) {
    counts.add(now + Millis(1 + i * 7 + random.below(7)), false);
    ASSERT_LE(counts.slots(), slots_max);
  }
  EXPECT_LE(mallinfo2().uordblks - before, 100'000U);
  EXPECT_EQ(counts.scheduled(), tasks);
  // None holds much more than its share, so that little must be read when its time has come.
  std::uint64_t most = 0;
  for (Wall at = now; counts.scheduled() > 0; at += Seconds(7)) {
    const std::uint64_t ready = counts.ready();
    counts.fold(at);
    most = std::max(most, counts.ready() - ready);
  }
  EXPECT_LE(most, 8 * tasks / slots_max);
  EXPECT_EQ(counts.ready(), tasks);
}

TEST(DueCounts, TheNearestInstantsStayExact) {
  DueCounts counts(16);
  const Wall now = wall_from_micros(1'000'000);
  counts.fold(now);
  for (int i = 1; i <= 1000; ++i) counts.add(now + Millis(i), false);
  for (std::uint64_t i = 1; i <= 4; ++i) {
    counts.fold(now + Millis(i));
    EXPECT_EQ(counts.ready(), i);
    EXPECT_FALSE(counts.is_blurred());
  }
}

}  // namespace
}  // namespace deferd
