#include "auth/api_key.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "auth/hex.h"

namespace deferd {

Result<std::string> make_api_key() {
  std::array<std::uint8_t, 24> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    return fail(Reason::internal, "the system gives no randomness");
  return "deferd_" + hex(bytes.data(), bytes.size());
}

KeyHash hash_of_key(std::string_view key) {
  KeyHash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

std::string to_string(const KeyHash& hash) { return hex(hash.data(), hash.size()); }

std::optional<KeyHash> parse_key_hash(std::string_view text) {
  KeyHash hash;
  if (!from_hex(text, hash.data(), hash.size())) return std::nullopt;
  return hash;
}

}  // namespace deferd
