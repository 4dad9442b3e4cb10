#include "dispatch/target_guard.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

// The machine of these tests has 127/8, ::1, 10.1.2.3 and 2001:db8::5.
bool local_in_test(const IpAddress& address) {
  return (!address.v6 && address.bytes[0] == 127) || address == IpAddress::parse("::1") ||
         address == IpAddress::parse("10.1.2.3") || address == IpAddress::parse("2001:db8::5");
}

// What the guard says, "" for allowed.
std::string judge(const GuardOptions& options, std::string_view address, std::uint16_t port = 80) {
  const Result<TargetGuard> guard = TargetGuard::make(options, local_in_test);
  EXPECT_TRUE(guard.has_value()) << guard.error().message;
  const std::optional<IpAddress> parsed = IpAddress::parse(address);
  EXPECT_TRUE(parsed.has_value()) << address;
  return guard->refuses(*parsed, port).value_or("");
}

TEST(TargetGuard, LetsOutWhatNoRuleNames) {
  for (const std::string_view address :
       {"8.8.8.8", "127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "100.64.0.1", "169.253.255.255", "169.255.0.0", "223.255.255.255", "1.0.0.0", "::1",
        "2606:4700::1", "fd12:3456::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"}) {
    EXPECT_EQ(judge({}, address), "") << address;
  }
}

TEST(TargetGuard, RefusesTheseUnderAnyConfiguration) {
  struct Case {
    std::string_view address;
    std::string_view why;
  };
  const Case cases[] = {
      {"169.254.169.254", "a metadata address"},
      {"169.254.170.2", "a metadata address"},
      {"100.100.100.200", "a metadata address"},
      {"168.63.129.16", "a metadata address"},
      {"fd00:ec2::254", "a metadata address"},
      {"fd20:ce::254", "a metadata address"},
      {"169.254.0.0", "link-local"},
      {"169.254.255.255", "link-local"},
      {"0.0.0.0", "this network"},
      {"0.1.2.3", "this network"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.255", "broadcast"},
      {"::", "unspecified"},
      {"fe80::1", "link-local"},
      {"febf::1", "link-local"},
      {"ff02::1", "multicast"},
      {"::ffff:169.254.169.254", "a metadata address"},
      {"::ffff:a9fe:a9fe", "a metadata address"},
      {"::ffff:0.0.0.0", "this network"},
      {"::169.254.169.254", "leads to"},
      {"64:ff9b::169.254.169.254", "leads to"},
      {"2002:a9fe:a9fe::1", "leads to"},
  };
  GuardOptions open;
  open.allow = {"all", "169.254.169.254", "fe80::/10"};
  for (const Case& c : cases) {
    EXPECT_NE(judge({}, c.address).find(c.why), std::string::npos)
        << c.address << ": " << judge({}, c.address);
    EXPECT_NE(judge(open, c.address), "") << c.address;
  }
}

TEST(TargetGuard, RefusesWhereDeferdListens) {
  GuardOptions one;
  one.own = {"127.0.0.1:8123"};
  EXPECT_NE(judge(one, "127.0.0.1", 8123).find("deferd's own"), std::string::npos);
  EXPECT_NE(judge(one, "::ffff:127.0.0.1", 8123), "");
  EXPECT_EQ(judge(one, "127.0.0.1", 8124), "");
  EXPECT_EQ(judge(one, "10.1.2.3", 8123), "");

  for (const std::string own : {"0.0.0.0:8123", "[::]:8123"}) {
    GuardOptions any;
    any.own = {own};
    any.allow = {"all"};
    for (const std::string_view address :
         {"127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "2001:db8::5", "::ffff:10.1.2.3"}) {
      EXPECT_NE(judge(any, address, 8123), "") << own << " " << address;
      EXPECT_EQ(judge(any, address, 80), "") << own << " " << address;
    }
    EXPECT_EQ(judge(any, "10.1.2.4", 8123), "") << own;
  }
}

TEST(TargetGuard, LongestPrefixDecides) {
  GuardOptions options;
  options.deny = {"private", "loopback", "10.1.2.0/24", "192.0.2.7"};
  options.allow = {"10.1.0.0/16", "192.0.2.7", "fd12::/16"};
  EXPECT_NE(judge(options, "10.0.0.1"), "");
  EXPECT_EQ(judge(options, "10.1.0.1"), "");
  EXPECT_NE(judge(options, "10.1.2.1"), "");
  EXPECT_NE(judge(options, "192.0.2.7"), "");  // equal length: deny
  EXPECT_NE(judge(options, "127.0.0.1"), "");
  EXPECT_NE(judge(options, "::1"), "");
  EXPECT_NE(judge(options, "::ffff:127.0.0.1"), "");
  EXPECT_NE(judge(options, "64:ff9b::10.0.0.1"), "");
  EXPECT_NE(judge(options, "fd00::1"), "");
  EXPECT_EQ(judge(options, "fd12::1"), "");
  EXPECT_EQ(judge(options, "8.8.8.8"), "");
  EXPECT_NE(judge(options, "10.0.0.1").find("10.0.0.0/8, which is denied"), std::string::npos);

  GuardOptions closed;
  closed.deny = {"all"};
  closed.allow = {"198.51.100.0/24"};
  EXPECT_EQ(judge(closed, "198.51.100.9"), "");
  EXPECT_NE(judge(closed, "8.8.8.8"), "");
  EXPECT_NE(judge(closed, "2606:4700::1"), "");
}

TEST(TargetGuard, WhatTheOperatorChoseIsAskedAboutTheFirstRulesOnly) {
  GuardOptions options;
  options.deny = {"all"};
  options.own = {"127.0.0.1:8123", "[::]:99"};
  const Result<TargetGuard> guard = TargetGuard::make(options, local_in_test);
  ASSERT_TRUE(guard.has_value());
  const auto refused = [&](std::string_view address, std::uint16_t port) {
    return guard->refuses(*IpAddress::parse(address), port, ChosenBy::operator_).has_value();
  };
  for (const std::string_view address : {"127.0.0.1", "10.0.0.1", "::1", "8.8.8.8"}) {
    EXPECT_FALSE(refused(address, 80)) << address;
    EXPECT_TRUE(guard->refuses(*IpAddress::parse(address), 80).has_value()) << address;
  }
  EXPECT_TRUE(refused("127.0.0.1", 8123));
  EXPECT_TRUE(refused("::ffff:127.0.0.1", 8123));
  EXPECT_TRUE(refused("127.0.0.1", 99));
  for (const std::string_view address :
       {"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "fe80::1",
        "0.0.0.0", "fd00:ec2::254"}) {
    EXPECT_TRUE(refused(address, 80)) << address;
  }
}

TEST(TargetGuard, RefusesWrongConfiguration) {
  for (const std::string text :
       {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.1/8", "010.0.0.0/8", "2130706433",
        "localhost", "fe80::1%eth0", "::/129"}) {
    GuardOptions options;
    options.deny = {text};
    const Result<TargetGuard> guard = TargetGuard::make(options, local_in_test);
    ASSERT_FALSE(guard.has_value()) << text;
    EXPECT_EQ(guard.error().field, "deny");
  }
  for (const std::string text : {"", "localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x"}) {
    GuardOptions options;
    options.own = {text};
    EXPECT_FALSE(TargetGuard::make(options, local_in_test).has_value()) << text;
  }
}

TEST(LocalAddress, KnowsThisMachine) {
  EXPECT_TRUE(is_local_address(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(is_local_address(*IpAddress::parse("127.1.2.3")));
  EXPECT_TRUE(is_local_address(*IpAddress::parse("::1")));
  EXPECT_FALSE(is_local_address(*IpAddress::parse("192.0.2.1")));
}

}  // namespace
}  // namespace deferd
