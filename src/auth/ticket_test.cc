// Who may call back, for how long, and how the key is kept.
#include "auth/ticket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "auth/testing/temporary_folder.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;

constexpr Wall now = wall_from_micros(1'795'000'000'000'000);

Tickets tickets(std::uint8_t key_byte = 7, std::vector<std::string> secrets = {}) {
  Tickets::Key key;
  key.fill(key_byte);
  return {key, std::move(secrets)};
}

// GAE-149
TEST(Tickets, AreGoodForTheirApplicationUntilTheDeadlineAndTenMinutes) {
  const Tickets mine = tickets();
  const std::string ticket = mine.mint("shop", 15s, now);
  for (const Micros after : {Micros(0), Micros(15s), Micros(10min + 15s - 1us)}) {
    const Result<std::string> app = mine.verify(ticket, now + after);
    ASSERT_TRUE(app) << app.error().message;
    EXPECT_EQ(*app, "shop");
  }
  const Result<std::string> late = mine.verify(ticket, now + 10min + 15s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().message, "the ticket has expired");
  EXPECT_NE(mine.mint("shop", 15s, now + 1us), ticket) << "each push has its own";
}

// GAE-149
TEST(Tickets, NothingElseIsOne) {
  const Tickets mine = tickets();
  const std::string ticket = mine.mint("shop", 10min, now);
  EXPECT_FALSE(tickets(8).verify(ticket, now)) << "of another key";
  // Any byte changed, any byte missing, anything behind it.
  for (std::size_t i = 0; i < ticket.size(); ++i) {
    for (const int flip : {1, 32, 128}) {
      std::string changed = ticket;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      EXPECT_FALSE(mine.verify(changed, now)) << changed;
    }
    EXPECT_FALSE(mine.verify(ticket.substr(0, i), now));
    EXPECT_FALSE(mine.verify(ticket.substr(i + 1), now));
  }
  for (const std::string& text : {ticket + " ", ticket + ticket, std::string(), std::string("1."),
                                  std::string("1..."), std::string(1 << 20, '.')}) {
    const Result<std::string> app = mine.verify(text, now);
    ASSERT_FALSE(app);
    EXPECT_EQ(app.error().reason, Reason::invalid);
    EXPECT_EQ(app.error().field, "ticket");
  }
}

TEST(Tickets, AreOneVisibleWord) {
  const std::string ticket = tickets().mint("example.com:shop", 24h, now);
  for (const char c : ticket) EXPECT_TRUE(c > 0x20 && c < 0x7f) << ticket;
  EXPECT_LT(ticket.size(), 80u) << ticket;
  EXPECT_EQ(*tickets().verify(ticket, now), "example.com:shop");
}

TEST(Tickets, SecretsStandForNoApplicationAndDoNotExpire) {
  const Tickets mine = tickets(7, {"", "open sesame", "second"});
  for (const char* secret : {"open sesame", "second"}) {
    const Result<std::string> app = mine.verify(secret, Wall::max());
    ASSERT_TRUE(app);
    EXPECT_EQ(*app, "");
  }
  for (const char* wrong : {"", "open sesam", "open sesame ", "Second"}) {
    const Result<std::string> app = mine.verify(wrong, now);
    ASSERT_FALSE(app) << wrong;
    EXPECT_EQ(app.error().message.find("sesam"), std::string::npos) << app.error().message;
  }
  EXPECT_FALSE(tickets().verify("open sesame", now));
}

class TicketKey : public testing::Test {
 protected:
  const TemporaryFolder temporary_;
  const std::string folder_ = temporary_.path();
  const std::string path_ = folder_ + "/ticket.key";
};

TEST_F(TicketKey, IsMadeOnceAndKept) {
  const Result<Tickets::Key> first = load_ticket_key(folder_);
  ASSERT_TRUE(first) << first.error().message;
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const Result<Tickets::Key> second = load_ticket_key(folder_);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(*first, *second);

  std::filesystem::remove(path_);
  const Result<Tickets::Key> third = load_ticket_key(folder_);
  ASSERT_TRUE(third);
  EXPECT_NE(*first, *third);
}

TEST_F(TicketKey, WhatASuddenEndLeftIsNoHindrance) {
  std::ofstream(path_ + ".new") << "half";
  EXPECT_TRUE(load_ticket_key(folder_));
}

TEST_F(TicketKey, DamageIsSaidAndNotUsed) {
  for (const std::string& text :
       {std::string(), std::string(63, '0'), std::string(65, '0'), std::string(64, 'G')}) {
    std::ofstream(path_) << text;
    const Result<Tickets::Key> key = load_ticket_key(folder_);
    ASSERT_FALSE(key) << text;
    EXPECT_NE(key.error().message.find(path_), std::string::npos);
  }
  EXPECT_FALSE(load_ticket_key(folder_ + "/missing"));
}

TEST_F(TicketKey, RandomKeysDiffer) {
  std::set<Tickets::Key> keys;
  for (int i = 0; i < 100; ++i) keys.insert(*random_ticket_key());
  EXPECT_EQ(keys.size(), 100u);
}

}  // namespace
}  // namespace deferd
