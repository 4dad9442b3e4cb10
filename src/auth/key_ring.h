// The keys of the identity tokens over time. One signs; the next is shown to verifiers before it
// signs, and the last is shown until no token of it can be alive:
//
//   shown    ├──────── key 1 ────────────────────┤
//   signs    ├──────── key 1 ─────────┤
//   shown                     ├──────── key 2 ──────────...
//   signs                              ├───── key 2 ────...
//                             └ early ┘└ late ┘
//
// So a verifier that keeps what it read for no longer than keys_keep knows every key that it meets.
// Nothing happens by itself: whoever asks for a key moves the ring on (CT-174).
//
// Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "auth/signing_key.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

constexpr Seconds identity_token_life = std::chrono::hours(1);
// What verifiers are told (Cache-Control).
constexpr Seconds keys_keep = std::chrono::hours(1);
constexpr Seconds key_shown_early = 2 * keys_keep;
constexpr Seconds key_shown_late = identity_token_life + std::chrono::hours(1);

class KeyRing {
 public:
  // The keys of `folder`/oidc_keys.pem; an empty `folder` keeps keys in memory alone. A key signs
  // for `rotation` (more than key_shown_early). Fails with Reason::store_failed when the file
  // cannot be read or is damaged. Makes no key.
  static Result<KeyRing> load(std::string folder, Micros rotation);

  // The key that signs at `now`. The first call of all makes it, and every `rotation` one call
  // makes the next: that takes a tenth of a second or more. What goes wrong then is told in the log
  // and tried again after some seconds; while there is another key, it goes on. Fails with
  // Reason::store_failed.
  Result<std::shared_ptr<const SigningKey>> signing(Wall now);

  // Those that are shown at `now`, oldest first; never empty. The same may happen.
  Result<SigningKeys> shown(Wall now);

 private:
  KeyRing(std::string folder, Micros rotation, SigningKeys keys);

  Result<void> advance(Wall now);
  Result<void> add(Wall signs_from);
  Result<void> keep(const SigningKeys& keys) const;

  std::string folder_;
  Micros rotation_;
  SigningKeys keys_;               // by signs_from
  std::optional<Wall> failed_at_;  // when a new one could not be made or kept
};

}  // namespace deferd
