#include "auth/ticket.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "auth/hex.h"
#include "auth/secret_file.h"
#include "base/assert.h"

namespace deferd {
namespace {

constexpr std::string_view format = "1.";
constexpr std::size_t mac_bytes = 16;
constexpr std::size_t key_file_bytes_max = 4096;  // more than a key: what is wrong with it is said

// Takes as long for a wrong text as for the right one.
bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

tl::unexpected<Error> refused(const char* why) {
  return fail(Reason::invalid, std::string("the ticket ") + why, "ticket");
}

}  // namespace

Tickets::Tickets(const Key& key, std::vector<std::string> secrets)
    : key_(key), secrets_(std::move(secrets)) {
  std::erase(secrets_, "");
}

std::string Tickets::with_mac(std::string_view expiry, std::string_view app) const {
  std::string signed_text(format);
  signed_text.append(expiry).append(".").append(app);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac;
  unsigned size = 0;
  const bool made = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                         reinterpret_cast<const unsigned char*>(signed_text.data()),
                         signed_text.size(), mac.data(), &size) != nullptr;
  DEFERD_ASSERT(made && size >= mac_bytes);
  std::string text(format);
  text.append(expiry).append(".").append(hex(mac.data(), mac_bytes)).append(".").append(app);
  return text;
}

std::string Tickets::mint(std::string_view app, Micros deadline, Wall now) const {
  const std::int64_t expiry = std::max<std::int64_t>(0, to_micros(now + deadline + ticket_grace));
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), expiry, 16);
  return with_mac({digits.data(), static_cast<std::size_t>(end.ptr - digits.data())}, app);
}

Result<std::string> Tickets::verify(std::string_view text, Wall now) const {
  bool is_secret = false;
  for (const std::string& secret : secrets_) is_secret |= same(secret, text);
  if (is_secret) return std::string();

  if (!text.starts_with(format)) return refused("is none of this server");
  std::string_view rest = text.substr(format.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot > 16) return refused("is none of this server");
  const std::string_view expiry = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  if (rest.size() < 2 * mac_bytes + 2 || rest[2 * mac_bytes] != '.') {
    return refused("is none of this server");
  }
  const std::string_view app = rest.substr(2 * mac_bytes + 1);
  constexpr std::size_t app_chars_max = 100;
  if (app.size() > app_chars_max) return refused("is none of this server");
  if (!same(with_mac(expiry, app), text)) return refused("is none of this server");

  std::int64_t micros = 0;  // its own digits, as the mac is right
  std::from_chars(expiry.data(), expiry.data() + expiry.size(), micros, 16);
  if (to_micros(now) >= micros) return refused("has expired");
  return std::string(app);
}

Result<Tickets::Key> random_ticket_key() {
  Tickets::Key key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
    return fail(Reason::internal, "the system gives no random bytes for the key of tickets");
  }
  return key;
}

Result<Tickets::Key> load_ticket_key(const std::string& folder) {
  constexpr std::string_view name = "ticket.key";
  Result<std::optional<std::string>> text = read_secret_file(folder, name, key_file_bytes_max);
  if (!text) return fail(text.error());
  if (!*text) {
    Result<Tickets::Key> key = random_ticket_key();
    if (!key) return key;
    std::string fresh = hex(key->data(), key->size()) + "\n";
    const Result<void> written = write_secret_file(folder, name, fresh);
    OPENSSL_cleanse(fresh.data(), fresh.size());
    if (!written) return fail(written.error());
    return key;
  }
  std::string_view digits = **text;
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  Tickets::Key key;
  const bool whole = from_hex(digits, key.data(), key.size());
  OPENSSL_cleanse((*text)->data(), (*text)->size());
  if (!whole) {
    return fail(Reason::store_failed,
                folder + "/" + std::string(name) +
                    " is not a key of 64 hex digits; remove it and a new one is made (tickets "
                    "that are out end then)");
  }
  return key;
}

}  // namespace deferd
