// Attempts that are cut off as their task was cancelled.
#include <gtest/gtest.h>

#include "dispatch/testing/pushes.h"
#include "dispatch/testing/scripted_server.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;

// Says what it was asked, answers nothing, and says when its connection was closed.
ScriptedServer::Script hang(Seen<std::string>& seen) {
  return [&seen](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    seen.put(request.body);
    peer.wait_until_closed();
    seen.put("closed");
  };
}

void cancel(PushDispatcher& pushes, const Attempt& attempt) {
  pushes.cancel(*attempt.queue, attempt.task.id);
}

Attempt with_id(Attempt attempt, std::uint64_t id) {
  attempt.task.id = TaskId{id};
  return attempt;
}

void expect_cancelled(std::future<AttemptResult>& running) {
  const AttemptResult result = running.get();
  EXPECT_EQ(result.status, status_cancelled);
  EXPECT_EQ(result.detail, "the task was cancelled");
  EXPECT_EQ(result.strain, Strain::none);
}

TEST(PushCancel, ClosesTheConnectionOfARunningPush) {
  Seen<std::string> seen;
  ScriptedServer server(hang(seen));
  auto pushes = dispatcher();
  const Attempt attempt = attempt_of(post(server.url(), "one"), ample);
  auto running = begin(*pushes, attempt);
  EXPECT_EQ(seen.take(), "one");
  cancel(*pushes, attempt);
  expect_cancelled(running);
  EXPECT_EQ(seen.take(), "closed");
  const PushStats stats = pushes->stats();
  EXPECT_EQ(stats.cancelled, 1u);
  EXPECT_EQ(stats.answered_other, 0u);
}

TEST(PushCancel, CutsOffWhateverThePushWaitsFor) {
  class SilentTokens : public TokenSource {
   public:
    using Done = Callback<void(Result<std::string>)>;
    void token(const PushToken&, std::string_view, Wall, Done done) override {
      waiting.put(std::move(done));
    }
    Seen<Done> waiting;  // never answered
  };
  auto hanging = ScriptedServer::silent();
  std::promise<void> release;
  SilentTokens tokens;
  PushOptions options;
  options.tokens = &tokens;
  options.connections_per_target_max = 2;
  options.lookup = [until = release.get_future().share()](const std::string&) -> Result<Addresses> {
    until.wait();
    return fail(Reason::not_found, "too late");
  };
  for (const std::size_t threads : {1U, 3U}) {
    options.threads = threads;
    auto pushes = dispatcher(options);
    const std::string port = std::to_string(hanging->port());
    PushRequest with_token = post(hanging->url());
    with_token.token = PushToken{PushToken::Kind::oidc, "worker@example.com", "", ""};
    const PushRequest requests[] = {
        post(hanging->url()),                             // an answer, or a connection
        post("https://127.0.0.1:" + port + "/"),          // the handshake
        post("http://slow.test:" + port + "/"),           // a name
        post(hanging->url(), std::string(8 << 20, 'x')),  // room to write
        with_token,
    };
    std::vector<std::future<AttemptResult>> cancelled;
    std::vector<std::future<AttemptResult>> others;
    Attempt attempt;
    for (int i = 0; i < 5; ++i) {
      for (const PushRequest& request : requests) {
        attempt = attempt_of(request, ample);
        cancelled.push_back(begin(*pushes, attempt));
        others.push_back(begin(*pushes, with_id(attempt, 7)));
      }
    }
    cancel(*pushes, attempt);
    for (auto& running : cancelled) expect_cancelled(running);
    EXPECT_EQ(pushes->stats().cancelled, cancelled.size());
    for (auto& running : others) EXPECT_EQ(running.wait_for(0s), std::future_status::timeout);
    pushes.reset();
    for (auto& running : others) EXPECT_EQ(running.get().status, status_unreachable);
  }
  release.set_value();
}

TEST(PushCancel, FollowsARedirect) {
  Seen<std::string> seen;
  ScriptedServer second(hang(seen));
  ScriptedServer first(
      ScriptedServer::always(answer(307, "Location: " + second.url("/new") + "\r\n")));
  PushOptions options;
  options.redirects_max = 5;
  auto pushes = dispatcher(options);
  const Attempt attempt = attempt_of(post(first.url(), "one"), ample);
  auto running = begin(*pushes, attempt);
  EXPECT_EQ(seen.take(), "one");
  cancel(*pushes, attempt);
  expect_cancelled(running);
  EXPECT_EQ(seen.take(), "closed");
}

TEST(PushCancel, MakesRoomForWhatWaits) {
  Seen<std::string> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request.body);
      if (request.body == "hang") peer.wait_until_closed();
      peer.write(answer(200));
    }
  });
  PushOptions options;
  options.connections_per_target_max = 1;
  auto pushes = dispatcher(options);
  const Attempt attempt = attempt_of(post(server.url(), "hang"), ample);
  auto running = begin(*pushes, attempt);
  EXPECT_EQ(seen.take(), "hang");
  auto waiting = begin(*pushes, with_id(attempt_of(post(server.url(), "next"), ample), 7));
  cancel(*pushes, attempt);
  expect_cancelled(running);
  EXPECT_EQ(waiting.get().status, 200);
}

TEST(PushCancel, LeavesAllElseAlone) {
  Seen<std::string> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request.body);
      if (!peer.read_some()) return;  // until the test says more, on another connection
    }
  });
  ScriptedServer quick(ScriptedServer::always(answer(200)));
  auto pushes = dispatcher();
  const Attempt attempt = attempt_of(post(quick.url()), ample);
  const Attempt another = with_id(attempt, 7);
  cancel(*pushes, attempt);  // nothing runs
  EXPECT_EQ(begin(*pushes, another).get().status, 200);
  EXPECT_EQ(begin(*pushes, attempt).get().status, 200);
  cancel(*pushes, attempt);  // it ended
  EXPECT_EQ(begin(*pushes, another).get().status, 200);

  Attempt other = attempt_of(post(server.url(), "other"), ample);
  other.queue = std::make_shared<const QueueName>(*QueueName::parse("project", "here", "other"));
  auto running = begin(*pushes, other);
  EXPECT_EQ(seen.take(), "other");
  cancel(*pushes, attempt);  // the same id, in another queue
  EXPECT_EQ(begin(*pushes, another).get().status, 200);
  EXPECT_EQ(running.wait_for(0s), std::future_status::timeout);
  cancel(*pushes, other);
  expect_cancelled(running);
}

}  // namespace
}  // namespace deferd
