// The token that a push carries in its Authorization header, as a task or a queue asks for it. Made
// anew for each attempt, by whoever issues tokens; never stored, never shown.
#pragma once

#include <cstdint>
#include <string>

namespace deferd {

struct PushToken {
  enum class Kind : std::uint8_t {
    oidc,   // an identity token that deferd itself signs
    oauth,  // an access token of the account, from the token endpoint that an operator names
  };

  Kind kind = Kind::oidc;
  std::string email;     // the service account that it speaks for
  std::string audience;  // oidc; empty: the URL that is pushed to
  std::string scope;     // oauth; empty: the default of the token endpoint

  friend bool operator==(const PushToken&, const PushToken&) = default;
};

}  // namespace deferd
