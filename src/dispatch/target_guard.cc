#include "dispatch/target_guard.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/assert.h"

namespace deferd {
namespace {

struct NamedBlock {
  std::string_view block;
  std::string_view what;
};

// Metadata services stand first: they lie within wider blocks that some have reason to allow.
constexpr NamedBlock never[] = {
    {"169.254.169.254", "a metadata address"},        // most clouds
    {"169.254.170.2", "a metadata address"},          // AWS containers
    {"100.100.100.200", "a metadata address"},        // Alibaba
    {"168.63.129.16", "a metadata address"},          // Azure's host
    {"192.0.0.192", "a metadata address"},            // Oracle
    {"fd00:ec2::254", "a metadata address"},          // AWS
    {"fd20:ce::254", "a metadata address"},           // Google
    {"0.0.0.0/8", "an address of \"this network\""},  // connects to this machine on Linux
    {"169.254.0.0/16", "link-local"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved or broadcast"},
    {"::", "the unspecified address"},
    {"fe80::/10", "link-local"},
    {"ff00::/8", "multicast"},
};

struct Group {
  std::string_view name;
  std::initializer_list<std::string_view> blocks;
};

const Group groups[] = {
    {"loopback", {"127.0.0.0/8", "::1"}},
    {"private", {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"}},
    {"all", {"0.0.0.0/0", "::/0"}},
};

struct NeverBlock {
  IpBlock block;
  std::string_view what;
};

const std::vector<NeverBlock>& never_blocks() {
  static const std::vector<NeverBlock> blocks = [] {
    std::vector<NeverBlock> parsed;
    for (const auto& [block, what] : never) {
      const Result<IpBlock> one = IpBlock::parse(block);
      DEFERD_ASSERT(one.has_value(), block);
      parsed.push_back({*one, what});
    }
    return parsed;
  }();
  return blocks;
}

Result<std::vector<IpBlock>> parse_blocks(std::string_view text) {
  std::vector<IpBlock> blocks;
  for (const Group& group : groups) {
    if (group.name != text) continue;
    for (const std::string_view block : group.blocks) blocks.push_back(*IpBlock::parse(block));
    return blocks;
  }
  Result<IpBlock> one = IpBlock::parse(text);
  if (!one) return fail(one.error());
  // What is compared with it was unmapped.
  const IpAddress unmapped = one->base.unmapped();
  if (unmapped.v6 != one->base.v6 && one->prefix_bits >= 96) {
    one = IpBlock{unmapped, one->prefix_bits - 96};
  }
  blocks.push_back(*one);
  return blocks;
}

}  // namespace

Result<TargetGuard> TargetGuard::make(const GuardOptions& options, IsLocal is_local) {
  TargetGuard guard;
  guard.is_local_ = std::move(is_local);
  for (const bool allow : {false, true}) {
    for (const std::string& text : allow ? options.allow : options.deny) {
      Result<std::vector<IpBlock>> blocks = parse_blocks(text);
      if (!blocks) {
        Error error = blocks.error();
        error.message += ", or one of loopback, private, all";
        error.field = allow ? "allow" : "deny";
        return fail(std::move(error));
      }
      for (const IpBlock& block : *blocks) guard.rules_.push_back({block, allow});
    }
  }
  // The longest prefix first, deny before allow: then the first match decides.
  std::sort(guard.rules_.begin(), guard.rules_.end(), [](const Rule& a, const Rule& b) {
    if (a.block.prefix_bits != b.block.prefix_bits) {
      return a.block.prefix_bits > b.block.prefix_bits;
    }
    return !a.allow && b.allow;
  });
  for (const std::string& text : options.own) {
    const std::size_t colon = text.rfind(':');
    std::string_view host = std::string_view(text).substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const std::optional<IpAddress> address = IpAddress::parse(host);
    std::uint16_t port = 0;
    if (colon != std::string::npos) {
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    }
    if (!address || port == 0) {
      return fail(Reason::invalid,
                  "own address \"" + text + "\" should be like 127.0.0.1:8123 or [::]:8123", "own");
    }
    guard.own_.push_back({address->unmapped(), port});
  }
  return guard;
}

std::optional<std::string> TargetGuard::refuses(const IpAddress& address, std::uint16_t port,
                                                ChosenBy chosen_by) const {
  const IpAddress direct = address.unmapped();
  if (auto why = refuses_one(direct, port, chosen_by)) return why;
  if (const std::optional<IpAddress> embedded = direct.embedded()) {
    if (auto why = refuses_one(*embedded, port, chosen_by)) {
      return address.text() + " leads to " + std::move(*why);
    }
  }
  return std::nullopt;
}

std::optional<std::string> TargetGuard::refuses_one(const IpAddress& address, std::uint16_t port,
                                                    ChosenBy chosen_by) const {
  for (const auto& [block, what] : never_blocks()) {
    if (block.contains(address)) return address.text() + " is " + std::string(what);
  }
  for (const Own& own : own_) {
    if (own.port != port) continue;
    if (own.address == address || (own.address.unspecified() && is_local_(address))) {
      return address.text() + " port " + std::to_string(port) + " is deferd's own";
    }
  }
  if (chosen_by == ChosenBy::operator_) return std::nullopt;
  for (const auto& [block, allow] : rules_) {
    if (!block.contains(address)) continue;
    if (allow) return std::nullopt;
    return address.text() + " is in " + block.text() + ", which is denied";
  }
  return std::nullopt;
}

bool is_local_address(const IpAddress& address) {
  const IpAddress wanted = address.unmapped();
  if (!wanted.v6 && wanted.bytes[0] == 127) return true;
  if (wanted == IpAddress::parse("::1")) return true;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return true;  // rather a push too few than one to ourselves
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    IpAddress own;
    if (each->ifa_addr->sa_family == AF_INET) {
      std::memcpy(own.bytes.data(), &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr,
                  4);
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      own.v6 = true;
      std::memcpy(own.bytes.data(),
                  &reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    if (own == wanted) return true;
  }
  return false;
}

}  // namespace deferd
