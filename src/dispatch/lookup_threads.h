// Threads that ask the system's resolver, which can only be called blocking and may take many
// seconds over one name. Several, so that a name whose servers are silent does not hold up the
// others; started when needed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "dispatch/ip_address.h"

namespace deferd {

// The addresses of a name in the order in which to try them; never empty.
using Addresses = std::vector<IpAddress>;
// Blocks. Called on several threads at once.
using Lookup = std::function<Result<Addresses>(const std::string& host)>;

// getaddrinfo.
Result<Addresses> system_lookup(const std::string& host);

class LookupThreads {
 public:
  LookupThreads(Lookup lookup, std::size_t threads_max);
  LookupThreads(const LookupThreads&) = delete;
  LookupThreads& operator=(const LookupThreads&) = delete;
  // After this no `done` is called. Does not wait for lookups that are under way.
  ~LookupThreads();

  // Thread-safe. `done` is called on one of the threads, with a lock held: it may only pass the
  // answer on.
  void ask(std::string host, Callback<void(Result<Addresses>)> done);

 private:
  struct State;
  struct Worker;
  static void work(std::shared_ptr<State> state, std::shared_ptr<Worker> worker);

  std::shared_ptr<State> state_;
};

}  // namespace deferd
