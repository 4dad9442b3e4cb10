// Public keys that tokens are verified by (JSON Web Key Sets, RFC 7517).
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deferd {

// The only two: asymmetric, and every issuer has one of them. A key is of one of them for ever, so
// no token can talk a verifier into another.
enum class SignatureKind : std::uint8_t { rs256, es256 };

class VerifyKey {
 public:
  using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

  VerifyKey(std::string id, SignatureKind kind, KeyPtr key)
      : id_(std::move(id)), kind_(kind), key_(std::move(key)) {}

  const std::string& id() const { return id_; }  // kid; may be empty
  SignatureKind kind() const { return kind_; }
  // `signature` as a token has it: of ES256 the 64 bytes r and s.
  bool verifies(std::string_view signed_text, std::string_view signature) const;

 private:
  std::string id_;
  SignatureKind kind_;
  KeyPtr key_;
};

using KeySet = std::vector<std::shared_ptr<const VerifyKey>>;

constexpr std::size_t key_set_bytes_max = 256 << 10;

// {"keys":[..]}. Keys of other kinds or uses are left out, and RSA below 2048 bits. Fails with
// Reason::invalid when it is no key set, or has none that can be used.
Result<KeySet> parse_key_set(std::string_view json);

}  // namespace deferd
