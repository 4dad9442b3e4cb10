// The keys of the issuers that access.yaml names: fetched by a thread of its own, at the start,
// once an hour, and when a token names a key that is not there yet; never more often than
// `fetch_interval` for one issuer, however many such tokens come. Whoever asks gets what is there.
//
// An issuer that cannot be reached keeps the keys that it had.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "auth/access_rules.h"
#include "auth/key_set.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

struct IssuerKeysOptions {
  // The body of a GET that was answered with 200; blocks, for seconds at most.
  std::function<Result<std::string>(const std::string& url)> fetch;
  Millis fetch_interval = Seconds(10);
  Millis refresh_interval = std::chrono::hours(1);
};

class IssuerKeys {
 public:
  explicit IssuerKeys(IssuerKeysOptions options);
  ~IssuerKeys();

  // From now on these; those that were there before keep their keys.
  void watch(const std::vector<IssuerRule>& issuers);

  // Any thread; never waits. Null: none are here yet, or it is no issuer.
  std::shared_ptr<const KeySet> keys_of(std::string_view issuer) const;

  // A key is missing. True: a look is on its way; false: there was one a moment ago, or there is
  // nowhere to look.
  bool look_again(std::string_view issuer);

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Entry {
    IssuerRule rule;
    std::shared_ptr<const KeySet> keys;
    Instant next_fetch{};  // at once
    Instant last_fetch = Instant::min();
    bool fetching = false;
  };

  void run();
  Entry* find(std::string_view issuer);
  // Discovery when the rule does not say where the keys are; blocks.
  Result<KeySet> fetch(const IssuerRule& rule) const;

  const IssuerKeysOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Entry> entries_;  // under mutex_
  bool stopping_ = false;       // under mutex_
  std::thread thread_;
};

}  // namespace deferd
