// IP addresses and blocks of them as plain values: what the target guard judges and the resolver
// finds. Free of Asio, so that the guard's tables can be read and tested alone.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deferd {

struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16>
      bytes{};  // in network order; IPv4 uses the first four, the others are 0

  // Accepts 192.0.2.1 and 2001:db8::1, and no other spelling (no octal, no zone).
  static std::optional<IpAddress> parse(std::string_view text);

  std::string text() const;
  bool unspecified() const { return bytes == decltype(bytes){}; }

  // ::ffff:192.0.2.1 is 192.0.2.1: the kernel sends both to the same place. Else the address
  // itself.
  IpAddress unmapped() const;

  // The IPv4 address that a gateway would send this one to: of NAT64 (64:ff9b::/96), 6to4
  // (2002::/16) and of IPv4-compatible addresses (::/96, deprecated).
  std::optional<IpAddress> embedded() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// A block of addresses: 10.0.0.0/8, fd00::/8, or one address.
struct IpBlock {
  IpAddress base;
  int prefix_bits = 0;

  // Bits of the base beyond the prefix must be 0. Fails with Reason::invalid.
  static Result<IpBlock> parse(std::string_view text);

  // False when the families differ.
  bool contains(const IpAddress& address) const;
  std::string text() const;
};

}  // namespace deferd
