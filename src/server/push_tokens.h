// The tokens of pushes, each from whoever issues its kind.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "auth/oauth_tokens.h"
#include "auth/oidc_issuer.h"
#include "base/log.h"
#include "dispatch/token_source.h"

namespace deferd {

class PushTokens final : public TokenSource {
 public:
  // Both outlive it. `oauth` is null when no server for access tokens is set.
  PushTokens(OidcIssuer& oidc, OauthTokens* oauth) : oidc_(oidc), oauth_(oauth) {}

  void token(const PushToken& token, std::string_view url, Wall now,
             Callback<void(Result<std::string>)> done) override {
    auto bearer = [done = std::move(done)](Result<std::string> made) mutable {
      if (made) made->insert(0, "Bearer ");
      done(std::move(made));
    };
    switch (token.kind) {
      case PushToken::Kind::oidc:
        oidc_.token(token.email, token.audience.empty() ? url : token.audience, now,
                    std::move(bearer));
        return;
      case PushToken::Kind::oauth:
        if (oauth_ == nullptr) {
          std::call_once(told_, [] {
            log_warn("auth.no_access_tokens",
                     {{"why", "a task asks for one, and oauth_metadata_url is not set"},
                      {"effect", "such tasks are not sent"}});
          });
          bearer(fail(Reason::unsupported,
                      "an access token is asked for, and oauth_metadata_url names no server that "
                      "has them"));
          return;
        }
        oauth_->token(token.email, token.scope, now, std::move(bearer));
        return;
    }
  }

 private:
  OidcIssuer& oidc_;
  OauthTokens* const oauth_;
  std::once_flag told_;  // that there are no access tokens
};

}  // namespace deferd
