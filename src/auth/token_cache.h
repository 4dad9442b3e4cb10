// Tokens by what they are for, in bounded memory. Each is made once, however many ask for it
// meanwhile: a push costs a look-up, not a signature or a call.
//
//   if (cache.ask(key, now, std::move(done))) make it, then cache.settle(key, made);
//
// Thread-safe; `done` is called without the lock.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

class TokenCache {
 public:
  using Done = Callback<void(Result<std::string>)>;

  // A token, or why there is none, which is given out from `from` until before `until`.
  struct Made {
    Result<std::string> token;
    Wall from;
    Wall until;
  };

  // Beyond `tokens_max` the one that was asked for longest ago is forgotten.
  explicit TokenCache(std::size_t tokens_max) : tokens_max_(tokens_max) {}

  // Answers `done` in the call when the token is there; else when it is settled. True: nobody makes
  // it yet, the caller must, and settle it.
  [[nodiscard]] bool ask(const std::string& key, Wall now, Done done);

  // Answers all who asked for it, and keeps it.
  void settle(const std::string& key, Made made);

  // Answers all who wait; whatever is settled later is dropped.
  void close(const Error& error);

 private:
  struct Entry {
    std::string key;
    Made made;
  };

  const std::size_t tokens_max_;
  std::mutex mutex_;         // for all below
  std::list<Entry> tokens_;  // the last asked for first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;  // views into tokens_
  std::unordered_map<std::string, std::vector<Done>> waiting_;  // for those that are being made
};

}  // namespace deferd
