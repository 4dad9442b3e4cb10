// What access.yaml says: who is known here, and what each may do. config/access_yaml.h reads it.
#pragma once

#include <string>
#include <vector>

#include "auth/api_key.h"
#include "auth/caller.h"

namespace deferd {

struct ApiKeyRule {
  std::string name;  // what the log and policies call its holder; an email, or a word
  KeyHash hash{};
  std::vector<Grant> grants;

  friend bool operator==(const ApiKeyRule&, const ApiKeyRule&) = default;
};

// Whose tokens are believed (OpenID Connect, RFC 7519).
struct IssuerRule {
  std::string issuer;                  // claim iss: "https://accounts.google.com"
  std::vector<std::string> audiences;  // claim aud must have one of them
  std::string jwks_url;         // where its keys are; empty: what its discovery document says
  std::string jwks;             // or the keys themselves, as JSON
  std::string claim = "email";  // what names its holder

  friend bool operator==(const IssuerRule&, const IssuerRule&) = default;
};

struct GrantRule {
  Grant grant;
  std::vector<std::string> members;

  friend bool operator==(const GrantRule&, const GrantRule&) = default;
};

struct AccessRules {
  std::vector<ApiKeyRule> keys;
  std::vector<IssuerRule> issuers;
  std::vector<GrantRule> grants;

  friend bool operator==(const AccessRules&, const AccessRules&) = default;
};

}  // namespace deferd
