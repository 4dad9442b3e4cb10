// Which keys changed while reads of the store were under way. A read sees the store as it was at
// some instant after it was given; what the engine learned to be committed in between makes its
// answer stale for those keys. While no read is open nothing is remembered.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <set>
#include <utility>

#include "base/assert.h"

namespace deferd {

template <class Key>
class RecentChanges {
 public:
  // A read is about to be given to the store.
  std::uint64_t begin_read() {
    open_.insert(changes_);
    return changes_;
  }

  void end_read(std::uint64_t read) {
    const auto at = open_.find(read);
    DEFERD_ASSERT(at != open_.end());
    open_.erase(at);
    // What changed before the oldest open read began is of no interest any more.
    while (!order_.empty() && (open_.empty() || order_.front().first <= *open_.begin())) {
      const auto latest = latest_.find(order_.front().second);
      if (latest != latest_.end() && latest->second == order_.front().first) latest_.erase(latest);
      order_.pop_front();
    }
  }

  // A change of this key is committed now.
  void changed(const Key& key) {
    if (open_.empty()) return;
    ++changes_;
    latest_.insert_or_assign(key, changes_);
    order_.emplace_back(changes_, key);
  }

  bool changed_since(const Key& key, std::uint64_t read) const {
    const auto latest = latest_.find(key);
    return latest != latest_.end() && latest->second > read;
  }

 private:
  std::uint64_t changes_ = 0;
  std::multiset<std::uint64_t> open_;
  boost::unordered_flat_map<Key, std::uint64_t> latest_;
  std::list<std::pair<std::uint64_t, Key>> order_;
};

}  // namespace deferd
