// Tasks: names, payloads, limits, views, lists, attempts (CT-spec 8.2, 8.3, 9.5, 9.9, 9.10, 9.12).
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "api/cloudtasks/attempt_status.h"
#include "api/cloudtasks/routing.h"
#include "api/cloudtasks/testing/harness.h"

namespace deferd::cloudtasks {
namespace {

using google::rpc::ALREADY_EXISTS;
using google::rpc::INVALID_ARGUMENT;
using google::rpc::NOT_FOUND;

constexpr std::string_view task_recent =
    "The task cannot be created because a task with this name existed too recently. For more "
    "information about task de-duplication see "
    "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/"
    "create#body.request_body.FIELDS.task.";
constexpr std::string_view task_gone =
    "The task no longer exists, though a task with this name existed recently. The task either "
    "successfully completed or was deleted.";

class TasksTest : public CloudTasksTest {
 protected:
  void SetUp() override { ASSERT_TRUE(succeeded(create_queue("q"))); }

  Outcome<V2::Task> create(V2::Task task, V2::View view = V2::Task::VIEW_UNSPECIFIED) {
    return create_task("q", later(std::move(task)), view);
  }
  static V2::Task named(V2::Task task, std::string_view id) {
    task.set_name(task_path("q", id));
    return task;
  }
  template <class Set>
  static V2::Task http_with(Set set) {
    V2::Task task = http_task();
    set(*task.mutable_http_request());
    return task;
  }
};

// CT-050
TEST_F(TasksTest, AnUnnamedTaskGetsANumber) {
  const auto task = create(http_task());
  ASSERT_TRUE(succeeded(task));
  const std::string id = task->name().substr(task_path("q", "").size());
  EXPECT_GE(id.size(), 17U);
  EXPECT_LE(id.size(), 20U);
  EXPECT_EQ(id.find_first_not_of("0123456789"), std::string::npos);
}

// CT-051, CT-052, CT-053
TEST_F(TasksTest, TimesAreNowUnlessLater) {
  ASSERT_TRUE(succeeded(change<V2::PauseQueueRequest>("PauseQueue", "q")));
  clock_.advance(Micros(123'456));
  const Wall now = clock_.now().wall;
  for (const bool past : {false, true}) {
    V2::Task given = http_task();
    if (past) given.mutable_schedule_time()->set_seconds(1000);
    const auto task = create_task("q", given);
    ASSERT_TRUE(succeeded(task));
    const auto& time = task->schedule_time();
    // Tasks that fall into one microsecond follow one another.
    EXPECT_LE(Micros(time.seconds() * 1'000'000 + time.nanos() / 1000 - to_micros(now)).count(),
              10);
    EXPECT_EQ(time.nanos() % 1000, 0);
    EXPECT_EQ(task->create_time().nanos(), 0);
    EXPECT_EQ(task->create_time().seconds(), to_micros(now) / 1'000'000);
  }
}

// CT-054
TEST_F(TasksTest, AnHttpTaskHasTenMinutesUnlessItSays) {
  EXPECT_EQ(create(http_task())->dispatch_deadline().seconds(), 600);
  EXPECT_FALSE(create(app_task())->has_dispatch_deadline());
}

// CT-055, CT-056
TEST_F(TasksTest, DeadlinesHaveBounds) {
  const auto with = [&](V2::Task task, std::int64_t millis) {
    task.mutable_dispatch_deadline()->set_seconds(millis / 1000);
    task.mutable_dispatch_deadline()->set_nanos(static_cast<int>(millis % 1000) * 1'000'000);
    return create(task);
  };
  EXPECT_EQ(with(http_task(), 15'000)->dispatch_deadline().seconds(), 15);
  EXPECT_EQ(with(http_task(), 1'800'000)->dispatch_deadline().seconds(), 1800);
  for (const std::int64_t millis : {14'999, 1'800'001}) {
    EXPECT_TRUE(refused(with(http_task(), millis), INVALID_ARGUMENT,
                        "Task.dispatchDeadline must be between [15s, 30m]."));
  }
  EXPECT_EQ(with(app_task(), 3'600'000)->dispatch_deadline().seconds(), 3600);
  EXPECT_EQ(with(app_task(), 86'415'000)->dispatch_deadline().seconds(), 86'415);
  EXPECT_TRUE(refused(with(app_task(), 14'000), INVALID_ARGUMENT,
                      "Task.dispatchDeadline must be between [15s, 24h15s]."));
}

// CT-057
TEST_F(TasksTest, ATaskMayWaitThirtyDays) {
  const std::int64_t now = to_micros(clock_.now().wall) / 1'000'000;
  V2::Task task = http_task();
  task.mutable_schedule_time()->set_seconds(now + 720 * 3600 - 60);
  EXPECT_TRUE(succeeded(create_task("q", task)));
  task.mutable_schedule_time()->set_seconds(4'102'444'800);
  EXPECT_TRUE(refused(create_task("q", task), INVALID_ARGUMENT,
                      "The Task.scheduleTime, 2100-01-01T00:00:00.000000Z, is too far in the "
                      "future. Schedule time must be no more than 720h in the future."));
}

// CT-058, CT-059
TEST_F(TasksTest, ABodyIsShownInFullViewAlone) {
  const V2::Task given = http_with([](auto& request) {
    request.set_body("secret");
    (*request.mutable_headers())["A"] = "b";
  });
  for (const auto view : {V2::Task::VIEW_UNSPECIFIED, V2::Task::BASIC, V2::Task::FULL}) {
    const auto made = create(given, view);
    ASSERT_TRUE(succeeded(made));
    const auto read = get_task(made->name(), view);
    ASSERT_TRUE(succeeded(read));
    for (const auto* task : {&*made, &*read}) {
      EXPECT_EQ(task->view(), view == V2::Task::FULL ? V2::Task::FULL : V2::Task::BASIC);
      EXPECT_EQ(task->http_request().body(), view == V2::Task::FULL ? "secret" : "");
      EXPECT_EQ(task->http_request().headers().at("A"), "b");
      EXPECT_EQ(task->http_request().url(), "http://example.com/work");
    }
    EXPECT_EQ(made->SerializeAsString().size(), read->SerializeAsString().size());
  }
}

// CT-060
TEST_F(TasksTest, TheMethodIsPostUnlessItSays) {
  EXPECT_EQ(create(http_task())->http_request().http_method(), google::cloud::tasks::v2::POST);
  EXPECT_EQ(create(app_task())->app_engine_http_request().http_method(),
            google::cloud::tasks::v2::POST);
}

// CT-062, CT-063, CT-064, CT-091, CT-097, CT-099
TEST_F(TasksTest, NamesAreTakenAndStayTaken) {
  ASSERT_TRUE(succeeded(create_queue("other")));
  const V2::Task task = named(http_task(), "a");
  ASSERT_TRUE(succeeded(create(task)));
  EXPECT_TRUE(refused(create(task), ALREADY_EXISTS, "Requested entity already exists"));
  V2::Task elsewhere = http_task();
  elsewhere.set_name(task_path("other", "a"));
  EXPECT_TRUE(succeeded(create_task("other", later(elsewhere))));
  ASSERT_TRUE(succeeded(delete_task(task.name())));
  EXPECT_TRUE(refused(create(task), ALREADY_EXISTS, task_recent));
  EXPECT_TRUE(refused(get_task(task.name()), NOT_FOUND, task_gone));
  EXPECT_TRUE(refused(delete_task(task.name()), NOT_FOUND));
  clock_.advance(std::chrono::hours(1) + Seconds(1));
  EXPECT_TRUE(succeeded(create(task)));
}

// CT-065
TEST_F(TasksTest, TaskIdsAreChecked) {
  EXPECT_TRUE(succeeded(create(named(http_task(), "a"))));
  EXPECT_TRUE(succeeded(create(named(http_task(), std::string(500, 'x')))));
  EXPECT_TRUE(succeeded(create(named(http_task(), "A-z_09"))));
  for (const std::string& id :
       {std::string(), std::string(501, 'x'), std::string("a.b"), std::string("a b")}) {
    const auto task = create(named(http_task(), id));
    ASSERT_TRUE(refused(task, INVALID_ARGUMENT,
                        "Task ID \"" + id +
                            "\" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), "
                            "or underscores (_). Task ID must between 1 and 500 characters."));
    ASSERT_EQ(task.error().details_size(), 1);
  }
}

// CT-066
TEST_F(TasksTest, ATaskLiesUnderItsQueue) {
  V2::Task task = http_task();
  task.set_name(task_path("other", "a"));
  EXPECT_TRUE(refused(create(task), INVALID_ARGUMENT,
                      "The queue name from request ('projects/p/locations/l/queues/q') must be the "
                      "same as the queue name in the named task "
                      "('projects/p/locations/l/queues/other')."));
}

// The order of checks (CT-spec 7): the queue before the payload, the name's syntax before the
// queue.
TEST_F(TasksTest, TheQueueIsLookedForBeforeThePayload) {
  EXPECT_TRUE(refused(create_task("missing", V2::Task()), NOT_FOUND));
  V2::Task task;
  task.set_name(task_path("missing", "a b"));
  EXPECT_TRUE(refused(create_task("missing", task), INVALID_ARGUMENT));
}

// CT-067
TEST_F(TasksTest, ATaskNeedsAMessage) {
  EXPECT_TRUE(refused(create(V2::Task()), INVALID_ARGUMENT, "Task.message_type is required."));
}

// CT-068, CT-069, CT-070, CT-071
TEST_F(TasksTest, UrlsAreChecked) {
  EXPECT_TRUE(refused(create(http_task("")), INVALID_ARGUMENT, "HttpRequest.url is required."));
  for (const char* url : {"ftp://x", "example.com", "//x"}) {
    EXPECT_TRUE(refused(create(http_task(url)), INVALID_ARGUMENT,
                        "HttpTarget.url must start with 'http://' or 'https://'."));
  }
  EXPECT_EQ(create(http_task("http://example.com/%zz"))->http_request().url(),
            "http://example.com/%zz");
  EXPECT_EQ(create(http_task("http://example.com/a b"))->http_request().url(),
            "http://example.com/a%20b");
  const std::string start = "http://example.com/";
  EXPECT_TRUE(succeeded(create(http_task(start + std::string(2083 - start.size(), 'x')))));
  EXPECT_TRUE(
      refused(create(http_task(start + std::string(2084 - start.size(), 'x'))), INVALID_ARGUMENT));
}

// CT-072, CT-073
TEST_F(TasksTest, ABodyNeedsAMethodThatHasOne) {
  using namespace google::cloud::tasks::v2;
  for (const auto method :
       {google::cloud::tasks::v2::POST, PUT, PATCH, GET, HEAD, DELETE, OPTIONS}) {
    V2::Task http = http_task();
    http.mutable_http_request()->set_http_method(method);
    http.mutable_http_request()->set_body("x");
    V2::Task app = app_task();
    app.mutable_app_engine_http_request()->set_http_method(method);
    app.mutable_app_engine_http_request()->set_body("x");
    const bool app_may = method == google::cloud::tasks::v2::POST || method == PUT;
    EXPECT_EQ(create(http).has_value(), app_may || method == PATCH) << method;
    EXPECT_EQ(create(app).has_value(), app_may) << method;
  }
}

// CT-074
TEST_F(TasksTest, RelativeUrisAreChecked) {
  for (const char* uri : {"x", "/a b"})
    EXPECT_TRUE(refused(create(app_task(uri)), INVALID_ARGUMENT));
  EXPECT_EQ(create(app_task(""))->app_engine_http_request().relative_uri(), "/");
  EXPECT_EQ(create(app_task("/a?b=c"))->app_engine_http_request().relative_uri(), "/a?b=c");
}

// CT-075
TEST_F(TasksTest, TheStoredTaskIsMeasured) {
  const auto of_size = [&](std::size_t body) {
    return create(named(http_with([&](auto& request) { request.set_body(std::string(body, 'x')); }),
                        "t" + std::to_string(body)),
                  V2::Task::FULL);
  };
  const auto small = of_size(1'000'000);
  ASSERT_TRUE(succeeded(small));
  const std::size_t most = 1'048'569;
  const std::size_t fits = 1'000'000 + most - small->ByteSizeLong();
  const auto largest = of_size(fits);
  ASSERT_TRUE(succeeded(largest));
  EXPECT_EQ(largest->ByteSizeLong(), most);
  EXPECT_TRUE(refused(of_size(fits + 1), INVALID_ARGUMENT, "Task size too large"));
}

// CT-076, CT-077
TEST_F(TasksTest, HeadersAreChecked) {
  const auto with = [&](const std::string& name, const std::string& value) {
    return create(http_with([&](auto& request) { (*request.mutable_headers())[name] = value; }));
  };
  EXPECT_TRUE(succeeded(with("A", std::string(79 * 1024, 'x'))));
  EXPECT_TRUE(refused(with("A", std::string(80 * 1024, 'x')), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("A", "b\r\nC: d"), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("A", "b\nc"), INVALID_ARGUMENT));
  EXPECT_TRUE(refused(with("A b", "c"), INVALID_ARGUMENT));
}

// CT-078, CT-079
TEST_F(TasksTest, HeadersOfHttpTasksAreKeptAsSpelled) {
  const auto task = create(http_with([](auto& request) {
    auto& headers = *request.mutable_headers();
    headers["user-agent"] = "mine";
    headers["Host"] = "h";
    headers["Content-Length"] = "9";
    headers["X-CloudTasks-TaskName"] = "t";
    headers["x-appengine-queuename"] = "q";
    headers["X-Google-Anything"] = "g";
    headers["x-OWN-case"] = "kept";
    headers["A"] = "upper";
    headers["a"] = "lower";
    request.set_body("x");
  }));
  ASSERT_TRUE(succeeded(task));
  const std::map<std::string, std::string> headers(task->http_request().headers().begin(),
                                                   task->http_request().headers().end());
  EXPECT_EQ(headers,
            (std::map<std::string, std::string>{
                {"User-Agent", "Google-Cloud-Tasks"}, {"x-OWN-case", "kept"}, {"a", "lower"}}));
}

// CT-080, CT-081
TEST_F(TasksTest, HeadersOfAppEngineTasksAreCompleted) {
  V2::Task task = app_task();
  auto& request = *task.mutable_app_engine_http_request();
  request.set_body("four");
  auto made = create(task);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->app_engine_http_request().headers().at("Content-Type"),
            "application/octet-stream");
  EXPECT_EQ(made->app_engine_http_request().headers().at("Content-Length"), "4");
  (*request.mutable_headers())["content-type"] = "text/plain";
  (*request.mutable_headers())["User-Agent"] = "mine";
  made = create(task);
  const auto read = get_task(made->name());
  for (const V2::Task* one : {&std::as_const(*made), &std::as_const(*read)}) {
    const auto& headers = one->app_engine_http_request().headers();
    EXPECT_EQ(headers.at("content-type"), "text/plain");
    EXPECT_EQ(headers.count("Content-Type"), 0U);
    EXPECT_EQ(headers.at("User-Agent"),
              "mine AppEngine-Google; (+http://code.google.com/appengine)");
  }
}

// CT-083
TEST_F(TasksTest, RoutingShowsItsHost) {
  V2::Task task = app_task();
  task.mutable_app_engine_http_request()->mutable_app_engine_routing()->set_service("s");
  const auto made = create(task);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->app_engine_http_request().app_engine_routing().host(), "s.p.l.r.appspot.com");
  EXPECT_EQ(made->app_engine_http_request().headers().count("Host"), 0U);
}

// As Terraform's own example routes.
TEST_F(TasksTest, AVersionMayHaveADot) {
  V2::Task task = app_task();
  auto& routing = *task.mutable_app_engine_http_request()->mutable_app_engine_routing();
  routing.set_service("worker");
  routing.set_version("1.0");
  routing.set_instance("test");
  const auto made = create(later(task));
  ASSERT_TRUE(succeeded(made));
  routing.set_host("test.1.0.worker.p.l.r.appspot.com");
  EXPECT_EQ(made->app_engine_http_request().app_engine_routing().SerializeAsString(),
            routing.SerializeAsString());
  EXPECT_EQ(target_of(read_routing(routing)), "test.1-dot-0.worker");
}

TEST_F(TasksTest, TokensAreGivenBack) {
  V2::Task task = later(http_task());
  auto& oidc = *task.mutable_http_request()->mutable_oidc_token();
  oidc.set_service_account_email("a@example.com");
  oidc.set_audience("b");
  const auto made = create(task);
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->http_request().oidc_token().DebugString(), oidc.DebugString());
  EXPECT_EQ(get_task(made->name())->http_request().oidc_token().DebugString(), oidc.DebugString());

  auto& oauth = *task.mutable_http_request()->mutable_oauth_token();
  oauth.set_service_account_email("a@example.com");
  oauth.set_scope("s");
  const auto read = get_task(create(task)->name());
  EXPECT_EQ(read->http_request().oauth_token().DebugString(), oauth.DebugString());
  EXPECT_FALSE(read->http_request().has_oidc_token());
}

// CT-084
TEST_F(TasksTest, OfTwoCreationsAtOnceOneSucceeds) {
  for (int round = 0; round < 20; ++round) {
    const V2::Task task = named(http_task(), "t" + std::to_string(round));
    std::atomic<int> made{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 2; ++i) callers.emplace_back([&] { made += create(task) ? 1 : 0; });
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(made, 1);
  }
}

// CT-098
TEST_F(TasksTest, ADeletedTaskIsNotTriedAgain) {
  const auto task = create_task("q", http_task());
  ASSERT_TRUE(dispatcher_.wait_for(1));
  ASSERT_TRUE(succeeded(delete_task(task->name())));
  dispatcher_.finish(500);
  EXPECT_TRUE(refused(get_task(task->name()), NOT_FOUND));
}

// CT-090
TEST_F(TasksTest, ATaskThatNeverWasIsNotFound) {
  EXPECT_TRUE(
      refused(get_task(task_path("q", "never")), NOT_FOUND, "Requested entity was not found."));
}

// CT-093, CT-094, CT-096
TEST_F(TasksTest, PagesHoldEveryTaskOnce) {
  V2::ListTasksRequest request;
  request.set_parent(queue_path("q"));
  const auto empty = call<V2::ListTasksResponse>(V2::service, "ListTasks", request);
  EXPECT_EQ(empty->ByteSizeLong(), 0U);
  std::set<std::string> made;
  for (int i = 0; i < 5; ++i) made.insert(create(http_task())->name());
  made.insert(create_task("q", http_task())->name());  // in flight
  ASSERT_TRUE(dispatcher_.wait_for(1));
  request.set_page_size(2);
  std::multiset<std::string> listed;
  do {
    const auto page = call<V2::ListTasksResponse>(V2::service, "ListTasks", request);
    ASSERT_TRUE(succeeded(page));
    for (const auto& task : page->tasks()) listed.insert(task.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, std::multiset<std::string>(made.begin(), made.end()));
}

// CT-095
TEST_F(TasksTest, FullPagesStayBelowFourMebibytes) {
  const V2::Task large =
      http_with([](auto& request) { request.set_body(std::string(1'000'000, 'x')); });
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(succeeded(create(large)));
  V2::ListTasksRequest request;
  request.set_parent(queue_path("q"));
  request.set_response_view(V2::Task::FULL);
  int listed = 0;
  do {
    const auto page = call<V2::ListTasksResponse>(V2::service, "ListTasks", request);
    ASSERT_TRUE(succeeded(page));
    EXPECT_LT(page->ByteSizeLong(), 4U << 20);
    listed += page->tasks_size();
    for (const auto& task : page->tasks()) EXPECT_EQ(task.http_request().body().size(), 1'000'000U);
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, 6);
}

// CT-092, CT-116, CT-117, CT-119
TEST_F(TasksTest, AttemptsAreShown) {
  const auto task = create_task("q", http_task());
  ASSERT_TRUE(succeeded(task));
  ASSERT_TRUE(dispatcher_.wait_for(1));
  auto read = get_task(task->name());
  EXPECT_EQ(read->dispatch_count(), 1);
  EXPECT_EQ(read->response_count(), 0);
  EXPECT_TRUE(read->last_attempt().has_dispatch_time());
  EXPECT_FALSE(read->last_attempt().has_response_time());
  dispatcher_.finish(503);
  do {
    read = get_task(task->name());
  } while (read && read->response_count() == 0);
  ASSERT_TRUE(succeeded(read));
  EXPECT_EQ(read->dispatch_count(), 1);
  EXPECT_TRUE(read->first_attempt().has_dispatch_time());
  EXPECT_FALSE(read->first_attempt().has_response_time());
  EXPECT_FALSE(read->first_attempt().has_schedule_time());
  EXPECT_TRUE(read->last_attempt().has_schedule_time());
  EXPECT_TRUE(read->last_attempt().has_dispatch_time());
  EXPECT_TRUE(read->last_attempt().has_response_time());
  EXPECT_EQ(read->last_attempt().response_status().code(), 14);
  EXPECT_EQ(read->last_attempt().response_status().message(),
            "UNAVAILABLE(14): HTTP status code 503");
  EXPECT_EQ(read->http_request().headers_size(), 1) << "of what is sent, the task's own alone";
  EXPECT_EQ(read->http_request().headers().count("User-Agent"), 1U);
}

// CT-114, CT-115, CT-118
TEST_F(TasksTest, HttpStatusesHaveTheirCodes) {
  const std::pair<int, int> codes[] = {{400, 3}, {401, 16}, {403, 7},  {404, 5},
                                       {429, 8}, {500, 13}, {501, 12}, {504, 4}};
  for (const auto& [status, code] : codes)
    EXPECT_EQ(attempt_status(static_cast<std::int16_t>(status)).code(), code) << status;
  EXPECT_EQ(attempt_status(302).code(), 2);
  EXPECT_EQ(attempt_status(status_timeout).code(), 4);
  EXPECT_EQ(attempt_status(status_unreachable).code(), 14);
}

// CT-160 (a far task in a paused queue), CT-161, CT-164
TEST_F(TasksTest, RunTaskStartsAnAttemptAtOnce) {
  ASSERT_TRUE(succeeded(change<V2::PauseQueueRequest>("PauseQueue", "q")));
  const auto task = create(named(http_task(), "a"));
  ASSERT_TRUE(succeeded(task));
  V2::RunTaskRequest request;
  request.set_name(task->name());
  const auto run = call<V2::Task>(V2::service, "RunTask", request);
  ASSERT_TRUE(succeeded(run));
  EXPECT_EQ(run->dispatch_count(), 1);
  EXPECT_TRUE(run->last_attempt().has_dispatch_time());
  ASSERT_TRUE(dispatcher_.wait_for(1));
  dispatcher_.finish(200);
  while (get_task(task->name())) {
  }
  EXPECT_TRUE(refused(call<V2::Task>(V2::service, "RunTask", request), NOT_FOUND));
}

TEST_F(TasksTest, WhatItsCallerNoLongerWaitsForIsNotBegun) {
  V2::CreateTaskRequest request;
  request.set_parent(queue_path("q"));
  *request.mutable_task() = named(later(http_task()), "late");
  const Mono now = clock_.now().mono;
  EXPECT_TRUE(refused(call<V2::Task>(V2::service, "CreateTask", request, now),
                      google::rpc::DEADLINE_EXCEEDED));
  EXPECT_TRUE(refused(get_task(request.task().name()), NOT_FOUND));
  EXPECT_TRUE(succeeded(call<V2::Task>(V2::service, "CreateTask", request, now + Seconds(1))));
}

}  // namespace
}  // namespace deferd::cloudtasks
