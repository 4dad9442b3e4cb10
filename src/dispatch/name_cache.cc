#include "dispatch/name_cache.h"

#include <boost/asio/post.hpp>

namespace deferd {
namespace {

// Names are swept when there are this many. A server pushes to a handful; an open one might see
// many.
constexpr std::size_t entries_before_sweep = 1024;

}  // namespace

NameAnswer NameCache::ask(const std::string& host, NameWaiter& waiter) {
  const Steady::time_point now = Steady::now();
  if (entries_.size() >= entries_before_sweep) sweep(now);
  Entry& entry = entries_[host];
  if (entry.answer) {
    if (now < entry.fresh_until) return entry.answer;
    if (entry.answer->has_value() && now < entry.fresh_until + options_.stale_for) {
      if (!entry.asking) fetch(host, entry);
      return entry.answer;
    }
    entry.answer = nullptr;
  }
  entry.waiters.push_back(waiter);
  if (!entry.asking) fetch(host, entry);
  return nullptr;
}

void NameCache::fetch(const std::string& host, Entry& entry) {
  entry.asking = true;
  threads_.ask(host, [this, host](Result<Addresses> answer) {
    asio::post(context_, [this, host, answer = std::move(answer)]() mutable {
      answered(host, std::move(answer));
    });
  });
}

void NameCache::answered(const std::string& host, Result<Addresses> answer) {
  const auto found = entries_.find(host);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.asking = false;
  // Nobody waits while there is an answer; a resolver that fails does not take away what worked
  // until it is too old.
  if (!answer && entry.answer && entry.answer->has_value()) return;
  entry.fresh_until = Steady::now() + (answer.has_value() ? options_.keep : options_.keep_failure);
  entry.answer = std::make_shared<const Result<Addresses>>(std::move(answer));
  while (!entry.waiters.empty()) {
    NameWaiter& waiter = entry.waiters.front();
    entry.waiters.pop_front();
    waiter.answer_ = entry.answer;
    waiter.wake_.cancel();
  }
}

void NameCache::sweep(Steady::time_point now) {
  std::erase_if(entries_, [&](const auto& each) {
    const Entry& entry = each.second;
    return !entry.asking && entry.waiters.empty() && now >= entry.fresh_until;
  });
}

}  // namespace deferd
