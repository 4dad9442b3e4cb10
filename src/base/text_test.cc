#include "base/text.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

TEST(Text, LettersOfAsciiAloneHaveACase) {
  EXPECT_EQ(to_lower("Content-TYPE: \xc3\x84Z"), "content-type: \xc3\x84z");
  for (int c = 0; c < 256; ++c) {
    const std::string one(1, static_cast<char>(c));
    const bool is_upper = c >= 'A' && c <= 'Z';
    EXPECT_EQ(static_cast<unsigned char>(to_lower(one[0])), is_upper ? c + 32 : c);
    for (int d = 0; d < 256; ++d) {
      const std::string other(1, static_cast<char>(d));
      EXPECT_EQ(equal_ignoring_case(one, other), to_lower(one) == to_lower(other)) << c << " " << d;
    }
  }
}

TEST(Text, IsComparedWhole) {
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_TRUE(equal_ignoring_case("Host", "hOST"));
  EXPECT_FALSE(equal_ignoring_case("Host", "Hosts"));
  EXPECT_FALSE(equal_ignoring_case("Host", ""));
  EXPECT_FALSE(equal_ignoring_case("a@b", "a`b"));  // 32 apart, and no letters
}

TEST(Text, StartsWithWhatIsNoLonger) {
  EXPECT_TRUE(starts_ignoring_case("X-Google-Foo", "x-google-"));
  EXPECT_TRUE(starts_ignoring_case("x-google-", "X-Google-"));
  EXPECT_TRUE(starts_ignoring_case("", ""));
  EXPECT_FALSE(starts_ignoring_case("x-google", "x-google-"));
  EXPECT_FALSE(starts_ignoring_case("ax-google-", "x-google-"));
}

}  // namespace
}  // namespace deferd
