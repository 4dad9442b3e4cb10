// The real Transport: Beast over one kept-alive connection, under TLS when the URL is https, each
// call under one deadline.
//
// A kept connection may have been closed by the server in the meantime. A call that may be repeated
// (GET, PUT, DELETE) is then sent again on a new one; a POST is not, as the server may have carried
// it out: it goes out on a kept connection only after a look that the server has not closed it.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <charconv>

#include "cli/transport.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using TlsStream = asio::ssl::stream<beast::tcp_stream&>;

constexpr std::uint64_t answer_bytes_max = 256
                                           << 20;  // 1,000 leased tasks at the server's own limits

class HttpTransport final : public Transport {
 public:
  Result<HttpAnswer> call(const TargetUrl& server, const HttpCall& call) override {
    const bool kept = stream_ && server == server_ && still_open();
    if (!kept) {
      if (auto connected = connect(server, call); !connected) return fail(connected.error());
    }
    Result<HttpAnswer> answer = exchange(server, call);
    if (!answer && answer.error().reason == Reason::internal && kept && call.method != "POST") {
      if (auto connected = connect(server, call); !connected) return fail(connected.error());
      return exchange(server, call);
    }
    return answer;
  }

 private:
  // Runs what was started until it has ended; the stream's deadline ends it at the latest.
  void run() {
    io_.restart();
    io_.run();
  }

  bool still_open() {
    if (!stream_->socket().is_open()) return false;
    char byte = 0;
    beast::error_code error;
    (void)stream_->socket().non_blocking(true, error);
    (void)stream_->socket().receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    return error == asio::error::would_block;
  }

  Result<void> connect(const TargetUrl& server, const HttpCall& call) {
    server_ = server;
    disconnect();
    stream_.emplace(io_);
    buffer_.clear();
    beast::error_code error;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(server.host, std::to_string(server.port), error);
    if (!error) {
      stream_->expires_after(call.timeout);
      stream_->async_connect(found,
                             [&](beast::error_code done, const tcp::endpoint&) { error = done; });
      run();
    }
    if (error) {
      disconnect();
      return fail(Reason::not_found, error == beast::error::timeout
                                         ? "no connection within the timeout"
                                         : error.message());
    }
    (void)stream_->socket().set_option(tcp::no_delay(true), error);
    return server.tls ? shake_hands(server, call) : Result<void>();
  }

  Result<void> shake_hands(const TargetUrl& server, const HttpCall& call) {
    beast::error_code error;
    asio::ssl::context context(asio::ssl::context::tls_client);
    (void)context.set_default_verify_paths(error);
    if (!call.ca_file.empty()) {
      (void)context.load_verify_file(call.ca_file, error);
      if (error) {
        disconnect();
        return fail(Reason::not_found, call.ca_file +
                                           " holds no certificates in PEM that can be "
                                           "read (" +
                                           error.message() + ")");
      }
    }
    tls_.emplace(*stream_, context);
    tls_->set_verify_mode(asio::ssl::verify_peer);
    tls_->set_verify_callback(asio::ssl::host_name_verification(server.host));
    (void)asio::ip::make_address(server.host, error);
    if (error) SSL_set_tlsext_host_name(tls_->native_handle(), server.host.c_str());
    error = {};
    tls_->async_handshake(asio::ssl::stream_base::client,
                          [&](beast::error_code done) { error = done; });
    run();
    if (!error) return {};
    const long verified = SSL_get_verify_result(tls_->native_handle());
    disconnect();
    if (error == beast::error::timeout)
      return fail(Reason::not_found, "no TLS connection within the timeout");
    if (verified == X509_V_OK) return fail(Reason::not_found, "tls: " + error.message());
    return fail(Reason::not_found, "tls: the server's certificate is not to be trusted: " +
                                       std::string(X509_verify_cert_error_string(verified)) +
                                       "; --ca names who signed it");
  }

  void disconnect() {
    tls_.reset();
    stream_.reset();
  }

  Result<HttpAnswer> exchange(const TargetUrl& server, const HttpCall& call) {
    return tls_ ? exchange_over(*tls_, server, call) : exchange_over(*stream_, server, call);
  }

  template <class Stream>
  Result<HttpAnswer> exchange_over(Stream& stream, const TargetUrl& server, const HttpCall& call) {
    http::request<http::string_body> request;
    request.method_string(call.method);
    request.target(call.target);
    request.version(11);
    request.set(http::field::host, server.authority());
    request.set(http::field::user_agent, "defer");
    request.set(http::field::accept, "application/json");
    if (!call.key.empty()) request.set(http::field::authorization, "Bearer " + call.key);
    if (!call.body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = call.body;
    request.prepare_payload();

    http::response_parser<http::string_body> parser;
    parser.body_limit(answer_bytes_max);
    beast::error_code error;
    bool sent = false;
    stream_->expires_after(call.timeout);
    // A refusal may come while we still send (a body that is too large), so a failed write is
    // followed by a read all the same: the answer says why.
    http::async_write(stream, request, [&](beast::error_code, std::size_t) { sent = true; });
    http::async_read(stream, buffer_, parser, [&](beast::error_code done, std::size_t) {
      error = done;
      if (!sent) {
        beast::error_code ignored;
        (void)stream_->socket().cancel(ignored);
      }
    });
    run();
    if (error) {
      disconnect();
      if (error == beast::error::timeout) {
        return fail(Reason::timeout,
                    "no answer within " + std::to_string(call.timeout / Seconds(1)) + " s");
      }
      if (error == http::error::end_of_stream)
        return fail(Reason::internal, "the connection was closed without an answer");
      return fail(Reason::internal, error.message());
    }
    HttpAnswer answer;
    answer.status = static_cast<int>(parser.get().result_int());
    if (const auto found = parser.get().find(http::field::retry_after);
        found != parser.get().end()) {
      const auto text = found->value();
      int seconds = 0;
      const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
      if (read.ec == std::errc() && seconds >= 0) answer.retry_after = Seconds(seconds);
    }
    const bool keep = parser.get().keep_alive() && sent;
    answer.body = std::move(parser.get().body());
    if (!keep) disconnect();
    return answer;
  }

  asio::io_context io_;
  TargetUrl server_;
  std::optional<beast::tcp_stream> stream_;
  std::optional<TlsStream> tls_;  // over stream_
  beast::flat_buffer buffer_;
};

}  // namespace

std::unique_ptr<Transport> open_http_transport() { return std::make_unique<HttpTransport>(); }

}  // namespace deferd
