#include "dispatch/connection.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <span>
#include <utility>

#include "base/assert.h"
#include "dispatch/push_loop.h"
#include "dispatch/request_head.h"
#include "dispatch/retry_after.h"

namespace deferd {
namespace {

// "connection refused" from "Connection refused".
std::string words(const ErrorCode& error) {
  std::string text = error.message();
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

Tcp::endpoint endpoint_of(const IpAddress& address, std::uint16_t port) {
  if (address.v6) {
    asio::ip::address_v6::bytes_type bytes;
    std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
    return {asio::ip::address_v6(bytes), port};
  }
  asio::ip::address_v4::bytes_type bytes;
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return {asio::ip::address_v4(bytes), port};
}

std::string seconds_text(Millis span) {
  const std::int64_t millis = span.count();
  if (millis % 1000 == 0) return std::to_string(millis / 1000) + "s";
  return std::to_string(millis) + "ms";
}

Wall wall_now() {
  return Wall(
      std::chrono::duration_cast<Micros>(std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace

Connection::Connection(PushLoop& loop, Target& target, Push& first)
    : loop_(loop),
      target_(target),
      push_(&first),
      socket_(loop.executor()),
      wake_(loop.executor()),
      reader_(loop.shared().options.response_bytes_max) {}

Co<void> Connection::run() {
  // So that it cannot end within the call that began it.
  co_await asio::post(asio::use_awaitable_t<Executor>{});
  const bool opened = !cut_ && co_await open();
  if (opened) {
    send();
    co_await read_answers();
  }
  loop_.leave_idle(*this);
  ErrorCode ignored;
  socket_.close(ignored);
  while (writers_ > 0) {
    wake_.expires_at(Steady::time_point::max());
    co_await wake_.async_wait(awaiting);
  }
}

void Connection::cut() {
  DEFERD_ASSERT(push_ == nullptr);
  cut_ = true;
  ErrorCode ignored;
  socket_.close(ignored);
  wake_.cancel();
}

// Resolves, asks the guard about every address, and tries those it lets pass in turn.
Co<bool> Connection::open() {
  Addresses addresses;
  if (!co_await resolve(addresses)) co_return false;

  std::string refusal;
  bool tried = false;
  for (const IpAddress& address : addresses) {
    std::optional<std::string> why =
        loop_.shared().guard.refuses(address, target_.key->port, target_.key->chosen_by);
    if (why) {
      if (refusal.empty()) refusal = std::move(*why);
      continue;
    }
    tried = true;
    stage_ = "connecting";
    const bool connected = co_await connect(address);
    if (cut_) co_return false;
    if (!connected) continue;
    if (target_.key->tls && !co_await handshake()) co_return false;
    stage_ = "waiting for the answer";
    co_return true;
  }
  if (!tried) {
    refused_ = true;
    failure_ = "target guard: " + refusal;
    if (!IpAddress::parse(target_.key->host)) failure_ += " (" + target_.key->host + ")";
  }
  co_return false;
}

Co<bool> Connection::resolve(Addresses& addresses) {
  const std::string& host = target_.key->host;
  if (const std::optional<IpAddress> literal = IpAddress::parse(host)) {
    addresses.push_back(*literal);
    co_return true;
  }
  NameWaiter waiter(wake_);
  NameAnswer answer = loop_.names().ask(host, waiter);
  if (!answer) {
    wake_.expires_after(loop_.shared().options.dns_timeout);
    co_await wake_.async_wait(awaiting);
    if (cut_) co_return false;
    answer = waiter.answer();
  }
  if (!answer) {
    failure_ = "dns: no answer for " + host + " within " +
               seconds_text(loop_.shared().options.dns_timeout);
    co_return false;
  }
  if (!answer->has_value()) {
    failure_ = "dns: " + host + ": " + answer->error().message;
    co_return false;
  }
  addresses = **answer;
  co_return true;
}

std::string Connection::place(const IpAddress& address) const {
  const std::string port = std::to_string(target_.key->port);
  return address.v6 ? "[" + address.text() + "]:" + port : address.text() + ":" + port;
}

Co<bool> Connection::connect(IpAddress address) {
  using namespace asio::experimental::awaitable_operators;
  const Tcp::endpoint endpoint = endpoint_of(address, target_.key->port);
  ErrorCode error;
  socket_.close(error);
  socket_.open(endpoint.protocol(), error);
  if (error == boost::system::errc::too_many_files_open && loop_.close_an_idle_one()) {
    socket_.open(endpoint.protocol(), error);
  }
  if (error) {
    failure_ = "connect to " + place(address) + ": " + words(error);
    co_return false;
  }
  wake_.expires_after(loop_.shared().options.connect_timeout);
  const auto outcome =
      co_await (socket_.async_connect(endpoint, awaiting) || wake_.async_wait(awaiting));
  if (outcome.index() == 1) {
    failure_ = "connect to " + place(address) + ": no answer within " +
               seconds_text(loop_.shared().options.connect_timeout);
    co_return false;
  }
  error = std::get<0>(std::get<0>(outcome));
  if (!error) socket_.set_option(Tcp::no_delay(true), error);
  if (!error) socket_.non_blocking(true, error);
  if (error) failure_ = "connect to " + place(address) + ": " + words(error);
  co_return !error;
}

Co<bool> Connection::handshake() {
  stage_ = "in the TLS handshake";
  const std::string& host = target_.key->host;
  tls_ = std::make_unique<asio::ssl::stream<Socket&>>(socket_, loop_.tls());
  SSL* ssl = tls_->native_handle();
  bool prepared = false;
  if (IpAddress::parse(host)) {
    prepared = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    prepared =
        SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  if (!prepared) {
    failure_ = "tls: " + host + " cannot be verified";
    co_return false;
  }
  const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, awaiting);
  if (!error) co_return true;
  const long verified = SSL_get_verify_result(ssl);
  failure_ =
      "tls: " + (verified == X509_V_OK ? words(error) : X509_verify_cert_error_string(verified));
  co_return false;
}

void Connection::carry(Push& push) {
  DEFERD_ASSERT(push_ == nullptr);
  DEFERD_ASSERT(!cut_);
  push_ = &push;
  send();
}

void Connection::send() {
  write_request_head({push_->attempt, push_->request, push_->url, push_->app.get(),
                      loop_.shared().options.appengine.headers, push_->authorization},
                     head_);
  payload_ = push_->attempt.task.payload;
  body_ = push_->request.body;
  written_ = 0;
  reader_.begin(push_->request.method == HttpMethod::head,
                keep_response(push_->attempt, loop_.shared().responses));

  if (!tls_) {
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head_),
                                                     asio::buffer(body_.data(), body_.size())};
    ErrorCode error;
    written_ = socket_.write_some(parts, error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) {
      write_failed(error);
      return;
    }
    if (written_ == head_.size() + body_.size()) return;
  }
  ++writers_;
  loop_.gate().run(loop_.executor(), write_rest(), [this] {
    --writers_;
    wake_.cancel();  // run() may wait for this; nothing else does once open
  });
}

Co<void> Connection::write_rest() {
  while (written_ < head_.size() + body_.size()) {
    const std::size_t of_head = std::min(written_, head_.size());
    const std::size_t of_body = written_ - of_head;
    const std::array<asio::const_buffer, 2> rest = {
        asio::buffer(head_.data() + of_head, head_.size() - of_head),
        asio::buffer(body_.data() + of_body, body_.size() - of_body)};
    std::tuple<ErrorCode, std::size_t> outcome;
    if (tls_) {
      outcome = co_await tls_->async_write_some(rest, awaiting);
    } else {
      outcome = co_await socket_.async_write_some(rest, awaiting);
    }
    if (std::get<0>(outcome)) {
      write_failed(std::get<0>(outcome));
      co_return;
    }
    written_ += std::get<1>(outcome);
  }
}

// The target may have answered before it stopped reading, so reading goes on; it ends soon, as
// nothing more can come.
void Connection::write_failed(const ErrorCode& error) {
  if (cut_) return;
  write_error_ = words(error);
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
}

Co<void> Connection::read_answers() {
  for (;;) {
    const std::span<char> free = reader_.space();
    const auto space = asio::buffer(free.data(), free.size());
    std::tuple<ErrorCode, std::size_t> outcome;
    if (tls_) {
      outcome = co_await tls_->async_read_some(space, awaiting);
    } else {
      outcome = co_await socket_.async_read_some(space, awaiting);
    }
    // Cut, or while idle: closed by the target, or it spoke without being asked.
    if (cut_ || push_ == nullptr) co_return;
    const auto& [error, size] = outcome;
    const AnswerReader::State state = error ? at_end(error) : reader_.received(size);
    if (state == AnswerReader::State::failed) {
      if (failure_.empty()) failure_ = reader_.why();
      co_return;
    }
    if (state == AnswerReader::State::answered && !report()) co_return;
  }
}

AnswerReader::State Connection::at_end(const ErrorCode& error) {
  const bool orderly = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  const AnswerReader::State state = reader_.ended();
  // An answer without a length ends with the connection, but not with its breakdown.
  if (orderly && state == AnswerReader::State::answered) return state;
  stale_ = !reader_.heard() && served_ > 0;
  failure_ = reader_.heard() ? "connection closed in the middle of the answer"
                             : "connection closed without an answer";
  if (!write_error_.empty()) {
    failure_ += ": " + write_error_;
  } else if (!orderly) {
    failure_ += ": " + words(error);
  }
  return AnswerReader::State::failed;
}

bool Connection::report() {
  AttemptResult result;
  result.status = static_cast<std::int16_t>(reader_.status());
  if (!reader_.retry_after().empty()) {
    result.retry_after = parse_retry_after(reader_.retry_after(), wall_now());
  }
  result.response = KeptResponse::share(reader_.take_kept());
  ++served_;
  // An answer may come before all was sent: what is left would be taken for the next request.
  const bool reusable = reader_.reusable() && written_ == head_.size() + body_.size();
  // May put the next push on it.
  return loop_.answered(*this, std::move(result), reader_.location(), reusable);
}

}  // namespace deferd
