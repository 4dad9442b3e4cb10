#include "dispatch/retry_after.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

// 1994-11-06T08:49:00Z, 37 s before the dates of RFC 9110.
constexpr Wall now = wall_from_micros(784'111'740'000'000);

TEST(RetryAfter, TakesSecondsAndTheThreeDatesOfHttp) {
  struct Case {
    std::string_view value;
    Micros span;
  };
  const Case cases[] = {
      {"0", Seconds(0)},
      {"120", Seconds(120)},
      {" 7 ", Seconds(7)},
      {"86400", Seconds(86400)},
      {"86401", Seconds(86400)},
      {"99999999999999999999999", Seconds(86400)},
      {"Sun, 06 Nov 1994 08:49:37 GMT", Seconds(37)},
      {"Sunday, 06-Nov-94 08:49:37 GMT", Seconds(37)},
      {"Sun Nov  6 08:49:37 1994", Seconds(37)},
      {"Sun Nov 06 08:49:37 1994", Seconds(37)},
      {"Mon, 07 Nov 1994 08:48:59 GMT", Seconds(86399)},
      {"Mon, 01 Jan 2035 00:00:00 GMT", Seconds(86400)},
      {"Sun, 06 Nov 1994 08:49:00 GMT", Seconds(0)},
      {"Sun, 06 Nov 1994 08:48:59 GMT", Seconds(0)},
      {"Thu, 01 Jan 1970 00:00:00 GMT", Seconds(0)},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_retry_after(c.value, now), c.span) << c.value;
}

TEST(RetryAfter, IgnoresWhatItDoesNotUnderstand) {
  for (const std::string_view value : {"",
                                       " ",
                                       "soon",
                                       "-1",
                                       "+1",
                                       "1.5",
                                       "1s",
                                       "0x10",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 CET",
                                       "Sun, 06 Nov 1994 08:49:37 GMT x",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 31 Feb 2030 08:49:37 GMT",
                                       "Sun, 06 Now 2030 08:49:37 GMT",
                                       "Sun, 06 Nov 2030 24:49:37 GMT",
                                       "2030-11-06T08:49:37Z",
                                       ",",
                                       "Sun",
                                       "Sun,",
                                       "Sun Nov"}) {
    EXPECT_EQ(parse_retry_after(value, now), Micros(0)) << value;
  }
}

TEST(RetryAfter, PutsTwoDigitYearsIntoTheNearPast) {
  const Wall in_2026 = wall_from_micros(1'795'000'000'000'000);
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", in_2026), Micros(0));
  EXPECT_EQ(parse_retry_after("Friday, 06-Nov-70 08:49:37 GMT", in_2026), retry_after_max);
}

}  // namespace
}  // namespace deferd
