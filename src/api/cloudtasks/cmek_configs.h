// The encryption keys that callers name for their locations: given back, not used, as everything
// lies on one disk of one operator (CT-spec 5). Not kept over a restart. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>

namespace deferd::cloudtasks {

class CmekConfigs {
 public:
  std::string get(const std::string& location) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(location);
    return found == keys_.end() ? std::string() : found->second;
  }
  // False: too many locations have one.
  bool set(const std::string& location, const std::string& key) {
    constexpr std::size_t most = 1000;
    const std::lock_guard lock(mutex_);
    if (key.empty()) {
      keys_.erase(location);
      return true;
    }
    if (!keys_.contains(location) && keys_.size() >= most) return false;
    keys_[location] = key;
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> keys_;  // under mutex_
};

}  // namespace deferd::cloudtasks
