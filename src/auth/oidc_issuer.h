// Identity tokens (OpenID Connect) that this server signs itself, for pushes that ask for them, and
// what a verifier needs to know about them. The claims are those of Google's tokens (CT-spec 9.14).
//
// Signing takes a millisecond of a core and pushes are many, so a token is used again for the first
// half of its life; it is made on threads of its own. Thread-safe.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "auth/key_ring.h"
#include "auth/token_cache.h"
#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

struct OidcOptions {
  std::string issuer;  // the claim iss: a URL without a slash at its end
  std::string folder;  // where the keys are; empty: in memory alone, new for each process
  Micros rotation = std::chrono::hours(24 * 30);
  std::size_t threads = 1;
  std::size_t cached_tokens_max = 4096;  // of about 1 KiB each
};

class OidcIssuer {
 public:
  // Reads the keys when there are any, makes none: that waits for who needs one, so that servers
  // without such pushes do not pay. Fails as KeyRing::load().
  static Result<std::unique_ptr<OidcIssuer>> make(OidcOptions options);
  // What is under way is answered with Reason::stopping.
  ~OidcIssuer();

  // A token of the account `email` for `audience`, good for half an hour at least. `done` is called
  // once, in the call or on a thread of the issuer.
  void token(std::string_view email, std::string_view audience, Wall now, TokenCache::Done done);

  // For verifiers. `done` is called once, on a thread of the issuer, with a JSON text.
  void key_set(Wall now, TokenCache::Done done);       // RFC 7517: {"keys":[..]}
  void certificates(Wall now, TokenCache::Done done);  // {"KID":"PEM",..}
  // OpenID Connect Discovery 1.0.
  std::string discovery() const;

 private:
  OidcIssuer(OidcOptions options, KeyRing ring);

  TokenCache::Made sign(const std::string& email, const std::string& audience, Wall now);
  void show(Wall now, std::string (*print)(const SigningKeys& keys), TokenCache::Done done);

  const OidcOptions options_;
  TokenCache tokens_;
  std::mutex ring_mutex_;
  KeyRing ring_;  // under ring_mutex_; touched on threads_ only
  boost::asio::thread_pool threads_;
};

// The claims of a token, a JSON object. sub and azp, Google's numbers of an account, are 21 digits
// that depend on the email alone.
std::string identity_claims(std::string_view issuer, std::string_view email,
                            std::string_view audience, Wall now);

}  // namespace deferd
