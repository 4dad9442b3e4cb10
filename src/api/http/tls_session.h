// The server's side of TLS on one connection, over a socket that does not block. Nothing waits
// here: a call does what the socket allows now, and says what it would need to go on.
//
// On the connection's thread only. OpenSSL writes without MSG_NOSIGNAL, so the thread has SIGPIPE
// blocked.
#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace deferd::http {

class TlsSession {
 public:
  // What a client may choose by ALPN; with both offered, `preferred` wins.
  struct Protocols {
    bool http1 = true;
    bool http2 = false;
    bool prefer_http2 = false;
  };

  enum class Need : std::uint8_t {
    nothing,  // it went on
    read,     // again when the socket can be read
    write,    // again when it can be written
    ended,    // the peer has closed its side
    failed,   // no TLS, broken, or refused
  };
  struct Step {
    Need need = Need::nothing;
    std::size_t bytes = 0;  // moved; with Need::nothing alone
  };

  // Takes no ownership of `fd`, which outlives it.
  TlsSession(SSL_CTX* context, int fd, Protocols protocols);

  Step handshake();
  // Whether the client chose HTTP/2. After the handshake.
  bool is_http2() const;

  // What one call was given and did not take is to be given again, from where it stopped.
  Step read(char* to, std::size_t size);
  Step write(std::span<const iovec> pieces);

  // Tells the peer that nothing more comes, as far as the socket takes that now. Before the socket
  // is closed, or closed for writing.
  void end();

  const Protocols& protocols() const { return protocols_; }

 private:
  Step step(int result);

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  const std::unique_ptr<SSL, Free> ssl_;
  const Protocols protocols_;
  bool established_ = false;
  bool failed_ = false;
};

// OpenSSL's callback for ALPN.
int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void* unused);

}  // namespace deferd::http
