// What verifiers of identity tokens read, without authentication: all of it is public (CT-spec
// 9.14).
//
//   GET /.well-known/openid-configuration   OpenID Connect Discovery
//   GET /.well-known/jwks.json              the keys, as RFC 7517 has them
//   GET /oauth2/v1/certs                    the keys as {"KID":"PEM"}, where and as Google has
//   them:
//                                           what google-auth-library and google.auth read
#pragma once

#include <memory>
#include <string_view>

#include "api/http/http.h"
#include "auth/oidc_issuer.h"
#include "runtime/clock.h"

namespace deferd {

// Whether this door is the one to ask.
bool is_oidc_path(std::string_view path);

// Issuer and clock outlive the door.
std::unique_ptr<HttpHandler> make_oidc_door(OidcIssuer& issuer, const Clock& clock);

}  // namespace deferd
