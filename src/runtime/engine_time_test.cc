#include "runtime/engine_time.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

constexpr Now start{wall_from_micros(1'800'000'000'000'000), Mono(Seconds(1000))};

Now later(const Now& now, Micros mono, Micros wall) { return {now.wall + wall, now.mono + mono}; }

TEST(EngineTime, FollowsTheSystemAndItsJumpsAhead) {
  EngineTime time(start);
  EXPECT_EQ(time.at(later(start, Seconds(1), Seconds(1))).wall, start.wall + Seconds(1));
  EXPECT_EQ(time.at(later(start, Seconds(2), Seconds(3600))).wall, start.wall + Seconds(3600));
}

TEST(EngineTime, AClockSetBackIsAbsorbedAtHalfSpeed) {
  EngineTime time(start);
  const Micros back = Seconds(60);
  for (int second = 1; second <= 120; ++second) {
    const Wall wall = time.at(later(start, Seconds(second), Seconds(second) - back)).wall;
    EXPECT_EQ(wall, start.wall + Micros(second * 500'000)) << second;
  }
  EXPECT_EQ(time.at(later(start, Seconds(200), Seconds(140))).wall, start.wall + Seconds(140))
      << "it has caught up";
}

TEST(EngineTime, NeverGoesBackAndNeverStandsStill) {
  Random random(test_seed());
  Now system = start;
  EngineTime time(start);
  Now last = time.at(system);
  for (int i = 0; i < 100'000; ++i) {
    const Micros step(random.between(2, 5'000));
    system.mono += step;
    system.wall += step;
    if (random.chance(1)) system.wall += Seconds(random.between(-10, 10));
    const Now now = time.at(system);
    ASSERT_GE(now.wall - last.wall, step / 2);
    ASSERT_EQ(now.mono, system.mono);
    last = now;
  }
}

}  // namespace
}  // namespace deferd
