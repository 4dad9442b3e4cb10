// Which key signs when, who can still verify, and how keys are kept.
#include "auth/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "auth/testing/jwt_reader.h"
#include "auth/testing/temporary_folder.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;

constexpr Wall start = wall_from_micros(1'795'000'000'000'000);
constexpr Micros rotation = 24h * 30;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

KeyRing ring_of(const std::string& folder) {
  Result<KeyRing> ring = KeyRing::load(folder, rotation);
  EXPECT_TRUE(ring) << ring.error().message;
  return ring.value();
}

bool is_shown(KeyRing& ring, const std::string& id, Wall now) {
  const Result<SigningKeys> keys = ring.shown(now);
  EXPECT_TRUE(keys);
  for (const auto& key : *keys) {
    if (key->id() == id) return true;
  }
  return false;
}

// CT-174, over a year in steps of less than an hour: whoever read the keys up to keys_keep before a
// token was signed has its key, and whoever reads them while the token lives finds it.
TEST(KeyRing, EveryTokenIsVerifiableByWhatWasShownBeforeAndIsShownAfter) {
  KeyRing ring = ring_of("");
  struct Shown {
    Wall at;
    SigningKeys keys;
  };
  std::vector<Shown> shown;
  std::vector<std::string> signers;
  struct Signed {
    std::string id;
    Wall at;
  };
  std::vector<Signed> alive;
  for (Wall now = start; now < start + 24h * 100; now += 47min) {
    shown.push_back({now, *ring.shown(now)});
    const auto key = *ring.signing(now);
    if (signers.empty() || signers.back() != key->id()) signers.push_back(key->id());
    for (const Shown& before : shown) {
      if (before.at < now - keys_keep) continue;
      const bool there = std::ranges::any_of(
          before.keys, [&](const auto& each) { return each->id() == key->id(); });
      ASSERT_TRUE(there) << "signed by a key that a verifier could not know";
    }
    std::erase_if(shown, [&](const Shown& each) { return each.at < now - keys_keep; });
    alive.push_back({key->id(), now});
    std::erase_if(alive, [&](const Signed& each) { return each.at + identity_token_life < now; });
    for (const Signed& token : alive) ASSERT_TRUE(is_shown(ring, token.id, now));
    ASSERT_LE(ring.shown(now)->size(), 2U);
  }
  EXPECT_EQ(signers.size(), 4U) << "100 days at 30 days a key";
}

// CT-174
TEST(KeyRing, KeysSurviveARestartAlsoInTheMiddleOfARotation) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/oidc_keys.pem";
  EXPECT_FALSE(std::filesystem::exists(path)) << "no key before somebody needs one";
  std::string first;
  {
    KeyRing ring = ring_of(folder.path());
    EXPECT_FALSE(std::filesystem::exists(path));
    first = (*ring.signing(start))->id();
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  const Wall rotating = start + rotation - key_shown_early;
  std::string second;
  {
    KeyRing ring = ring_of(folder.path());
    EXPECT_EQ((*ring.signing(rotating - 1s))->id(), first);
    EXPECT_EQ((*ring.signing(rotating))->id(), first);
    ASSERT_EQ(ring.shown(rotating)->size(), 2U);
    second = (*ring.shown(rotating))[1]->id();
  }
  KeyRing ring = ring_of(folder.path());
  ASSERT_EQ(ring.shown(rotating)->size(), 2U);
  EXPECT_EQ((*ring.shown(rotating))[1]->id(), second);
  EXPECT_EQ((*ring.signing(start + rotation - 1s))->id(), first);
  EXPECT_EQ((*ring.signing(start + rotation))->id(), second);
  EXPECT_TRUE(is_shown(ring, first, start + rotation + identity_token_life));
  EXPECT_FALSE(is_shown(ring, first, start + rotation + key_shown_late));
}

TEST(KeyRing, AClockThatIsSetBackBehindAllKeysLeavesTheOldestToSign) {
  KeyRing ring = ring_of("");
  const std::string id = (*ring.signing(start))->id();
  EXPECT_EQ((*ring.signing(start - 24h * 365))->id(), id);
}

TEST(KeyRing, ANextKeyThatCannotBeKeptIsTriedAgainSecondsLater) {
  const TemporaryFolder folder;
  const std::string inside = folder.path() + "/data";
  std::filesystem::create_directory(inside);
  KeyRing ring = ring_of(inside);
  const std::string first = (*ring.signing(start))->id();
  const Wall due = start + rotation - key_shown_early;
  std::filesystem::rename(inside, folder.path() + "/away");
  EXPECT_EQ((*ring.signing(due))->id(), first);
  EXPECT_EQ(ring.shown(due)->size(), 1U) << "what would not survive a restart is not used";
  std::filesystem::rename(folder.path() + "/away", inside);
  EXPECT_EQ(ring.shown(due + 9s)->size(), 1U);
  EXPECT_EQ(ring.shown(due + 10s)->size(), 2U);
}

TEST(KeyRing, TheFirstKeyIsNotUsedWhenItCannotBeKept) {
  const TemporaryFolder folder;
  const std::string inside = folder.path() + "/data";
  KeyRing ring = ring_of(inside);
  for (const Micros after : {0s, 9s}) {
    const auto key = ring.signing(start + after);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().reason, Reason::store_failed);
    EXPECT_FALSE(ring.shown(start + after));
    std::filesystem::create_directory(inside);
  }
  EXPECT_TRUE(ring.signing(start + 10s));
}

TEST(KeyRing, DamageIsSaidAndNotUsed) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/oidc_keys.pem";
  {
    KeyRing ring = ring_of(folder.path());
    ASSERT_TRUE(ring.signing(start));
  }
  const std::string good = contents(path);
  const std::string key = good.substr(0, good.find("-----BEGIN CERTIFICATE"));
  const std::string certificate = good.substr(key.size());
  std::string other;
  {
    std::filesystem::remove(path);
    KeyRing ring = ring_of(folder.path());
    ASSERT_TRUE(ring.signing(start));
    const std::string text = contents(path);
    other = text.substr(text.find("-----BEGIN CERTIFICATE"));
  }
  std::string flipped = good;
  flipped[100] = flipped[100] == 'A' ? 'B' : 'A';
  const std::pair<std::string, std::string_view> damaged[] = {
      {"", "no private key"},
      {"hello\n", "no private key"},
      {certificate, "no private key"},
      {key, "certificate of a key is missing"},
      {key + other, "not of the key before it"},
      {good.substr(0, 500), "cut off"},
      {good + key.substr(0, 400), "cut off"},
      {flipped, ""},
      {std::string(300'000, 'x'), "larger"},
  };
  for (const auto& [text, why] : damaged) {
    std::ofstream(path, std::ios::binary) << text;
    const Result<KeyRing> ring = KeyRing::load(folder.path(), rotation);
    ASSERT_FALSE(ring) << text;
    EXPECT_EQ(ring.error().reason, Reason::store_failed);
    EXPECT_NE(ring.error().message.find(path), std::string::npos) << ring.error().message;
    EXPECT_NE(ring.error().message.find(why), std::string::npos) << ring.error().message;
  }
  std::ofstream(path, std::ios::binary) << good;
  EXPECT_TRUE(KeyRing::load(folder.path(), rotation));
}

TEST(SigningKey, TokensVerifyByTheCertificateAndByNoOther) {
  const auto mine = SigningKey::make(start);
  const auto other = SigningKey::make(start);
  ASSERT_TRUE(mine && other);
  EXPECT_NE((*mine)->id(), (*other)->id());
  const Result<std::string> token = (*mine)->sign(R"({"a":1})");
  ASSERT_TRUE(token);
  Jwt jwt(*token);
  EXPECT_EQ(jwt.header.at("alg"), "RS256");
  EXPECT_EQ(jwt.header.at("typ"), "JWT");
  EXPECT_EQ(jwt.kid(), (*mine)->id());
  EXPECT_EQ(boost::json::serialize(jwt.claims), R"({"a":1})");
  EXPECT_TRUE(jwt.verifies((*mine)->certificate()));
  EXPECT_FALSE(jwt.verifies((*other)->certificate()));
  jwt.signed_text[10] ^= 1;
  EXPECT_FALSE(jwt.verifies((*mine)->certificate()));
}

}  // namespace
}  // namespace deferd
