// Access tokens of service accounts (OAuth 2.0), for pushes that ask for them. Not made here: asked
// of a metadata server, as every machine of Google's cloud has one and others can run one, and kept
// until shortly before they end (CT-spec 9.14).
//
//   GET {url}/computeMetadata/v1/instance/service-accounts/{email}/token?scopes={scope}
//   Metadata-Flavor: Google
//   -> {"access_token":"...","expires_in":3599,"token_type":"Bearer"}
//
// Thread-safe; it calls from a thread of its own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "auth/token_cache.h"
#include "base/result.h"
#include "base/time.h"
#include "model/target_url.h"

namespace deferd {

constexpr std::string_view default_oauth_scope = "https://www.googleapis.com/auth/cloud-platform";

struct OauthOptions {
  std::string metadata_url;              // http://HOST[:PORT][/PATH]
  Millis timeout = Seconds(10);          // of one call, once the name is resolved
  std::size_t calls_max = 8;             // at once
  std::size_t cached_tokens_max = 1024;  // of 1 to 2 KiB each
};

class OauthTokens {
 public:
  // Fails with Reason::invalid when the URL is none, or is not http.
  static Result<std::unique_ptr<OauthTokens>> make(OauthOptions options);
  // What is under way is answered with Reason::stopping.
  ~OauthTokens();

  // A token of the account `email` for `scope`; an empty one is default_oauth_scope, several are
  // separated by spaces or commas. `done` is called once, in the call or on the thread. Fails with
  // Reason::timeout when the server cannot be asked now, with Reason::invalid when it says no.
  void token(std::string_view email, std::string_view scope, Wall now, TokenCache::Done done);

 private:
  struct Call {
    std::string key;
    std::string email;
    std::string scope;
    Wall now;
  };

  OauthTokens(OauthOptions options, TargetUrl url);

  void begin_next();
  boost::asio::awaitable<void> run(Call call);
  boost::asio::awaitable<Result<std::string>> ask(const Call& call);

  const OauthOptions options_;
  const TargetUrl url_;
  TokenCache tokens_;

  // On the thread alone.
  std::deque<Call> waiting_;
  std::size_t running_ = 0;

  boost::asio::io_context context_;  // after what its coroutines use
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

// What is asked for, as a path below the server's URL; every byte that is not plain is
// percent-encoded.
std::string metadata_path(std::string_view email, std::string_view scope);

struct AccessToken {
  std::string text;
  Seconds life{0};
};

// The body of a 200. Fails with Reason::invalid, and never with a word of it.
Result<AccessToken> parse_access_token(std::string_view json);

}  // namespace deferd
