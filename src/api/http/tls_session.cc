#include "api/http/tls_session.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace deferd::http {
namespace {

constexpr std::string_view name_http1 = "http/1.1";
constexpr std::string_view name_http2 = "h2";
constexpr std::size_t record_bytes_max = 16 << 10;  // of plain text (RFC 8446, 5.1)

// Of the client's own memory, as OpenSSL wants it; null when it is not offered.
const unsigned char* find_protocol(std::span<const unsigned char> offered, std::string_view name) {
  while (!offered.empty()) {
    const std::size_t size = offered.front();
    if (size + 1 > offered.size()) return nullptr;
    if (size == name.size() && std::memcmp(offered.data() + 1, name.data(), size) == 0)
      return offered.data() + 1;
    offered = offered.subspan(size + 1);
  }
  return nullptr;
}

}  // namespace

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void* /*unused*/) {
  const TlsSession::Protocols& ours =
      static_cast<const TlsSession*>(SSL_get_app_data(ssl))->protocols();
  std::array<std::string_view, 2> wanted = {ours.http1 ? name_http1 : "",
                                            ours.http2 ? name_http2 : ""};
  if (ours.prefer_http2) std::swap(wanted[0], wanted[1]);
  for (const std::string_view name : wanted) {
    if (name.empty()) continue;
    const unsigned char* const found = find_protocol({offered, offered_size}, name);
    if (found == nullptr) continue;
    *chosen = found;
    *chosen_size = static_cast<unsigned char>(name.size());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301, 3.2
}

TlsSession::TlsSession(SSL_CTX* context, int fd, Protocols protocols)
    : ssl_(SSL_new(context)), protocols_(protocols) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), fd) != 1) throw std::bad_alloc();
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_accept_state(ssl_.get());
}

TlsSession::Step TlsSession::step(int result) {
  if (result > 0) return {Need::nothing, static_cast<std::size_t>(result)};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Need::read};
    case SSL_ERROR_WANT_WRITE:
      return {Need::write};
    case SSL_ERROR_ZERO_RETURN:
      return {Need::ended};
    default:
      failed_ = true;
      return {Need::failed};
  }
}

TlsSession::Step TlsSession::handshake() {
  ERR_clear_error();
  const Step done = step(SSL_do_handshake(ssl_.get()));
  established_ = done.need == Need::nothing;
  return done;
}

bool TlsSession::is_http2() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == name_http2;
}

TlsSession::Step TlsSession::read(char* to, std::size_t size) {
  DEFERD_ASSERT(size > 0);
  ERR_clear_error();
  return step(SSL_read(ssl_.get(), to, static_cast<int>(std::min(size, record_bytes_max))));
}

// One record a call. Small pieces are joined: a record each would cost more than the copy.
TlsSession::Step TlsSession::write(std::span<const iovec> pieces) {
  ERR_clear_error();
  while (!pieces.empty() && pieces.front().iov_len == 0) pieces = pieces.subspan(1);
  DEFERD_ASSERT(!pieces.empty());
  const iovec& first = pieces.front();
  if (pieces.size() == 1 || first.iov_len >= record_bytes_max) {
    return step(SSL_write(ssl_.get(), first.iov_base,
                          static_cast<int>(std::min(first.iov_len, record_bytes_max))));
  }
  std::array<char, record_bytes_max> joined;
  std::size_t size = 0;
  for (const iovec& piece : pieces) {
    const std::size_t part = std::min(piece.iov_len, joined.size() - size);
    std::memcpy(joined.data() + size, piece.iov_base, part);
    size += part;
  }
  return step(SSL_write(ssl_.get(), joined.data(), static_cast<int>(size)));
}

void TlsSession::end() {
  if (!established_ || failed_) return;
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(ssl_.get()));
}

}  // namespace deferd::http
