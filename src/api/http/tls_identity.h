// What a server shows of itself under TLS: a certificate and its key, from PEM files that may be
// read anew while it runs. Connections keep what they began with.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "base/time.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace deferd {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

struct TlsOptions {
  std::string certificate_file;  // the server's certificate, then those up to its root's
  std::string key_file;          // without a passphrase
  TlsVersion version_min = TlsVersion::v1_2;
};

class TlsIdentity {
 public:
  // Fails with Reason::invalid and the field "tls_cert" or "tls_key" when a file is missing, cannot
  // be read or is no PEM, or when the two do not belong together. A certificate that has expired,
  // or is not valid yet, is told in the log.
  static Result<std::shared_ptr<TlsIdentity>> load(TlsOptions options);

  // Reads the files again; when that fails, what was there stays. Any thread.
  Result<void> reload();

  // When the certificate ends.
  Wall not_after() const;

  // For a new connection. Any thread.
  std::shared_ptr<ssl_ctx_st> context() const;

 private:
  explicit TlsIdentity(TlsOptions options) : options_(std::move(options)) {}

  const TlsOptions options_;
  mutable std::mutex mutex_;  // protects the next two
  std::shared_ptr<ssl_ctx_st> context_;
  Wall not_after_;
};

}  // namespace deferd
