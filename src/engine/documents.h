// The documents of a shard's queues (engine/store.h): when each is to be forgotten. Bounded: past
// that the oldest are forgotten before their time.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/store.h"

namespace deferd {

class Documents {
 public:
  Documents(std::size_t count_max, std::uint64_t bytes_max)
      : count_max_(count_max), bytes_max_(bytes_max) {}

  // It is in the store, or about to be.
  void put(const Document& document);

  // What is over by now or too much: the changes that forget it.
  std::vector<Document> forget(Wall now);

 private:
  using Key = std::pair<QueueName, std::string>;
  struct Entry {
    Wall expires{};
    std::uint64_t bytes = 0;
  };
  void erase(const Key& key);

  std::size_t count_max_;
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  absl::btree_map<Key, Entry> entries_;
  absl::btree_set<std::pair<Wall, Key>> by_expiry_;
};

}  // namespace deferd
