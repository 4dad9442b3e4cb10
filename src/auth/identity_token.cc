#include "auth/identity_token.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "auth/base64url.h"

namespace deferd {
namespace {

namespace json = boost::json;

tl::unexpected<Error> refused(std::string why) {
  return fail(Reason::unauthenticated, "the token " + std::move(why));
}

std::optional<json::object> object_of(std::string_view text) {
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) return std::nullopt;
  return std::move(parsed.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr || !found->is_string()) return {};
  return std::string(found->get_string());
}

// NumericDate of RFC 7519: seconds, perhaps with a fraction. What lies millennia away does so all
// the same, and does not overflow.
std::optional<std::int64_t> time_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr) return std::nullopt;
  constexpr std::int64_t far = 100'000'000'000;
  if (found->is_int64()) return std::clamp(found->get_int64(), -far, far);
  if (!found->is_double() || std::isnan(found->get_double())) return std::nullopt;
  const double seconds =
      std::clamp(found->get_double(), -static_cast<double>(far), static_cast<double>(far));
  return static_cast<std::int64_t>(std::floor(seconds));
}

bool is_true(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  if (found == nullptr) return false;
  return found->is_bool() ? found->get_bool() : found->is_string() && found->get_string() == "true";
}

bool could_sign(const VerifyKey& key, const UnverifiedToken& token) {
  return key.kind() == token.kind && (token.key_id.empty() || key.id() == token.key_id);
}

std::int64_t seconds_of(Wall now) { return to_micros(now) / 1'000'000; }

}  // namespace

Result<UnverifiedToken> UnverifiedToken::parse(std::string_view text) {
  const std::size_t first = text.find('.');
  const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos || text.find('.', second + 1) != text.npos)
    return refused("has not three parts");
  const auto header_text = decode_base64url(text.substr(0, first));
  const auto claims_text = decode_base64url(text.substr(first + 1, second - first - 1));
  const auto signature = decode_base64url(text.substr(second + 1));
  if (!header_text || !claims_text || !signature) return refused("is not base64url");
  const auto header = object_of(*header_text);
  const auto claims = object_of(*claims_text);
  if (!header || !claims) return refused("is not JSON");
  UnverifiedToken token;
  const std::string algorithm = text_of(*header, "alg");
  if (algorithm == "ES256") {
    token.kind = SignatureKind::es256;
  } else if (algorithm != "RS256") {  // "none" and the symmetric ones above all
    return refused("is signed in a way that is not taken here; RS256 and ES256 are");
  }
  if (header->contains("crit")) return refused("asks for what is not understood here (crit)");
  token.key_id = text_of(*header, "kid");
  token.signed_text = text.substr(0, second);
  token.signature = std::move(*signature);
  token.issuer = text_of(*claims, "iss");
  if (const json::value* audience = claims->if_contains("aud"); audience != nullptr) {
    if (audience->is_string()) token.audiences.emplace_back(audience->get_string());
    if (audience->is_array()) {
      for (const json::value& one : audience->get_array()) {
        if (one.is_string()) token.audiences.emplace_back(one.get_string());
      }
    }
  }
  token.expires = time_of(*claims, "exp");
  token.not_before = time_of(*claims, "nbf");
  if (claims->contains("nbf") && !token.not_before) return refused("has an nbf that is no time");
  token.claims = std::move(*claims_text);
  return token;
}

bool has_key_for(const UnverifiedToken& token, const KeySet& keys) {
  return std::ranges::any_of(keys, [&](const auto& key) { return could_sign(*key, token); });
}

Result<TokenHolder> verify_token(const UnverifiedToken& token, const IssuerRule& rule,
                                 const KeySet& keys, Wall now) {
  if (token.issuer != rule.issuer) return refused("is of another issuer");
  // Without a kid every key may be the one; with one there is one, but for careless issuers.
  const bool signed_by_one = std::ranges::any_of(keys, [&](const auto& key) {
    return could_sign(*key, token) && key->verifies(token.signed_text, token.signature);
  });
  if (!signed_by_one) return refused("is not signed by a key of its issuer");
  const std::int64_t at = seconds_of(now);
  if (!token.expires) return refused("has no time at which it ends (exp)");
  if (*token.expires + token_clock_skew.count() <= at) return refused("has ended");
  if (token.not_before && *token.not_before - token_clock_skew.count() > at)
    return refused("is not good yet");
  const bool for_us = std::ranges::any_of(token.audiences, [&](const std::string& audience) {
    return std::ranges::find(rule.audiences, audience) != rule.audiences.end();
  });
  if (!for_us) return refused("is for another audience");
  const auto claims = object_of(token.claims);
  TokenHolder holder;
  if (claims) holder.name = text_of(*claims, rule.claim);
  if (holder.name.empty()) return refused("has no claim \"" + rule.claim + "\"");
  if (rule.claim == "email" && !is_true(*claims, "email_verified"))
    return refused("has an email that its issuer has not verified");
  constexpr std::size_t name_bytes_max = 256;
  const bool printable = std::ranges::all_of(
      holder.name, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; });
  if (holder.name.size() > name_bytes_max || !printable)
    return refused("has a claim \"" + rule.claim + "\" that is no name");
  holder.expires = wall_from_micros(*token.expires * 1'000'000);
  return holder;
}

}  // namespace deferd
