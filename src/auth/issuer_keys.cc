#include "auth/issuer_keys.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base/log.h"

namespace deferd {
namespace {

namespace json = boost::json;

// Where the keys of an issuer are, as its OpenID Connect Discovery document says.
Result<std::string> keys_url(const std::string& issuer, const std::string& document) {
  boost::system::error_code error;
  const json::value parsed = json::parse(document, error);
  if (error || !parsed.is_object())
    return fail(Reason::invalid, "the discovery document is no JSON object");
  const auto text_of = [&](std::string_view name) {
    const json::value* found = parsed.get_object().if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                  : std::string();
  };
  if (text_of("issuer") != issuer)
    return fail(Reason::invalid, "the discovery document is of another issuer");
  const std::string url = text_of("jwks_uri");
  if (!url.starts_with("https://") && !issuer.starts_with("http://"))
    return fail(Reason::invalid, "the discovery document names no https jwks_uri");
  return url;
}

}  // namespace

IssuerKeys::IssuerKeys(IssuerKeysOptions options)
    : options_(std::move(options)), thread_([this] { run(); }) {}

IssuerKeys::~IssuerKeys() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void IssuerKeys::watch(const std::vector<IssuerRule>& issuers) {
  {
    const std::lock_guard lock(mutex_);
    std::vector<Entry> entries;
    for (const IssuerRule& rule : issuers) {
      Entry entry{.rule = rule, .keys = nullptr};
      if (const Entry* known = find(rule.issuer); known != nullptr && known->rule == rule)
        entry = *known;
      if (!rule.jwks.empty()) {
        auto keys = parse_key_set(rule.jwks);
        if (keys) entry.keys = std::make_shared<const KeySet>(std::move(*keys));
        entry.next_fetch = Instant::max();
      }
      entries.push_back(std::move(entry));
    }
    entries_ = std::move(entries);
  }
  wake_.notify_all();
}

std::shared_ptr<const KeySet> IssuerKeys::keys_of(std::string_view issuer) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.rule.issuer == issuer) return entry.keys;
  }
  return nullptr;
}

bool IssuerKeys::look_again(std::string_view issuer) {
  {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(issuer);
    if (entry == nullptr || !entry->rule.jwks.empty()) return false;
    if (entry->fetching) return true;
    const Instant now = std::chrono::steady_clock::now();
    if (entry->last_fetch != Instant::min() && now < entry->last_fetch + options_.fetch_interval)
      return false;
    entry->next_fetch = std::min(entry->next_fetch, now);
  }
  wake_.notify_all();
  return true;
}

IssuerKeys::Entry* IssuerKeys::find(std::string_view issuer) {
  const auto found = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return entry.rule.issuer == issuer; });
  return found == entries_.end() ? nullptr : &*found;
}

void IssuerKeys::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next = std::ranges::min_element(entries_, {}, &Entry::next_fetch);
    if (next == entries_.end() || next->next_fetch == Instant::max()) {
      wake_.wait(lock);
      continue;
    }
    if (next->next_fetch > std::chrono::steady_clock::now()) {
      wake_.wait_until(lock, Instant(next->next_fetch));
      continue;
    }
    next->fetching = true;
    const IssuerRule rule = next->rule;
    lock.unlock();
    Result<KeySet> keys = fetch(rule);
    lock.lock();
    if (!keys) {
      log_warn("auth.keys_failed",
               {{"issuer", std::string_view(rule.issuer)},
                {"error", std::string_view(keys.error().message)},
                {"effect", "its tokens are judged by the keys that are known, if any"}});
    }
    Entry* const entry = find(rule.issuer);
    if (entry == nullptr || !(entry->rule == rule)) continue;  // not watched any more
    const Instant now = std::chrono::steady_clock::now();
    entry->fetching = false;
    entry->last_fetch = now;
    entry->next_fetch = now + (keys ? options_.refresh_interval : options_.fetch_interval);
    if (keys) entry->keys = std::make_shared<const KeySet>(std::move(*keys));
  }
}

Result<KeySet> IssuerKeys::fetch(const IssuerRule& rule) const {
  std::string url = rule.jwks_url;
  if (url.empty()) {
    std::string base = rule.issuer;
    while (base.ends_with('/')) base.pop_back();
    const auto document = options_.fetch(base + "/.well-known/openid-configuration");
    if (!document) return fail(document.error());
    auto found = keys_url(rule.issuer, *document);
    if (!found) return fail(found.error());
    url = std::move(*found);
  }
  const auto text = options_.fetch(url);
  if (!text) return fail(text.error());
  return parse_key_set(*text);
}

}  // namespace deferd
