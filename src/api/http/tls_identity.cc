#include "api/http/tls_identity.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

#include "api/http/tls_session.h"
#include "base/log.h"

namespace deferd {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

std::string openssl_reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "cannot be used";
}

tl::unexpected<Error> bad_file(const char* field, const std::string& file, std::string why) {
  return fail(Reason::invalid, std::string(field) + ": " + file + ": " + std::move(why), field);
}

// A file that cannot be opened is told in the system's words, which OpenSSL's are not.
Result<void> check_readable(const char* field, const std::string& file) {
  std::ifstream in(file);
  if (in && in.peek() != std::ifstream::traits_type::eof()) return {};
  const int error = errno;
  if (in.is_open() && in.eof()) return bad_file(field, file, "is empty; give a file in PEM");
  return bad_file(field, file, std::string(std::strerror(error)) + "; give a file in PEM");
}

// Instead of asking on the terminal.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Wall wall_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Wall{};
  return Wall(Seconds(::timegm(&parts)));
}

void warn_of_dates(const std::string& file, const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    log_warn("tls.certificate_expired",
             {{"file", std::string_view(file)}, {"effect", "callers will refuse to connect"}});
  } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
    log_warn("tls.certificate_not_valid_yet",
             {{"file", std::string_view(file)}, {"effect", "callers will refuse to connect"}});
  }
}

Result<std::unique_ptr<SSL_CTX, FreeContext>> make_context(const TlsOptions& options) {
  if (auto ok = check_readable("tls_cert", options.certificate_file); !ok) return fail(ok.error());
  if (auto ok = check_readable("tls_key", options.key_file); !ok) return fail(ok.error());
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return fail(Reason::internal, "tls: " + openssl_reason());
  SSL_CTX_set_min_proto_version(
      context.get(), options.version_min == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // Requests and answers say where they end, so a peer that just closes cuts nothing short.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection gives its record buffers back, some 34 KiB.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Sessions are resumed by tickets; nothing is kept here for clients that went away.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context.get(), http::choose_protocol, nullptr);

  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str()) != 1) {
    return bad_file("tls_cert", options.certificate_file,
                    "holds no certificate in PEM (" + openssl_reason() + ")");
  }
  bool protected_key = false;
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), &protected_key);
  const bool has_key =
      SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
  if (protected_key) {
    ERR_clear_error();
    return bad_file("tls_key", options.key_file,
                    "is protected by a passphrase; give a key without one, readable by the "
                    "server's user alone");
  }
  if (!has_key && ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
    ERR_clear_error();
    return bad_file("tls_key", options.key_file,
                    "is not the key of the certificate in " + options.certificate_file);
  }
  if (!has_key) {
    return bad_file("tls_key", options.key_file,
                    "holds no private key in PEM (" + openssl_reason() + ")");
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return bad_file("tls_key", options.key_file,
                    "is not the key of the certificate in " + options.certificate_file);
  }
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsIdentity>> TlsIdentity::load(TlsOptions options) {
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(std::move(options)));
  if (auto ok = identity->reload(); !ok) return fail(ok.error());
  return identity;
}

Result<void> TlsIdentity::reload() {
  auto context = make_context(options_);
  if (!context) return fail(context.error());
  const X509* const certificate = SSL_CTX_get0_certificate(context->get());
  warn_of_dates(options_.certificate_file, certificate);
  const std::lock_guard lock(mutex_);
  not_after_ = wall_of(X509_get0_notAfter(certificate));
  context_ = std::move(*context);
  return {};
}

Wall TlsIdentity::not_after() const {
  const std::lock_guard lock(mutex_);
  return not_after_;
}

std::shared_ptr<ssl_ctx_st> TlsIdentity::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace deferd
