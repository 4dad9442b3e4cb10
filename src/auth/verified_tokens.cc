#include "auth/verified_tokens.h"

#include <cstring>
#include <utility>

namespace deferd {
namespace {

constexpr std::size_t entries_max = 4096;

}  // namespace

// Of a SHA-256, which is random enough as it is.
std::size_t VerifiedTokens::FirstBytes::operator()(const KeyHash& hash) const {
  std::size_t first = 0;
  std::memcpy(&first, hash.data(), sizeof first);
  return first;
}

CallerPointer VerifiedTokens::find(const KeyHash& hash, Wall now) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(hash);
  if (found == entries_.end() || found->second.until <= now) return nullptr;
  return found->second.caller;
}

void VerifiedTokens::add(const KeyHash& hash, CallerPointer caller, Wall until, Wall now) const {
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= entries_max) {
    std::erase_if(entries_, [now](const auto& entry) { return entry.second.until <= now; });
    // All of them alive: whoever comes next is verified anew.
    if (entries_.size() >= entries_max) entries_.clear();
  }
  entries_.insert_or_assign(hash, Entry{std::move(caller), until});
}

}  // namespace deferd
