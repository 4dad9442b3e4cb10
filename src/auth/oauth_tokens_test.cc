// Access tokens from a metadata server that a test plays.
#include "auth/oauth_tokens.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <vector>

#include "api/http/server.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;

constexpr Wall start = wall_from_micros(1'795'000'000'000'000);

// Answers with what the test said last; keeps what it was asked.
class MetadataServer final : public HttpHandler {
 public:
  MetadataServer() {
    HttpOptions options;
    options.listen = "127.0.0.1:0";
    server_ = std::move(*HttpServer::start(options, *this));
  }
  ~MetadataServer() override { server_.reset(); }

  void handle(const HttpRequest& request, HttpReply reply) override {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.header("Metadata-Flavor"), "Google");
    asked_.push_back(std::string(request.path) + "?" + std::string(request.query));
    if (hold_) {
      held_.push_back(std::move(reply));
      held_one_.set_value();
      return;
    }
    HttpResponse response;
    response.status = status_;
    response.body = body_;
    reply.send(std::move(response));
  }

  void says(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void wait_for_one() { held_one_.get_future().wait(); }

  std::string url() const { return "http://" + server_->address(); }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  int status_ = 200;
  std::string body_ = R"({"access_token":"ya29.first","expires_in":3599,"token_type":"Bearer"})";
  bool hold_ = false;
  std::promise<void> held_one_;
  std::vector<std::string> asked_;
  std::vector<HttpReply> held_;
  std::unique_ptr<HttpServer> server_;
};

std::unique_ptr<OauthTokens> tokens_of(const std::string& url, Millis timeout = Seconds(10)) {
  OauthOptions options;
  options.metadata_url = url;
  options.timeout = timeout;
  auto made = OauthTokens::make(std::move(options));
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

Result<std::string> get(OauthTokens& tokens, std::string_view email, std::string_view scope,
                        Wall now = start) {
  std::promise<Result<std::string>> answer;
  tokens.token(email, scope, now,
               [&](Result<std::string> token) { answer.set_value(std::move(token)); });
  return answer.get_future().get();
}

TEST(OauthTokens, AsksTheMetadataServerOnceForAnAccountAndScope) {
  MetadataServer server;
  const auto tokens = tokens_of(server.url());
  EXPECT_EQ(get(*tokens, "mail@shop.iam", ""), "ya29.first");
  server.says(200, R"({"access_token":"ya29.second","expires_in":3600})");
  EXPECT_EQ(get(*tokens, "mail@shop.iam", ""), "ya29.first");
  EXPECT_EQ(get(*tokens, "mail@shop.iam", "https://s/a https://s/b"), "ya29.second");
  EXPECT_EQ(get(*tokens, "mail@shop.iam", "", start + 3373s), "ya29.first");
  EXPECT_EQ(get(*tokens, "mail@shop.iam", "", start + 3374s), "ya29.second") << "shortly before";
  const std::string account = "/computeMetadata/v1/instance/service-accounts/mail@shop.iam/token";
  EXPECT_EQ(server.asked(),
            (std::vector<std::string>{
                account + "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform",
                account + "?scopes=https%3A%2F%2Fs%2Fa%2Chttps%3A%2F%2Fs%2Fb",
                account + "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"}));
}

TEST(OauthTokens, AnAccountCannotLeaveItsPlaceInThePath) {
  EXPECT_EQ(
      metadata_path("../../x?y#z\r\n", "s"),
      "/computeMetadata/v1/instance/service-accounts/..%2F..%2Fx%3Fy%23z%0D%0A/token?scopes=s");
}

TEST(OauthTokens, FailuresSayWhyAndAreTriedAgainASecondLater) {
  MetadataServer server;
  const auto tokens = tokens_of(server.url());
  const std::string place = server.url().substr(7);
  struct {
    int status;
    std::string body;
    Reason reason;
    std::string message;
  } const cases[] = {
      {404, "secret", Reason::invalid,
       "the token server at " + place + " answered 404 for the account a@b"},
      {503, "secret", Reason::timeout,
       "the token server at " + place + " answered 503 for the account a@b"},
      {200, "secret", Reason::invalid, "the token server's answer has no JSON object"},
      {200, "[]", Reason::invalid, "the token server's answer has no JSON object"},
      {200, R"({"expires_in":1})", Reason::invalid,
       "the token server's answer has no access_token"},
      {200, R"({"access_token":"a\r\nb","expires_in":1})", Reason::invalid,
       "the token server's answer has no access_token that a header can carry"},
      {200, R"({"access_token":"a"})", Reason::invalid,
       "the token server's answer has no expires_in"},
      {200, R"({"access_token":"a","expires_in":-5})", Reason::invalid,
       "the token server's answer has no expires_in"},
      {200, std::string(100'000, ' '), Reason::timeout,
       "the token server at " + place + " cannot be asked: body limit exceeded"},
  };
  Wall now = start;
  for (const auto& [status, body, reason, message] : cases) {
    server.says(status, body);
    const Result<std::string> token = get(*tokens, "a@b", "", now);
    ASSERT_FALSE(token) << body;
    EXPECT_EQ(token.error().reason, reason);
    EXPECT_EQ(token.error().message, message);
    now += 1s;
  }
  const std::size_t asked = server.asked().size();
  EXPECT_FALSE(get(*tokens, "a@b", "", now - 1us)) << "still the last failure";
  EXPECT_EQ(server.asked().size(), asked);
  server.says(200, R"({"access_token":"a","expires_in":10})");
  EXPECT_EQ(get(*tokens, "a@b", "", now), "a");
}

TEST(OauthTokens, AServerThatIsNotThereOrSilentFailsInTime) {
  const auto nobody = tokens_of("http://127.0.0.1:1");
  const Result<std::string> refused = get(*nobody, "a@b", "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::timeout);
  EXPECT_EQ(refused.error().message,
            "the token server at 127.0.0.1:1 cannot be asked: Connection refused");

  MetadataServer server;
  server.hold();
  const auto tokens = tokens_of(server.url(), 50ms);
  const Result<std::string> silent = get(*tokens, "a@b", "");
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().reason, Reason::timeout);
}

TEST(OauthTokens, WhoStillWaitsIsToldThatItStops) {
  MetadataServer server;
  server.hold();
  auto tokens = tokens_of(server.url());
  std::promise<Result<std::string>> answer;
  tokens->token("a@b", "", start,
                [&](Result<std::string> token) { answer.set_value(std::move(token)); });
  server.wait_for_one();
  tokens.reset();
  const Result<std::string> token = answer.get_future().get();
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().reason, Reason::stopping);
}

TEST(OauthTokens, TakesPlainHttpAlone) {
  for (const char* url : {"https://metadata", "metadata.google.internal", "http://a/b?c", ""}) {
    OauthOptions options;
    options.metadata_url = url;
    EXPECT_FALSE(OauthTokens::make(std::move(options))) << url;
  }
}

}  // namespace
}  // namespace deferd
