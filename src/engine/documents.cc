#include "engine/documents.h"

namespace deferd {

void Documents::put(const Document& document) {
  Key key(document.queue, document.key);
  erase(key);
  by_expiry_.emplace(document.expires, key);
  bytes_ += document.bytes.size();
  entries_.emplace(std::move(key), Entry{document.expires, document.bytes.size()});
}

void Documents::erase(const Key& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  bytes_ -= at->second.bytes;
  by_expiry_.erase({at->second.expires, key});
  entries_.erase(at);
}

std::vector<Document> Documents::forget(Wall now) {
  std::vector<Document> forgotten;
  while (!by_expiry_.empty() && (by_expiry_.begin()->first <= now || entries_.size() > count_max_ ||
                                 bytes_ > bytes_max_)) {
    const Key key = by_expiry_.begin()->second;
    erase(key);
    forgotten.push_back({key.first, key.second, "", Wall{}});
  }
  return forgotten;
}

}  // namespace deferd
