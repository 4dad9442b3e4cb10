// Tasks after their add: delete, purge, query, fetch, run by hand (GAE-spec 5.7, 5.8, 5.11).
#include <algorithm>

#include "api/appengine/testing/door_harness.h"
#include "model/push_request.h"

namespace deferd::appengine {
namespace {

using namespace std::string_literals;

class TasksTest : public DoorTest {};

// GAE-080
TEST_F(TasksTest, DeletingALiveAnUnknownAndADeletedTask) {
  add(later_task("default", "live"));
  add(later_task("default", "dead"));
  EXPECT_EQ(delete_tasks("default", {"dead"}), std::vector{0});
  EXPECT_EQ(delete_tasks("default", {"live", "never", "dead"}), (std::vector{0, 14, 11}));
  const std::string chosen = add(later_task());
  EXPECT_EQ(delete_tasks("default", {chosen, chosen, "not a name", ""}),
            (std::vector{0, 11, 14, 14}));
}

// GAE-081
TEST_F(TasksTest, DeletingInAnUnknownQueue) {
  EXPECT_EQ(delete_tasks("nowhere", {"a", "b"}), (std::vector{1, 1}));
  EXPECT_EQ(delete_tasks("nowhere", {}), std::vector<int>());
  EXPECT_EQ(delete_tasks("default", {"a"}), std::vector{14}) << "it is always there";
}

// GAE-082
TEST_F(TasksTest, DeletingTheSameNameTwice) {
  add(later_task("default", "t"));
  EXPECT_EQ(delete_tasks("default", {"t", "t"}), (std::vector{0, 11}));
}

// GAE-083
TEST_F(TasksTest, ALeasedTaskIsDeletedByAnybody) {
  make_pull_queue("pull");
  add(pull_task("pull", "t"));
  const auto leased = lease("pull").message.task(0);
  EXPECT_EQ(delete_tasks("pull", {"t"}), std::vector{0});
  EXPECT_EQ(modify("pull", "t", leased.eta_usec(), 60).application_error(),
            Service::TOMBSTONED_TASK);
}

// GAE-084
TEST_F(TasksTest, DeletingATaskInFlightDropsItsOutcome) {
  add(push_task("default", "t"));
  ASSERT_TRUE(dispatcher_.next());
  EXPECT_EQ(delete_tasks("default", {"t"}), std::vector{0});
  dispatcher_.finish(500);
  EXPECT_EQ(count("default"), 0);
  clock_.advance(Seconds(3600));
  EXPECT_EQ(add_code(later_task()), 0);  // the shard has seen the time
  EXPECT_EQ(dispatcher_.started(), 0U) << "no retry";
}

// GAE-085
TEST_F(TasksTest, DeletingAThousandAndMore) {
  std::vector<std::string> names;
  for (int batch = 0; batch < 25; ++batch) {
    std::vector<Add> tasks;
    for (int i = 0; i < 100; ++i) {
      names.push_back("t" + std::to_string(batch * 100 + i));
      tasks.push_back(later_task("default", names.back()));
    }
    bulk(tasks);
  }
  const std::vector<std::string> thousand(names.begin(), names.begin() + 1000);
  EXPECT_EQ(delete_tasks("default", thousand), std::vector<int>(1000, 0));
  std::vector<int> expected(2500, 0);
  std::fill_n(expected.begin(), 1000, 11);
  EXPECT_EQ(delete_tasks("default", names), expected) << "in order, over several commands";
}

// GAE-086
TEST_F(TasksTest, ANameIsTakenWhileItsTaskLivesAndAWhileAfter) {
  const auto taken = [this](std::string_view name) {
    return add_code(later_task("default", name));
  };
  make_push_queue("default");
  add(later_task("default", "deleted"));
  EXPECT_EQ(taken("deleted"), 10);
  delete_tasks("default", {"deleted"});
  EXPECT_EQ(taken("deleted"), 11);

  add(push_task("default", "done"));
  ASSERT_TRUE(dispatcher_.next());
  EXPECT_EQ(taken("done"), 10) << "in flight";
  dispatcher_.finish(204);
  EXPECT_TRUE(eventually([&] { return taken("done") == 11; }));

  Add once = push_task("default", "exhausted");
  once.mutable_retry_parameters()->set_retry_limit(0);
  add(once);
  ASSERT_TRUE(dispatcher_.next());
  dispatcher_.finish(500);
  EXPECT_TRUE(eventually([&] { return taken("exhausted") == 11; }));

  add(later_task("default", "purged"));
  purge("default");
  EXPECT_EQ(taken("purged"), 11);

  clock_.advance(Seconds(3601));
  for (const char* name : {"deleted", "done", "exhausted", "purged"}) EXPECT_EQ(taken(name), 0);
}

// GAE-088
TEST_F(TasksTest, PurgingEmptiesAQueue) {
  make_push_queue("q");
  bulk(std::vector<Add>(50, later_task("q")));
  EXPECT_EQ(purge("q"), 0);
  EXPECT_EQ(add_code(later_task("q", "after")), 0);
  EXPECT_EQ(count("q"), 1);
  EXPECT_EQ(query_names(query_request("q")), std::vector{"after"s});
  EXPECT_EQ(purge("nowhere"), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(purge("default"), 0) << "never used, but there";
}

// GAE-089
TEST_F(TasksTest, PurgingTakesLeasedAndDelayedTasks) {
  make_pull_queue("pull");
  add(pull_task("pull", "leased"));
  Add delayed = pull_task("pull", "delayed");
  delayed.set_eta_usec(now_usec() + 60 * second);
  add(delayed);
  ASSERT_EQ(lease("pull").message.task_size(), 1);
  EXPECT_EQ(count("pull"), 2);
  EXPECT_EQ(purge("pull"), 0);
  EXPECT_EQ(count("pull"), 0);
}

// GAE-108
TEST_F(TasksTest, AQueryByName) {
  std::vector<std::string> names = {"b", "a", "d-1", "c_2", "Z"};
  for (const std::string& name : names) add(later_task("default", name));
  const std::string chosen = add(later_task());
  std::ranges::sort(names);
  names.insert(names.begin(), chosen);  // begins with a digit
  EXPECT_EQ(query_names(query_request("default")), names);
  QueryRequest from = query_request("default", 2);
  from.set_start_task_name("b");  // inclusive
  EXPECT_EQ(query_names(from), (std::vector{"b"s, "c_2"s}));
  from.set_start_task_name("bb");
  EXPECT_EQ(query_names(from), (std::vector{"c_2"s, "d-1"s}));
}

// GAE-108
TEST_F(TasksTest, AQueryByEta) {
  for (const auto& [name, after] : {std::pair("late", 3), {"b", 2}, {"a", 2}, {"early", 1}}) {
    Add task = later_task("default", name);
    task.set_eta_usec(now_usec() + (1000 + after) * second);
    add(task);
  }
  QueryRequest from = query_request("default");
  from.set_start_eta_usec(0);
  EXPECT_EQ(query_names(from), (std::vector{"early"s, "a"s, "b"s, "late"s}));
  from.set_start_eta_usec(now_usec() + 1002 * second);  // inclusive
  EXPECT_EQ(query_names(from), (std::vector{"a"s, "b"s, "late"s}));
  from.set_start_task_name("b");
  EXPECT_EQ(query_names(from), (std::vector{"b"s, "late"s}));
}

// GAE-108
TEST_F(TasksTest, AQueryByTag) {
  make_pull_queue("pull");
  const auto put = [this](std::string_view name, std::string_view tag, int after) {
    Add task = pull_task("pull", name);
    task.set_tag(std::string(tag));
    task.set_eta_usec(now_usec() + after * second);
    add(task);
  };
  put("n1", "blue", 5);
  put("n2", "blue", 4);
  put("n3", "amber", 9);
  put("n4", "cyan", 1);
  put("n6", "blue", 5);
  put("n5", "blue", 5);
  add(pull_task("pull", "untagged"));
  QueryRequest from = query_request("pull");
  from.set_start_tag("blue");
  EXPECT_EQ(query_names(from), (std::vector{"n2"s, "n1"s, "n5"s, "n6"s, "n4"s}))
      << "and on into the next tag";
  from.set_start_eta_usec(now_usec() + 5 * second);
  from.set_start_task_name("n5");
  EXPECT_EQ(query_names(from), (std::vector{"n5"s, "n6"s, "n4"s}));
}

// GAE-108
TEST_F(TasksTest, PagesOverOneEtaLoseAndRepeatNone) {
  std::vector<std::string> names;
  const std::int64_t eta = now_usec() + 3600 * second;
  for (int batch = 0; batch < 12; ++batch) {
    std::vector<Add> tasks;
    for (int i = 0; i < 100; ++i) {
      names.push_back("t" + std::to_string((batch * 100 + i) * 7919 % 1200));
      tasks.push_back(later_task("default", names.back()));
      tasks.back().set_eta_usec(eta);
    }
    bulk(tasks);
  }
  std::ranges::sort(names);
  std::vector<std::string> seen;
  QueryRequest from = query_request("default", 100);
  from.set_start_eta_usec(eta);
  while (true) {
    std::vector<std::string> page = query_names(from);
    if (!seen.empty()) {
      ASSERT_FALSE(page.empty());
      ASSERT_EQ(page.front(), seen.back()) << "the last row of the page before";
      page.erase(page.begin());
    }
    if (page.empty()) break;
    seen.insert(seen.end(), page.begin(), page.end());
    from.set_start_task_name(seen.back());
  }
  EXPECT_EQ(seen, names);
}

// GAE-109
TEST_F(TasksTest, AQueryShowsATaskWhole) {
  make_push_queue("q");
  Add task = push_task("q", "t");
  task.set_method(Add::PUT);
  task.set_url("/path?x=%20");
  task.set_body("\0body"s);
  for (const auto& [key, value] : {std::pair("Host", "v1.svc.example.com"),
                                   {"X-AppEngine-QueueName", "forged"},
                                   {"X-A", "1"},
                                   {"X-A", "2"}}) {
    auto* header = task.add_header();
    header->set_key(key);
    header->set_value(value);
  }
  task.set_description("what it is for");
  task.set_payload("opaque");
  task.mutable_retry_parameters()->set_retry_limit(7);
  task.set_dispatch_deadline_usec(30 * second);
  const std::int64_t added = now_usec();
  add(task);
  add(later_task("q"));
  ASSERT_TRUE(dispatcher_.next());
  clock_.advance(Seconds(2));
  dispatcher_.finish(500);
  ASSERT_TRUE(eventually([&] { return query(query_request("q"))[1].has_runlog(); }));

  QueryRequest one = query_request("q");
  one.clear_max_rows();
  ASSERT_EQ(query(one).size(), 1U) << "the default";
  const Row row = query(query_request("q"))[1];
  EXPECT_EQ(row.task_name(), "t");
  EXPECT_EQ(row.url(), "/path?x=%20");
  EXPECT_EQ(row.method(), Row::PUT);
  EXPECT_EQ(row.body(), "\0body"s);
  EXPECT_EQ(row.body_size(), 5);
  ASSERT_EQ(row.header_size(), 3);
  EXPECT_EQ(row.header(0).key(), "Host");
  EXPECT_EQ(row.header(2).value(), "2");
  EXPECT_EQ(row.description(), "what it is for");
  EXPECT_EQ(row.payload(), "opaque");
  EXPECT_EQ(row.retry_parameters().SerializeAsString(),
            task.retry_parameters().SerializeAsString());
  EXPECT_EQ(row.dispatch_deadline_usec(), 30 * second);
  EXPECT_EQ(row.creation_time_usec() % second, 0) << "whole seconds";
  EXPECT_LE(row.creation_time_usec(), added);
  EXPECT_GT(row.creation_time_usec(), added - second);
  EXPECT_EQ(row.retry_count(), 1);
  EXPECT_EQ(row.execution_count(), 1);
  EXPECT_NEAR(static_cast<double>(row.first_try_usec()), static_cast<double>(added), 1000);
  EXPECT_EQ(row.runlog().dispatched_usec(), row.first_try_usec());
  EXPECT_EQ(row.runlog().response_code(), 500);
  EXPECT_GE(row.runlog().elapsed_usec(), 2 * second);
  EXPECT_GE(row.runlog().lag_usec(), 0);
  EXPECT_EQ(row.runlog().retry_reason(), "App Error");
  EXPECT_FALSE(row.has_tag());
}

// GAE-149: a ticket is made for each attempt, and kept nowhere.
TEST_F(TasksTest, NoQueryShowsATicket) {
  add(later_task("default", "t"));
  const auto answer = fetch("default", "t");
  EXPECT_EQ(answer.envelope.SerializeAsString().find("icket"), std::string::npos);
}

// GAE-110
TEST_F(TasksTest, OneTaskIsFetched) {
  add(later_task("default", "t"));
  const auto answer = fetch("default", "t");
  ASSERT_EQ(answer.message.task().task_size(), 1);
  EXPECT_EQ(answer.message.task().task(0).url(), "/work");
  EXPECT_EQ(fetch("default", "never").application_error(), Service::UNKNOWN_TASK);
  delete_tasks("default", {"t"});
  EXPECT_EQ(fetch("default", "t").application_error(), Service::TOMBSTONED_TASK);
  EXPECT_EQ(fetch("nowhere", "t").application_error(), Service::UNKNOWN_QUEUE);
}

TEST_F(TasksTest, QueriesOfQueuesThatAreNotThere) {
  EXPECT_EQ(call<wire::TaskQueueQueryTasksResponse>("QueryTasks", query_request("nowhere"))
                .application_error(),
            Service::UNKNOWN_QUEUE);
  EXPECT_TRUE(query(query_request("default")).empty());
  EXPECT_EQ(call<wire::TaskQueueQueryTasksResponse>("QueryTasks", query_request("default", 0))
                .application_error(),
            Service::INVALID_REQUEST);
}

// GAE-111
TEST_F(TasksTest, ATaskIsRunByHand) {
  make_push_queue("q");
  EXPECT_EQ(pause("q", true), 0);
  Add tomorrow = push_task("q", "t");
  tomorrow.set_eta_usec(now_usec() + 86'400 * second);
  add(tomorrow);
  EXPECT_EQ(force_run("q", "t"), Service::OK);
  const auto attempt = dispatcher_.next();
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->task.name(), "t");
  EXPECT_EQ(force_run("nowhere", "t"), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(force_run("q", "never"), Service::UNKNOWN_TASK);
  make_pull_queue("pull");
  add(pull_task("pull", "t"));
  EXPECT_EQ(force_run("pull", "t"), Service::INVALID_QUEUE_MODE);
}

// GAE-169
TEST_F(TasksTest, ARunByHandTakesNoToken) {
  auto slow = queue_update("q");
  slow.set_bucket_refill_per_second(0.001);
  slow.set_bucket_capacity(1);
  EXPECT_TRUE(update(slow).ok());
  for (const char* name : {"a", "b"}) add(later_task("q", name));
  EXPECT_EQ(force_run("q", "a"), Service::OK);
  EXPECT_EQ(force_run("q", "b"), Service::OK);
  ASSERT_TRUE(dispatcher_.next());
  ASSERT_TRUE(dispatcher_.next());
  add(push_task("q", "c"));
  EXPECT_TRUE(dispatcher_.next()) << "the one token is still there";
}

// GAE-221
TEST_F(TasksTest, TasksOfOtherDoorsAreShown) {
  make_push_queue("q");
  PushRequest theirs;
  theirs.door = Door::cloudtasks;
  theirs.method = HttpMethod::patch;
  theirs.url = "https://example.com/hook?x";
  theirs.headers = {{"X-A", "1"}};
  TaskOptions options;
  options.name = "theirs";
  options.retry.max_attempts = 4;
  NewTask task;
  task.eta = wall_from_micros(now_usec() + 3600 * second);
  task.options = std::make_shared<const TaskOptions>(options);
  task.payload = share(encode(theirs));
  task.has_target = true;
  AddTasks command;
  command.queue = name_of_queue("q");
  command.tasks.push_back(task);
  ASSERT_TRUE((ask<std::vector<Result<Task>>>(std::move(command))));
  const auto rows = query(query_request("q"));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].task_name(), "theirs");
  EXPECT_EQ(rows[0].url(), "https://example.com/hook?x");
  EXPECT_FALSE(rows[0].has_method()) << "App Engine has no number for PATCH";
  EXPECT_EQ(rows[0].header_size(), 1);
  EXPECT_EQ(rows[0].retry_parameters().retry_limit(), 3);
  EXPECT_EQ(count("q"), 1);
  EXPECT_EQ(delete_tasks("q", {"theirs"}), std::vector{0});
}

// GAE-220: the other half, that other doors see App Engine's tasks.
TEST_F(TasksTest, OtherDoorsSeeTasksOfAppEngine) {
  Add task = later_task("default", "t");
  task.set_eta_usec(now_usec() + 77 * second + 5);
  add(task);
  GetTask get;
  get.queue = name_of_queue("default");
  get.task = TaskRef("t"s);
  const auto info = ask<TaskInfo>(std::move(get));
  ASSERT_TRUE(info);
  EXPECT_EQ(to_micros(info->task.place.eta), task.eta_usec());
  DeleteTasks remove;
  remove.queue = name_of_queue("default");
  remove.tasks.emplace_back("t"s);
  ASSERT_TRUE((ask<std::vector<Result<void>>>(std::move(remove))));
  EXPECT_EQ(add_code(task), Service::TOMBSTONED_TASK);
}

}  // namespace
}  // namespace deferd::appengine
