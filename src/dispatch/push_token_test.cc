// The tokens that pushes carry: asked for once an attempt, within its deadline, and never left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "dispatch/testing/pushes.h"
#include "dispatch/testing/scripted_server.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Does with each question what the test says.
class FakeTokens : public TokenSource {
 public:
  using Done = Callback<void(Result<std::string>)>;
  struct Asked {
    PushToken token;
    std::string url;
  };

  explicit FakeTokens(std::function<void(Done)> answer) : answer_(std::move(answer)) {}

  void token(const PushToken& token, std::string_view url, Wall now, Done done) override {
    EXPECT_GT(now, Wall(std::chrono::hours(24 * 365 * 50)));
    asked.put({token, std::string(url)});
    answer_(std::move(done));
  }

  Seen<Asked> asked;

 private:
  std::function<void(Done)> answer_;
};

std::unique_ptr<PushDispatcher> dispatcher_with(TokenSource& tokens) {
  PushOptions options;
  options.tokens = &tokens;
  return dispatcher(std::move(options));
}

PushRequest with_token(std::string url) {
  PushRequest request = post(std::move(url), "body");
  request.token = PushToken{PushToken::Kind::oidc, "worker@example.com", "", ""};
  request.headers = {{"authorization", "Basic b2xk"}, {"X-Other", "stays"}};
  return request;
}

ScriptedServer::Script tell(Seen<SeenRequest>& seen) {
  return [&seen](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request);
      peer.write(answer(200));
    }
  };
}

// CT-173: in place of the task's own, which stays where no token is asked for.
TEST(PushToken, StandsInPlaceOfTheTasksOwn) {
  Seen<SeenRequest> seen;
  ScriptedServer server(tell(seen));
  FakeTokens tokens([](FakeTokens::Done done) { done("Bearer abc"); });
  auto pushes = dispatcher_with(tokens);

  PushRequest request = with_token(server.url("/a?b=c"));
  EXPECT_EQ(push(*pushes, request).status, 200);
  const SeenRequest got = seen.take();
  EXPECT_EQ(got.header("Authorization"), "Bearer abc");
  EXPECT_EQ(got.header("authorization"), "(none)");
  EXPECT_EQ(got.header("X-Other"), "stays");
  const FakeTokens::Asked asked = tokens.asked.take();
  EXPECT_EQ(asked.token, *request.token);
  EXPECT_EQ(asked.url, server.url("/a?b=c"));

  request.token.reset();
  EXPECT_EQ(push(*pushes, request).status, 200);
  EXPECT_EQ(seen.take().header("authorization"), "Basic b2xk");
}

TEST(PushToken, MayComeFromAnotherThread) {
  Seen<SeenRequest> seen;
  ScriptedServer server(tell(seen));
  std::vector<std::thread> threads;
  FakeTokens tokens([&](FakeTokens::Done done) {
    threads.emplace_back([done = std::move(done)]() mutable { done("Bearer abc"); });
  });
  {
    auto pushes = dispatcher_with(tokens);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(push(*pushes, with_token(server.url())).status, 200);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(seen.take().header("Authorization"), "Bearer abc");
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(PushToken, NothingIsSentWithoutIt) {
  auto server = ScriptedServer::silent();
  struct {
    Result<std::string> token;
    std::int16_t status;
    std::string detail;
  } const cases[] = {
      {fail(Reason::invalid, "no such account"), status_refused, "token: no such account"},
      {fail(Reason::timeout, "the endpoint is silent"), status_unreachable,
       "token: the endpoint is silent"},
      {fail(Reason::overloaded, "later"), status_unreachable, "token: later"},
      {"", status_refused, "token: what was issued cannot be sent as a header"},
      {"Bearer a\r\nX: b", status_refused, "token: what was issued cannot be sent as a header"},
  };
  for (const auto& [token, status, detail] : cases) {
    FakeTokens tokens([&](FakeTokens::Done done) { done(token); });
    auto pushes = dispatcher_with(tokens);
    const AttemptResult result = push(*pushes, with_token(server->url()));
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.detail, detail);
    EXPECT_EQ(pushes->stats().connections_opened, 0u);
  }
  const AttemptResult result = push(*dispatcher(), with_token(server->url()));
  EXPECT_EQ(result.status, status_refused);
  EXPECT_THAT(result.detail, HasSubstr("this server is not set up to issue any"));
}

TEST(PushToken, TheDeadlineRunsMeanwhile) {
  auto server = ScriptedServer::silent();
  Seen<FakeTokens::Done> late;
  FakeTokens tokens([&](FakeTokens::Done done) { late.put(std::move(done)); });
  auto pushes = dispatcher_with(tokens);
  const AttemptResult result = push(*pushes, with_token(server->url()), 30ms);
  EXPECT_EQ(result.status, status_timeout);
  EXPECT_EQ(result.detail, "the deadline passed while waiting for its token");
  // A token that comes now is nobody's, and so is one that comes after the dispatcher has ended.
  late.take()("Bearer late");
  auto cut = begin(*pushes, with_token(server->url()));
  auto done = late.take();
  pushes.reset();
  EXPECT_EQ(cut.get().status, status_unreachable);
  done("Bearer later");
}

}  // namespace
}  // namespace deferd
