#include "auth/key_set.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "auth/base64url.h"

namespace deferd {
namespace {

namespace json = boost::json;

constexpr std::size_t keys_max = 100;
constexpr std::size_t p256_bytes = 32;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 8192;

template <auto release>
struct Release {
  template <class T>
  void operator()(T* what) const {
    release(what);
  }
};
using Number = std::unique_ptr<BIGNUM, Release<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Release<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Release<OSSL_PARAM_free>>;
using Context = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>>;

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}

std::optional<std::string> bytes_of(const json::object& object, std::string_view name) {
  const std::string_view text = text_of(object, name);
  if (text.empty()) return std::nullopt;
  return decode_base64url(text);
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()), nullptr));
}

// Null: the parameters make no key of that type.
VerifyKey::KeyPtr make_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1)
    (void)EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  ERR_clear_error();
  return {key, &EVP_PKEY_free};
}

VerifyKey::KeyPtr rsa_key(const json::object& jwk) {
  const auto modulus = bytes_of(jwk, "n");
  const auto exponent = bytes_of(jwk, "e");
  VerifyKey::KeyPtr none(nullptr, &EVP_PKEY_free);
  if (!modulus || !exponent || exponent->size() > 8 || modulus->size() > rsa_bits_max / 8)
    return none;
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number n = number_of(*modulus);
  const Number e = number_of(*exponent);
  if (BN_num_bits(n.get()) < rsa_bits_min || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1)
    return none;
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return make_key("RSA", builder.get());
}

VerifyKey::KeyPtr ec_key(const json::object& jwk) {
  const auto x = bytes_of(jwk, "x");
  const auto y = bytes_of(jwk, "y");
  if (text_of(jwk, "crv") != "P-256" || !x || !y || x->size() != p256_bytes ||
      y->size() != p256_bytes) {
    return {nullptr, &EVP_PKEY_free};
  }
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return make_key("EC", builder.get());
}

// A point that is not on the curve is refused by OpenSSL when it makes the key.
std::shared_ptr<const VerifyKey> key_of(const json::object& jwk) {
  const std::string_view use = text_of(jwk, "use");
  if (!use.empty() && use != "sig") return nullptr;
  const std::string_view type = text_of(jwk, "kty");
  const std::string_view algorithm = text_of(jwk, "alg");
  const bool rsa = type == "RSA" && (algorithm.empty() || algorithm == "RS256");
  const bool ec = type == "EC" && (algorithm.empty() || algorithm == "ES256");
  if (!rsa && !ec) return nullptr;
  VerifyKey::KeyPtr key = rsa ? rsa_key(jwk) : ec_key(jwk);
  if (key == nullptr) return nullptr;
  return std::make_shared<const VerifyKey>(std::string(text_of(jwk, "kid")),
                                           rsa ? SignatureKind::rs256 : SignatureKind::es256,
                                           std::move(key));
}

// As OpenSSL takes it; empty: it is none.
std::string der_of(std::string_view r_and_s) {
  if (r_and_s.size() != 2 * p256_bytes) return {};
  const EcSignature signature(ECDSA_SIG_new());
  Number r = number_of(r_and_s.substr(0, p256_bytes));
  Number s = number_of(r_and_s.substr(p256_bytes));
  if (ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

bool VerifyKey::verifies(std::string_view signed_text, std::string_view signature) const {
  std::string der;
  if (kind_ == SignatureKind::es256) {
    der = der_of(signature);
    signature = der;
  }
  if (signature.empty()) return false;
  const Digest digest(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(digest.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(signed_text.data()),
                       signed_text.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<KeySet> parse_key_set(std::string_view text) {
  if (text.size() > key_set_bytes_max)
    return fail(Reason::invalid, "the key set is larger than 256KiB");
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  const json::value* keys =
      !error && parsed.is_object() ? parsed.get_object().if_contains("keys") : nullptr;
  if (keys == nullptr || !keys->is_array())
    return fail(Reason::invalid, "it is no key set: no JSON object with \"keys\"");
  KeySet found;
  for (const json::value& one : keys->get_array()) {
    if (found.size() == keys_max) break;
    if (!one.is_object()) continue;
    if (auto key = key_of(one.get_object())) found.push_back(std::move(key));
  }
  if (found.empty()) return fail(Reason::invalid, "the key set has no key for RS256 or ES256");
  return found;
}

}  // namespace deferd
