#include "dispatch/lookup_threads.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/assert.h"

namespace deferd {

Result<Addresses> system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    return fail(Reason::not_found,
                std::string(error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  Addresses addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    IpAddress address;
    if (each->ai_family == AF_INET) {
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in*>(each->ai_addr)->sin_addr, 4);
    } else if (each->ai_family == AF_INET6) {
      address.v6 = true;
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in6*>(each->ai_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) return fail(Reason::not_found, "the name has no IP address");
  return addresses;
}

struct LookupThreads::Worker {
  std::thread thread;
  bool asking = false;  // within lookup
};

// Shared with the threads, since one of them may outlive the LookupThreads inside the system's
// resolver; it then finds closed and touches nothing else.
struct LookupThreads::State {
  Lookup lookup;
  std::size_t threads_max = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool closed = false;
  std::size_t idle = 0;
  std::deque<std::pair<std::string, Callback<void(Result<Addresses>)>>> waiting;
  std::vector<std::shared_ptr<Worker>> workers;
};

LookupThreads::LookupThreads(Lookup lookup, std::size_t threads_max)
    : state_(std::make_shared<State>()) {
  DEFERD_ASSERT(threads_max > 0);
  state_->lookup = std::move(lookup);
  state_->threads_max = threads_max;
}

LookupThreads::~LookupThreads() {
  std::vector<std::shared_ptr<Worker>> workers;
  {
    const std::lock_guard lock(state_->mutex);
    state_->closed = true;
    state_->waiting.clear();
    workers.swap(state_->workers);
    for (const auto& worker : workers) {
      // A lookup cannot be interrupted and may take the resolver's ten or twenty seconds.
      if (worker->asking) worker->thread.detach();
    }
  }
  state_->changed.notify_all();
  for (const auto& worker : workers) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

void LookupThreads::ask(std::string host, Callback<void(Result<Addresses>)> done) {
  const std::lock_guard lock(state_->mutex);
  state_->waiting.emplace_back(std::move(host), std::move(done));
  if (state_->idle >= state_->waiting.size() || state_->workers.size() == state_->threads_max) {
    state_->changed.notify_one();
    return;
  }
  auto worker = std::make_shared<Worker>();
  try {
    // The new thread waits for this lock before it looks at its worker.
    worker->thread = std::thread(&LookupThreads::work, state_, worker);
  } catch (const std::system_error& error) {
    if (!state_->workers.empty()) return;  // one of them will come to it
    auto refused = std::move(state_->waiting.back().second);
    state_->waiting.pop_back();
    refused(fail(Reason::overloaded, std::string("no thread to resolve it: ") + error.what()));
    return;
  }
  state_->workers.push_back(std::move(worker));
}

void LookupThreads::work(std::shared_ptr<State> state, std::shared_ptr<Worker> worker) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    ++state->idle;
    state->changed.wait(lock, [&] { return state->closed || !state->waiting.empty(); });
    --state->idle;
    if (state->closed) return;
    auto [host, done] = std::move(state->waiting.front());
    state->waiting.pop_front();
    worker->asking = true;
    lock.unlock();
    Result<Addresses> answer = state->lookup(host);
    lock.lock();
    worker->asking = false;
    if (state->closed) return;
    done(std::move(answer));
  }
}

}  // namespace deferd
