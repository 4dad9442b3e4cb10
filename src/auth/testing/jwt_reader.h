// Tokens as a verifier takes them apart, with OpenSSL alone: nothing of what made them.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace deferd {

inline std::string from_base64url(std::string_view text) {
  std::string bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::size_t digit = digits.find(c);
    EXPECT_NE(digit, std::string_view::npos) << text;
    bits = bits << 6 | static_cast<unsigned>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(bits >> held & 255));
  }
  return bytes;
}

struct Jwt {
  boost::json::object header;
  boost::json::object claims;
  std::string signed_text;
  std::string signature;

  explicit Jwt(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = token.find('.', first + 1);
    EXPECT_NE(second, std::string_view::npos) << token;
    header = boost::json::parse(from_base64url(token.substr(0, first))).as_object();
    claims =
        boost::json::parse(from_base64url(token.substr(first + 1, second - first - 1))).as_object();
    signed_text = token.substr(0, second);
    signature = from_base64url(token.substr(second + 1));
  }

  std::string kid() const { return std::string(header.at("kid").as_string()); }

  // RS256 by the key of a certificate in PEM form.
  bool verifies(std::string_view certificate) const {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> text(
        BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())), &BIO_free_all);
    const std::unique_ptr<X509, decltype(&X509_free)> x509(
        PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
    EXPECT_NE(x509, nullptr) << certificate;
    if (x509 == nullptr) return false;
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free);
    EXPECT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                                   X509_get0_pubkey(x509.get())),
              1);
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size(),
                            reinterpret_cast<const unsigned char*>(signed_text.data()),
                            signed_text.size()) == 1;
  }
};

}  // namespace deferd
