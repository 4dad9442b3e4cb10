#include "bench/client/histogram.h"

#include <gtest/gtest.h>

namespace deferd::bench {
namespace {

TEST(Histogram, APercentileIsNeverBelowNorMoreThanOneSixtyFourthAbove) {
  for (const std::int64_t nanos :
       {0l, 1l, 63l, 64l, 127l, 128l, 1'000'003l, 7'999'999'999l, 1l << 62}) {
    Histogram histogram;
    histogram.add(nanos);
    const double expected = static_cast<double>(nanos) / 1e6;
    EXPECT_GE(histogram.percentile_ms(0.5), expected * (1 - 1e-12)) << nanos;
    EXPECT_LE(histogram.percentile_ms(0.5), expected * (1 + 1.0 / 64)) << nanos;
  }
}

TEST(Histogram, PercentilesFollowTheRanks) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.add(i * 1'000'000);
  EXPECT_NEAR(histogram.percentile_ms(0.5), 500, 500.0 / 64);
  EXPECT_NEAR(histogram.percentile_ms(0.99), 990, 990.0 / 64);
  EXPECT_NEAR(histogram.percentile_ms(0.999), 999, 999.0 / 64);
}

}  // namespace
}  // namespace deferd::bench
