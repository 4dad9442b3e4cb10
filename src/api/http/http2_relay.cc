#include "api/http/http2_relay.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <limits>
#include <utility>

namespace deferd::http {
namespace {

constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t piece_bytes_max = 16 << 10;  // a record of TLS
// A busy connection gives the others of its thread a turn after so many pieces.
constexpr int pieces_at_once = 8;
// How long a client may take to close after we have.
constexpr Millis linger_time = Seconds(2);

}  // namespace

// Invariant 3.
class Http2Relay::Hold {
 public:
  explicit Hold(Http2Relay& relay) : relay_(relay) { ++relay_.holds_; }
  ~Hold() {
    if (--relay_.holds_ > 0 || !relay_.closed_ || relay_.pending_ > 0) return;
    relay_.worker_.release(relay_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Http2Relay& relay_;
};

Http2Relay::Http2Relay(Worker& worker, Socket outer, std::unique_ptr<TlsSession> tls,
                       PairSocket inner)
    : worker_(worker),
      outer_(std::move(outer)),
      tls_(std::move(tls)),
      inner_(std::move(inner)),
      deadline_ms_(no_deadline) {}

void Http2Relay::start() {
  const Hold hold(*this);
  advance();
}

void Http2Relay::set_deadline(Millis from_now) {
  deadline_ms_ = Worker::now_ms() + from_now.count();
}

// The deadline was that of a peer that takes nothing, or does not close.
void Http2Relay::expire() {
  const Hold hold(*this);
  close();
}

void Http2Relay::advance() {
  for (int i = 0; i < pieces_at_once; ++i) {
    if (!in_.blocked && !in_.ended) move_in();
    if (closed_) return;
    if (!out_.blocked && !out_.ended) move_out();
    if (closed_) return;
    if (in_.ended && out_.ended) return close();
    if ((in_.blocked || in_.ended) && (out_.blocked || out_.ended)) return;
  }
  ++pending_;
  asio::post(worker_.context(), [this] {
    const Hold hold(*this);
    --pending_;
    if (!closed_) advance();
  });
}

void Http2Relay::move_in() {
  if (!in_.held.empty()) return deliver_in(std::exchange(in_.held, {}));
  std::array<char, piece_bytes_max> piece;
  const TlsSession::Step step = tls_->read(piece.data(), piece.size());
  switch (step.need) {
    case TlsSession::Need::nothing:
      return deliver_in({piece.data(), step.bytes});
    case TlsSession::Need::read:
      return wait(outer_, Socket::wait_read, in_);
    case TlsSession::Need::write:
      return wait(outer_, Socket::wait_write, in_);
    case TlsSession::Need::ended:
      return outer_ended();
    case TlsSession::Need::failed:
      return close();
  }
}

void Http2Relay::deliver_in(std::string_view bytes) {
  if (dropping_) return;
  const ssize_t sent =
      ::send(inner_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) {
    dropping_ = true;  // gRPC has closed; its last words may still be on their way out
    return;
  }
  bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
  if (bytes.empty()) return;
  in_.held = bytes;
  wait(inner_, PairSocket::wait_write, in_);
}

void Http2Relay::move_out() {
  if (!out_.held.empty()) return deliver_out(std::exchange(out_.held, {}));
  std::array<char, piece_bytes_max> piece;
  const ssize_t got = ::recv(inner_.native_handle(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got > 0) return deliver_out({piece.data(), static_cast<std::size_t>(got)});
  if (got < 0 && errno == EAGAIN) return wait(inner_, PairSocket::wait_read, out_);
  inner_ended();
}

void Http2Relay::deliver_out(std::string_view bytes) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const TlsSession::Step step = tls_->write({&piece, 1});
  switch (step.need) {
    case TlsSession::Need::nothing:
      if (!in_.ended) deadline_ms_ = no_deadline;
      out_.held = bytes.substr(step.bytes);
      return;
    case TlsSession::Need::write:
      out_.held = bytes;
      if (deadline_ms_ == no_deadline) set_deadline(worker_.options().write_timeout);
      return wait(outer_, Socket::wait_write, out_);
    default:
      return close();
  }
}

// gRPC ends a connection whose client has closed; should it not, the deadline does.
void Http2Relay::outer_ended() {
  in_.ended = true;
  ::shutdown(inner_.native_handle(), SHUT_WR);
  if (!out_.ended) set_deadline(worker_.options().write_timeout);
}

// What the client still sends is read for a moment: closing on unread bytes resets the connection
// and can destroy the last answer on its way.
void Http2Relay::inner_ended() {
  out_.ended = true;
  dropping_ = true;
  tls_->end();
  boost::system::error_code ignored;
  outer_.shutdown(Socket::shutdown_send, ignored);
  set_deadline(linger_time);
}

template <class WaitedSocket>
void Http2Relay::wait(WaitedSocket& socket, typename WaitedSocket::wait_type kind, Way& way) {
  way.blocked = true;
  ++pending_;
  socket.async_wait(kind, [this, &way](const boost::system::error_code& error) {
    const Hold hold(*this);
    --pending_;
    way.blocked = false;
    if (closed_) return;
    if (error) return close();
    advance();
  });
}

void Http2Relay::close() {
  if (closed_) return;
  closed_ = true;
  deadline_ms_ = no_deadline;
  tls_->end();
  boost::system::error_code ignored;
  outer_.close(ignored);
  inner_.close(ignored);
}

}  // namespace deferd::http
