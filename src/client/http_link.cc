#include "client/http_link.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "client/read_models.h"

namespace deferd::inline v1::detail {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);
constexpr std::uint64_t answer_bytes_max = 1 << 30;
constexpr Duration pause_first = std::chrono::milliseconds(100);
constexpr Duration pause_longest = std::chrono::seconds(5);

InvalidArgument wrong_option(const char* field, const std::string& message) {
  return InvalidArgument(
      {.code = 400, .status = "INVALID_ARGUMENT", .message = message, .field = field});
}

// Where calls go.
struct Place {
  bool tls = false;
  std::string host;
  std::string port;
  std::string host_header;
  std::string prefix;  // of every path
};

Place read_place(const std::string& text) {
  const auto parsed = boost::urls::parse_uri(text);
  const bool http_url = parsed && (parsed->scheme() == "http" || parsed->scheme() == "https");
  if (!http_url || parsed->host().empty()) {
    throw wrong_option("url", "\"" + text +
                                  "\" is no URL of a server; give one like "
                                  "http://127.0.0.1:8123");
  }
  Place place;
  place.tls = parsed->scheme() == "https";
  place.host = parsed->host_address();
  place.port = parsed->has_port() ? std::string(parsed->port()) : place.tls ? "443" : "80";
  place.host_header = std::string(parsed->encoded_host_and_port());
  place.prefix = std::string(parsed->encoded_path());
  while (place.prefix.ends_with('/')) place.prefix.pop_back();
  return place;
}

std::string or_variable(const std::string& given, const char* variable, const char* otherwise) {
  if (!given.empty()) return given;
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// A connection, with or without TLS.
struct Connection {
  Connection(const asio::any_io_executor& executor, asio::ssl::context* tls) {
    if (tls != nullptr) {
      secure.emplace(executor, *tls);
    } else {
      plain.emplace(executor);
    }
  }
  beast::tcp_stream& tcp() { return secure ? secure->next_layer() : *plain; }

  // Whether the server has closed it, or said something unasked, while it was idle.
  bool stale() {
    ErrorCode error;
    Tcp::socket& socket = tcp().socket();
    (void)socket.non_blocking(true, error);
    char byte;
    (void)socket.receive(asio::buffer(&byte, 1), Tcp::socket::message_peek, error);
    return error != asio::error::would_block;
  }

  std::optional<beast::tcp_stream> plain;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure;
  beast::flat_buffer buffer;
};

// A place in a set, as long as this lives: also when a coroutine is left by an exception.
template <class T>
class Listed {
 public:
  Listed(std::set<T*>& set, T& item) : set_(set), place_(set.insert(&item).first) {}
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { set_.erase(place_); }

 private:
  std::set<T*>& set_;
  const typename std::set<T*>::iterator place_;
};

using Response = http::response<http::string_body>;

// Says how long to wait before a failed call is made again, and whether to.
class Patience {
 public:
  explicit Patience(int attempts_max) : left_(attempts_max - 1) {}

  bool may_go_on() const { return left_ > 0; }
  Duration next_pause(std::optional<std::chrono::seconds> asked) {
    --left_;
    const Duration grown = std::exchange(grown_, std::min(grown_ * 2, pause_longest));
    return std::min<Duration>(std::max<Duration>(grown, asked.value_or(std::chrono::seconds(0))),
                              pause_longest);
  }

 private:
  int left_;
  Duration grown_ = pause_first;
};

class BeastLink final : public HttpLink {
 public:
  BeastLink(asio::any_io_executor strand, const ClientOptions& options)
      : executor_(std::move(strand)),
        place_(read_place(or_variable(options.url, "DEFERD_URL", "http://127.0.0.1:8123"))),
        key_(or_variable(options.key, "DEFERD_KEY", "")),
        timeout_(options.timeout),
        attempts_max_(options.attempts),
        tls_(asio::ssl::context::tls_client) {
    if (key_.find_first_of("\r\n") != std::string::npos)
      throw wrong_option("key", "the API key has a line break in it");
    if (!place_.tls) return;
    ErrorCode error;
    (void)tls_.set_default_verify_paths(error);
    if (!options.ca_file.empty()) {
      (void)tls_.load_verify_file(options.ca_file, error);
      if (error) throw wrong_option("ca_file", options.ca_file + ": " + error.message());
    }
    (void)tls_.set_verify_mode(asio::ssl::verify_peer, error);
  }

  Co<Answer> exchange(Request request) override {
    Patience patience(attempts_max_);
    bool lost = false;  // an attempt was sent and not answered
    while (true) {
      Attempted attempted = co_await attempt(request);
      std::optional<std::chrono::seconds> asked;
      if (attempted.response) {
        std::optional<Refusal> refusal = refusal_of(*attempted.response);
        if (!refusal) co_return read_answer(*attempted.response, lost);
        if (lost && refusal->status == "ALREADY_EXISTS" && !request.if_taken.empty())
          co_return Answer{.json = json::parse(request.if_taken), .repeated = true};
        // Refused before anything was done.
        const bool for_now = refusal->code == 429 || refusal->code == 503;
        if (!for_now || closed_ || !patience.may_go_on()) refusal->raise();
        asked = refusal->retry_after;
      } else {
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() != asio::cancellation_type::none)
          throw boost::system::system_error(asio::error::operation_aborted);
        lost = lost || attempted.sent;
        const bool may_repeat = !attempted.sent || request.repeats;
        if (closed_) throw Unreachable("the client was closed", lost);
        if (!may_repeat || !patience.may_go_on()) throw Unreachable(attempted.failure, lost);
      }
      co_await pause(patience.next_pause(asked));
    }
  }

  Co<void> pause(Duration span) override {
    if (closed_) co_return;
    asio::steady_timer timer(executor_, span);
    const Listed listed(pauses_, timer);
    (void)co_await timer.async_wait(awaiting);
  }

  void close() override {
    closed_ = true;
    idle_.clear();
    // Not only cancelled: one may be between two operations.
    for (Connection* connection : active_) connection->tcp().close();
    for (asio::steady_timer* timer : pauses_) timer->cancel();
  }
  bool closed() const override { return closed_; }

 private:
  struct Attempted {
    std::optional<Response> response;
    std::string failure;  // why there is none
    bool sent = false;    // the server may have seen it all the same
  };

  Attempted failed(const char* step, const ErrorCode& error, bool sent) const {
    return {.failure = place_.host_header + ": " + step + ": " + error.message(), .sent = sent};
  }

  Co<Attempted> attempt(const Request& request) {
    if (closed_) co_return Attempted{.failure = "the client was closed"};
    std::unique_ptr<Connection> connection = take_idle();
    if (!connection) {
      connection = std::make_unique<Connection>(executor_, place_.tls ? &tls_ : nullptr);
      const Listed listed(active_, *connection);
      connection->tcp().expires_after(timeout_);
      Attempted connected = co_await connect(*connection);
      if (!connected.failure.empty()) co_return connected;
    }
    Attempted attempted = co_await send(*connection, request);
    if (attempted.response && attempted.response->keep_alive() && !closed_) {
      connection->tcp().expires_never();
      idle_.push_back(std::move(connection));
    }
    co_return attempted;
  }

  std::unique_ptr<Connection> take_idle() {
    while (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      if (!connection->stale()) return connection;
    }
    return nullptr;
  }

  Co<Attempted> connect(Connection& connection) {
    Tcp::resolver resolver(executor_);
    auto [resolved, found] = co_await resolver.async_resolve(place_.host, place_.port, awaiting);
    if (closed_) resolved = asio::error::operation_aborted;
    if (resolved) co_return failed("resolve", resolved, false);
    auto [error, endpoint] = co_await connection.tcp().async_connect(found, awaiting);
    if (error) co_return failed("connect", error, false);
    (void)connection.tcp().socket().set_option(Tcp::no_delay(true), error);
    if (!connection.secure) co_return Attempted();
    connection.secure->set_verify_callback(asio::ssl::host_name_verification(place_.host));
    SSL_set_tlsext_host_name(connection.secure->native_handle(), place_.host.c_str());
    auto [refused] =
        co_await connection.secure->async_handshake(asio::ssl::stream_base::client, awaiting);
    if (refused) co_return failed("TLS", refused, false);
    co_return Attempted();
  }

  Co<Attempted> send(Connection& connection, const Request& call) {
    const Listed listed(active_, connection);
    connection.tcp().expires_after(timeout_ + call.waits);
    if (connection.secure) co_return co_await send_on(*connection.secure, connection, call);
    co_return co_await send_on(*connection.plain, connection, call);
  }

  template <class Stream>
  Co<Attempted> send_on(Stream& stream, Connection& connection, const Request& call) {
    http::request<http::string_body> request(http::string_to_verb(call.method),
                                             place_.prefix + call.target, 11, call.body);
    request.set(http::field::host, place_.host_header);
    request.set(http::field::user_agent, "deferd-cpp");
    if (!call.body.empty()) request.set(http::field::content_type, "application/json");
    if (!key_.empty()) request.set(http::field::authorization, "Bearer " + key_);
    request.prepare_payload();
    auto [write_error, written] = co_await http::async_write(stream, request, awaiting);
    if (write_error) co_return failed("send", write_error, true);
    http::response_parser<http::string_body> parser;
    parser.body_limit(answer_bytes_max);
    auto [read_error, read] =
        co_await http::async_read(stream, connection.buffer, parser, awaiting);
    if (read_error) co_return failed("receive", read_error, true);
    co_return Attempted{.response = parser.release()};
  }

  static Answer read_answer(const Response& response, bool repeated) {
    Answer answer{.json = nullptr, .repeated = repeated};
    if (response.body().empty()) return answer;
    ErrorCode error;
    answer.json = json::parse(response.body(), error);
    if (error) throw Error("the server's answer is no JSON: " + error.message());
    return answer;
  }

  // Nothing for 2xx.
  static std::optional<Refusal> refusal_of(const Response& response) {
    const auto code = static_cast<int>(response.result_int());
    if (code >= 200 && code <= 299) return std::nullopt;
    ErrorCode error;
    const json::value value = json::parse(response.body(), error);
    const json::object* const object = error ? nullptr : value.if_object();
    const json::value* const detail = object != nullptr ? object->if_contains("error") : nullptr;
    Refusal refusal;
    if (detail != nullptr) {
      refusal = read_refusal(*detail);
    } else {
      refusal = {.code = code,
                 .message = "HTTP " + std::to_string(code) + ": " + response.body().substr(0, 200)};
    }
    const auto retry_after = response[http::field::retry_after];
    int seconds = 0;
    const auto [end, wrong] =
        std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
    if (wrong == std::errc() && seconds >= 0) refusal.retry_after = std::chrono::seconds(seconds);
    return refusal;
  }

  const asio::any_io_executor executor_;
  const Place place_;
  const std::string key_;
  const Duration timeout_;
  const int attempts_max_;
  asio::ssl::context tls_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::set<Connection*> active_;
  std::set<asio::steady_timer*> pauses_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<HttpLink> HttpLink::make(asio::any_io_executor strand,
                                         const ClientOptions& options) {
  return std::make_unique<BeastLink>(std::move(strand), options);
}

}  // namespace deferd::inline v1::detail
