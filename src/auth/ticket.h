// Tickets: what a pushed request carries so that its handler may call deferd back, and what such a
// call is known by. A ticket names its application and ends soon after its attempt; the only
// long-lived secret stays here (GAE-spec 1.6).
//
//   1.65bf0d2c5e6a1.d0c2..(32 hex digits).shop   format, expiry (microseconds since 1970, hex),
//   mac,
//                                              application
//
// The mac is the first half of HMAC-SHA256 over the rest, so a ticket can be verified by any deferd
// that has the key, and needs no memory. Half of it is 128 bits: nobody guesses that in minutes.
//
// Beside minted tickets, configured secrets are accepted: they are all that an unmodified SDK can
// carry outside of a request. They stand for no application in particular and do not expire.
//
// Immutable: any thread may use it. Nothing here is ever logged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

// How long a ticket outlives its attempt: handlers go on for a moment after their deadline.
constexpr Micros ticket_grace = std::chrono::minutes(10);

class Tickets {
 public:
  using Key = std::array<std::uint8_t, 32>;

  // Empty secrets are left out: they would let everybody in.
  Tickets(const Key& key, std::vector<std::string> secrets);

  // Good until `deadline` + ticket_grace after `now`. `app` is a project's name. One line of
  // visible ASCII.
  std::string mint(std::string_view app, Micros deadline, Wall now) const;

  // The application that a minted ticket is of; empty for a configured secret. Any text may be
  // given; fails with Reason::invalid and the field "ticket", and a message without the text.
  Result<std::string> verify(std::string_view text, Wall now) const;

 private:
  std::string with_mac(std::string_view expiry, std::string_view app) const;

  Key key_;
  std::vector<std::string> secrets_;
};

// A key from the system's randomness.
Result<Tickets::Key> random_ticket_key();

// The key in `folder`/ticket.key (mode 0600), made at the first start. Fails with
// Reason::store_failed when it cannot be read or made, or is damaged. Requires that no other
// process uses the folder.
Result<Tickets::Key> load_ticket_key(const std::string& folder);

}  // namespace deferd
