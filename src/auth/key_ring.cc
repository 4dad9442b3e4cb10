#include "auth/key_ring.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/secret_file.h"
#include "base/assert.h"
#include "base/log.h"

namespace deferd {
namespace {

constexpr std::string_view file_name = "oidc_keys.pem";
constexpr std::size_t file_bytes_max = 256 * 1024;  // fifty keys or more; three are usual
constexpr Seconds try_again_after{10};

}  // namespace

KeyRing::KeyRing(std::string folder, Micros rotation, SigningKeys keys)
    : folder_(std::move(folder)), rotation_(rotation), keys_(std::move(keys)) {
  DEFERD_ASSERT(rotation_ > key_shown_early);
  std::ranges::sort(keys_, {}, [](const auto& key) { return key->signs_from(); });
}

Result<KeyRing> KeyRing::load(std::string folder, Micros rotation) {
  if (folder.empty()) return KeyRing({}, rotation, {});
  Result<std::optional<std::string>> pem = read_secret_file(folder, file_name, file_bytes_max);
  if (!pem) return fail(pem.error());
  if (!*pem) return KeyRing(std::move(folder), rotation, {});
  Result<SigningKeys> keys = parse_signing_keys(**pem);
  OPENSSL_cleanse((*pem)->data(), (*pem)->size());
  if (!keys) {
    return fail(Reason::store_failed,
                folder + "/" + std::string(file_name) + " is damaged (" + keys.error().message +
                    "); remove it and new keys are made (identity tokens that are out end then)");
  }
  return KeyRing(std::move(folder), rotation, std::move(*keys));
}

Result<std::shared_ptr<const SigningKey>> KeyRing::signing(Wall now) {
  if (auto ok = advance(now); !ok) return fail(ok.error());
  // A clock that was set back behind all of them leaves the oldest.
  auto later =
      std::ranges::upper_bound(keys_, now, {}, [](const auto& key) { return key->signs_from(); });
  return later == keys_.begin() ? keys_.front() : *std::prev(later);
}

Result<SigningKeys> KeyRing::shown(Wall now) {
  if (auto ok = advance(now); !ok) return fail(ok.error());
  return keys_;
}

Result<void> KeyRing::advance(Wall now) {
  // From the file they go when it is written the next time.
  while (keys_.size() > 1 && keys_[1]->signs_from() + key_shown_late <= now) {
    keys_.erase(keys_.begin());
  }
  const bool is_first = keys_.empty();
  const bool due = is_first || now >= keys_.back()->signs_from() + rotation_ - key_shown_early;
  if (!due) return {};
  const bool failed_lately =
      failed_at_ && *failed_at_ <= now && now < *failed_at_ + try_again_after;
  if (!failed_lately) {
    const Result<void> added = add(is_first ? now : now + key_shown_early);
    failed_at_ = added ? std::nullopt : std::optional(now);
    if (added) return {};
    log_error("auth.no_new_key",
              {{"error", std::string_view(added.error().message)},
               {"effect", is_first ? "identity tokens cannot be signed; it is tried again"
                                   : "the last key goes on signing; it is tried again"}});
  }
  if (!is_first) return {};
  return fail(Reason::store_failed,
              "no key for identity tokens can be made or kept; the server's log says why");
}

Result<void> KeyRing::add(Wall signs_from) {
  auto key = SigningKey::make(signs_from);
  if (!key) return fail(key.error());
  SigningKeys keys = keys_;
  keys.push_back(std::move(*key));
  if (!folder_.empty()) {
    if (auto kept = keep(keys); !kept) return kept;
  }
  keys_ = std::move(keys);
  log_info("auth.key_made", {{"kid", std::string_view(keys_.back()->id())}});
  return {};
}

Result<void> KeyRing::keep(const SigningKeys& keys) const {
  std::string pem;
  for (const auto& key : keys) {
    Result<std::string> text = key->to_pem();
    if (!text) return fail(text.error());
    pem += *text;
    OPENSSL_cleanse(text->data(), text->size());
  }
  const Result<void> written = write_secret_file(folder_, file_name, pem);
  OPENSSL_cleanse(pem.data(), pem.size());
  return written;
}

}  // namespace deferd
