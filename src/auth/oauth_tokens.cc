#include "auth/oauth_tokens.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <utility>

#include "base/log.h"

namespace deferd {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// co_await operation(..., awaiting) gives (error, results...).
constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t head_bytes_max = 16 * 1024;
constexpr std::uint64_t body_bytes_max = 64 * 1024;
constexpr std::size_t token_bytes_max = 16 * 1024;
// Google's server gives a token again until four minutes before its end: asking earlier is in vain.
constexpr Seconds renew_before{225};
constexpr Seconds life_max = std::chrono::hours(24);
// So that a server that is down is not asked for each push.
constexpr Seconds failure_keep{1};

tl::unexpected<Error> unreachable(const TargetUrl& url, const std::string& why) {
  return fail(Reason::timeout,
              "the token server at " + url.authority() + " cannot be asked: " + why);
}

void encode(std::string_view text, std::string& out) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || c == '@';
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    }
  }
}

}  // namespace

std::string metadata_path(std::string_view email, std::string_view scope) {
  std::string path = "/computeMetadata/v1/instance/service-accounts/";
  encode(email, path);
  std::string scopes(scope.empty() ? default_oauth_scope : scope);
  std::ranges::replace(scopes, ' ', ',');
  path += "/token?scopes=";
  encode(scopes, path);
  return path;
}

Result<AccessToken> parse_access_token(std::string_view json) {
  const auto bad = [](const char* what) {
    return fail(Reason::invalid, std::string("the token server's answer has no ") + what);
  };
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error || !value.is_object()) return bad("JSON object");
  const auto& members = value.get_object();
  const auto* token = members.if_contains("access_token");
  const auto* life = members.if_contains("expires_in");
  if (token == nullptr || !token->is_string()) return bad("access_token");
  const boost::json::string& text = token->get_string();
  // A word of a header (RFC 6750).
  const bool is_word = !text.empty() && text.size() <= token_bytes_max &&
                       std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!is_word) return bad("access_token that a header can carry");
  if (life == nullptr || !life->is_int64() || life->get_int64() <= 0) return bad("expires_in");
  return AccessToken{std::string(text), std::min(Seconds(life->get_int64()), life_max)};
}

Result<std::unique_ptr<OauthTokens>> OauthTokens::make(OauthOptions options) {
  Result<TargetUrl> url = parse_base_url(options.metadata_url);
  if (!url) return fail(url.error());
  if (url->tls) {
    return fail(
        Reason::invalid,
        "\"" + options.metadata_url +
            "\" is https; a metadata server speaks http, from this machine or one step away",
        "oauth_metadata_url");
  }
  return std::unique_ptr<OauthTokens>(new OauthTokens(std::move(options), std::move(*url)));
}

OauthTokens::OauthTokens(OauthOptions options, TargetUrl url)
    : options_(std::move(options)),
      url_(std::move(url)),
      tokens_(options_.cached_tokens_max),
      context_(1),
      work_(context_.get_executor()),
      thread_([this] { context_.run(); }) {
  pthread_setname_np(thread_.native_handle(), "deferd-oauth");
}

OauthTokens::~OauthTokens() {
  context_.stop();
  thread_.join();
  tokens_.close({Reason::stopping, "the server is shutting down", {}, std::nullopt});
}

void OauthTokens::token(std::string_view email, std::string_view scope, Wall now,
                        TokenCache::Done done) {
  std::string key;
  key.reserve(email.size() + 1 + scope.size());
  key.append(email).append("\n").append(scope);
  if (!tokens_.ask(key, now, std::move(done))) return;
  asio::post(context_, [this, call = Call{std::move(key), std::string(email), std::string(scope),
                                          now}]() mutable {
    waiting_.push_back(std::move(call));
    begin_next();
  });
}

void OauthTokens::begin_next() {
  if (waiting_.empty() || running_ == options_.calls_max) return;
  ++running_;
  Call call = std::move(waiting_.front());
  waiting_.pop_front();
  asio::co_spawn(context_, run(std::move(call)), asio::detached);
}

asio::awaitable<void> OauthTokens::run(Call call) {
  const Result<std::string> body = co_await ask(call);
  TokenCache::Made made{fail(Reason::internal, ""), call.now, call.now + failure_keep};
  if (!body) {
    made.token = fail(body.error());
  } else if (Result<AccessToken> token = parse_access_token(*body); !token) {
    made.token = fail(token.error());
  } else {
    made.token = std::move(token->text);
    made.until = call.now + token->life - std::min(renew_before, token->life / 2);
  }
  if (!made.token) {  // once for all the attempts that fail by it
    log_warn("auth.no_access_token", {{"error", std::string_view(made.token.error().message)}});
  }
  tokens_.settle(call.key, std::move(made));
  --running_;
  begin_next();
}

asio::awaitable<Result<std::string>> OauthTokens::ask(const Call& call) {
  asio::ip::tcp::resolver resolver(context_);
  auto [unresolved, addresses] =
      co_await resolver.async_resolve(url_.host, std::to_string(url_.port), awaiting);
  if (unresolved) co_return unreachable(url_, unresolved.message());

  boost::beast::tcp_stream stream(context_);
  stream.expires_after(options_.timeout);
  auto [unconnected, endpoint] = co_await stream.async_connect(addresses, awaiting);
  if (unconnected) co_return unreachable(url_, unconnected.message());

  http::request<http::empty_body> request(http::verb::get,
                                          url_.path + metadata_path(call.email, call.scope), 11);
  request.set(http::field::host, url_.authority());
  request.set(http::field::connection, "close");
  request.set("Metadata-Flavor", "Google");
  auto [unsent, sent] = co_await http::async_write(stream, request, awaiting);
  if (unsent) co_return unreachable(url_, unsent.message());

  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  answer.header_limit(head_bytes_max);
  answer.body_limit(body_bytes_max);
  auto [unread, read] = co_await http::async_read(stream, buffer, answer, awaiting);
  if (unread) co_return unreachable(url_, unread.message());

  const unsigned status = answer.get().result_int();
  if (status == 200) co_return std::move(answer.get().body());
  const std::string text = "the token server at " + url_.authority() + " answered " +
                           std::to_string(status) + " for the account " + call.email;
  co_return fail(status >= 500 || status == 429 ? Reason::timeout : Reason::invalid, text);
}

}  // namespace deferd
