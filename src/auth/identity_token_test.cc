// Identity tokens: what is believed, and the ways in which they are forged.
#include "auth/identity_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>

#include <atomic>
#include <boost/json.hpp>
#include <functional>
#include <mutex>
#include <thread>

#include "auth/access.h"
#include "auth/base64url.h"
#include "auth/issuer_keys.h"
#include "auth/signing_key.h"
#include "base/random.h"
#include "base/testing/seed.h"

namespace deferd {
namespace {

using testing::HasSubstr;

constexpr std::int64_t at = 1'800'000'000;
constexpr Wall now = wall_from_micros(at * 1'000'000);

const SigningKey& signing_key() {
  static const std::shared_ptr<const SigningKey> key = *SigningKey::make(now);
  return *key;
}
std::string key_set_of(const std::string& jwk) { return R"({"keys":[)" + jwk + "]}"; }
const KeySet& keys() {
  static const KeySet all = *parse_key_set(key_set_of(signing_key().jwk()));
  return all;
}

IssuerRule rule() {
  return {.issuer = "https://issuer.example", .audiences = {"https://tasks.example", "other"}};
}

// Claims of a good token, with `changes` in them; a null takes one out.
std::string claims(const std::string& changes = "{}") {
  auto all = boost::json::parse(
                 R"({"iss":"https://issuer.example","aud":"https://tasks.example",)"
                 R"("email":"ada@example.com","email_verified":true,"sub":"42","iat":1800000000,)"
                 R"("exp":1800003600})")
                 .as_object();
  const boost::json::value changed = boost::json::parse(changes);
  for (const auto& change : changed.as_object()) {
    if (change.value().is_null()) {
      all.erase(change.key());
    } else {
      all[change.key()] = change.value();
    }
  }
  return boost::json::serialize(all);
}
std::string token_with(const std::string& changes = "{}") {
  return *signing_key().sign(claims(changes));
}

// "ada@example.com", or why not.
std::string holder_of(const std::string& text, const IssuerRule& by = rule(),
                      const KeySet& with = keys()) {
  const auto token = UnverifiedToken::parse(text);
  if (!token) return token.error().message;
  const auto holder = verify_token(*token, by, with, now);
  return holder ? holder->name : holder.error().message;
}

std::string hs256(const std::string& signed_text, const std::string& key) {
  unsigned char mac[32];
  unsigned size = sizeof mac;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), mac, &size);
  return signed_text + "." + base64url({mac, size});
}

TEST(IdentityToken, OfAnIssuerIsItsHolders) {
  EXPECT_EQ(holder_of(token_with()), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(R"({"aud":["x","other"]})")), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(R"({"email_verified":"true"})")), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(R"({"exp":1800003600.5})")), "ada@example.com");
  IssuerRule by_subject = rule();
  by_subject.claim = "sub";
  EXPECT_EQ(holder_of(token_with(R"({"email":null})"), by_subject), "42");
}

TEST(IdentityToken, ForAnotherOrAtAnotherTimeIsRefused) {
  EXPECT_EQ(holder_of(token_with(R"({"iss":"https://evil.example"})")),
            "the token is of another issuer");
  EXPECT_EQ(holder_of(token_with(R"({"aud":"https://tasks.example/"})")),
            "the token is for another audience");
  EXPECT_EQ(holder_of(token_with(R"({"aud":null})")), "the token is for another audience");
  EXPECT_EQ(holder_of(token_with(R"({"exp":1799999940})")), "the token has ended");
  EXPECT_EQ(holder_of(token_with(R"({"exp":1799999941})")), "ada@example.com") << "clocks differ";
  EXPECT_EQ(holder_of(token_with(R"({"exp":null})")),
            "the token has no time at which it ends (exp)");
  EXPECT_EQ(holder_of(token_with(R"({"exp":"later"})")),
            "the token has no time at which it ends (exp)");
  EXPECT_EQ(holder_of(token_with(R"({"exp":-9223372036854775808})")), "the token has ended");
  EXPECT_EQ(holder_of(token_with(R"({"exp":9223372036854775807})")), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(R"({"nbf":1800000061})")), "the token is not good yet");
  EXPECT_EQ(holder_of(token_with(R"({"nbf":1800000060})")), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(R"({"nbf":"now"})")), "the token has an nbf that is no time");
}

TEST(IdentityToken, WithoutAVerifiedNameIsRefused) {
  for (const char* changes : {R"({"email_verified":false})", R"({"email_verified":null})"})
    EXPECT_EQ(holder_of(token_with(changes)),
              "the token has an email that its issuer has not verified");
  EXPECT_EQ(holder_of(token_with(R"({"email":null})")), "the token has no claim \"email\"");
  EXPECT_EQ(holder_of(token_with(R"({"email":["a"]})")), "the token has no claim \"email\"");
  EXPECT_THAT(holder_of(token_with(R"({"email":"a b"})")), HasSubstr("no name"));
}

// RFC 8725: the algorithm is the key's, whatever the token says.
TEST(IdentityToken, NoTokenChoosesItsAlgorithm) {
  const std::string body = base64url(claims());
  const auto with_header = [&](const std::string& header) {
    return base64url(header) + "." + body;
  };
  const std::string kid = R"("kid":")" + signing_key().id() + "\"";
  for (const char* alg :
       {"none", "None", "NONE", "HS256", "RS384", "PS256", "ES384", "EdDSA", ""}) {
    const std::string header = R"({"alg":")" + std::string(alg) + "\"," + kid + "}";
    EXPECT_THAT(holder_of(with_header(header) + "."), HasSubstr("signed in a way")) << alg;
  }
  EXPECT_THAT(holder_of(with_header("{" + kid + "}") + "."), HasSubstr("signed in a way"));
  // The public key as the secret of an HMAC.
  for (const std::string& secret : {signing_key().certificate(), signing_key().jwk()})
    EXPECT_THAT(holder_of(hs256(with_header(R"({"alg":"HS256",)" + kid + "}"), secret)),
                HasSubstr("signed in a way"));
  // ES256 by the id of an RSA key.
  EXPECT_THAT(holder_of(with_header(R"({"alg":"ES256",)" + kid + "}") + "." +
                        base64url(std::string(64, 'x'))),
              HasSubstr("not signed by a key"));
  EXPECT_THAT(holder_of(with_header(R"({"alg":"RS256","crit":["x"],)" + kid + "}") + ".eA"),
              HasSubstr("crit"));
}

TEST(IdentityToken, ChangedAnywhereIsNone) {
  const std::string good = token_with();
  Random random(test_seed());
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    const std::size_t where = random.below(bad.size());
    bad[where] = bad[where] == 'A' ? 'B' : 'A';
    EXPECT_NE(holder_of(bad), "ada@example.com") << "at " << where;
  }
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), good + ".",
                                 good + "=", "x" + good, good.substr(0, good.rfind('.') + 1)})
    EXPECT_NE(holder_of(bad), "ada@example.com") << bad;
}

TEST(IdentityToken, OfAnotherKeyIsRefused) {
  const auto other = *SigningKey::make(now);
  const KeySet others = *parse_key_set(key_set_of(other->jwk()));
  EXPECT_THAT(holder_of(token_with(), rule(), others), HasSubstr("not signed by a key"));
  EXPECT_FALSE(has_key_for(*UnverifiedToken::parse(token_with()), others));
  EXPECT_TRUE(has_key_for(*UnverifiedToken::parse(token_with()), keys()));
}

// A key of P-256 with its JWK, and tokens of it.
class EcKey {
 public:
  EcKey() : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free) {
    std::size_t size = 0;
    unsigned char point[65];
    EXPECT_EQ(
        EVP_PKEY_get_octet_string_param(key_.get(), "encoded-pub-key", point, sizeof point, &size),
        1);
    EXPECT_EQ(size, sizeof point);
    jwk_ = R"({"kty":"EC","crv":"P-256","kid":"ec","x":")" + base64url({point + 1, 32}) +
           R"(","y":")" + base64url({point + 33, 32}) + "\"}";
  }
  const std::string& jwk() const { return jwk_; }

  std::string sign(const std::string& body) const {
    const std::string text = base64url(R"({"alg":"ES256","kid":"ec"})") + "." + base64url(body);
    unsigned char der[80];
    std::size_t size = sizeof der;
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(context, der, &size, reinterpret_cast<const unsigned char*>(text.data()),
                   text.size());
    EVP_MD_CTX_free(context);
    const unsigned char* at_der = der;
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at_der, static_cast<long>(size));
    unsigned char raw[64];
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    return text + "." + base64url({raw, sizeof raw});
  }

 private:
  VerifyKey::KeyPtr key_;
  std::string jwk_;
};

TEST(IdentityToken, MayBeSignedOnAnEllipticCurve) {
  const EcKey ec;
  const KeySet both = *parse_key_set(key_set_of(ec.jwk() + "," + signing_key().jwk()));
  ASSERT_EQ(both.size(), 2U);
  const std::string good = ec.sign(claims());
  EXPECT_EQ(holder_of(good, rule(), both), "ada@example.com");
  EXPECT_EQ(holder_of(token_with(), rule(), both), "ada@example.com");
  std::string zero = good.substr(0, good.rfind('.') + 1) + base64url(std::string(64, '\0'));
  EXPECT_THAT(holder_of(zero, rule(), both), HasSubstr("not signed by a key"));
}

TEST(KeySets, AreReadForWhatCanBeUsed) {
  const std::string& good = signing_key().jwk();
  EXPECT_EQ(parse_key_set(key_set_of(R"({"kty":"oct","k":"c2VjcmV0"},)"
                                     R"({"kty":"EC","crv":"P-521","x":"AA","y":"AA"},)"
                                     R"({"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},)"
                                     R"({"kty":"RSA","n":"AQAB","e":"AQAB"},3,)" +
                                     good))
                ->size(),
            1U);
  // No point of the curve.
  const std::string off = base64url(std::string(32, '\1'));
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), key_set_of(""),
        key_set_of(R"({"kty":"EC","crv":"P-256","x":")" + off + R"(","y":")" + off + "\"}"),
        std::string(key_set_bytes_max + 1, ' ')})
    EXPECT_FALSE(parse_key_set(bad)) << bad.substr(0, 100);
}

// ---- The keys of issuers, and tokens at the door

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class IssuerTest : public testing::Test {
 protected:
  AccessOptions options() {
    return {tickets_, [](const QueueSettings&) { return std::vector<RoleBinding>(); },
            [this](const std::string& url) { return fetch(url); }};
  }
  Result<std::string> fetch(const std::string& url) {
    ++fetches_;
    const std::lock_guard lock(mutex_);
    if (jwks_.empty()) return fail(Reason::unavailable, "down");
    if (url == "https://issuer.example/.well-known/openid-configuration")
      return std::string(
          R"({"issuer":"https://issuer.example","jwks_uri":"https://keys.example/"})");
    EXPECT_EQ(url, "https://keys.example/");
    return jwks_;
  }
  void serve(std::string jwks) {
    const std::lock_guard lock(mutex_);
    jwks_ = std::move(jwks);
  }
  static Result<CallerPointer> show(const Access& access, const std::string& token,
                                    Wall when = now) {
    const std::string header = "Bearer " + token;
    return access.authenticate({header, {}}, when);
  }

  const Tickets tickets_{Tickets::Key{}, {}};
  std::atomic<int> fetches_{0};
  std::mutex mutex_;
  std::string jwks_;  // under mutex_; empty: the issuer cannot be reached
};

TEST_F(IssuerTest, ATokenIsItsHoldersCredential) {
  serve(key_set_of(signing_key().jwk()));
  AccessRules rules{.issuers = {rule()}};
  rules.grants.push_back(
      {{find_role("viewer")->permissions, "shop", {}}, {"user:ada@example.com"}});
  Access access(options(), rules);
  const std::string token = token_with();
  ASSERT_TRUE(soon([&] { return show(access, token).has_value(); }));
  const CallerPointer caller = *show(access, token);
  EXPECT_EQ(caller->email(), "ada@example.com");
  EXPECT_EQ(caller->on_project("shop"), find_role("viewer")->permissions);
  // Found good once is not good for ever.
  EXPECT_FALSE(show(access, token, now + Seconds(3661)));
  EXPECT_EQ(show(access, token_with(R"({"iss":"https://evil.example"})")).error().reason,
            Reason::unauthenticated);
  access.set_rules({});
  EXPECT_FALSE(show(access, token));
}

TEST_F(IssuerTest, WhileItsKeysAreNotHereCallersAreToldToTryAgain) {
  Access access(options(), {.issuers = {rule()}});
  const auto refused = show(access, token_with());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::unavailable);
  EXPECT_EQ(refused.error().retry_after, Seconds(1));
}

TEST_F(IssuerTest, UnknownKeysAreLookedForButNotWithoutEnd) {
  serve(key_set_of(signing_key().jwk()));
  IssuerKeys issuer_keys({.fetch = [this](const std::string& url) { return fetch(url); },
                          .fetch_interval = std::chrono::hours(1)});
  issuer_keys.watch({rule()});
  ASSERT_TRUE(soon([&] { return issuer_keys.keys_of("https://issuer.example") != nullptr; }));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(issuer_keys.look_again("https://issuer.example"));
  EXPECT_FALSE(issuer_keys.look_again("https://nobody.example"));
  EXPECT_EQ(fetches_, 2) << "discovery and keys, once";
}

TEST_F(IssuerTest, ANewKeyIsFoundWhenATokenNamesIt) {
  const auto next = *SigningKey::make(now);
  serve(key_set_of(signing_key().jwk()));
  IssuerKeys issuer_keys({.fetch = [this](const std::string& url) { return fetch(url); },
                          .fetch_interval = Millis(0)});
  issuer_keys.watch({rule()});
  ASSERT_TRUE(soon([&] { return issuer_keys.keys_of("https://issuer.example") != nullptr; }));
  serve(key_set_of(next->jwk() + "," + signing_key().jwk()));
  const auto token = *UnverifiedToken::parse(*next->sign(claims()));
  ASSERT_TRUE(soon([&] {
    if (has_key_for(token, *issuer_keys.keys_of("https://issuer.example"))) return true;
    EXPECT_TRUE(issuer_keys.look_again("https://issuer.example"));
    return false;
  }));
  // An issuer that is down keeps what it had.
  serve("");
  const int before = fetches_;
  ASSERT_TRUE(issuer_keys.look_again("https://issuer.example"));
  ASSERT_TRUE(soon([&] { return fetches_ > before; }));
  EXPECT_TRUE(has_key_for(token, *issuer_keys.keys_of("https://issuer.example")));
}

TEST(Base64Url, IsReadAsItIsWritten) {
  for (const std::string& bytes : {std::string(), std::string("\0", 1), std::string("ab"),
                                   std::string("\xff\xfe\xfd"), std::string("hello")})
    EXPECT_EQ(decode_base64url(base64url(bytes)), bytes);
  for (const char* bad : {"A", "AB=", "A+", "A/", "AB\n", "AAAAA", "QUJ"})
    EXPECT_EQ(decode_base64url(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace deferd
