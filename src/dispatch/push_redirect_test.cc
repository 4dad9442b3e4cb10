// Redirects, when they are followed: one attempt, one deadline, the guard at each hop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/testing/push_fixture.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

PushOptions following(std::uint32_t redirects = 5) {
  PushOptions options;
  options.redirects_max = redirects;
  return options;
}

std::string moved(int status, const std::string& to) {
  return answer(status, "Location: " + to + "\r\n");
}

// CT-111, CT-113
TEST(PushRedirect, IsFollowedToAnotherHostWithoutItsSecrets) {
  Handler second({answer(204)});
  Handler first({moved(302, second.url() + "/new?x")});
  auto pushes = dispatcher(following());
  PushRequest request = post(first.url() + "/old", "body");
  request.headers = {
      {"Authorization", "Basic secret"}, {"Content-Type", "text/plain"}, {"X-Other", "stays"}};
  EXPECT_EQ(push(*pushes, request).status, 204);
  EXPECT_EQ(first.seen.take().header("Authorization"), "Basic secret");
  const SeenRequest got = second.seen.take();
  EXPECT_TRUE(got.head.starts_with("GET /new?x HTTP/1.1\r\n")) << got.head;
  EXPECT_EQ(got.header("Host"), "127.0.0.1:" + std::to_string(second.port()));
  EXPECT_EQ(got.header("Authorization"), "(none)");
  EXPECT_EQ(got.header("X-Other"), "stays");
  EXPECT_EQ(got.header("Content-Type"), "(none)");
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(pushes->stats().redirected, 1u);
  EXPECT_EQ(pushes->stats().started, 1u);
}

TEST(PushRedirect, OnTheSameHostKeepsConnectionAndSecrets) {
  Handler handler({moved(307, "/b"), moved(308, "c?d"), answer(200)});
  auto pushes = dispatcher(following());
  PushRequest request = post(handler.url() + "/x/a", "body");
  request.headers = {{"Authorization", "Basic secret"}};
  EXPECT_EQ(push(*pushes, request).status, 200);
  for (const std::string_view path : {"/x/a", "/b", "/c?d"}) {
    const SeenRequest got = handler.seen.take();
    EXPECT_TRUE(got.head.starts_with("POST " + std::string(path) + " ")) << got.head;
    EXPECT_EQ(got.header("Authorization"), "Basic secret");
    EXPECT_EQ(got.body, "body");
  }
  EXPECT_EQ(handler.connections(), 1);
}

TEST(PushRedirect, EndsAtTheLimitAndAtWhatIsNoPlace) {
  Handler loop({moved(302, "/again")});
  auto pushes = dispatcher(following(3));
  EXPECT_EQ(push(*pushes, post(loop.url())).status, 302);
  for (int i = 0; i < 4; ++i) loop.seen.take();
  EXPECT_EQ(loop.seen.left(), 0u);
  for (const std::string& bytes : {answer(302), moved(302, "ftp://x/"), moved(304, "/x"),
                                   moved(300, "/x"), moved(302, std::string(9000, 'x'))}) {
    Handler handler({bytes});
    EXPECT_EQ(push(*pushes, post(handler.url())).status / 100, 3);
    EXPECT_EQ(handler.connections(), 1);
    handler.seen.take();
    EXPECT_EQ(handler.seen.left(), 0u);
  }
}

TEST(PushRedirect, EachHopIsGuardedAndWithinTheDeadline) {
  Handler metadata({moved(302, "http://169.254.169.254/latest")});
  auto pushes = dispatcher(following());
  const AttemptResult result = push(*pushes, post(metadata.url()));
  EXPECT_EQ(result.status, status_refused);
  EXPECT_THAT(result.detail, HasSubstr("target guard: 169.254.169.254 is"));

  auto silent = ScriptedServer::silent();
  Handler slow({moved(302, silent->url())});
  EXPECT_EQ(push(*pushes, post(slow.url()), 100ms).status, status_timeout);
}

// A hop whose target is full waits its turn like any push.
TEST(PushRedirect, WaitsForAConnectionWhenThereIsNone) {
  Handler second({answer(200)});
  Handler first({moved(307, second.url() + "/")});
  PushOptions options = following();
  options.connections_max = 1;
  auto pushes = dispatcher(options);
  std::vector<std::future<AttemptResult>> running;
  for (int i = 0; i < 20; ++i) running.push_back(begin(*pushes, post(first.url(), "x")));
  for (auto& future : running) EXPECT_EQ(future.get().status, 200);
  EXPECT_EQ(pushes->stats().redirected, 20u);
}

class QueueRedirect : public PushTest {};

// CT-111: not an attempt; CT-112: an App Engine task's is a failure.
TEST_F(QueueRedirect, IsNoAttemptAndNoneOfAnApplication) {
  Handler handler({moved(302, "/new"), answer(200), moved(302, "/new"), answer(200)});
  PushOptions options = following();
  options.appengine.routes.app_url = handler.url();
  start(std::move(options));
  queue("q", eager());
  PushRequest request;
  request.door = Door::cloudtasks;
  request.url = handler.url() + "/old";
  add("q", request);
  handler.seen.take();
  EXPECT_EQ(handler.seen.take().header("X-CloudTasks-TaskRetryCount"), "0");
  wait_until_empty("q");
  EXPECT_EQ(stats("q").executed_total, 1u);
  request.url = "/work";
  add("q", request);
  handler.seen.take();
  const SeenRequest retry = handler.seen.take();
  EXPECT_TRUE(retry.head.starts_with("POST /work ")) << retry.head;
  EXPECT_EQ(retry.header("X-AppEngine-TaskPreviousResponse"), "302");
  wait_until_empty("q");
}

}  // namespace
}  // namespace deferd
