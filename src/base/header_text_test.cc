#include "base/header_text.h"

#include <gtest/gtest.h>

#include <string>

namespace deferd {
namespace {

TEST(HeaderText, NamesAreTokens) {
  const std::string others = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    EXPECT_EQ(is_header_name(std::string("X-") + byte),
              is_alphanumeric || others.find(byte) != std::string::npos)
        << c;
  }
  EXPECT_FALSE(is_header_name(""));
}

TEST(HeaderText, ValuesStayOnTheirLine) {
  for (int c = 0; c < 256; ++c) {
    const bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
    EXPECT_EQ(is_header_value(std::string("a") + static_cast<char>(c)), !is_control) << c;
  }
  EXPECT_TRUE(is_header_value(""));
}

}  // namespace
}  // namespace deferd
