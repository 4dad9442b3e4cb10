// Identity tokens as a verifier sees them, and how often they are signed.
#include "auth/oidc_issuer.h"

#include <gtest/gtest.h>

#include <future>
#include <set>

#include "auth/testing/jwt_reader.h"
#include "auth/testing/temporary_folder.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using boost::json::parse;

constexpr Wall start = wall_from_micros(1'795'000'000'250'000);

class OidcIssuerTest : public testing::Test {
 protected:
  OidcIssuerTest() { begin(); }

  void begin() {
    issuer_.reset();
    OidcOptions options;
    options.issuer = "https://tasks.example.com";
    options.folder = folder_.path();
    options.threads = 2;
    options.cached_tokens_max = 4;
    auto made = OidcIssuer::make(std::move(options));
    ASSERT_TRUE(made) << made.error().message;
    issuer_ = std::move(*made);
  }

  static std::string get(const std::function<void(TokenCache::Done)>& ask) {
    std::promise<Result<std::string>> answer;
    ask([&](Result<std::string> text) { answer.set_value(std::move(text)); });
    const Result<std::string> text = answer.get_future().get();
    EXPECT_TRUE(text) << text.error().message;
    return text ? *text : std::string();
  }
  std::string token(std::string_view email, std::string_view audience, Wall now) {
    return get([&](auto done) { issuer_->token(email, audience, now, std::move(done)); });
  }
  boost::json::object key_set(Wall now) {
    return parse(get([&](auto done) { issuer_->key_set(now, std::move(done)); })).as_object();
  }
  boost::json::object certificates(Wall now) {
    return parse(get([&](auto done) { issuer_->certificates(now, std::move(done)); })).as_object();
  }

  const TemporaryFolder folder_;
  std::unique_ptr<OidcIssuer> issuer_;
};

// CT-170, CT-171
TEST_F(OidcIssuerTest, ATokenHasGooglesClaimsAndVerifies) {
  const Jwt jwt(token("mail@shop.iam", "https://shop.example.com/task?id=\"7\"", start));
  EXPECT_EQ(jwt.claims.at("iss"), "https://tasks.example.com");
  EXPECT_EQ(jwt.claims.at("aud"), "https://shop.example.com/task?id=\"7\"");
  EXPECT_EQ(jwt.claims.at("email"), "mail@shop.iam");
  EXPECT_EQ(jwt.claims.at("email_verified"), true);
  EXPECT_EQ(jwt.claims.at("iat"), 1'795'000'000);
  EXPECT_EQ(jwt.claims.at("exp"), 1'795'003'600);
  EXPECT_EQ(jwt.claims.at("sub"), jwt.claims.at("azp"));
  EXPECT_EQ(jwt.claims.size(), 8U);

  const boost::json::object map = certificates(start);
  EXPECT_TRUE(jwt.verifies(map.at(jwt.kid()).as_string()));
  const boost::json::object set = key_set(start);
  ASSERT_EQ(set.at("keys").as_array().size(), 1U);
  const boost::json::object& key = set.at("keys").as_array()[0].as_object();
  EXPECT_EQ(key.at("kid"), boost::json::value(jwt.kid()));
  EXPECT_EQ(key.at("alg"), "RS256");
  EXPECT_EQ(key.at("use"), "sig");
  EXPECT_EQ(key.at("kty"), "RSA");
  EXPECT_EQ(key.at("e"), "AQAB");
  EXPECT_EQ(from_base64url(key.at("n").as_string()).size(), 256U);
}

TEST_F(OidcIssuerTest, AnAccountHasOneDecimalNumberForEver) {
  const auto number = [](std::string_view email) {
    return std::string(parse(identity_claims("i", email, "a", start)).at("sub").as_string());
  };
  EXPECT_EQ(number("mail@shop.iam"), "115731247218496653523");
  EXPECT_NE(number("mail@shop.iam"), number("mail@shop.ian"));
  for (const char* email : {"", "a", "mail@shop.iam"}) {
    EXPECT_EQ(number(email).size(), 21U);
    EXPECT_EQ(number(email).find_first_not_of("0123456789"), std::string::npos);
  }
}

TEST_F(OidcIssuerTest, ATokenIsUsedAgainForHalfItsLife) {
  const std::string first = token("a@b", "c", start);
  EXPECT_EQ(token("a@b", "c", start + 30min - 1us), first);
  const std::string second = token("a@b", "c", start + 30min);
  EXPECT_NE(second, first);
  EXPECT_EQ(Jwt(second).claims.at("iat"), 1'795'001'800);
  EXPECT_NE(token("a@b", "c", start), second) << "never one from the future";
  EXPECT_NE(token("a@b", "d", start), token("a@b", "c", start));
  EXPECT_NE(token("a@c", "c", start), token("a@b", "c", start));
}

// CT-174
TEST_F(OidcIssuerTest, KeysOutliveAProcess) {
  const Jwt jwt(token("a@b", "c", start));
  begin();
  EXPECT_TRUE(jwt.verifies(certificates(start).at(jwt.kid()).as_string()));
  EXPECT_EQ(Jwt(token("a@b", "c", start)).kid(), jwt.kid());
}

TEST_F(OidcIssuerTest, ManyThatAskAtOnceGetOneToken) {
  std::mutex mutex;
  std::set<std::string> tokens;
  std::promise<void> all;
  std::atomic<int> left = 1000;
  for (int i = 0; i < 1000; ++i) {
    issuer_->token("a@b", "c", start, [&](Result<std::string> token) {
      ASSERT_TRUE(token);
      {
        const std::lock_guard lock(mutex);
        tokens.insert(*token);
      }
      if (--left == 0) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_EQ(tokens.size(), 1U);
}

TEST_F(OidcIssuerTest, WhoStillWaitsIsToldThatItStops) {
  std::vector<std::future<Result<std::string>>> waiting;
  for (int i = 0; i < 100; ++i) {
    auto answer = std::make_shared<std::promise<Result<std::string>>>();
    waiting.push_back(answer->get_future());
    issuer_->token("a@b", std::to_string(i), start,
                   [answer](Result<std::string> token) { answer->set_value(std::move(token)); });
  }
  issuer_.reset();
  for (auto& each : waiting) {
    const Result<std::string> token = each.get();
    if (!token) EXPECT_EQ(token.error().reason, Reason::stopping);
  }
}

TEST_F(OidcIssuerTest, DiscoverySaysWhereTheKeysAre) {
  const boost::json::object document = parse(issuer_->discovery()).as_object();
  EXPECT_EQ(document.at("issuer"), "https://tasks.example.com");
  EXPECT_EQ(document.at("jwks_uri"), "https://tasks.example.com/.well-known/jwks.json");
  EXPECT_EQ(document.at("id_token_signing_alg_values_supported"), parse(R"(["RS256"])"));
  EXPECT_EQ(document.at("response_types_supported"), parse(R"(["id_token"])"));
}

TEST(TokenCache, IsBoundedAndKeepsWhatIsAskedFor) {
  TokenCache cache(2);
  const auto make = [&](const std::string& key) {
    bool made = false;
    if (cache.ask(key, start, [](const Result<std::string>&) {})) {
      made = true;
      cache.settle(key, {key, start, start + 1min});
    }
    return made;
  };
  EXPECT_TRUE(make("a"));
  EXPECT_TRUE(make("b"));
  EXPECT_FALSE(make("a"));
  EXPECT_TRUE(make("c")) << "b goes, which was asked for longest ago";
  EXPECT_FALSE(make("a"));
  EXPECT_TRUE(make("b"));
}

}  // namespace
}  // namespace deferd
