#include "api/http/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <limits>

#include "api/http/http2_relay.h"
#include "api/http/response_head.h"
#include "api/http/tls_identity.h"
#include "base/assert.h"
#include "base/log.h"

namespace deferd::http {
namespace {

// An ordinary request of 300 bytes with its head fits; 10,000 idle connections hold 20 MB.
constexpr std::size_t buffer_bytes_first = 2048;
// A buffer that a large request made larger than this is given back after it.
constexpr std::size_t buffer_bytes_kept = 8192;
// A body's buffer grows by doubling from here: a client that announces much must also send it.
constexpr std::size_t body_bytes_at_once = 64 << 10;
constexpr std::size_t chunked_bytes_at_once = 16 << 10;
constexpr Millis linger_time = Seconds(2);

constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();

constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// "PRI" is no method of HTTP/1, so three bytes decide.
constexpr std::string_view http2_mark = http2_preface.substr(0, 3);
constexpr char tls_mark = 0x16;  // of a record that belongs to a handshake (RFC 8446, 5.1)

}  // namespace

// Invariant 4: entry points from the loop hold the connection until they return.
class Connection::Hold {
 public:
  explicit Hold(Connection& connection) : connection_(connection) { ++connection_.holds_; }
  ~Hold() {
    if (--connection_.holds_ > 0 || connection_.state_ != State::closed) return;
    if (connection_.reading_ || connection_.waiting_write_) return;
    connection_.worker_.release(connection_.slot_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Connection& connection_;
};

Connection::Connection(Worker& worker, Socket socket, std::uint32_t slot, bool http2_only)
    : worker_(worker), socket_(std::move(socket)), slot_(slot), http2_only_(http2_only) {}

Connection::~Connection() {
  if (budget_ > 0) worker_.give_budget(budget_);
  // The server goes down with a request at the door: a caller that waits is gone.
  if (gone_) std::move(gone_)();
}

void Connection::start() {
  const Hold hold(*this);
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  expect_head();
  const HttpOptions& options = worker_.options();
  if (options.tls == nullptr && !options.take_http2) return read_more();
  if (options.tls != nullptr && !options.plaintext) set_deadline(options.head_timeout);
  peek();
}

// ---- The one port: TLS, HTTP/2, HTTP/1
// ------------------------------------------------------------------------------------------------------

// Nothing is read yet: gRPC wants a connection untouched.
void Connection::peek() {
  state_ = State::peek;
  reading_ = true;
  socket_.async_wait(Socket::wait_read, [this](const boost::system::error_code& error) {
    const Hold hold(*this);
    reading_ = false;
    if (state_ == State::closed) return;
    if (error) return close();
    char first[http2_mark.size()];
    const ssize_t got =
        ::recv(socket_.native_handle(), first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return peek();
    if (got <= 0) return close();
    peeked({first, static_cast<std::size_t>(got)});
  });
}

void Connection::peeked(std::string_view first) {
  const HttpOptions& options = worker_.options();
  if (options.tls != nullptr && first.front() == tls_mark) {
    tls_ = std::make_unique<TlsSession>(
        options.tls->context().get(), socket_.native_handle(),
        TlsSession::Protocols{
            .http1 = !http2_only_, .http2 = bool(options.take_http2), .prefer_http2 = http2_only_});
    state_ = State::handshake;
    set_deadline(options.head_timeout);
    return handshake();
  }
  if (options.tls != nullptr && !options.plaintext) {
    if (first.starts_with(http2_mark)) return close();  // it would not understand an answer
    return refuse({400, "INVALID_ARGUMENT", "this address speaks TLS; use https"});
  }
  // Fewer bytes than the mark are HTTP/1's: waiting for readiness again while they lie there would
  // spin.
  if (options.take_http2 && first.starts_with(http2_mark)) return hand_over();
  if (http2_only_) return refuse({400, "INVALID_ARGUMENT", "this address speaks gRPC alone"});
  state_ = State::head;
  read_more();
}

void Connection::handshake() {
  const auto again = [this](bool Connection::* pending, Socket::wait_type kind) {
    this->*pending = true;
    socket_.async_wait(kind, [this, pending](const boost::system::error_code& error) {
      const Hold hold(*this);
      this->*pending = false;
      if (state_ == State::closed) return;
      if (error) return close();
      handshake();
    });
  };
  switch (tls_->handshake().need) {
    case TlsSession::Need::nothing:
      if (tls_->is_http2()) return relay();
      expect_head();
      return read_more();
    case TlsSession::Need::read:
      return again(&Connection::reading_, Socket::wait_read);
    case TlsSession::Need::write:
      return again(&Connection::waiting_write_, Socket::wait_write);
    default:
      worker_.counters().handshakes_failed.fetch_add(1, std::memory_order_relaxed);
      return close();
  }
}

void Connection::hand_over() {
  boost::system::error_code failed;
  const int fd = socket_.release(failed);
  close();
  if (failed) return;
  worker_.counters().handed_over.add(fd);
  worker_.options().take_http2(fd);
}

void Connection::relay() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    log_warn("http.no_pair_for_http2", {{"why", std::strerror(errno)}});
    return close();
  }
  auto relay = std::make_unique<Http2Relay>(
      worker_, std::move(socket_), std::move(tls_),
      Http2Relay::PairSocket(worker_.context(), asio::local::stream_protocol(), ends[0]));
  close();
  worker_.options().take_http2(ends[1]);
  worker_.adopt(std::move(relay));
}

void Connection::expect_head() {
  state_ = State::head;
  serial_ = 0;
  scanned_ = 0;
  set_deadline(buffer_.size() == 0 ? worker_.options().idle_timeout
                                   : worker_.options().head_timeout);
}

void Connection::set_deadline(Millis from_now) {
  deadline_ms_ = Worker::now_ms() + from_now.count();
}

// Goes on as long as what was received allows.
void Connection::advance() {
  if (advancing_) return;
  advancing_ = true;
  for (bool more = true; more;) {
    switch (state_) {
      case State::head:
        more = take_head();
        break;
      case State::body:
        more = take_body();
        break;
      case State::lingering:
        forget_received();
        more = false;
        break;
      default:
        more = false;
    }
  }
  advancing_ = false;
  if (state_ == State::closed) return;
  if (peer_done_) {
    peer_done();
  } else {
    read_more();
  }
}

// True when the state has changed.
bool Connection::take_head() {
  // An empty line before a request is tolerated (RFC 9112, 2.2).
  while (scanned_ == 0 && buffer_.text().starts_with("\r\n")) buffer_.consume(2);
  const std::string_view text = buffer_.text();
  if (text.empty()) {
    if (worker_.stopping()) {
      close();
      return true;
    }
    return false;
  }
  // No method begins otherwise; TLS or garbage is told at once, not when its time is over.
  if (const char c = text.front(); c < 'A' || (c > 'Z' && c < 'a') || c > 'z') {
    refuse({400, "INVALID_ARGUMENT", "this is not HTTP; speak plain HTTP/1.1 to this port"});
    return true;
  }
  if (text.starts_with(http2_preface.substr(0, 16))) {
    refuse({400, "INVALID_ARGUMENT", "HTTP/2 is not spoken on this port; use HTTP/1.1"});
    return true;
  }
  const std::size_t end = text.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  const std::uint64_t head_bytes_max = worker_.options().head_bytes_max;
  if (end == text.npos ? text.size() >= head_bytes_max : end + 4 > head_bytes_max) {
    refuse({431, "INVALID_ARGUMENT",
            "the request's head is over " + std::to_string(head_bytes_max) + " bytes"});
    return true;
  }
  if (end == text.npos) {
    if (scanned_ == 0)
      set_deadline(worker_.options().head_timeout);  // the first byte starts the clock
    scanned_ = text.size();
    return false;
  }
  head_size_ = end + 4;
  RequestHead& head = worker_.scratch_head;
  if (HttpRefusal refusal = parse_request_head(text.substr(0, head_size_), head)) {
    refuse(std::move(refusal));
    return true;
  }
  if (head.content_length > worker_.options().body_bytes_max) {
    refuse({413, "INVALID_ARGUMENT",
            "the request's body is " + std::to_string(head.content_length) + " bytes; at most " +
                std::to_string(worker_.options().body_bytes_max) + " are accepted"});
    return true;
  }
  body_size_ = head.content_length;
  const std::size_t size = head_size_ + body_size_;
  if (!head.chunked && text.size() >= size) {
    dispatch(text.substr(0, head_size_), text.substr(head_size_, body_size_), size);
    return true;
  }
  http10_ = head.version == 10;
  const bool wants_continue = head.expect_continue && !http10_ && text.size() == head_size_;
  if (head.chunked) {
    chunked_ =
        std::make_unique<ChunkedBody>(text.substr(0, head_size_), worker_.options().body_bytes_max);
  }
  state_ = State::body;
  body_mark_ = worker_.options().body_progress_bytes;
  set_deadline(worker_.options().body_timeout);
  if (wants_continue) send_continue();
  return true;
}

bool Connection::take_body() {
  std::uint64_t received = buffer_.size() - head_size_;
  if (chunked_ != nullptr) {
    HttpRefusal refusal;
    const std::size_t before = chunked_->body().capacity();
    const std::size_t taken = chunked_->take(buffer_.text().substr(head_size_), refusal);
    buffer_.cut(head_size_, taken);
    const std::size_t grown = chunked_->body().capacity() - before;
    if (!refusal && !worker_.take_budget(grown)) {
      refusal = {429, "RESOURCE_EXHAUSTED",
                 "too much is being received at once; try again in a second"};
    } else if (!refusal) {
      budget_ += grown;
    }
    // What is left is the start of a chunk's head or trailer; nobody needs a long one.
    if (!refusal && !chunked_->done() &&
        buffer_.size() - head_size_ > worker_.options().head_bytes_max) {
      refusal = {400, "INVALID_ARGUMENT", "the head or trailer of a chunk is too long"};
    }
    if (refusal) {
      refuse(std::move(refusal));
      return true;
    }
    received = chunked_->body().size();
    if (chunked_->done()) {
      const HttpRefusal none =
          parse_request_head(buffer_.text().substr(0, head_size_), worker_.scratch_head);
      DEFERD_ASSERT(!none);
      const std::unique_ptr<ChunkedBody> body = std::move(chunked_);
      dispatch(buffer_.text().substr(0, head_size_), body->body(), head_size_);
      return true;
    }
  } else if (received >= body_size_) {
    const std::string_view text = buffer_.text();
    const HttpRefusal none = parse_request_head(text.substr(0, head_size_), worker_.scratch_head);
    DEFERD_ASSERT(!none);  // it parsed before
    dispatch(text.substr(0, head_size_), text.substr(head_size_, body_size_),
             head_size_ + body_size_);
    return true;
  }
  if (received >= body_mark_) {
    body_mark_ = received + worker_.options().body_progress_bytes;
    set_deadline(worker_.options().body_timeout);
  }
  return false;
}

// `scratch_head` is that of this request. The views end with this call: what they show is consumed.
void Connection::dispatch(std::string_view head_text, std::string_view body, std::size_t consumed) {
  DEFERD_ASSERT(!head_text.empty());
  DEFERD_ASSERT(!reading_);  // invariant 2: the buffer is ours
  const RequestHead& head = worker_.scratch_head;
  HttpRequest request;
  request.method = head.method;
  split_target(head.target, request.path, request.query);
  request.headers = head.headers;
  request.body = body;

  state_ = State::running;
  deadline_ms_ = no_deadline;
  serial_ = worker_.next_serial();
  close_after_ = !head.keep_alive || worker_.stopping();
  head_only_ = head.method == "HEAD";
  http10_ = head.version == 10;
  worker_.counters().requests_total.fetch_add(1, std::memory_order_relaxed);

  dispatching_ = true;
  try {
    worker_.handler().handle(request, HttpReply(worker_.shared_from_this(), {slot_, serial_}));
  } catch (const std::exception& error) {
    log_error("http.handler_threw",
              {{"what", error.what()}});  // its reply was dropped: that answered 500
  }
  dispatching_ = false;

  buffer_.consume(consumed);
  give_memory_back();
  if (early_answer_) {
    HttpResponse response = std::move(*early_answer_);
    early_answer_.reset();
    write(std::move(response));
  }
}

void Connection::give_memory_back() {
  if (buffer_.capacity() > buffer_bytes_kept) buffer_.shrink_to(buffer_bytes_first);
  if (budget_ == 0) return;
  worker_.give_budget(budget_);
  budget_ = 0;
}

// After a refusal: the rest is of no interest.
void Connection::forget_received() {
  if (reading_) return;
  buffer_.consume(buffer_.size());
  give_memory_back();
}

void Connection::answer_by(Millis from_now, Callback<HttpResponse()> late) {
  if (state_ != State::running) return;
  set_deadline(from_now);
  late_ = std::move(late);
  worker_.sweep_by(deadline_ms_);
}

void Connection::answer(HttpResponse response) {
  if (state_ != State::running) return;
  if (dispatching_) {
    if (!early_answer_) early_answer_ = std::move(response);
    return;
  }
  const Hold hold(*this);
  write(std::move(response));
  advance();
}

// ---- Reading
// ------------------------------------------------------------------------------------------------------

// False when memory for it was refused.
bool Connection::grow(std::size_t capacity) {
  if (capacity > buffer_bytes_kept && capacity > buffer_.capacity()) {
    const std::uint64_t more = capacity - buffer_.capacity();
    if (!worker_.take_budget(more)) return false;
    budget_ += more;
  }
  buffer_.make_room(capacity);
  return true;
}

void Connection::read_more() {
  if (reading_ || peer_done_ || state_ == State::closed || state_ == State::peek ||
      state_ == State::handshake) {
    return;
  }
  const bool busy = state_ == State::running || state_ == State::writing;
  if (busy && buffer_.size() > 0)
    return;  // invariant 2: what is there must not move under a pending read
  std::size_t wanted = buffer_bytes_first;
  if (state_ == State::head && buffer_.size() >= buffer_.capacity() / 2) {
    wanted = buffer_.size() * 2;
  } else if (state_ == State::body) {
    const std::size_t whole =
        chunked_ != nullptr ? buffer_.size() + chunked_bytes_at_once : head_size_ + body_size_;
    wanted = std::min(whole, std::max(buffer_.size() * 2, body_bytes_at_once));
  }
  wanted = std::max(wanted, buffer_bytes_first);
  if (buffer_.room_size() == 0 || wanted > buffer_.capacity()) {
    if (!grow(wanted)) {
      refuse(
          {429, "RESOURCE_EXHAUSTED", "too much is being received at once; try again in a second"});
      return;
    }
  }
  DEFERD_ASSERT(buffer_.room_size() > 0);
  reading_ = true;
  if (tls_ != nullptr) return read_tls();
  socket_.async_read_some(asio::buffer(buffer_.room(), buffer_.room_size()),
                          [this](const boost::system::error_code& error, std::size_t bytes) {
                            read_done(error, bytes);
                          });
}

// The pending read of a connection under TLS. What is here already comes by way of the loop too, so
// that a client that never pauses takes turns with the others.
void Connection::read_tls() {
  const TlsSession::Step step = tls_->read(buffer_.room(), buffer_.room_size());
  if (step.need == TlsSession::Need::read || step.need == TlsSession::Need::write) {
    socket_.async_wait(step.need == TlsSession::Need::read ? Socket::wait_read : Socket::wait_write,
                       [this](const boost::system::error_code& error) {
                         if (error || state_ == State::closed) return read_done(error, 0);
                         read_tls();
                       });
    return;
  }
  boost::system::error_code error;
  if (step.need == TlsSession::Need::ended) error = asio::error::eof;
  if (step.need == TlsSession::Need::failed) error = asio::error::connection_aborted;
  asio::post(worker_.context(), [this, error, step] { read_done(error, step.bytes); });
}

void Connection::read_done(const boost::system::error_code& error, std::size_t bytes) {
  const Hold hold(*this);
  reading_ = false;
  if (state_ == State::closed) return;
  if (error && error != asio::error::eof) {
    close();
    return;
  }
  if (error == asio::error::eof) {
    peer_done_ = true;
  } else {
    buffer_.received(bytes);
  }
  advance();
}

// The peer has closed or half-closed, and what it sent before is used up as far as it goes.
void Connection::peer_done() {
  switch (state_) {
    case State::head:
    case State::body:
      if (buffer_.size() == 0) {
        close();
      } else {
        refuse({400, "INVALID_ARGUMENT", "the connection ended in the middle of a request"});
      }
      return;
    case State::running:
      if (gone_) std::move(gone_)();
      gone_ = nullptr;
      return;
    case State::lingering:
      close();
      return;
    default:
      return;
  }
}

void Connection::send_continue() {
  constexpr std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
  iovec piece{const_cast<char*>(line.data()), line.size()};
  const ssize_t sent = send_some({&piece, 1});
  // Nothing else is on its way out, so that there is no room for 25 bytes means that the peer is
  // gone.
  if (sent != static_cast<ssize_t>(line.size())) close();
}

// ---- Writing
// ------------------------------------------------------------------------------------------------------

// Answers a request that never reached the door; the connection ends with it.
void Connection::refuse(HttpRefusal refusal) {
  worker_.counters().requests_refused.fetch_add(1, std::memory_order_relaxed);
  std::optional<HttpResponse> own_words = refused_by_door(refusal);
  chunked_.reset();
  forget_received();
  head_only_ = false;
  HttpResponse response;
  response.status = refusal.status;
  response.body = error_json(refusal.status, refusal.word, refusal.message);
  if (refusal.status == 429) response.headers = "Retry-After: 1\r\n";
  if (own_words) response = std::move(*own_words);
  response.close = true;
  state_ = State::running;  // so that write() is the one way out
  write(std::move(response));
  advance();
}

// A door may have its own way to say that a body is too large.
std::optional<HttpResponse> Connection::refused_by_door(const HttpRefusal& refusal) {
  if (refusal.status != 413) return std::nullopt;
  RequestHead& head = worker_.scratch_head;
  if (parse_request_head(buffer_.text().substr(0, head_size_), head)) return std::nullopt;
  HttpRequest request;
  request.method = head.method;
  split_target(head.target, request.path, request.query);
  request.headers = head.headers;
  return worker_.handler().too_large(request);
}

void Connection::write(HttpResponse response) {
  DEFERD_ASSERT(state_ == State::running);
  serial_ = 0;
  gone_ = nullptr;
  late_ = nullptr;
  close_after_ = close_after_ || response.close || worker_.stopping();
  out_head_.clear();
  append_response_head(
      out_head_, response,
      {.close = close_after_, .keep_alive = http10_ && !close_after_, .date = worker_.date_line()});
  out_body_ = std::move(response.body);
  if (head_only_ || response.status == 204) out_body_.clear();
  out_sent_ = 0;
  state_ = State::writing;
  write_pending();
}

// As sendmsg(2).
ssize_t Connection::send_some(std::span<iovec> pieces) {
  if (tls_ == nullptr) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    return ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const TlsSession::Step step = tls_->write(pieces);
  if (step.need == TlsSession::Need::nothing) return static_cast<ssize_t>(step.bytes);
  errno = step.need == TlsSession::Need::write ? EAGAIN : EPIPE;
  return -1;
}

// Head and body leave in one system call, and mostly at once: the socket is asked before the loop
// is.
void Connection::write_pending() {
  while (true) {
    const std::size_t head_sent = std::min(out_sent_, out_head_.size());
    const std::size_t body_sent = out_sent_ - head_sent;
    std::array<iovec, 2> pieces = {{{out_head_.data() + head_sent, out_head_.size() - head_sent},
                                    {out_body_.data() + body_sent, out_body_.size() - body_sent}}};
    if (pieces[0].iov_len + pieces[1].iov_len == 0) return written();
    const ssize_t sent = send_some(pieces);
    if (sent >= 0) {
      out_sent_ += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return close();
    break;
  }
  set_deadline(worker_.options().write_timeout);
  waiting_write_ = true;
  socket_.async_wait(Socket::wait_write, [this](const boost::system::error_code& error) {
    const Hold hold(*this);
    waiting_write_ = false;
    if (state_ == State::closed) return;
    if (error) return close();
    write_pending();
    advance();
  });
}

void Connection::written() {
  if (out_body_.capacity() > buffer_bytes_kept) out_body_ = std::string();
  if (!close_after_) return expect_head();
  if (peer_done_) return close();
  linger();
}

void Connection::linger() {
  if (tls_ != nullptr) tls_->end();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  state_ = State::lingering;
  set_deadline(linger_time);
}

void Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  serial_ = 0;
  deadline_ms_ = no_deadline;
  late_ = nullptr;
  if (tls_ != nullptr) tls_->end();
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (gone_) std::move(gone_)();
  gone_ = nullptr;
}

void Connection::begin_stop() {
  const Hold hold(*this);
  close_after_ = true;
  if (state_ == State::peek || state_ == State::handshake ||
      (state_ == State::head && buffer_.size() == 0))
    close();
}

void Connection::expire() {
  const Hold hold(*this);
  switch (state_) {
    case State::head:
      if (buffer_.size() == 0) return close();
      return refuse({408, "DEADLINE_EXCEEDED", "the request's head did not arrive in time"});
    case State::body:
      return refuse({408, "DEADLINE_EXCEEDED", "the request's body came too slowly"});
    case State::running: {
      deadline_ms_ = no_deadline;
      if (late_ == nullptr) return;
      Callback<HttpResponse()> late = std::move(late_);
      return answer(late());
    }
    case State::handshake:
      worker_.counters().handshakes_failed.fetch_add(1, std::memory_order_relaxed);
      return close();
    default:
      return close();
  }
}

}  // namespace deferd::http
