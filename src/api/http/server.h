// The HTTP server that the doors stand on: one listening address, a few threads, connections that
// cost little while they are idle, and bounds on everything that a client decides.
//
// HTTP/1.1 and 1.0 with keep-alive; pipelined requests are answered in order, one after the other.
// Bodies with a length or in chunks; one that is over its limit is refused before it is in memory.
// A client may half-close after its request and still gets its answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "api/http/http.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

class TlsIdentity;

struct HttpOptions {
  std::string listen = "127.0.0.1:8123";  // HOST:PORT or [IPV6]:PORT; port 0: the system chooses
  std::uint32_t threads = 1;
  std::uint64_t body_bytes_max = 10 << 20;
  std::uint64_t head_bytes_max = 64 << 10;
  // Of all requests together that have not arrived whole yet. Past it, what grows is refused (429).
  std::uint64_t buffered_bytes_max = 256 << 20;
  std::uint32_t connections_max = 20'000;

  // A connection without a request is closed after this.
  Millis idle_timeout = std::chrono::minutes(5);
  // From the first byte of a request until its head is complete.
  Millis head_timeout = Seconds(10);
  // A body must bring this much in each such span, or its end. Slower ones are cut off (408).
  Millis body_timeout = Seconds(20);
  std::uint32_t body_progress_bytes = 4096;
  // How long a client may take to accept the next piece of an answer.
  Millis write_timeout = Seconds(30);
  // How often the above are looked at: they are exact to this.
  Millis sweep_interval = Millis(500);

  // One more address, for HTTP/2 alone; empty: none. The setting of this name.
  std::string grpc_listen = {};

  // With it connections speak TLS, and by ALPN HTTP/1.1 or HTTP/2. A client that offers both gets
  // HTTP/1.1, where most of the doors are, but HTTP/2 at grpc_listen. Null: plain text.
  std::shared_ptr<const TlsIdentity> tls = {};
  // Beside TLS, whether plain text is spoken too.
  bool plaintext = false;

  // Given a new connection that speaks HTTP/2: a file descriptor that starts with the preface,
  // unread. The callee owns it. Null: such a connection is refused. Called on the server's threads.
  std::function<void(int)> take_http2;
};

struct HttpStats {
  std::uint64_t connections = 0;          // open now, of HTTP/2 too
  std::uint64_t connections_total = 0;    // ever accepted
  std::uint64_t connections_refused = 0;  // over connections_max
  std::uint64_t handshakes_failed = 0;    // of TLS: no TLS, nothing in common, too slow
  Wall certificate_not_after{};           // of TLS; 1970: none
  std::uint64_t requests_total = 0;       // that reached the handler
  std::uint64_t requests_refused = 0;     // malformed, too large or too slow
  std::uint64_t buffered_bytes = 0;       // of requests that are large and not whole yet
};

class HttpServer {
 public:
  // Binds, listens and starts its threads. `handler` outlives the server. Fails with
  // Reason::invalid for an address that does not parse, resolve or bind; `field` is its setting.
  static Result<std::unique_ptr<HttpServer>> start(const HttpOptions& options,
                                                   HttpHandler& handler);

  // As stop() with no grace.
  virtual ~HttpServer() = default;

  // Where it listens, with the port that the system chose: "127.0.0.1:8123".
  virtual std::string address() const = 0;
  virtual std::uint16_t port() const = 0;
  virtual std::string grpc_address() const = 0;  // of grpc_listen; empty: none
  virtual HttpStats stats() const = 0;

  // No new connections; idle ones end; requests that run are answered, with `Connection: close`.
  // Returns at once.
  virtual void stop_accepting() = 0;
  // The same, then waits until every connection has ended, cuts off what is left after `grace`, and
  // joins the threads. Any thread but the server's own.
  virtual void stop(Millis grace) = 0;
};

// Raises the soft limit of open files to the hard one. Gives what is in force.
std::uint64_t raise_open_files_limit();

}  // namespace deferd
