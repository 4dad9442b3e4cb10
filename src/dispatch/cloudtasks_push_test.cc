// HTTP tasks of Cloud Tasks from the engine to their targets, over loopback: which attempts follow
// which answers, and what each is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dispatch/testing/push_fixture.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

PushRequest to(std::string url, std::string body = "") {
  PushRequest request;
  request.door = Door::cloudtasks;
  request.url = std::move(url);
  request.headers = {{"User-Agent", "Google-Cloud-Tasks"}};  // as the door stores it
  request.body = std::move(body);
  return request;
}

class CloudTasksPush : public PushTest {};

// CT-102, CT-103, CT-104, CT-108
TEST_F(CloudTasksPush, AttemptsAreCountedUntilOneSucceeds) {
  Handler handler({answer(503), answer(404), answer(429), answer(500), answer(302), answer(200)});
  start({});
  queue("q", eager());
  const TaskId id = add("q", to(handler.url() + "/work", "x"));
  const std::string_view executions[] = {"0", "0", "1", "2", "2", "3"};
  const std::string_view before[] = {"(none)", "503", "404", "429", "500", "302"};
  for (int i = 0; i < 6; ++i) {
    const SeenRequest request = handler.seen.take();
    EXPECT_EQ(request.header("X-CloudTasks-TaskRetryCount"), std::to_string(i));
    EXPECT_EQ(request.header("X-CloudTasks-TaskExecutionCount"), executions[i]) << i;
    EXPECT_EQ(request.header("X-CloudTasks-TaskPreviousResponse"), before[i]);
    EXPECT_EQ(request.header("X-CloudTasks-TaskRetryReason"), i == 0 ? "(none)" : "");
    EXPECT_EQ(request.header("X-CloudTasks-QueueName"), "q");
    EXPECT_EQ(request.header("X-CloudTasks-TaskName"), to_string(id));
    EXPECT_EQ(request.header("User-Agent"), "Google-Cloud-Tasks");
    EXPECT_EQ(request.header("Content-Type"), "(none)");
    EXPECT_THAT(request.head, Not(HasSubstr("X-Deferd-")));
    EXPECT_EQ(request.body, "x");
  }
  wait_until_empty("q");
  EXPECT_EQ(handler.seen.left(), 0u);
}

// CT-105, CT-114: the deadline closes the connection, and the attempt got no response.
TEST_F(CloudTasksPush, ATimeoutIsTold504AndCountsNoResponse) {
  std::promise<void> closed;
  Seen<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    seen.put(request);
    if (peer.index() > 0) {
      peer.write(answer(200));
      return;
    }
    peer.wait_until_closed();
    closed.set_value();
  });
  start({});
  QueueSettings settings = eager();
  settings.retry.min_backoff = settings.retry.max_backoff = 300ms;
  queue("q", settings);
  TaskOptions options;
  options.timeout = 100ms;
  const TaskId id = add("q", to(server.url("/slow")), options);
  seen.take();
  ASSERT_EQ(closed.get_future().wait_for(ample), std::future_status::ready);
  wait_until([&] { return task("q", id).state == TaskState::scheduled; });
  const Progress after = task("q", id).task.progress;
  EXPECT_EQ(after.attempts, 1u);
  EXPECT_EQ(after.responses, 0u);
  EXPECT_EQ(after.last_status, status_timeout);
  EXPECT_GE(after.last_response - after.last_attempt, 100ms);
  const SeenRequest retry = seen.take();
  EXPECT_EQ(retry.header("X-CloudTasks-TaskRetryCount"), "1");
  EXPECT_EQ(retry.header("X-CloudTasks-TaskExecutionCount"), "0");
  EXPECT_EQ(retry.header("X-CloudTasks-TaskPreviousResponse"), "504");
  EXPECT_EQ(retry.header("X-CloudTasks-TaskRetryReason"), "");
  wait_until_empty("q");
}

// CT-115
TEST_F(CloudTasksPush, ARefusedConnectionIsAnAttemptWithoutAResponse) {
  std::string nowhere;
  {
    const auto gone = ScriptedServer::silent();
    nowhere = gone->url("/");
  }
  start({});
  QueueSettings settings = eager();
  settings.retry.min_backoff = settings.retry.max_backoff = Seconds(3600);
  queue("q", settings);
  const TaskId id = add("q", to(nowhere));
  wait_until([&] { return task("q", id).state == TaskState::scheduled; });
  const TaskInfo after = task("q", id);
  EXPECT_EQ(after.task.progress.attempts, 1u);
  EXPECT_EQ(after.task.progress.responses, 0u);
  EXPECT_EQ(after.task.progress.last_status, status_unreachable);
  EXPECT_GT(after.task.place.eta, clock_.now().wall + Seconds(3000)) << "it is tried again";
}

// CT-110
TEST_F(CloudTasksPush, SuccessIs200To299AndNothingElse) {
  Seen<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request);
      const bool first = request.header("X-CloudTasks-TaskRetryCount") == "0";
      peer.write(answer(first ? std::stoi(request.body) : 200));
    }
  });
  start({});
  queue("q", eager());
  for (const auto& [status, attempts] : {std::pair(200, 1),
                                         {201, 1},
                                         {204, 1},
                                         {299, 1},
                                         {300, 2},
                                         {304, 2},
                                         {400, 2},
                                         {404, 2},
                                         {500, 2}}) {
    add("q", to(server.url("/work"), std::to_string(status)));
    wait_until_empty("q");
    for (int i = 0; i < attempts; ++i) seen.take();
    EXPECT_EQ(seen.left(), 0u) << status;
  }
}

// CT-212: a target in force reaches tasks that were there before it. GetTask's url is the task's
// own (CT-spec 9.11).
TEST_F(CloudTasksPush, AQueuesHttpTargetAppliesToStoredTasks) {
  Handler handler({answer(200)});
  start({});
  QueueSettings settings = eager();
  queue("q", settings);
  set_state("q", QueueState::paused);
  PushRequest request = to("https://nowhere.test:1/own?own", "body");
  request.headers.emplace_back("x-mine", "task");
  const TaskId id = add("q", request);
  HttpTarget& target = settings.http_target.emplace();
  target.scheme = HttpTarget::Scheme::http;
  target.host = "127.0.0.1";
  target.port = handler.port();
  target.path = "/theirs";
  target.headers = {{"X-Mine", "queue"}};
  target.method = HttpMethod::put;
  queue("q", settings);
  EXPECT_EQ(decode_push_request(*task("q", id).task.payload)->url, request.url);
  set_state("q", QueueState::running);
  const SeenRequest got = handler.seen.take();
  EXPECT_TRUE(got.head.starts_with("PUT /theirs?own HTTP/1.1\r\n")) << got.head;
  EXPECT_EQ(got.header("Host"), "127.0.0.1:" + std::to_string(handler.port()));
  EXPECT_EQ(got.header("X-Mine"), "queue");
  EXPECT_EQ(got.header("x-mine"), "(none)");
  EXPECT_EQ(got.body, "body");
  wait_until_empty("q");
}

TEST_F(CloudTasksPush, AQueuesHttpTargetIsGuardedAsATasksUrl) {
  Handler handler({answer(200)});
  PushOptions options;
  options.guard.deny = {"loopback"};
  options.appengine.routes.app_url = handler.url();
  start(std::move(options));
  QueueSettings settings = eager();
  settings.retry.max_attempts = 1;
  settings.http_target.emplace().host = "127.0.0.1";
  queue("q", settings);
  add("q", to("http://nowhere.test:" + std::to_string(handler.port()) + "/"));
  wait_until_empty("q");
  EXPECT_EQ(dispatcher_->stats().refused, 1u);
  // An App Engine task is none of its business.
  add("q", to("/work"));
  EXPECT_TRUE(handler.seen.take().head.starts_with("POST /work "));
  wait_until_empty("q");
}

// CT-107
TEST_F(CloudTasksPush, TheEtaIsTheScheduleTimeInSeconds) {
  Handler handler({answer(200)});
  start({});
  queue("q", eager());
  const Wall eta = clock_.now().wall + 50ms;
  add("q", to(handler.url()), {}, eta);
  const double told = std::stod(handler.seen.take().header("X-CloudTasks-TaskETA"));
  EXPECT_LT(std::abs(told - static_cast<double>(to_micros(eta)) / 1e6), 1e-5);
  wait_until_empty("q");
}

// CT-123: an application's 429 strains nobody.
TEST(PushStrain, IsToldByStatusAndDoor) {
  ScriptedServer server([](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) peer.write(answer(std::stoi(request.body)));
  });
  PushOptions options;
  options.appengine.routes.app_url = server.url("");
  auto pushes = dispatcher(options);
  const auto strain = [&](const std::string& url, int status) {
    return push(*pushes, to(url, std::to_string(status))).strain;
  };
  for (const auto& [status, http, app] : {std::tuple(200, Strain::none, Strain::none),
                                          {404, Strain::none, Strain::none},
                                          {429, Strain::overloaded, Strain::none},
                                          {500, Strain::failing, Strain::none},
                                          {503, Strain::overloaded, Strain::overloaded}}) {
    EXPECT_EQ(strain(server.url("/"), status), http) << status;
    EXPECT_EQ(strain("/", status), app) << status;
  }
  const auto silent = ScriptedServer::silent();
  EXPECT_EQ(push(*pushes, to(silent->url()), 20ms).strain, Strain::failing);
  EXPECT_EQ(push(*pushes, to("http://169.254.169.254/")).strain, Strain::none);
}

}  // namespace
}  // namespace deferd
