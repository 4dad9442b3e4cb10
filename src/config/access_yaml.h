// access.yaml: who may call, and what each may do (docs/operations/authentication.md).
//
//   keys:                                   # API keys: `defer key new NAME` makes one
//     - name: web@shop.example              # what the log and policies of queues call its holder
//       sha256: 9f86d0..(64 hex digits)     # of the key
//       roles: [enqueuer]
//       project: shop                       # default: every project
//       queues: [emails, reports]           # default: every queue of it
//   issuers:                                # whose tokens are believed (OpenID Connect)
//     - issuer: https://accounts.google.com
//       audiences: [https://tasks.example.com]
//       jwks_url: https://...               # default: what the issuer's discovery document says
//       jwks_file: /etc/deferd/keys.json    # or this
//       claim: email                        # what names its holder
//   grants:                                 # roles for whoever has a name
//     - members: [user:ada@example.com, domain:example.com, allAuthenticatedUsers]
//       roles: [viewer]
//       project: shop
//       queues: [emails]
#pragma once

#include <string>

#include "auth/access_rules.h"
#include "base/result.h"
#include "config/config_tree.h"

namespace deferd {

// Fails with Reason::invalid, and a message that quotes no hash and no key.
Result<AccessRules> parse_access_yaml(const SourceText& source);

// The file of --access-yaml.
Result<AccessRules> read_access_yaml(const std::string& path);

}  // namespace deferd
