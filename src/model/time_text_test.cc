#include "model/time_text.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

TEST(TimeText, ReadsRfc3339) {
  const struct {
    const char* text;
    std::int64_t micros;
  } cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1970-01-01T00:00:00.000001Z", 1},
      {"1970-01-01t00:00:01.5z", 1'500'000},
      {"1970-01-01T00:00:01.2345670000Z", 1'234'567},
      {"1970-01-02T01:00:00+01:00", 86'400'000'000},
      {"1970-01-01T00:00:00-00:30", 1'800'000'000},
      {"2000-02-29T12:00:00Z", 951'825'600'000'000},
      {"2026-11-24T22:53:01.123456Z", 1'795'560'781'123'456},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000'000},
      {"9999-12-31T23:59:59.999999Z", 253'402'300'799'999'999},
  };
  for (const auto& each : cases) {
    const auto wall = parse_time(each.text);
    ASSERT_TRUE(wall) << each.text << ": " << wall.error().message;
    EXPECT_EQ(to_micros(*wall), each.micros) << each.text;
  }
}

TEST(TimeText, RefusesWhatIsNoInstant) {
  for (const char* text : {"",
                           "now",
                           "1700000000",
                           "2026-11-24",
                           "2026-11-24T22:53Z",
                           "2026-11-24T22:53:01",
                           "2026-11-24 22:53:01Z",
                           "2026-11-24T22:53:01+0100",
                           "2026-11-24T22:53:01+24:00",
                           "2026-11-24T22:53:01.Z",
                           "2026-11-24T22:53:01,5Z",
                           "2026-11-24T22:53:01.1234567Z",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-24T24:00:00Z",
                           "2026-11-24T23:60:00Z",
                           "2026-11-24T23:00:61Z",
                           "2026-11-24T22:53:01Zx",
                           "1969-12-31T23:59:59Z",
                           "1970-01-01T00:00:00+00:01",
                           "+2026-11-24T22:53:01Z",
                           "2026-1-24T22:53:01Z",
                           "9999-12-31T23:59:59-01:00",
                           "2026\r11-24T22:53:01Z"}) {
    const auto wall = parse_time(text);
    ASSERT_FALSE(wall) << text;
    EXPECT_EQ(wall.error().reason, Reason::invalid);
  }
}

TEST(TimeText, WhatIsWrittenIsReadBackAndOrdersAsTheInstants) {
  Random random(test_seed());
  for (int i = 0; i < 10'000; ++i) {
    const Wall a = wall_from_micros(random.between(0, 253'402'300'799'999'999));
    const Wall b = wall_from_micros(random.between(0, 253'402'300'799'999'999));
    ASSERT_EQ(*parse_time(format_time(a)), a) << format_time(a);
    ASSERT_EQ(a < b, format_time(a) < format_time(b));
  }
  EXPECT_EQ(format_time(wall_from_micros(1'795'560'781'120'000)), "2026-11-24T22:53:01.120000Z");
}

}  // namespace
}  // namespace deferd
