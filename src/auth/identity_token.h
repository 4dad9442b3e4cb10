// Identity tokens of others (JSON Web Tokens, RFC 7519), taken apart and judged. Pure: the keys and
// the time are given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/access_rules.h"
#include "auth/key_set.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

// How far apart clocks may be.
constexpr Seconds token_clock_skew{60};

// A token before anything of it is believed.
struct UnverifiedToken {
  // Fails with Reason::unauthenticated, and never with a word of the token.
  static Result<UnverifiedToken> parse(std::string_view text);

  SignatureKind kind = SignatureKind::rs256;  // by the header
  std::string key_id;                         // kid; empty: none is named
  std::string signed_text;                    // header and claims, as they were signed
  std::string signature;

  std::string issuer;
  std::vector<std::string> audiences;
  std::optional<std::int64_t> expires;  // seconds since 1970; of all three
  std::optional<std::int64_t> not_before;
  std::string claims;  // JSON
};

struct TokenHolder {
  std::string name;
  Wall expires{};
};

// Whom the token is of, if `rule` is for its issuer, one of `keys` signed it, it is for this server
// and its time is now. Fails with Reason::unauthenticated.
Result<TokenHolder> verify_token(const UnverifiedToken& token, const IssuerRule& rule,
                                 const KeySet& keys, Wall now);

// Whether `keys` have one that could have signed it.
bool has_key_for(const UnverifiedToken& token, const KeySet& keys);

}  // namespace deferd
