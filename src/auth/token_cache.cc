#include "auth/token_cache.h"

#include <utility>

namespace deferd {

bool TokenCache::ask(const std::string& key, Wall now, Done done) {
  std::unique_lock lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    tokens_.splice(tokens_.begin(), tokens_, found->second);
    const Made& made = found->second->made;
    if (made.from <= now && now < made.until) {
      Result<std::string> token = made.token;
      lock.unlock();
      done(std::move(token));
      return false;
    }
  }
  const auto [place, is_first] = waiting_.try_emplace(key);
  place->second.push_back(std::move(done));
  return is_first;
}

void TokenCache::settle(const std::string& key, Made made) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(key);
    if (found == waiting_.end()) return;  // closed
    waiting = std::move(found->second);
    waiting_.erase(found);
    if (const auto old = by_key_.find(key); old != by_key_.end()) {
      const auto entry = old->second;
      by_key_.erase(old);
      tokens_.erase(entry);
    }
    tokens_.push_front({key, made});
    by_key_.emplace(tokens_.front().key, tokens_.begin());
    if (tokens_.size() > tokens_max_) {
      by_key_.erase(tokens_.back().key);
      tokens_.pop_back();
    }
  }
  for (Done& done : waiting) done(made.token);
}

void TokenCache::close(const Error& error) {
  std::unordered_map<std::string, std::vector<Done>> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (auto& [key, all] : waiting) {
    for (Done& done : all) done(fail(error));
  }
}

}  // namespace deferd
