// Who a call is from: the one place that looks at credentials, for all doors. Absent (a null
// pointer) authentication is off, and everybody may do everything.
//
// Any thread may ask; no call waits for anything. Rules change as a whole.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "auth/access_rules.h"
#include "auth/caller.h"
#include "auth/failure_log.h"
#include "auth/ticket.h"
#include "base/result.h"
#include "base/time.h"
#include "model/queue_settings.h"

namespace deferd {

class IssuerKeys;

// What a caller shows of itself, as its transport carried it. Secret. The first that is not empty
// counts, in this order.
struct CredentialsView {
  std::string_view authorization;  // the header or the metadata of that name
  std::string_view api_key;        // x-goog-api-key, or the query's key
};

constexpr std::size_t secret_bytes_max = 16 << 10;

struct AccessOptions {
  const Tickets& tickets;  // outlives it
  // What a queue's settings say of its policy.
  std::function<std::vector<RoleBinding>(const QueueSettings&)> policy_of;
  // How keys of issuers are read; blocks. Null: only those that access.yaml has are known.
  std::function<Result<std::string>(const std::string& url)> fetch = nullptr;
};

class Access {
 public:
  Access(AccessOptions options, AccessRules rules);
  ~Access();

  // From now on these rules alone: who they leave out is refused with its next call.
  void set_rules(AccessRules rules);

  // Anonymous without credentials. Fails with Reason::unauthenticated for those that nobody here
  // has (also "Bearer owner", Firebase's word for an administrator of an emulator), and with
  // Reason::unavailable when they cannot be judged just now.
  Result<CallerPointer> authenticate(const CredentialsView& credentials, Wall now) const;

  // What the caller lacks for a call that needs `needed` of a queue with these settings.
  Permissions lacking(const Caller& caller, Permissions needed, const QueueInfo& queue) const;

 private:
  struct State;
  Result<CallerPointer> identify_token(const State& state, const KeyHash& hash,
                                       std::string_view text, Wall now) const;
  Result<CallerPointer> identify(const State& state, const CredentialsView& credentials,
                                 Wall now) const;

  const AccessOptions options_;
  const std::unique_ptr<IssuerKeys> issuer_keys_;
  std::atomic<std::shared_ptr<const State>> state_;
  mutable FailureLog failures_;
};

// What a call is about: as narrow as it has been said.
struct AccessTarget {
  std::string_view project;          // empty: the whole server
  const QueueName* queue = nullptr;  // null: the project
};

// What of `needed` access.yaml does not give. A queue's policy may still.
Permissions lacking(const Caller& caller, Permissions needed, const AccessTarget& target);

// The refusal of a call that lacks something: of one without credentials Reason::unauthenticated,
// of others Reason::forbidden.
Error access_refusal(const Caller& caller, Permissions lacking, std::string_view resource);

}  // namespace deferd
