// What the tasks of a project count for together, over all shards of a server, and what they may
// (App Engine's total_storage_limit).
//
// An account is charged before an add is accepted, and gets back what ended when that is committed:
// so what is stored never passes the limit, and a restart finds the same sum in the queues'
// counters.
//
// Thread-safe: shards share the accounts. A queue keeps its own, so that adding looks up nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/assert.h"

namespace deferd {

class ProjectAccount {
 public:
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t bytes_max() const { return bytes_max_.load(std::memory_order_relaxed); }

  // 0: no limit. Below what is stored: nothing is added until enough has ended.
  void limit(std::uint64_t bytes_max) { bytes_max_.store(bytes_max, std::memory_order_relaxed); }

  // False: it would pass the limit.
  bool reserve(std::uint64_t bytes) {
    const std::uint64_t most = bytes_max();
    std::uint64_t used = bytes_.load(std::memory_order_relaxed);
    do {
      if (most != 0 && (used > most || bytes > most - used)) return false;
    } while (!bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  // Without asking: what is there already, and adds while there is no limit.
  void take(std::uint64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::uint64_t bytes) {
    const std::uint64_t before = bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    DEFERD_ASSERT(before >= bytes, "bytes", before, "given back", bytes);
  }

 private:
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> bytes_max_{0};
};

class ProjectUse {
 public:
  // Of this project; made when it is asked for first, and kept.
  std::shared_ptr<ProjectAccount> account(const std::string& project) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<ProjectAccount>& account = accounts_[project];
    if (account == nullptr) account = std::make_shared<ProjectAccount>();
    return account;
  }

 private:
  std::mutex mutex_;  // guards the map
  std::map<std::string, std::shared_ptr<ProjectAccount>> accounts_;
};

}  // namespace deferd
