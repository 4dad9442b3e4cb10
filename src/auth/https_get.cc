#include "auth/https_get.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "model/target_url.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Code = beast::error_code;

tl::unexpected<Error> failed(const std::string& url, const std::string& why) {
  return fail(Reason::unavailable, url + ": " + why);
}

// One exchange on a connection, all under one deadline.
class Get {
 public:
  Get(const TargetUrl& target, const HttpsGetOptions& options)
      : target_(target), options_(options) {}

  Result<std::string> run(const std::string& url) {
    asio::ip::tcp::resolver resolver(io_);
    Code error;
    const auto addresses = resolver.resolve(target_.host, std::to_string(target_.port), error);
    if (error) return failed(url, error.message());
    if (!target_.tls) {
      beast::tcp_stream stream(io_);
      return exchange(url, stream, stream, addresses, [](auto then) { then(Code()); });
    }
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.set_default_verify_paths(error);
    if (!options_.ca_file.empty()) {
      tls.load_verify_file(options_.ca_file, error);
      if (error) return failed(url, options_.ca_file + " cannot be read: " + error.message());
    }
    asio::ssl::stream<beast::tcp_stream> stream(io_, tls);
    stream.set_verify_mode(asio::ssl::verify_peer);
    stream.set_verify_callback(asio::ssl::host_name_verification(target_.host));
    SSL_set_tlsext_host_name(stream.native_handle(), target_.host.c_str());
    return exchange(url, stream, beast::get_lowest_layer(stream), addresses, [&](auto then) {
      stream.async_handshake(asio::ssl::stream_base::client,
                             [then](Code done) mutable { then(done); });
    });
  }

 private:
  template <class Stream, class Handshake>
  Result<std::string> exchange(const std::string& url, Stream& stream, beast::tcp_stream& lowest,
                               const asio::ip::tcp::resolver::results_type& addresses,
                               Handshake handshake) {
    http::request<http::empty_body> request(http::verb::get, target_.path, 11);
    request.set(http::field::host, target_.authority());
    request.set(http::field::user_agent, "deferd");
    request.set(http::field::accept, "application/json");
    http::response_parser<http::string_body> parser;
    parser.body_limit(options_.bytes_max);
    beast::flat_buffer buffer;
    Code error;
    lowest.expires_after(options_.timeout);
    lowest.async_connect(addresses, [&](Code connected, const asio::ip::tcp::endpoint&) {
      if ((error = connected)) return;
      handshake([&](Code shaken) {
        if ((error = shaken)) return;
        http::async_write(stream, request, [&](Code written, std::size_t) {
          if ((error = written)) return;
          http::async_read(stream, buffer, parser, [&](Code read, std::size_t) { error = read; });
        });
      });
    });
    io_.run();
    if (error) return failed(url, error.message());
    if (parser.get().result() != http::status::ok)
      return failed(url, "it answers " + std::to_string(parser.get().result_int()));
    return std::move(parser.get().body());
  }

  const TargetUrl& target_;
  const HttpsGetOptions& options_;
  asio::io_context io_;
};

}  // namespace

Result<std::string> https_get(const std::string& url, const HttpsGetOptions& options) {
  const Result<TargetUrl> target = parse_target_url(url);
  if (!target) return failed(url, target.error().message);
  return Get(*target, options).run(url);
}

}  // namespace deferd
