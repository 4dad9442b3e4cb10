#include "model/retry_policy.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "model/duration_text.h"

namespace deferd {
namespace {

std::vector<double> delays(const RetryPolicy& policy, int count) {
  std::vector<double> seconds;
  for (int n = 1; n <= count; ++n) {
    seconds.push_back(static_cast<double>(backoff(policy, static_cast<std::uint32_t>(n)).count()) /
                      1e6);
  }
  return seconds;
}

// GAE-161: the table of spec/cloud-tasks.md 9.6.
TEST(Backoff, DoublesThenGrowsLinearlyUpToTheCap) {
  RetryPolicy policy{.min_backoff = Seconds(10), .max_backoff = Seconds(300), .max_doublings = 3};
  EXPECT_EQ(delays(policy, 8), (std::vector<double>{10, 20, 40, 80, 160, 240, 300, 300}));
  policy.max_doublings = 0;
  EXPECT_EQ(delays(policy, 4), (std::vector<double>{10, 20, 30, 40}));
  policy = {.min_backoff = Seconds(1), .max_backoff = Seconds(10), .max_doublings = 2};
  EXPECT_EQ(delays(policy, 6), (std::vector<double>{1, 2, 4, 8, 10, 10}));
  policy = RetryPolicy{};
  EXPECT_EQ(delays(policy, 17).back(), 3600);
  EXPECT_EQ(delays(policy, 16).back(), 3276.8);
}

// GAE-167
TEST(Backoff, NothingOverflows) {
  const RetryPolicy policy{
      .min_backoff = Micros(1), .max_backoff = duration_max, .max_doublings = INT32_MAX};
  EXPECT_EQ(backoff(policy, UINT32_MAX), duration_max);
  const RetryPolicy linear{
      .min_backoff = duration_max, .max_backoff = duration_max, .max_doublings = 0};
  EXPECT_EQ(backoff(linear, UINT32_MAX), duration_max);
  const RetryPolicy none{.min_backoff = Micros(0), .max_backoff = Micros(0), .max_doublings = 16};
  EXPECT_EQ(backoff(none, 5), Micros(0));
}

// GAE-163 GAE-164: the table of spec/cloud-tasks.md 9.7.
TEST(StopRule, WithBothLimitsBothMustBeReached) {
  const auto stops = [](std::int32_t max_attempts, Micros max_age, std::uint32_t attempts,
                        Micros age) {
    return exhausted(RetryPolicy{.max_attempts = max_attempts, .max_age = max_age}, attempts, age);
  };
  EXPECT_FALSE(stops(3, Seconds(0), 2, Seconds(1000)));
  EXPECT_TRUE(stops(3, Seconds(0), 3, Seconds(0)));
  EXPECT_FALSE(stops(3, Seconds(10), 3, Seconds(9)));
  EXPECT_FALSE(stops(3, Seconds(10), 2, Seconds(11)));
  EXPECT_TRUE(stops(3, Seconds(10), 3, Seconds(10)));
  EXPECT_FALSE(stops(-1, Seconds(10), 1000, Seconds(9)));
  EXPECT_TRUE(stops(-1, Seconds(10), 1, Seconds(10)));
  EXPECT_FALSE(stops(-1, Seconds(0), UINT32_MAX, Seconds(1'000'000)));
}

TEST(RetryPolicy, ChecksItsRanges) {
  EXPECT_TRUE(RetryPolicy{}.check("retry"));
  EXPECT_EQ(RetryPolicy{.max_attempts = 0}.check("retry").error().field, "retry.max_attempts");
  EXPECT_EQ(RetryPolicy{.max_attempts = -2}.check("retry").error().field, "retry.max_attempts");
  EXPECT_EQ(RetryPolicy{.max_doublings = -1}.check("retry").error().field, "retry.max_doublings");
  EXPECT_EQ(RetryPolicy{.max_age = Seconds(-1)}.check("retry").error().field, "retry.max_age");
  EXPECT_EQ((RetryPolicy{.min_backoff = Seconds(2), .max_backoff = Seconds(1)}
                 .check("retry")
                 .error()
                 .field),
            "retry.min_backoff");
}

TEST(RetryOverride, ReplacesWhatItNamesOnly) {
  RetryOverride override;
  override.max_attempts = 2;
  override.max_backoff = Millis(10);
  const RetryPolicy policy = override.over(RetryPolicy{.min_backoff = Seconds(1)});
  EXPECT_EQ(policy.max_attempts, 2);
  EXPECT_EQ(policy.max_backoff, Millis(10));
  EXPECT_EQ(policy.min_backoff, Millis(10)) << "the cap wins over a longer minimum from the queue";
  EXPECT_EQ(policy.max_doublings, 16);
}

// CT-spec 9.4
TEST(RetryAfter, IsHeardForAnHourOrTheLongestBackoff) {
  RetryPolicy policy;
  policy.max_backoff = Seconds(10);
  EXPECT_EQ(retry_after_in_force(policy, Micros(0)), Micros(0));
  EXPECT_EQ(retry_after_in_force(policy, Seconds(60)), Seconds(60));
  EXPECT_EQ(retry_after_in_force(policy, Seconds(7200)), Seconds(3600));
  policy.max_backoff = Seconds(7000);
  EXPECT_EQ(retry_after_in_force(policy, Seconds(7200)), Seconds(7000));
}

}  // namespace
}  // namespace deferd
