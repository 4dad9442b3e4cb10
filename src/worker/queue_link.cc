#include "worker/queue_link.h"

#include <openssl/evp.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "model/duration_text.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

constexpr std::uint64_t answer_bytes_max = 256 << 20;  // 1,000 tasks at the server's own limits
constexpr Micros call_timeout = Seconds(30);

// Of a call that did not come to an answer.
Error unreachable(const char* step, const ErrorCode& error) {
  const Reason reason = error == beast::error::timeout ? Reason::timeout : Reason::not_found;
  return {reason, std::string(step) + ": " + error.message(), "", std::nullopt};
}

Reason reason_of(int code, std::string_view status) {
  if (code == 404) return Reason::queue_missing;
  if (code == 409) return Reason::lease_lost;
  if (code == 429) return Reason::overloaded;
  if (code >= 500) return Reason::not_found;
  return status == "FAILED_PRECONDITION" ? Reason::queue_mode : Reason::invalid;
}

// {"error": {...}}
Error error_of(const json::object& error) {
  const auto text = [&error](const char* name) {
    const json::value* const value = error.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
  };
  const json::value* const code = error.if_contains("code");
  const int number = code != nullptr && code->is_int64() ? static_cast<int>(code->as_int64()) : 500;
  return {reason_of(number, text("status")), text("message"), text("field"), std::nullopt};
}

std::string text_of(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::string decode_base64(const std::string& text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  // The padding is decoded as zeros.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

LeasedTask read_task(const json::object& object) {
  LeasedTask task;
  task.id = text_of(object, "id");
  task.name = text_of(object, "name");
  task.token = text_of(object, "lease_token");
  if (const json::value* attempts = object.if_contains("attempts");
      attempts != nullptr && attempts->is_int64())
    task.attempt = static_cast<std::uint64_t>(attempts->as_int64());
  const std::string encoded = text_of(object, "body_base64");
  task.keep_result = object.contains("keep_result");
  task.body = encoded.empty() ? text_of(object, "body") : decode_base64(encoded);
  return task;
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

  std::optional<beast::tcp_stream> plain;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure;
  beast::flat_buffer buffer;
  bool cut = false;  // by us, in the middle of a call
};

class HttpLink final : public QueueLink {
 public:
  HttpLink(const asio::any_io_executor& executor, LinkOptions options)
      : executor_(executor), options_(std::move(options)), tls_(asio::ssl::context::tls_client) {
    path_ = options_.queue.find('/') == std::string::npos ? "/v1/queues/" + options_.queue
                                                          : "/v1/" + options_.queue;
    path_ += "/tasks:";
  }

  Result<void> prepare() {
    if (!options_.server.tls) return {};
    ErrorCode error;
    (void)tls_.set_default_verify_paths(error);
    if (!options_.ca_file.empty()) {
      (void)tls_.load_verify_file(options_.ca_file, error);
      if (error)
        return fail(Reason::invalid, "ca: " + options_.ca_file + ": " + error.message(), "ca");
    }
    (void)tls_.set_verify_mode(asio::ssl::verify_peer, error);
    return {};
  }

  Co<Result<std::vector<LeasedTask>>> lease(std::uint32_t tasks_max, Micros lease,
                                            Micros wait) override {
    if (stopped_) co_return std::vector<LeasedTask>();
    json::object body;
    body["max"] = tasks_max;
    body["lease"] = format_duration(lease);
    body["wait"] = format_duration(wait);
    if (!options_.worker.empty()) body["worker"] = options_.worker;
    auto answer =
        co_await call("lease", json::serialize(body), wait + call_timeout, Wait::for_tasks);
    if (stopped_ && !answer) co_return std::vector<LeasedTask>();
    if (!answer) co_return fail(answer.error());
    std::vector<LeasedTask> tasks;
    const json::value* const given = answer->if_contains("tasks");
    if (given == nullptr || !given->is_array())
      co_return fail(Reason::internal, "lease: the answer has no tasks");
    for (const json::value& task : given->as_array()) {
      if (task.is_object()) tasks.push_back(read_task(task.as_object()));
    }
    co_return tasks;
  }
  Co<Result<std::vector<std::optional<Error>>>> renew(std::vector<TaskRef> tasks,
                                                      Micros lease) override {
    json::object body;
    body["lease"] = format_duration(lease);
    json::array& items = body["tasks"].emplace_array();
    for (const TaskRef& task : tasks)
      items.push_back(json::object{{"id", task.id}, {"lease_token", task.token}});
    auto answer = co_await call("renew", json::serialize(body), call_timeout, Wait::none);
    if (!answer) co_return fail(answer.error());
    co_return errors_of(*answer);
  }

  Co<Result<std::vector<Error>>> end(TaskReport::Verb verb, std::vector<std::string_view> items,
                                     std::optional<Micros> delay) override {
    std::string body = "{";
    if (delay) body += "\"delay\":\"" + format_duration(*delay) + "\",";
    if (!options_.worker.empty())
      body += "\"worker\":" + json::serialize(json::string(options_.worker)) + ",";
    body += "\"tasks\":[";
    for (const std::string_view item : items) {
      if (body.back() != '[') body += ',';
      body += item;
    }
    body += "]}";
    const char* const name = verb == TaskReport::Verb::ack    ? "ack"
                             : verb == TaskReport::Verb::fail ? "fail"
                                                              : "release";
    auto answer = co_await call(name, std::move(body), call_timeout, Wait::none);
    if (!answer) co_return fail(answer.error());
    std::vector<Error> failed;
    for (auto& error : errors_of(*answer)) {
      if (error) failed.push_back(std::move(*error));
    }
    co_return failed;
  }

  Co<Result<std::vector<std::string>>> watch(std::vector<std::string> ids, Micros wait) override {
    json::object body;
    body["ids"] = json::array(ids.begin(), ids.end());
    body["wait"] = format_duration(wait);
    auto answer =
        co_await call("watch", json::serialize(body), wait + call_timeout, Wait::for_ends);
    if (!answer) co_return fail(answer.error());
    std::vector<std::string> ended;
    const json::value* const given = answer->if_contains("ended");
    if (given == nullptr || !given->is_array()) co_return ended;
    for (const json::value& id : given->as_array()) {
      if (id.is_string()) ended.emplace_back(id.as_string());
    }
    co_return ended;
  }

  void cut_watch() override {
    for (Connection* watching : watching_) {
      watching->cut = true;
      watching->tcp().cancel();
    }
  }

  void stop_waiting() override {
    stopped_ = true;
    // Half-closed, the server answers at once: with nothing, or with what it was about to give.
    ErrorCode error;
    for (Connection* waiting : waiting_)
      (void)waiting->tcp().socket().shutdown(Tcp::socket::shutdown_send, error);
  }

 private:
  enum class Wait : std::uint8_t { none, for_tasks, for_ends };

  // Of each task of the call, in order.
  static std::vector<std::optional<Error>> errors_of(const json::object& answer) {
    std::vector<std::optional<Error>> errors;
    const json::value* const results = answer.if_contains("results");
    if (results == nullptr || !results->is_array()) return errors;
    for (const json::value& result : results->as_array()) {
      auto& one = errors.emplace_back();
      const json::object* const object = result.if_object();
      const json::value* const error = object != nullptr ? object->if_contains("error") : nullptr;
      if (error == nullptr || !error->is_object()) continue;
      one = error_of(error->as_object());
      if (one->reason == Reason::queue_missing) one->reason = Reason::task_missing;
    }
    return errors;
  }

  // On a kept connection, which the server may have closed in the meantime, the call is made once
  // more on a new one: a lease that was granted and not seen is given back by the server, and the
  // other calls may be repeated.
  Co<Result<json::object>> call(const char* verb, std::string text, Micros timeout, Wait wait) {
    while (true) {
      const bool kept = !idle_.empty();
      std::unique_ptr<Connection> connection;
      if (kept) {
        connection = std::move(idle_.back());
        idle_.pop_back();
      } else {
        connection = std::make_unique<Connection>(executor_, options_.server.tls ? &tls_ : nullptr);
        connection->tcp().expires_after(call_timeout);
        if (auto connected = co_await connect(*connection); !connected)
          co_return fail(connected.error());
      }
      connection->tcp().expires_after(timeout);
      if (wait == Wait::for_tasks) waiting_.insert(connection.get());
      if (wait == Wait::for_ends) watching_.insert(connection.get());
      auto answer = co_await exchange(*connection, verb, text);
      waiting_.erase(connection.get());
      watching_.erase(connection.get());
      if (!answer && connection->cut) co_return fail(Reason::stopping, "cut short");
      if (!answer && kept && !stopped_ && answer.error().reason == Reason::not_found) continue;
      if (!answer) co_return fail(answer.error());
      connection->tcp().expires_never();
      if (answer->keep_alive()) idle_.push_back(std::move(connection));
      co_return read_answer(*answer);
    }
  }

  Co<Result<void>> connect(Connection& connection) {
    const TargetUrl& server = options_.server;
    Tcp::resolver resolver(executor_);
    auto [resolved, found] =
        co_await resolver.async_resolve(server.host, std::to_string(server.port), awaiting);
    if (resolved) co_return fail(unreachable("resolve", resolved));
    auto [error, endpoint] = co_await connection.tcp().async_connect(found, awaiting);
    if (error) co_return fail(unreachable("connect", error));
    (void)connection.tcp().socket().set_option(Tcp::no_delay(true), error);
    if (!connection.secure) co_return Result<void>();
    connection.secure->set_verify_callback(asio::ssl::host_name_verification(server.host));
    SSL_set_tlsext_host_name(connection.secure->native_handle(), server.host.c_str());
    auto [failed] =
        co_await connection.secure->async_handshake(asio::ssl::stream_base::client, awaiting);
    if (failed) co_return fail(unreachable("TLS", failed));
    co_return Result<void>();
  }

  using Answer = http::response<http::string_body>;

  Co<Result<Answer>> exchange(Connection& connection, const char* verb, const std::string& text) {
    if (connection.secure)
      co_return co_await exchange_on(*connection.secure, connection, verb, text);
    co_return co_await exchange_on(*connection.plain, connection, verb, text);
  }

  template <class Stream>
  Co<Result<Answer>> exchange_on(Stream& stream, Connection& connection, const char* verb,
                                 const std::string& text) {
    http::request<http::string_body> request(http::verb::post, path_ + verb, 11, text);
    request.set(http::field::host, options_.server.host);
    request.set(http::field::content_type, "application/json");
    request.set(http::field::user_agent, "deferd-worker");
    if (!options_.key.empty()) request.set(http::field::authorization, "Bearer " + options_.key);
    request.prepare_payload();
    auto [write_error, written] = co_await http::async_write(stream, request, awaiting);
    if (write_error) co_return fail(unreachable("send", write_error));
    http::response_parser<http::string_body> parser;
    parser.body_limit(answer_bytes_max);
    auto [read_error, read] =
        co_await http::async_read(stream, connection.buffer, parser, awaiting);
    if (read_error) co_return fail(unreachable("receive", read_error));
    co_return parser.release();
  }

  static Result<json::object> read_answer(const Answer& answer) {
    ErrorCode error;
    json::value value = json::parse(answer.body(), error);
    if (error || !value.is_object()) {
      return fail(Reason::internal, "the answer (HTTP " + std::to_string(answer.result_int()) +
                                        ") is no JSON object");
    }
    json::object& object = value.as_object();
    const json::value* const failure = object.if_contains("error");
    if (failure != nullptr && failure->is_object()) return fail(error_of(failure->as_object()));
    return std::move(object);
  }

  const asio::any_io_executor executor_;
  const LinkOptions options_;
  asio::ssl::context tls_;
  std::string path_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::set<Connection*> waiting_;   // for tasks
  std::set<Connection*> watching_;  // for ends of tasks
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<QueueLink>> QueueLink::make(const asio::any_io_executor& executor,
                                                   LinkOptions options) {
  auto link = std::make_unique<HttpLink>(executor, std::move(options));
  if (auto ok = link->prepare(); !ok) return fail(ok.error());
  return std::unique_ptr<QueueLink>(std::move(link));
}

}  // namespace deferd
