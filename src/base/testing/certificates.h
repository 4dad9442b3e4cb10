// Certificates made when a test runs: an authority and what it signs, so that nothing expires in
// the repository.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace deferd {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, OpensslFree<X509_free>>;
using TlsContext = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;

struct CertificateRequest {
  std::string name = "deferd test";
  std::string alternative_names;  // "IP:127.0.0.1,DNS:example.test"; empty: none
  long days = 1;                  // negative: expired yesterday
  bool authority = false;
};

// A file of its own name, gone with this.
class TestFile {
 public:
  TestFile() {
    char path[] = "/tmp/deferd-test-XXXXXX";
    const int fd = ::mkstemp(path);
    EXPECT_GE(fd, 0);
    ::close(fd);
    path_ = path;
  }
  ~TestFile() { ::unlink(path_.c_str()); }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;

  const std::string& path() const { return path_; }
  // For writing from its start, until close().
  FILE* open() { return out_ = std::fopen(path_.c_str(), "w"); }
  void close() { std::fclose(out_); }
  void write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), open());
    close();
  }

 private:
  std::string path_;
  FILE* out_ = nullptr;
};

class TestAuthority {
 public:
  TestAuthority() : key_(make_key()) {
    CertificateRequest request;
    request.name = "deferd test authority";
    request.authority = true;
    certificate_ = make(request, key_.get(), nullptr, key_.get());
    EXPECT_EQ(PEM_write_X509(file_.open(), certificate_.get()), 1);
    file_.close();
  }

  const std::string& file() const { return file_.path(); }

  // A server's context with a certificate signed by this authority, or by itself.
  TlsContext serve(const CertificateRequest& request, bool self_signed = false) const {
    const auto [certificate, key] = issue(request, self_signed);
    TlsContext context(SSL_CTX_new(TLS_server_method()));
    EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key.get()), 1);
    return context;
  }

  // The same as files, which may be there already: then they are written anew.
  void write(const CertificateRequest& request, TestFile& certificate_file,
             TestFile& key_file) const {
    const auto [certificate, key] = issue(request, false);
    EXPECT_EQ(PEM_write_X509(certificate_file.open(), certificate.get()), 1);
    certificate_file.close();
    EXPECT_EQ(
        PEM_write_PrivateKey(key_file.open(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    key_file.close();
  }

 private:
  std::pair<Certificate, Key> issue(const CertificateRequest& request, bool self_signed) const {
    Key key = make_key();
    Certificate certificate = self_signed
                                  ? make(request, key.get(), nullptr, key.get())
                                  : make(request, key.get(), certificate_.get(), key_.get());
    return {std::move(certificate), std::move(key)};
  }

  static Key make_key() { return Key(EVP_EC_gen("P-256")); }

  static Certificate make(const CertificateRequest& request, EVP_PKEY* key, X509* issuer,
                          EVP_PKEY* issuer_key) {
    static long serial = 1;
    Certificate certificate(X509_new());
    X509* x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    constexpr long day = 24 * 60 * 60;
    X509_gmtime_adj(X509_getm_notBefore(x), -10 * day);
    X509_gmtime_adj(X509_getm_notAfter(x), request.days * day);
    X509_set_pubkey(x, key);
    X509_NAME* name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1,
                               0);
    X509_set_issuer_name(x, issuer != nullptr ? X509_get_subject_name(issuer) : name);
    if (request.authority) extend(x, NID_basic_constraints, "critical,CA:TRUE");
    if (!request.alternative_names.empty()) {
      extend(x, NID_subject_alt_name, request.alternative_names.c_str());
    }
    EXPECT_GT(X509_sign(x, issuer_key, EVP_sha256()), 0);
    return certificate;
  }

  static void extend(X509* certificate, int id, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  Key key_;
  Certificate certificate_;
  TestFile file_;
};

}  // namespace deferd
