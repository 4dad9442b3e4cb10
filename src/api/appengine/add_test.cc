// Add and BulkAdd (GAE-spec 5.2 to 5.6): what is added, what is not, and what is said of it.
#include <algorithm>
#include <regex>
#include <set>

#include "api/appengine/testing/door_harness.h"
#include "model/push_request.h"

namespace deferd::appengine {
namespace {

class AddTest : public DoorTest {
 protected:
  Answer<wire::TaskQueueAddResponse> add_one(const Add& task) {
    return call<wire::TaskQueueAddResponse>("Add", task);
  }
  std::vector<Add> ten(std::string_view prefix = "t") const {
    std::vector<Add> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(later_task("default", std::string(prefix) + std::to_string(i)));
    }
    return tasks;
  }
};

// GAE-040
TEST_F(AddTest, ChosenNamesAreNumbersAndNeverTwice) {
  const std::regex form("[0-9]{17,20}");
  std::set<std::string> names;
  std::vector<Add> hundred(100, later_task());
  for (int i = 0; i < 1000; ++i) {
    const Bulk answer = bulk(hundred);
    ASSERT_EQ(answer.message.taskresult_size(), 100);
    for (const auto& result : answer.message.taskresult()) {
      ASSERT_EQ(result.result(), Service::OK);
      if (i % 100 == 0) ASSERT_TRUE(std::regex_match(result.chosen_task_name(), form));
      ASSERT_TRUE(names.insert(result.chosen_task_name()).second);
    }
  }
  EXPECT_EQ(names.size(), 100'000U);
  const Bulk named = bulk({later_task("default", "mine")});
  EXPECT_FALSE(named.message.taskresult(0).has_chosen_task_name());
  EXPECT_TRUE(std::regex_match(add_one(later_task()).message.chosen_task_name(), form));
  EXPECT_FALSE(add_one(later_task("default", "mine2")).message.has_chosen_task_name());
}

// GAE-041
TEST_F(AddTest, AnEmptyQueueNameIsUnknown) {
  const Bulk answer = bulk({push_task(""), push_task("default")});
  EXPECT_EQ(answer.application_error(), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(add_one(push_task("")).application_error(), Service::UNKNOWN_QUEUE);
}

// GAE-042
TEST_F(AddTest, AnUnknownQueueIsAResultForEachTask) {
  const Bulk answer = bulk({push_task("nowhere"), push_task("nowhere")});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(results(answer), (std::vector{1, 1}));
  const auto one = add_one(push_task("nowhere"));
  EXPECT_EQ(one.application_error(), Service::UNKNOWN_QUEUE);
  EXPECT_EQ(one.detail(), "unknown queue \"nowhere\"; declare it in queue.yaml");
}

// GAE-042
TEST_F(AddTest, AnUnknownQueueIsMadeWhenTheServerIsSetSo) {
  options_.auto_create_queues = true;
  EXPECT_EQ(add_code(push_task("push")), 0);
  EXPECT_EQ(add_code(pull_task("pull")), 0);
  const auto push = ask<QueueInfo>(GetQueue{name_of_queue("push"), {}});
  ASSERT_TRUE(push);
  EXPECT_EQ(push->settings.mode, QueueMode::push);
  EXPECT_EQ(push->settings.rate.per_second(), 5);
  const auto pull = ask<QueueInfo>(GetQueue{name_of_queue("pull"), {}});
  ASSERT_TRUE(pull);
  EXPECT_EQ(pull->settings.mode, QueueMode::pull);
  EXPECT_EQ(add_code(pull_task("push")), 1000 + Service::INVALID_QUEUE_MODE) << "made once";
}

// GAE-072
TEST_F(AddTest, DefaultIsThereWithoutConfiguration) {
  EXPECT_EQ(add_code(push_task()), 0);
  const auto queue = ask<QueueInfo>(GetQueue{name_of_queue("default"), {}});
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->settings.mode, QueueMode::push);
  EXPECT_EQ(queue->settings.rate.per_second(), 5);
  EXPECT_EQ(queue->settings.burst, 5);
  EXPECT_EQ(queue->settings.concurrency, 1000);
  EXPECT_EQ(queue->settings.retry.max_attempts, -1);
}

// GAE-043, GAE-044: of names that are no names nobody asks whether they are there.
TEST_F(AddTest, WrongNamesAreResults) {
  EXPECT_EQ(add_code(push_task("a_b")), Service::INVALID_QUEUE_NAME);
  EXPECT_EQ(add_code(push_task(std::string(101, 'q'))), Service::INVALID_QUEUE_NAME);
  EXPECT_EQ(add_code(push_task("nowhere", "a.b")), Service::INVALID_TASK_NAME);
  EXPECT_EQ(add_code(push_task("default", std::string(500, 't'))), 0);
  const std::string longest(100, 'q');
  make_push_queue(longest);
  EXPECT_EQ(add_code(push_task(longest)), 0);
}

// GAE-045
TEST_F(AddTest, AnEtaInThePastIsNow) {
  make_queue("paused", wire::TaskQueueMode::PUSH);
  EXPECT_EQ(pause("paused", true), 0);
  Add add = push_task("paused", "zero");
  add.set_eta_usec(0);
  EXPECT_EQ(add_code(add), 0);
  Add past = push_task("paused", "past");
  past.set_eta_usec(now_usec() - 3600 * second);
  EXPECT_EQ(add_code(past), 0);
  for (const Row& row : query(query_request("paused"))) {
    EXPECT_GE(row.eta_usec(), now_usec()) << row.task_name();
    EXPECT_LT(row.eta_usec(), now_usec() + 1000) << row.task_name();
  }
  Add negative = push_task();
  negative.set_eta_usec(-1);
  EXPECT_EQ(add_code(negative), Service::INVALID_ETA);
}

// GAE-046
TEST_F(AddTest, AnEtaIsKeptToTheMicrosecond) {
  Add add = push_task("default", "t");
  add.set_eta_usec(now_usec() + 3600 * second + 123'457);
  EXPECT_EQ(add_code(add), 0);
  EXPECT_EQ(fetch("default", "t").message.task().task(0).eta_usec(), add.eta_usec());
}

// GAE-048
TEST_F(AddTest, OneBadTaskSkipsAllOthers) {
  std::vector<Add> tasks = ten();
  tasks[3].set_url("http://elsewhere/");
  EXPECT_EQ(results(bulk(tasks)), (std::vector{17, 17, 17, 7, 17, 17, 17, 17, 17, 17}));
  EXPECT_EQ(count("default"), 0);
  EXPECT_EQ(results(bulk(ten())), std::vector<int>(10, 0)) << "no name is taken";
}

// GAE-049
TEST_F(AddTest, BadTasksKeepTheirOwnCodes) {
  std::vector<Add> tasks = ten();
  tasks[2].set_url("x");
  tasks[7].set_dispatch_deadline_usec(1);
  EXPECT_EQ(results(bulk(tasks)), (std::vector{17, 17, 7, 17, 17, 17, 17, 29, 17, 17}));
  // In a queue that is not there only what comes before that question is told instead.
  for (Add& task : tasks) task.set_queue_name("nowhere");
  tasks[0].set_eta_usec(-1);
  EXPECT_EQ(results(bulk(tasks)), (std::vector{12, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

// GAE-050
TEST_F(AddTest, ANameThatIsTakenStandsAlone) {
  add(later_task("default", "t4"));
  EXPECT_EQ(results(bulk(ten())), (std::vector{0, 0, 0, 0, 10, 0, 0, 0, 0, 0}));
  EXPECT_EQ(count("default"), 10);
}

// GAE-051
TEST_F(AddTest, SoDoesOneThatIsNotFreeYet) {
  add(later_task("default", "t4"));
  EXPECT_EQ(delete_tasks("default", {"t4"}), std::vector{0});
  EXPECT_EQ(results(bulk(ten())), (std::vector{0, 0, 0, 0, 11, 0, 0, 0, 0, 0}));
  EXPECT_EQ(count("default"), 9);
}

// GAE-052
TEST_F(AddTest, ANameTwiceInOneBatch) {
  std::vector<Add> tasks = ten();
  tasks[5].set_task_name("t1");
  EXPECT_EQ(results(bulk(tasks)), (std::vector{17, 17, 17, 17, 17, 16, 17, 17, 17, 17}));
  EXPECT_EQ(count("default"), 0);
}

// GAE-053
TEST_F(AddTest, AHundredTasksAreTheMost) {
  EXPECT_EQ(results(bulk(std::vector<Add>(100, later_task()))), std::vector<int>(100, 0));
  EXPECT_EQ(bulk(std::vector<Add>(101, later_task())).application_error(), Service::TOO_MANY_TASKS);
  EXPECT_EQ(count("default"), 100);
}

// One commit, so also one fsync: a hundred tasks are as durable as one.
TEST_F(AddTest, ABatchIsOneCommit) {
  add(later_task());
  const std::uint64_t before = runtime_->stats().commits;
  bulk(std::vector<Add>(100, later_task()));
  EXPECT_EQ(runtime_->stats().commits, before + 1);
}

// GAE-054
TEST_F(AddTest, NoTasksAreNoResults) {
  const Bulk answer = bulk({});
  EXPECT_TRUE(answer.ok());
  EXPECT_EQ(answer.message.taskresult_size(), 0);
}

// GAE-055
TEST_F(AddTest, TasksOfOneCallAreOfOneKind) {
  make_push_queue("other");
  make_pull_queue("pull");
  Add with_app = later_task();
  with_app.set_app_id("default");
  for (const Add& odd : {later_task("other"), pull_task("default"), later_task(""), with_app}) {
    EXPECT_EQ(bulk({later_task(), odd}).application_error(), Service::INVALID_REQUEST);
  }
  EXPECT_EQ(count("default"), 0);
}

// GAE-056
TEST_F(AddTest, TheModeIsTheQueues) {
  make_push_queue("push");
  make_pull_queue("pull");
  EXPECT_EQ(bulk({pull_task("push"), pull_task("push")}).application_error(),
            Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(bulk({push_task("pull"), push_task("pull")}).application_error(),
            Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(add_one(push_task("pull")).application_error(), Service::INVALID_QUEUE_MODE);
  EXPECT_EQ(count("push") + count("pull"), 0);
}

// GAE-130
TEST_F(AddTest, APullQueueHoldsOnlyPullTasks) {
  make_pull_queue("pull");
  EXPECT_EQ(add_code(push_task("pull")), 1000 + Service::INVALID_QUEUE_MODE);
  Add task = pull_task("pull", "name");
  task.set_tag("tag\xff");
  task.set_body(std::string("\0\xff\x80 body", 8));
  EXPECT_EQ(add_code(task), 0);
  const auto leased = lease("pull").message;
  ASSERT_EQ(leased.task_size(), 1);
  EXPECT_EQ(leased.task(0).task_name(), "name");
  EXPECT_EQ(leased.task(0).tag(), task.tag());
  EXPECT_EQ(leased.task(0).body(), task.body());
}

// GAE-066
TEST_F(AddTest, ATransactionIsRefused) {
  Add task = later_task();
  task.set_datastore_transaction("handle");
  const Bulk answer = bulk({task});
  EXPECT_EQ(answer.application_error(), 10001);
  EXPECT_NE(answer.detail().find("transactional_tasks"), std::string::npos);
  task.clear_datastore_transaction();
  task.set_transaction(std::string("\x09\0\0\0\0\0\0\0\0\x12\x01x", 12));
  EXPECT_EQ(bulk({task, task}).application_error(), 10001);
  EXPECT_EQ(add_one(task).application_error(), 10001);
  EXPECT_EQ(count("default"), 0);
}

// GAE-066
TEST_F(AddTest, OrItsTasksAreAddedAtOnce) {
  options_.transactional_tasks = AppEngineDoorOptions::Transactional::immediate;
  Add task = later_task();
  task.set_datastore_transaction("handle");
  EXPECT_EQ(results(bulk({task, task})), (std::vector{0, 0}));
  EXPECT_EQ(count("default"), 2);
  const Bulk six = bulk(std::vector<Add>(6, task));
  EXPECT_EQ(six.application_error(), 10001);
  EXPECT_EQ(six.detail(), "Too many messages, maximum allowed 5");
  task.set_body(std::string(300'000, 'b'));
  EXPECT_EQ(bulk(std::vector<Add>(4, task)).application_error(),
            Service::TRANSACTIONAL_REQUEST_TOO_LARGE);
  EXPECT_EQ(count("default"), 2);
}

// GAE-067
TEST_F(AddTest, APausedQueueTakesTasksAndSendsNone) {
  make_push_queue("q");
  EXPECT_EQ(pause("q", true), 0);
  EXPECT_EQ(add_code(push_task("q")), 0);
  EXPECT_EQ(count("q"), 1);
  EXPECT_EQ(dispatcher_.started(), 0U);
  EXPECT_EQ(pause("q", false), 0);
  EXPECT_TRUE(dispatcher_.next());
}

// GAE-068
TEST_F(AddTest, AStorageLimitIsAQuota) {
  wire::TaskQueueUpdateStorageLimitRequest request;
  request.set_app_id("default");
  request.set_limit(10'000);
  EXPECT_EQ((call<wire::TaskQueueUpdateStorageLimitResponse>("UpdateStorageLimit", request)
                 .message.new_limit()),
            10'000);
  Add task = later_task();
  task.set_body(std::string(4000, 'b'));
  EXPECT_EQ(add_code(task), 0);
  EXPECT_EQ(add_code(task), 0);
  const Bulk full = bulk({task});
  EXPECT_EQ(full.rpc_error(), Rpc::OVER_QUOTA) << full.envelope.DebugString();
  EXPECT_EQ(add_one(task).rpc_error(), Rpc::OVER_QUOTA);
  EXPECT_EQ(purge("default"), 0);
  EXPECT_EQ(add_code(task), 0);
}

// GAE-070
TEST_F(AddTest, OneNameFromFiftyClients) {
  start();
  std::vector<RawClient> clients;
  clients.reserve(50);
  for (int i = 0; i < 50; ++i) clients.emplace_back(server_->port());
  wire::TaskQueueBulkAddRequest request;
  *request.add_add_request() = later_task("default", "the-one");
  const std::string body =
      RawClient::request("POST", "/rpc_http", envelope("BulkAdd", request.SerializeAsString()));
  for (RawClient& client : clients) ASSERT_TRUE(client.send(body));
  std::vector<int> codes;
  for (RawClient& client : clients) {
    const auto response = client.read();
    ASSERT_TRUE(response);
    codes.push_back(results(read<wire::TaskQueueBulkAddResponse>(*response)).at(0));
  }
  EXPECT_EQ(std::ranges::count(codes, 0), 1);
  EXPECT_EQ(std::ranges::count(codes, 10), 49);
}

TEST_F(AddTest, AddTellsOfOneTaskWhatABatchTellsOfEach) {
  add(later_task("default", "taken"));
  EXPECT_EQ(add_one(later_task("default", "taken")).application_error(),
            Service::TASK_ALREADY_EXISTS);
  EXPECT_EQ(delete_tasks("default", {"taken"}), std::vector{0});
  EXPECT_EQ(add_one(later_task("default", "taken")).application_error(), Service::TOMBSTONED_TASK);
  Add bad = later_task();
  bad.set_url("");
  EXPECT_EQ(add_one(bad).application_error(), Service::INVALID_URL);
  EXPECT_FALSE(add_one(bad).detail().empty());
}

// GAE-063
TEST_F(AddTest, ATaskOfGoIsAPost) {
  Add task = push_task();  // neither mode nor method
  EXPECT_EQ(add_code(task), 0);
  const auto attempt = dispatcher_.next();
  ASSERT_TRUE(attempt);
  const auto request = decode_push_request(*attempt->task.payload);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->door, Door::appengine);
  EXPECT_EQ(request->method, HttpMethod::post);
  EXPECT_EQ(request->url, "/work");
}

// GAE-087
TEST_F(AddTest, NamesAreThoseOfOneQueueOfOneApplication) {
  make_push_queue("other");
  EXPECT_EQ(add_code(later_task("default", "t")), 0);
  EXPECT_EQ(add_code(later_task("other", "t")), 0);
  Add elsewhere = later_task("default", "t");
  elsewhere.set_app_id("s~another");
  EXPECT_EQ(add_code(elsewhere), 0);
  EXPECT_EQ(add_code(elsewhere), Service::TASK_ALREADY_EXISTS);
}

TEST_F(AddTest, StrictLimitsAreAppEngines) {
  options_.strict = true;
  Add task = push_task();
  task.set_body(std::string(102'401, 'b'));
  EXPECT_EQ(add_code(task), Service::TASK_TOO_LARGE);
  task = push_task();
  task.set_eta_usec(now_usec() + (30 * 86'400 + 120) * second);
  EXPECT_EQ(add_code(task), Service::INVALID_ETA);
}

// GAE-221 (its other half is QueryTest): a queue that another door has made.
TEST_F(AddTest, QueuesOfOtherDoorsTakeTasks) {
  const auto made =
      ask<ConfigureQueue::Answer>(ConfigureQueue{name_of_queue("theirs"),
                                                 [](const QueueSettings*) -> Result<QueueSettings> {
                                                   return QueueSettings::defaults(QueueMode::push);
                                                 },
                                                 {}});
  ASSERT_TRUE(made);
  EXPECT_EQ(add_code(later_task("theirs")), 0);
  EXPECT_EQ(count("theirs"), 1);
}

}  // namespace
}  // namespace deferd::appengine
