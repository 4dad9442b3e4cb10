#include "auth/oidc_issuer.h"

#include <openssl/sha.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <utility>

namespace deferd {
namespace {

// So that whoever gets a token has half an hour to look at it.
constexpr Seconds reuse = identity_token_life / 2;
// A key that cannot be kept (a full disk) is not tried for each push.
constexpr Seconds failure_keep{1};

Error stopping() { return {Reason::stopping, "the server is shutting down", {}, std::nullopt}; }

std::string account_number(std::string_view email) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(email.data()), email.size(), digest.data());
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(number); ++i) number = number << 8 | digest[i];
  std::string digits = std::to_string(number);
  return "1" + std::string(20 - digits.size(), '0') + digits;
}

std::string print_key_set(const SigningKeys& keys) {
  std::string text = R"({"keys":[)";
  for (const auto& key : keys) text += (key == keys.front() ? "" : ",") + key->jwk();
  return text + "]}";
}

std::string print_certificates(const SigningKeys& keys) {
  boost::json::object map;
  for (const auto& key : keys) map[key->id()] = key->certificate();
  return boost::json::serialize(map);
}

}  // namespace

std::string identity_claims(std::string_view issuer, std::string_view email,
                            std::string_view audience, Wall now) {
  const std::int64_t seconds = std::chrono::floor<Seconds>(now.time_since_epoch()).count();
  const std::string account = account_number(email);
  boost::json::object claims;
  claims["aud"] = audience;
  claims["azp"] = account;
  claims["email"] = email;
  claims["email_verified"] = true;
  claims["exp"] = seconds + identity_token_life.count();
  claims["iat"] = seconds;
  claims["iss"] = issuer;
  claims["sub"] = account;
  return boost::json::serialize(claims);
}

Result<std::unique_ptr<OidcIssuer>> OidcIssuer::make(OidcOptions options) {
  Result<KeyRing> ring = KeyRing::load(options.folder, options.rotation);
  if (!ring) return fail(ring.error());
  return std::unique_ptr<OidcIssuer>(new OidcIssuer(std::move(options), std::move(*ring)));
}

OidcIssuer::OidcIssuer(OidcOptions options, KeyRing ring)
    : options_(std::move(options)),
      tokens_(options_.cached_tokens_max),
      ring_(std::move(ring)),
      threads_(options_.threads) {}

OidcIssuer::~OidcIssuer() {
  threads_.stop();
  threads_.join();
  tokens_.close(stopping());
}

void OidcIssuer::token(std::string_view email, std::string_view audience, Wall now,
                       TokenCache::Done done) {
  // An email has no line break: doors refuse it, and a header could not carry it.
  std::string key;
  key.reserve(email.size() + 1 + audience.size());
  key.append(email).append("\n").append(audience);
  if (!tokens_.ask(key, now, std::move(done))) return;
  boost::asio::post(threads_, [this, key = std::move(key), now, email = std::string(email),
                               audience = std::string(audience)] {
    tokens_.settle(key, sign(email, audience, now));
  });
}

TokenCache::Made OidcIssuer::sign(const std::string& email, const std::string& audience, Wall now) {
  const auto key = [&] {
    const std::lock_guard lock(ring_mutex_);  // for as long as it takes to make one
    return ring_.signing(now);
  }();
  if (!key) return {fail(key.error()), now, now + failure_keep};
  Result<std::string> token = (*key)->sign(identity_claims(options_.issuer, email, audience, now));
  const Seconds keep = token ? reuse : failure_keep;
  return {std::move(token), now, now + keep};
}

void OidcIssuer::show(Wall now, std::string (*print)(const SigningKeys& keys),
                      TokenCache::Done done) {
  boost::asio::post(threads_, [this, now, print, done = std::move(done)]() mutable {
    const Result<SigningKeys> keys = [&] {
      const std::lock_guard lock(ring_mutex_);
      return ring_.shown(now);
    }();
    done(keys ? Result<std::string>(print(*keys)) : Result<std::string>(fail(keys.error())));
  });
}

void OidcIssuer::key_set(Wall now, TokenCache::Done done) {
  show(now, print_key_set, std::move(done));
}

void OidcIssuer::certificates(Wall now, TokenCache::Done done) {
  show(now, print_certificates, std::move(done));
}

std::string OidcIssuer::discovery() const {
  boost::json::object document;
  document["issuer"] = options_.issuer;
  document["jwks_uri"] = options_.issuer + "/.well-known/jwks.json";
  document["response_types_supported"] = boost::json::array{"id_token"};
  document["subject_types_supported"] = boost::json::array{"public"};
  document["id_token_signing_alg_values_supported"] = boost::json::array{"RS256"};
  document["claims_supported"] = {"aud", "azp", "email", "email_verified",
                                  "exp", "iat", "iss",   "sub"};
  return boost::json::serialize(document);
}

}  // namespace deferd
