#include "model/duration_text.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

TEST(DurationText, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    Micros value;
  } cases[] = {
      {"0", Micros(0)},         {"90", Seconds(90)},     {"0.1", Millis(100)},
      {"1m30s", Seconds(90)},   {"0.1s", Millis(100)},   {"1h", Seconds(3600)},
      {"2d", Seconds(172800)},  {"1w", Seconds(604800)}, {"250ms", Millis(250)},
      {"7us", Micros(7)},       {"1.5h", Seconds(5400)}, {"1s500ms", Millis(1500)},
      {"0.000001s", Micros(1)}, {"-5s", Seconds(-5)},    {"1.0000000s", Seconds(1)},
      {"36500d", duration_max},
  };
  for (const auto& [text, value] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->count(), value.count()) << text;
  }
}

TEST(DurationText, RefusesTheRestAndSaysHowToWriteIt) {
  for (const char* text :
       {"", "s", "1x", "1s1m", "1s1s", "1.", ".5s", "1 s", "1s ", "1,5s", "1e3s", "0.0000001s",
        "--1s", "36501d", "99999999999999999999", "1m30", "nan", "1.5us"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().reason, Reason::invalid);
    EXPECT_NE(parsed.error().message.find("1m30s"), std::string::npos) << parsed.error().message;
  }
}

TEST(DurationText, WhatIsWrittenReadsBackTheSame) {
  Random random(test_seed());
  for (int i = 0; i < 20'000; ++i) {
    const Micros duration(random.between(0, duration_max.count() >> random.below(50)));
    const auto parsed = parse_duration(format_duration(duration));
    ASSERT_TRUE(parsed) << format_duration(duration);
    ASSERT_EQ(parsed->count(), duration.count());
  }
}

TEST(RateText, ReadsWritesAndRefuses) {
  for (const char* text :
       {"5/s", "0.25/s", "10/m", "1/h", "1/d", "0", "unlimited", "0.001/d", "1000000/s"}) {
    const auto rate = parse_rate(text);
    ASSERT_TRUE(rate) << text << ": " << rate.error().message;
    EXPECT_EQ(format_rate(*rate), text);
  }
  EXPECT_DOUBLE_EQ(parse_rate("10/m")->per_second(), 10.0 / 60);
  for (const char* text : {"", "5", "5/", "/s", "5/x", "-1/s", "0.0001/s", "1000001/s", "5 /s",
                           "99999999999999999/s"}) {
    const auto rate = parse_rate(text);
    ASSERT_FALSE(rate) << text;
    EXPECT_NE(rate.error().message.find("5/s"), std::string::npos) << rate.error().message;
  }
}

}  // namespace
}  // namespace deferd
