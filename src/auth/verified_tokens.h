// Tokens that were found good, by their hash, so that the next call with one costs a look. Bounded;
// any thread.
#pragma once

#include <mutex>
#include <unordered_map>

#include "auth/api_key.h"
#include "auth/caller.h"
#include "base/time.h"

namespace deferd {

class VerifiedTokens {
 public:
  // Null: not known, or over.
  CallerPointer find(const KeyHash& hash, Wall now) const;
  void add(const KeyHash& hash, CallerPointer caller, Wall until, Wall now) const;

 private:
  struct Entry {
    CallerPointer caller;
    Wall until{};
  };
  struct FirstBytes {
    std::size_t operator()(const KeyHash& hash) const;
  };

  mutable std::mutex mutex_;
  mutable std::unordered_map<KeyHash, Entry, FirstBytes> entries_;  // under mutex_
};

}  // namespace deferd
