#include "auth/access.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auth/identity_token.h"
#include "auth/issuer_keys.h"
#include "auth/verified_tokens.h"
#include "base/text.h"

namespace deferd {
namespace {

// Of a bearer token; empty: it is of another scheme.
std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (!starts_ignoring_case(authorization, scheme)) return {};
  authorization.remove_prefix(scheme.size());
  const std::size_t first = authorization.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view() : authorization.substr(first);
}

std::uint64_t index_of(const KeyHash& hash) {
  std::uint64_t index = 0;
  std::memcpy(&index, hash.data(), sizeof index);
  return index;
}

// A verification costs some ten microseconds; a key that its issuer withdraws is not believed for
// longer than this.
constexpr Seconds verified_for = std::chrono::minutes(5);

// Three parts, which neither keys nor tickets have.
bool is_token(std::string_view secret) { return std::ranges::count(secret, '.') == 2; }

tl::unexpected<Error> unknown(std::string why) {
  return fail(Reason::unauthenticated, std::move(why));
}

}  // namespace

// One set of rules, made ready to be asked.
struct Access::State {
  struct Key {
    KeyHash hash;
    CallerPointer caller;
  };

  explicit State(AccessRules given) : rules(std::move(given)) {
    anonymous =
        std::make_shared<const Caller>(Caller::anonymous(grants_of(Caller::anonymous({}), {})));
    for (const ApiKeyRule& key : rules.keys) {
      const Caller nobody_yet(key.name, key.name, {});
      keys.emplace(index_of(key.hash),
                   Key{key.hash, std::make_shared<const Caller>(
                                     key.name, key.name, grants_of(nobody_yet, key.grants))});
    }
    operator_ = std::make_shared<const Caller>(
        "the operator", std::string(),
        std::vector<Grant>{{find_role("admin")->permissions, {}, {}}});
  }

  // Those of `own`, and of the rules whose members `caller` is among.
  std::vector<Grant> grants_of(const Caller& caller, std::vector<Grant> own) const {
    for (const GrantRule& rule : rules.grants) {
      if (std::ranges::any_of(rule.members, [&caller](const std::string& member) {
            return caller.is_member(member);
          }))
        own.push_back(rule.grant);
    }
    return own;
  }

  // Null: no such key. A wrong key and the right one take as long: what is compared is not the key
  // but its hash, which nobody can choose.
  CallerPointer find_key(const KeyHash& hash) const {
    const auto [first, last] = keys.equal_range(index_of(hash));
    for (auto at = first; at != last; ++at) {
      if (CRYPTO_memcmp(at->second.hash.data(), hash.data(), hash.size()) == 0)
        return at->second.caller;
    }
    return nullptr;
  }

  const IssuerRule* find_issuer(std::string_view issuer) const {
    const auto found = std::ranges::find(rules.issuers, issuer, &IssuerRule::issuer);
    return found == rules.issuers.end() ? nullptr : &*found;
  }

  AccessRules rules;
  VerifiedTokens tokens;
  CallerPointer anonymous;
  CallerPointer operator_;
  std::unordered_multimap<std::uint64_t, Key> keys;  // by index_of(hash)
};

Access::Access(AccessOptions options, AccessRules rules)
    : options_(std::move(options)),
      issuer_keys_(std::make_unique<IssuerKeys>(IssuerKeysOptions{.fetch = options_.fetch})) {
  set_rules(std::move(rules));
}

Access::~Access() = default;

void Access::set_rules(AccessRules rules) {
  issuer_keys_->watch(rules.issuers);
  state_.store(std::make_shared<const State>(std::move(rules)));
}

Result<CallerPointer> Access::authenticate(const CredentialsView& credentials, Wall now) const {
  const std::shared_ptr<const State> state = state_.load();
  Result<CallerPointer> caller = identify(*state, credentials, now);
  if (!caller) failures_.add(caller.error().message, now);
  return caller;
}

Result<CallerPointer> Access::identify(const State& state, const CredentialsView& credentials,
                                       Wall now) const {
  std::string_view secret = credentials.api_key;
  if (!credentials.authorization.empty()) {
    secret = bearer_of(credentials.authorization);
    if (secret.empty())
      return unknown("the authorization is not \"Bearer\" and an API key or a token");
  }
  if (secret.empty()) return state.anonymous;
  if (secret.size() > secret_bytes_max) return unknown("the credentials are too long");
  const KeyHash hash = hash_of_key(secret);
  if (CallerPointer caller = state.find_key(hash)) return caller;
  if (!state.rules.issuers.empty() && is_token(secret))
    return identify_token(state, hash, secret, now);
  const Result<std::string> app = options_.tickets.verify(secret, now);
  if (!app) return unknown("the API key, token or ticket is not known here");
  if (app->empty()) return state.operator_;
  const Caller nobody_yet("the application " + *app, std::string(), {});
  return std::make_shared<const Caller>(
      nobody_yet.name(), std::string(),
      state.grants_of(nobody_yet, {{application_permissions, *app, {}}}));
}

Result<CallerPointer> Access::identify_token(const State& state, const KeyHash& hash,
                                             std::string_view text, Wall now) const {
  if (CallerPointer known = state.tokens.find(hash, now)) return known;
  const auto token = UnverifiedToken::parse(text);
  if (!token) return fail(token.error());
  const IssuerRule* rule = state.find_issuer(token->issuer);
  if (rule == nullptr) return unknown("the token is of an issuer that is not known here");
  const auto keys = issuer_keys_->keys_of(rule->issuer);
  if (keys == nullptr || !has_key_for(*token, *keys)) {
    if (!issuer_keys_->look_again(rule->issuer) && keys != nullptr)
      return unknown("the token is not signed by a key of its issuer");
    return fail({Reason::unavailable,
                 "the keys of " + rule->issuer + " are being fetched; try again in a moment",
                 {},
                 Seconds(1)});
  }
  auto holder = verify_token(*token, *rule, *keys, now);
  if (!holder) return fail(holder.error());
  const Caller nobody_yet(holder->name, holder->name, {});
  auto caller =
      std::make_shared<const Caller>(holder->name, holder->name, state.grants_of(nobody_yet, {}));
  state.tokens.add(hash, caller, std::min(holder->expires, now + verified_for), now);
  return caller;
}

Permissions Access::lacking(const Caller& caller, Permissions needed,
                            const QueueInfo& queue) const {
  const Permissions left = needed - caller.on_queue(queue.name);
  if (left.is_empty()) return left;
  return left - caller.by_policy(options_.policy_of(queue.settings));
}

Permissions lacking(const Caller& caller, Permissions needed, const AccessTarget& target) {
  if (target.queue != nullptr) return needed - caller.on_queue(*target.queue);
  if (!target.project.empty()) return needed - caller.on_project(target.project);
  return needed - caller.on_server();
}

Error access_refusal(const Caller& caller, Permissions lacking, std::string_view resource) {
  if (caller.is_anonymous()) {
    return {Reason::unauthenticated,
            "this server asks who calls; send an API key or a token as \"Authorization: Bearer "
            "...\", or an API key as \"X-Goog-Api-Key: ...\"",
            {},
            std::nullopt};
  }
  return {Reason::forbidden,
          caller.name() + " lacks the permission " + std::string(to_string(lacking.first())) +
              " for " + std::string(resource) +
              "; a role that has it can be given in access.yaml, or in the policy of a queue",
          {},
          std::nullopt};
}

}  // namespace deferd
