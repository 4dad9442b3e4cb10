// A key that identity tokens are signed with (RS256), and all the forms in which it is shown:
// its certificate, its entry of a key set, its entry of a key file.
//
// The certificate signs itself and says one thing: its notBefore is when the key begins to sign.
// Google's helpers read keys out of such certificates and look at nothing else in them.
//
// Immutable: any thread may use it. The private half leaves it by to_pem() only.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

class SigningKey {
 public:
  // RSA of 2048 bits from the system's randomness; takes a tenth of a second or more. Whole seconds
  // of `signs_from` count.
  static Result<std::shared_ptr<const SigningKey>> make(Wall signs_from);

  // "HEADER.CLAIMS.SIGNATURE" (RFC 7515) with kid and typ in the header; `claims` is a JSON object.
  // Takes about a millisecond.
  Result<std::string> sign(std::string_view claims) const;

  // The first 40 hex digits of the public key's SHA-256: one key, one id, also after a restart.
  const std::string& id() const { return id_; }
  Wall signs_from() const { return signs_from_; }
  const std::string& certificate() const { return certificate_; }  // PEM
  const std::string& jwk() const { return jwk_; }                  // RFC 7517, a JSON object

  // Private key and certificate, both PEM: what parse_signing_keys() reads.
  Result<std::string> to_pem() const;

 private:
  using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;
  friend Result<std::vector<std::shared_ptr<const SigningKey>>> parse_signing_keys(
      std::string_view pem);

  explicit SigningKey(KeyPtr key) : key_(std::move(key)) {}
  // Fills all the rest. Fails with Reason::invalid when they do not belong together.
  static Result<std::shared_ptr<const SigningKey>> join(KeyPtr key, CertificatePtr certificate);

  const KeyPtr key_;
  std::string id_;
  Wall signs_from_{};
  std::string certificate_;
  std::string jwk_;
};

using SigningKeys = std::vector<std::shared_ptr<const SigningKey>>;

// Private keys, each followed by its certificate, in any number. Fails with Reason::invalid and
// what is wrong; never with a word of the text.
Result<SigningKeys> parse_signing_keys(std::string_view pem);

}  // namespace deferd
