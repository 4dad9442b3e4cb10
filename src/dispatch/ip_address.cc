#include "dispatch/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace deferd {
namespace {

IpAddress v4_from(const IpAddress& v6, std::size_t offset) {
  IpAddress v4;
  std::copy_n(v6.bytes.begin() + static_cast<std::ptrdiff_t>(offset), 4, v4.bytes.begin());
  return v4;
}

bool begins_with(const IpAddress& address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
}

tl::unexpected<Error> bad_block(std::string_view text, std::string_view why) {
  return fail(Reason::invalid, "address block \"" + std::string(text.substr(0, 60)) + "\" " +
                                   std::string(why) + ", should be like 10.0.0.0/8 or fd00::/8");
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() > INET6_ADDRSTRLEN) return std::nullopt;
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::string IpAddress::text() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof(text));
  return text;
}

IpAddress IpAddress::unmapped() const {
  if (v6 && begins_with(*this, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) {
    return v4_from(*this, 12);
  }
  return *this;
}

std::optional<IpAddress> IpAddress::embedded() const {
  if (!v6) return std::nullopt;
  if (begins_with(*this, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return v4_from(*this, 12);
  if (begins_with(*this, {0x20, 0x02})) return v4_from(*this, 2);
  if (begins_with(*this, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) {
    const IpAddress v4 = v4_from(*this, 12);
    if (!begins_with(v4, {0})) return v4;  // :: and ::1 are addresses of their own
  }
  return std::nullopt;
}

Result<IpBlock> IpBlock::parse(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::optional<IpAddress> base = IpAddress::parse(text.substr(0, slash));
  if (!base) return bad_block(text, "does not begin with an IP address");
  const int bits_max = base->v6 ? 128 : 32;
  IpBlock block{*base, bits_max};
  if (slash < text.size()) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(bits.data(), bits.data() + bits.size(), block.prefix_bits);
    if (error != std::errc() || end != bits.data() + bits.size() || block.prefix_bits < 0 ||
        block.prefix_bits > bits_max) {
      return bad_block(text, "has a prefix outside 0.." + std::to_string(bits_max));
    }
  }
  for (int bit = block.prefix_bits; bit < bits_max; ++bit) {
    if ((base->bytes[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8)) & 1) {
      return bad_block(text, "has bits beyond its prefix");
    }
  }
  return block;
}

bool IpBlock::contains(const IpAddress& address) const {
  if (address.v6 != base.v6) return false;
  const auto whole_bytes = static_cast<std::size_t>(prefix_bits / 8);
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + static_cast<std::ptrdiff_t>(whole_bytes),
                  address.bytes.begin())) {
    return false;
  }
  const int bits_left = prefix_bits % 8;
  if (bits_left == 0) return true;
  const int shift = 8 - bits_left;
  return (base.bytes[whole_bytes] >> shift) == (address.bytes[whole_bytes] >> shift);
}

std::string IpBlock::text() const { return base.text() + "/" + std::to_string(prefix_bits); }

}  // namespace deferd
