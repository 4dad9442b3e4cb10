// Tasks of App Engine from the engine to their handlers, over loopback: which attempts follow which
// answers, what each attempt is told, where it goes and what it may do there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <set>

#include "auth/ticket.h"
#include "dispatch/testing/push_fixture.h"

namespace deferd {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

PushRequest to(std::string path, std::string body = "") {
  PushRequest request;
  request.door = Door::appengine;
  request.url = std::move(path);
  request.body = std::move(body);
  return request;
}

class AppEnginePush : public PushTest {
 protected:
  using PushTest::start;
  // The application is `shop`, and this is its only service.
  void start(const Handler& handler) {
    PushOptions options;
    options.appengine.routes.apps["shop"].url = handler.url();
    start(std::move(options));
  }
};

// GAE-136, GAE-137, CT-106: the same whichever door a task came through.
TEST_F(AppEnginePush, AttemptsAreCountedUntilOneSucceeds) {
  for (const Door door : {Door::appengine, Door::cloudtasks}) {
    Handler handler({answer(503), answer(404), answer(429), answer(500), answer(302), answer(200)});
    start(handler);
    queue("q", eager());
    PushRequest work = to("/work", "x");
    work.door = door;
    const TaskId id = add("q", work);
    const std::string_view before[] = {"(none)", "503", "404", "429", "500", "302"};
    std::set<std::string> log_ids;
    for (int i = 0; i < 6; ++i) {
      const SeenRequest request = handler.seen.take();
      EXPECT_EQ(request.header("X-AppEngine-TaskRetryCount"), std::to_string(i));
      EXPECT_EQ(request.header("X-AppEngine-TaskExecutionCount"), std::to_string(i));
      EXPECT_EQ(request.header("X-AppEngine-TaskPreviousResponse"), before[i]);
      EXPECT_EQ(request.header("X-AppEngine-TaskRetryReason") == "(none)", i == 0);
      EXPECT_EQ(request.header("X-AppEngine-TaskName"), to_string(id));
      EXPECT_EQ(request.body, "x");
      log_ids.insert(request.header("X-AppEngine-Request-Log-Id"));
    }
    wait_until_empty("q");
    EXPECT_EQ(log_ids.size(), 6u) << "each request has its own";
    EXPECT_EQ(handler.seen.left(), 0u);
    EXPECT_EQ(stats("q").completed_total, 1u);
    EXPECT_EQ(handler.connections(), 1);
    stop();
  }
}

// GAE-138, GAE-150, CT-105
TEST_F(AppEnginePush, ATimeoutIsARetryButNoExecution) {
  Seen<SeenRequest> seen;
  std::promise<void> closed;
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
  PushOptions options;
  options.appengine.routes.app_url = server.url();
  start(std::move(options));
  queue("q", eager());  // whose own deadline is ten minutes
  TaskOptions task;
  task.timeout = 150ms;
  const auto began = std::chrono::steady_clock::now();
  add("q", to("/slow"), task);
  SeenRequest request = seen.take();
  EXPECT_EQ(request.header("X-AppEngine-Timeout-Ms"), "150");
  ASSERT_EQ(closed.get_future().wait_for(ample), std::future_status::ready);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 150ms);
  request = seen.take();
  EXPECT_EQ(request.header("X-AppEngine-TaskRetryCount"), "1");
  EXPECT_EQ(request.header("X-AppEngine-TaskExecutionCount"), "0");
  EXPECT_EQ(request.header("X-AppEngine-TaskPreviousResponse"), "0");
  wait_until_empty("q");
}

// GAE-139
TEST_F(AppEnginePush, SuccessIs200To299AndNothingElse) {
  const std::unique_ptr<ScriptedServer> elsewhere = ScriptedServer::silent();
  Seen<SeenRequest> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      seen.put(request);
      const bool first = request.header("X-AppEngine-TaskRetryCount") == "0";
      peer.write(answer(first ? std::stoi(request.body) : 200,
                        "Location: " + elsewhere->url("/moved") + "\r\n"));
    }
  });
  PushOptions options;
  options.appengine.routes.app_url = server.url();
  start(std::move(options));
  queue("q", eager());
  for (const int status : {200, 201, 203, 204, 299}) {
    add("q", to("/work", std::to_string(status)));
    wait_until_empty("q");
    EXPECT_EQ(seen.take().body, std::to_string(status));
    EXPECT_EQ(seen.left(), 0u) << status;
  }
  for (const int status : {300, 301, 302, 303, 304, 307, 308, 400, 404, 408, 415, 500, 503}) {
    add("q", to("/work", std::to_string(status)));
    wait_until_empty("q");
    EXPECT_EQ(seen.take().body, std::to_string(status));
    EXPECT_EQ(seen.take().header("X-AppEngine-TaskPreviousResponse"), std::to_string(status));
    EXPECT_EQ(seen.left(), 0u) << status;
  }
  EXPECT_EQ(elsewhere->connections(), 0) << "no redirect is followed";
}

// GAE-145, GAE-146, GAE-147, CT-121
TEST_F(AppEnginePush, TasksGoWhereTheRoutesSay) {
  Handler front({answer(200)});
  Handler worker({answer(200)});
  Handler foreign({answer(200)});
  PushOptions options;
  AppRoutes& shop = options.appengine.routes.apps["shop"];
  shop.hostname = "shop.example.com";
  shop.url = front.url();
  shop.services["v1.worker"] = worker.url() + "/under";
  start(std::move(options));
  queue("q", eager());
  QueueSettings aimed = eager();
  aimed.appengine.target = "v1.worker";
  queue("aimed", aimed);
  const auto send = [&](const std::string& queue_name, const std::string& host) {
    PushRequest request = to("/x?y");
    if (!host.empty()) request.headers = {{"Host", host}};
    add(queue_name, request);
  };
  for (const std::string host : {"v1.worker.shop.example.com", "v1-dot-worker-dot-shop.example.com",
                                 "V1.WORKER.SHOP.EXAMPLE.COM"}) {
    send("q", host);
    const SeenRequest request = worker.seen.take();
    EXPECT_TRUE(request.head.starts_with("POST /under/x?y HTTP/1.1\r\n")) << request.head;
    EXPECT_EQ(request.header("Host"), host);
    EXPECT_EQ(request.header("X-AppEngine-Default-Version-Hostname"), "shop.example.com");
  }
  for (const std::string& host :
       {std::string("shop.example.com"), std::string("other.shop.example.com"),
        "127.0.0.1:" + std::to_string(foreign.port()), std::string("evil.example.com")}) {
    send("q", host);
    EXPECT_EQ(front.seen.take().header("Host"), host);
  }
  send("q", "");
  EXPECT_EQ(front.seen.take().header("Host"), "shop.example.com");
  send("aimed", "shop.example.com");
  EXPECT_EQ(worker.seen.take().header("Host"), "v1.worker.shop.example.com");
  wait_until_empty("q");
  wait_until_empty("aimed");
  EXPECT_EQ(foreign.connections(), 0);
}

TEST_F(AppEnginePush, ANewTableServesWhatStartsAfterIt) {
  Handler old_place({answer(200)});
  Handler new_place({answer(200)});
  start(old_place);
  queue("q", eager());
  add("q", to("/a"));
  old_place.seen.take();
  wait_until_empty("q");
  RouteOptions routes;
  routes.apps["shop"].url = new_place.url();
  dispatcher_->set_routes(*Routes::make(routes));
  add("q", to("/b"));
  new_place.seen.take();
  wait_until_empty("q");
  EXPECT_EQ(old_place.seen.left(), 0u);
}

// GAE-149
TEST_F(AppEnginePush, EachPushHasATicketOfItsOwn) {
  Handler handler({answer(500), answer(200)});
  Tickets::Key key{};
  const Tickets tickets(key, {});
  PushOptions options;
  options.appengine.routes.app_url = handler.url();
  options.appengine.ticket = [&](std::string_view app, Micros deadline, Wall now) {
    return tickets.mint(app, deadline, now);
  };
  start(std::move(options));
  QueueSettings settings = eager();
  settings.timeout = 20s;
  queue("q", settings);
  const Wall before = clock_.now().wall;
  add("q", to("/work"));
  const std::string first = handler.seen.take().header("X-AppEngine-API-Ticket");
  const std::string second = handler.seen.take().header("X-AppEngine-API-Ticket");
  const Wall after = clock_.now().wall;
  wait_until_empty("q");
  EXPECT_NE(first, second);
  for (const std::string& ticket : {first, second}) {
    EXPECT_EQ(tickets.verify(ticket, after).value_or(""), "shop");
    EXPECT_TRUE(tickets.verify(ticket, before + 20s + 10min - 1us));
    EXPECT_FALSE(tickets.verify(ticket, after + 20s + 10min));
  }
}

// GAE-152
TEST_F(AppEnginePush, LongAnswersDoNotDisturbAndConnectionsAreKept) {
  Handler handler({answer(404, "", "missing"), answer(500, "", "oops"), answer(200, "", "ok"),
                   answer(200, "", std::string(5 << 20, 'x')), answer(200)});
  start(handler);
  queue("q", eager());
  add("q", to("/one"));
  for (int i = 0; i < 3; ++i) handler.seen.take();
  wait_until_empty("q");
  EXPECT_EQ(handler.connections(), 1) << "kept after 404 and 500";
  add("q", to("/long"));
  add("q", to("/next"));
  wait_until_empty("q");
  EXPECT_EQ(stats("q").completed_total, 3u);
  EXPECT_EQ(stats("q").failed_total, 2u);
}

// GAE-153
TEST_F(AppEnginePush, NoMoreRunAtOnceThanTheQueueLets) {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  int most = 0;
  bool release = false;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      {
        std::unique_lock lock(mutex);
        most = std::max(most, ++running);
        changed.notify_all();
        changed.wait(lock, [&] { return release; });
        --running;
      }
      if (!peer.write(answer(200))) return;
    }
  });
  PushOptions options;
  options.appengine.routes.app_url = server.url();
  start(std::move(options));
  QueueSettings settings = eager();
  settings.concurrency = 3;
  queue("q", settings);
  for (int i = 0; i < 12; ++i) add("q", to("/work"));
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, ample, [&] { return running == 3; }));
  }
  EXPECT_EQ(stats("q").in_flight, 3u);
  {
    const std::lock_guard lock(mutex);
    release = true;
    changed.notify_all();
  }
  wait_until_empty("q");
  EXPECT_EQ(most, 3);
}

// GAE-153
TEST_F(AppEnginePush, ABurstGoesAtOnceAndTheRestAtTheRate) {
  std::mutex mutex;
  std::vector<std::chrono::steady_clock::time_point> times;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    while (peer.read_request(request)) {
      {
        const std::lock_guard lock(mutex);
        times.push_back(std::chrono::steady_clock::now());
      }
      if (!peer.write(answer(200))) return;
    }
  });
  PushOptions options;
  options.appengine.routes.app_url = server.url();
  start(std::move(options));
  QueueSettings settings = eager();
  settings.rate = {.count = 5'000, .period = Seconds(1)};  // thousandths
  settings.burst = 5;
  queue("q", settings);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) add("q", to("/work"));
  wait_until_empty("q");
  const std::lock_guard lock(mutex);
  ASSERT_EQ(times.size(), 8u);
  std::sort(times.begin(), times.end());
  // The n-th after the burst may come late on a busy machine, but never early: the bucket began to
  // fill again when the first token was taken, which was after `began`.
  for (int n = 1; n <= 3; ++n) {
    EXPECT_GE(times[static_cast<std::size_t>(4 + n)] - began, n * 200ms - 1ms) << n;
  }
}

// GAE-154
TEST_F(AppEnginePush, AnEtaIsMetAndNeverEarly) {
  Handler handler({answer(200)});
  start(handler);
  queue("q", eager());
  // On an idle server within 100 ms; this machine may be busy at times, but not at all times.
  Micros least_late = Micros::max();
  for (int i = 0; i < 20 && least_late > 100ms; ++i) {
    const Wall eta = clock_.now().wall + 2s;
    add("q", to("/work"), {}, eta);
    handler.seen.take();
    const Wall seen = clock_.now().wall;
    EXPECT_GE(seen, eta);
    least_late = std::min(least_late, seen - eta);
  }
  EXPECT_LE(least_late, 100ms);
}

// The table is the operator's word: deny lists are for what tasks choose.
TEST_F(AppEnginePush, RoutesPassTheDenyListsThatTasksDoNot) {
  Handler handler({answer(200)});
  PushOptions options;
  options.appengine.routes.app_url = handler.url();
  options.guard.deny = {"all"};
  start(std::move(options));
  QueueSettings once = eager();
  once.retry.max_attempts = 1;
  queue("q", once);
  add("q", to("/allowed"));
  EXPECT_TRUE(handler.seen.take().head.starts_with("POST /allowed "));
  wait_until_empty("q");
  // The connection rests now; a task that names the very same address may not have it.
  PushRequest native;
  native.url = handler.url() + "/denied";
  add("q", native);
  PushRequest absolute = to(handler.url() + "/denied");
  add("q", absolute);
  wait_until_empty("q");
  EXPECT_EQ(handler.seen.left(), 0u);
  EXPECT_EQ(dispatcher_->stats().refused, 2u);
}

TEST_F(AppEnginePush, NoRouteLeadsToDeferdItselfOrToMetadata) {
  Handler own({answer(200)});
  PushOptions options;
  options.appengine.routes.apps["shop"].services = {{"own", own.url()},
                                                    {"metadata", "http://169.254.169.254"}};
  options.guard.own = {"127.0.0.1:" + std::to_string(own.port())};
  options.guard.allow = {"all"};
  start(std::move(options));
  QueueSettings once = eager();
  once.retry.max_attempts = 1;
  queue("q", once);
  for (const char* host : {"own", "metadata"}) {
    PushRequest request = to("/x");
    request.headers = {{"Host", host}};
    add("q", request);
  }
  wait_until_empty("q");
  EXPECT_EQ(dispatcher_->stats().refused, 2u);
  EXPECT_EQ(own.connections(), 0);
}

TEST_F(AppEnginePush, OnlyAPathOfAnApplicationIsRelative) {
  Handler handler({answer(200)});
  start(handler);
  QueueSettings once = eager();
  once.retry.max_attempts = 1;
  queue("q", once);
  PushRequest native;
  native.url = "/work";  // no door takes it
  add("q", native);
  for (const char* path : {"//127.0.0.1/x", "/a b", "/a\r\nX: y", "/a#b"}) add("q", to(path));
  wait_until_empty("q");
  EXPECT_EQ(dispatcher_->stats().refused, 5u);
  EXPECT_EQ(handler.connections(), 0);
}

}  // namespace
}  // namespace deferd
