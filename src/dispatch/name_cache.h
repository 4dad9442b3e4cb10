// The names that one loop of the dispatcher pushes to, and their addresses. Asks for a name once
// however many wait for it; keeps an answer for a short time. An answer past its time is still
// given while a newer one is fetched, so targets that work do not wait when the resolver is slow;
// past `stale_for` nothing is given but a new answer.
//
// Used on the loop's thread only.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "dispatch/asio_types.h"
#include "dispatch/lookup_threads.h"

namespace deferd {

using NameAnswer = std::shared_ptr<const Result<Addresses>>;

// Who waits for a name. Leaves the queue when it is destroyed.
class NameWaiter : public boost::intrusive::list_base_hook<
                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // `wake` is cancelled when the answer is there.
  explicit NameWaiter(Timer& wake) : wake_(wake) {}

  const NameAnswer& answer() const { return answer_; }

 private:
  friend class NameCache;
  Timer& wake_;
  NameAnswer answer_;
};

class NameCache {
 public:
  struct Options {
    Steady::duration keep = std::chrono::seconds(5);
    Steady::duration keep_failure = std::chrono::seconds(1);
    Steady::duration stale_for = std::chrono::seconds(30);  // beyond `keep`
  };

  // Both outlive this and every lookup that it began.
  NameCache(asio::io_context& context, LookupThreads& threads, const Options& options)
      : context_(context), threads_(threads), options_(options) {}

  // Gives the answer at once when there is one; null: the waiter is woken when it comes.
  NameAnswer ask(const std::string& host, NameWaiter& waiter);

 private:
  using Waiters = boost::intrusive::list<NameWaiter, boost::intrusive::constant_time_size<false>>;
  struct Entry {
    NameAnswer answer;
    Steady::time_point fresh_until{};
    bool asking = false;
    Waiters waiters;
  };

  void fetch(const std::string& host, Entry& entry);
  void answered(const std::string& host, Result<Addresses> answer);
  void sweep(Steady::time_point now);

  asio::io_context& context_;
  LookupThreads& threads_;
  const Options options_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace deferd
