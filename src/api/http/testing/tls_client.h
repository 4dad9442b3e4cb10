// RawClient under TLS: what it offers and which versions it speaks is the test's choice.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "api/http/testing/raw_client.h"

namespace deferd {

class TlsClient final : public RawClient {
 public:
  struct Options {
    std::string authority;  // a file
    std::string alpn;       // names, each behind its length: "\x02h2"; empty: none offered
    int version_max = TLS1_3_VERSION;
  };

  TlsClient(std::uint16_t port, const Options& options)
      : RawClient(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), options.version_max);
    SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_load_verify_file(context_.get(), options.authority.c_str());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd());
    SSL_set1_host(ssl_.get(), "localhost");
    if (!options.alpn.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.alpn.data()),
                          static_cast<unsigned>(options.alpn.size()));
    }
    shaken_ = SSL_connect(ssl_.get()) == 1;
  }

  // Whether the handshake went well, the server's certificate among it.
  bool shaken() const { return shaken_; }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  // The common name in the server's certificate.
  std::string server_name() const {
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())),
                              NID_commonName, name, sizeof name);
    return name;
  }

  bool send(std::string_view bytes) override {
    return bytes.empty() || SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  }
  // The end of what we send, told inside TLS.
  void end() { SSL_shutdown(ssl_.get()); }
  // Whether the server said that nothing more comes, rather than just closing.
  bool was_told_the_end() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  ssize_t receive_some(char* to, std::size_t size) override {
    return SSL_read(ssl_.get(), to, static_cast<int>(size));
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool shaken_ = false;
};

}  // namespace deferd
