// One HTTP/2 connection under TLS: gRPC gets one end of a pair of sockets and speaks HTTP/2 in
// plain text there; this carries bytes between the other end and the client (docs/decisions/0014
// says why).
//
//   client ══TLS══ outer ──in──▶ inner ── pair of sockets ── gRPC
//                        ◀─out──
//
// 1. A way holds at most one record (16 KiB) that its far side did not take yet, and reads no more
//    before that is gone: who reads slowly slows down who writes. At rest a way holds nothing.
// 2. Each side's end is passed on behind the bytes before it.
// 3. It is released only when it is closed, nothing is pending in the loop and no member function
//    is running.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/http/tls_session.h"
#include "api/http/worker.h"

namespace deferd::http {

class Http2Relay {
 public:
  using PairSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;

  // `tls` has shaken hands over `outer`; neither socket blocks.
  Http2Relay(Worker& worker, Socket outer, std::unique_ptr<TlsSession> tls, PairSocket inner);

  void start();

  // When to call expire(), on the clock of Worker::now_ms().
  std::int64_t deadline_ms() const { return deadline_ms_; }
  void expire();

 private:
  class Hold;
  struct Way {
    std::string held;      // read from one side, not taken by the other yet
    bool blocked = false;  // until the loop says otherwise: by the side that is read when nothing
                           // is held, else by the one that is written
    bool ended = false;    // nothing more comes
  };

  void advance();
  void move_in();
  void move_out();
  void deliver_in(std::string_view bytes);
  void deliver_out(std::string_view bytes);
  void outer_ended();
  void inner_ended();
  template <class WaitedSocket>
  void wait(WaitedSocket& socket, typename WaitedSocket::wait_type kind, Way& way);
  void set_deadline(Millis from_now);
  void close();

  Worker& worker_;
  Socket outer_;
  std::unique_ptr<TlsSession> tls_;
  PairSocket inner_;
  Way in_;
  Way out_;
  bool dropping_ = false;  // what still comes from the client is read and dropped
  bool closed_ = false;
  int pending_ = 0;  // operations in the loop
  int holds_ = 0;
  std::int64_t deadline_ms_;
};

}  // namespace deferd::http
