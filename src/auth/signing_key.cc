#include "auth/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <ctime>
#include <utility>

#include "auth/base64url.h"

namespace deferd {
namespace {

constexpr int rsa_bits = 2048;  // as Google's keys; a bit more than what a token is worth

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;

// What OpenSSL says of the last failure on this thread. Never has key material.
tl::unexpected<Error> openssl_failed(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return fail(Reason::internal, what + ": " + text.data());
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size <= 0 ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

Result<std::string> number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return openssl_failed("reading the key");
  std::vector<unsigned char> bytes(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  BN_free(number);
  return base64url(bytes);
}

// Self-signed, good from `signs_from` without an end (RFC 5280 4.1.2.5).
bool fill_certificate(X509* certificate, EVP_PKEY* key, Wall signs_from) {
  const std::time_t from = std::chrono::floor<Seconds>(signs_from.time_since_epoch()).count();
  std::array<unsigned char, 8> serial{};
  if (RAND_bytes(serial.data(), static_cast<int>(serial.size())) != 1) return false;
  serial[0] &= 0x7f;  // positive
  BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  const bool numbered = number != nullptr &&
                        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  X509_NAME* const name = X509_get_subject_name(certificate);
  return numbered && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
         ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>("deferd"), -1, -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
         X509_sign(certificate, key, EVP_sha256()) != 0;
}

Result<Wall> begin_of(const X509* certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &time) != 1) {
    return openssl_failed("reading the certificate");
  }
  return wall_from_micros(std::int64_t{timegm(&time)} * 1'000'000);
}

tl::unexpected<Error> damaged(const char* why) {
  ERR_clear_error();
  return fail(Reason::invalid, why);
}

// What stands between BEGIN and END, without its base64.
struct PemBlock {
  std::string type;  // "PRIVATE KEY"; empty: there is no further block
  std::vector<unsigned char> der;

  ~PemBlock() { OPENSSL_cleanse(der.data(), der.size()); }

  EVP_PKEY* key() const {
    const unsigned char* begin = der.data();
    return d2i_AutoPrivateKey(nullptr, &begin, static_cast<long>(der.size()));
  }
  X509* certificate() const {
    const unsigned char* begin = der.data();
    return d2i_X509(nullptr, &begin, static_cast<long>(der.size()));
  }
};

Result<PemBlock> next_block(BIO* text) {
  char* type = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(text, &type, &header, &data, &size) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
      return damaged("a block of it is cut off or no base64");
    }
    ERR_clear_error();
    return PemBlock{};
  }
  PemBlock block{type, {data, data + size}};
  OPENSSL_free(type);
  OPENSSL_free(header);
  OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  return block;
}

}  // namespace

Result<std::shared_ptr<const SigningKey>> SigningKey::make(Wall signs_from) {
  KeyPtr key(EVP_RSA_gen(rsa_bits), &EVP_PKEY_free);
  if (key == nullptr) return openssl_failed("making an RSA key");
  CertificatePtr certificate(X509_new(), &X509_free);
  if (certificate == nullptr || !fill_certificate(certificate.get(), key.get(), signs_from)) {
    return openssl_failed("making the certificate of a key");
  }
  return join(std::move(key), std::move(certificate));
}

Result<std::shared_ptr<const SigningKey>> SigningKey::join(KeyPtr key, CertificatePtr certificate) {
  if (EVP_PKEY_is_a(key.get(), "RSA") != 1 || EVP_PKEY_get_bits(key.get()) < rsa_bits) {
    return fail(Reason::invalid, "a key is not RSA of at least 2048 bits");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return fail(Reason::invalid, "a certificate is not of the key before it");
  }
  const std::shared_ptr<SigningKey> made(new SigningKey(std::move(key)));
  const Result<Wall> begin = begin_of(certificate.get());
  if (!begin) return fail(begin.error());
  made->signs_from_ = *begin;

  unsigned char* der = nullptr;
  const int der_size = i2d_PUBKEY(made->key_.get(), &der);
  if (der_size <= 0) return openssl_failed("writing the public key");
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(der, static_cast<std::size_t>(der_size), digest.data());
  OPENSSL_free(der);
  constexpr std::size_t id_bytes = 20;
  for (std::size_t i = 0; i < id_bytes; ++i) {
    for (const int shift : {4, 0}) made->id_ += "0123456789abcdef"[digest[i] >> shift & 15];
  }

  const BioPtr pem(BIO_new(BIO_s_mem()));
  if (pem == nullptr || PEM_write_bio_X509(pem.get(), certificate.get()) != 1) {
    return openssl_failed("writing the certificate");
  }
  made->certificate_ = contents(pem.get());

  const Result<std::string> modulus = number_of(made->key_.get(), OSSL_PKEY_PARAM_RSA_N);
  if (!modulus) return fail(modulus.error());
  const Result<std::string> exponent = number_of(made->key_.get(), OSSL_PKEY_PARAM_RSA_E);
  if (!exponent) return fail(exponent.error());
  made->jwk_ = R"({"kty":"RSA","use":"sig","alg":"RS256","kid":")" + made->id_ + R"(","n":")" +
               *modulus + R"(","e":")" + *exponent + R"("})";
  return made;
}

Result<std::string> SigningKey::sign(std::string_view claims) const {
  std::string token = base64url(R"({"alg":"RS256","kid":")" + id_ + R"(","typ":"JWT"})");
  token += "." + base64url(claims);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::vector<unsigned char> signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
  std::size_t size = signature.size();
  const bool made =
      context != nullptr &&
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), signature.data(), &size,
                     reinterpret_cast<const unsigned char*>(token.data()), token.size()) == 1;
  if (!made) return openssl_failed("signing a token");
  signature.resize(size);
  return token + "." + base64url(signature);
}

Result<std::string> SigningKey::to_pem() const {
  const BioPtr pem(BIO_new(BIO_s_secmem()));
  if (pem == nullptr ||
      PEM_write_bio_PrivateKey(pem.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_failed("writing the private key");
  }
  return contents(pem.get()) + certificate_;
}

Result<SigningKeys> parse_signing_keys(std::string_view pem) {
  const BioPtr text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (text == nullptr) return openssl_failed("reading keys");
  SigningKeys keys;
  for (;;) {
    const Result<PemBlock> private_key = next_block(text.get());
    if (!private_key) return fail(private_key.error());
    if (private_key->type.empty()) break;
    SigningKey::KeyPtr key(private_key->type == PEM_STRING_PKCS8INF ? private_key->key() : nullptr,
                           &EVP_PKEY_free);
    if (key == nullptr) return damaged("there is no private key where one should be");

    const Result<PemBlock> block = next_block(text.get());
    if (!block) return fail(block.error());
    SigningKey::CertificatePtr certificate(
        block->type == PEM_STRING_X509 ? block->certificate() : nullptr, &X509_free);
    if (certificate == nullptr) return damaged("the certificate of a key is missing");
    auto joined = SigningKey::join(std::move(key), std::move(certificate));
    if (!joined) return fail(joined.error());
    keys.push_back(std::move(*joined));
  }
  if (keys.empty()) return damaged("there is no private key where one should be");
  return keys;
}

}  // namespace deferd
