// Which addresses a push may go to. A task's URL is chosen by whoever may add tasks, and deferd
// stands inside a network: without a guard it would fetch a cloud's metadata (and its credentials)
// for them, or call itself.
//
// The guard judges addresses, not names: the dispatcher resolves first, asks about every address,
// and connects to what it asked about, so a name that resolves differently a moment later changes
// nothing. Rules, first match first:
//   1. refused always: this host (0.0.0.0/8, ::), link-local, multicast, reserved, metadata
//   services;
//   2. refused always: where deferd itself listens;
//   3. `deny` and `allow` of the configuration: the longest prefix that matches decides, deny at
//   equal length;
//   4. everything else is allowed, loopback and private networks too.
// What the operator's own route table names (dispatch/routes.h) is asked about rules 1 and 2 only:
// a task chooses there among places that the operator has chosen.
// An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4, compatible) is judged as both.
//
// Immutable after make(); refuses() may be called on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dispatch/ip_address.h"

namespace deferd {

struct GuardOptions {
  // Blocks ("10.0.0.0/8", "::1") or groups of them: "loopback", "private" (10/8, 172.16/12,
  // 192.168/16, 100.64/10, fc00::/7), "all".
  std::vector<std::string> deny;
  std::vector<std::string> allow;
  // Where deferd listens, as ADDRESS:PORT with an IPv6 address in brackets. An unspecified address
  // ([::], 0.0.0.0) stands for all addresses of this machine.
  std::vector<std::string> own;
};

// Who said where a push goes.
enum class ChosenBy : std::uint8_t { task, operator_ };

class TargetGuard {
 public:
  // Whether an address belongs to this machine.
  using IsLocal = std::function<bool(const IpAddress&)>;

  // Fails with Reason::invalid and the fields "deny", "allow" or "own".
  static Result<TargetGuard> make(const GuardOptions& options, IsLocal is_local);

  // Why nothing is sent there ("169.254.169.254 is link-local"); nothing: it may be.
  std::optional<std::string> refuses(const IpAddress& address, std::uint16_t port,
                                     ChosenBy chosen_by = ChosenBy::task) const;

 private:
  struct Own {
    IpAddress address;
    std::uint16_t port = 0;
  };
  struct Rule {
    IpBlock block;
    bool allow = false;
  };

  TargetGuard() = default;
  std::optional<std::string> refuses_one(const IpAddress& address, std::uint16_t port,
                                         ChosenBy chosen_by) const;

  std::vector<Own> own_;
  std::vector<Rule> rules_;
  IsLocal is_local_;
};

// The system's answer, asked anew each time: loopback, and the addresses of all network interfaces.
bool is_local_address(const IpAddress& address);

}  // namespace deferd
