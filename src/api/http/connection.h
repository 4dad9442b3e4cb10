// One connection: a state machine over one socket, on one thread.
//
//   peek ──▶ handshake ──▶ head, or the connection is handed over (HTTP/2)
//
//   head ──▶ body ──▶ running ──▶ writing ──▶ head ...
//     │        │         (the door has it)      └▶ lingering ──▶ closed
//     └────────┴─ refused (400, 408, 413, 431) ─▶ writing
//
// 1. One request at a time is with the door; what a client pipelines behind it waits in the buffer,
// and beyond that in
//    the kernel.
// 2. A read is pending while a request is with the door, so that a client that vanishes during a
// long poll is noticed;
//    but only over an empty buffer. So whoever finds bytes in the buffer knows that no read is
//    pending, and may move them.
// 3. After an error answer the connection lingers: the rest of what the client sends is read and
// dropped for a moment,
//    since closing on unread bytes resets the connection and can destroy the answer on its way.
// 4. It is released (destroyed) only when it is closed, no operation is pending and no member
// function is running.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "api/http/http.h"
#include "api/http/read_buffer.h"
#include "api/http/request_head.h"
#include "api/http/tls_session.h"
#include "api/http/worker.h"

namespace deferd::http {

class Connection {
 public:
  // `http2_only`: nothing else is spoken at its address.
  Connection(Worker& worker, Socket socket, std::uint32_t slot, bool http2_only);
  ~Connection();

  void start();
  // Of the request that is with the door; 0: none is.
  std::uint64_t serial() const { return serial_; }
  void answer(HttpResponse response);
  void when_gone(Callback<void()> gone) { gone_ = std::move(gone); }
  void answer_by(Millis from_now, Callback<HttpResponse()> late);
  void begin_stop();

  // When to call expire(), on the clock of Worker::now_ms().
  std::int64_t deadline_ms() const { return deadline_ms_; }
  // Whether that is a promise to whoever waits, rather than a bound on a slow client.
  bool deadline_is_exact() const { return late_ != nullptr; }
  void expire();

 private:
  enum class State : std::uint8_t {
    peek,
    handshake,
    head,
    body,
    running,
    writing,
    lingering,
    closed
  };
  class Hold;

  void advance();
  bool take_head();
  bool take_body();
  void dispatch(std::string_view head_text, std::string_view body, std::size_t consumed);
  void read_more();
  void read_done(const boost::system::error_code& error, std::size_t bytes);
  void peer_done();
  void read_tls();
  void peek();
  void peeked(std::string_view first);
  void handshake();
  void hand_over();
  void relay();
  bool grow(std::size_t capacity);
  void send_continue();
  void give_memory_back();
  void forget_received();

  void refuse(HttpRefusal refusal);
  std::optional<HttpResponse> refused_by_door(const HttpRefusal& refusal);
  void write(HttpResponse response);
  void write_pending();
  ssize_t send_some(std::span<iovec> pieces);
  void written();
  void linger();
  void close();
  void expect_head();
  void set_deadline(Millis from_now);

  Worker& worker_;
  Socket socket_;
  const std::uint32_t slot_;
  const bool http2_only_;
  std::unique_ptr<TlsSession> tls_;  // null: plain text
  State state_ = State::head;
  bool reading_ = false;        // a read is pending in the loop
  bool waiting_write_ = false;  // so is a wait for the socket to take more
  bool advancing_ = false;
  bool dispatching_ = false;  // handle() is on the stack: an answer waits in early_answer_
  bool peer_done_ = false;    // the peer will send no more
  bool close_after_ = false;  // the answer that is being made or written is the last
  bool head_only_ = false;    // the request is HEAD
  bool http10_ = false;
  int holds_ = 0;

  std::int64_t deadline_ms_ = 0;
  std::uint64_t serial_ = 0;

  ReadBuffer buffer_;
  std::size_t scanned_ = 0;      // no head ends before this offset
  std::size_t head_size_ = 0;    // while in `body`
  std::uint64_t body_size_ = 0;  // announced by Content-Length
  std::uint64_t body_mark_ = 0;  // received bytes at which the body has made progress again
  std::uint64_t budget_ = 0;     // what this connection holds of the worker's
  std::unique_ptr<ChunkedBody> chunked_;

  std::optional<HttpResponse> early_answer_;
  Callback<void()> gone_;
  Callback<HttpResponse()> late_;  // what is said when the door has not answered by deadline_ms_

  std::string out_head_;
  std::string out_body_;
  std::size_t out_sent_ = 0;
};

}  // namespace deferd::http
