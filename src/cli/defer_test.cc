// Every command as one function call: arguments in, calls to a scripted server and text out.
#include "cli/defer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/table.h"

namespace deferd::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// Answers in the order given; what was asked is kept.
class ScriptedTransport final : public Transport {
 public:
  Result<HttpAnswer> call(const TargetUrl& server, const HttpCall& call) override {
    asked.push_back(call.method + " " + call.target + (call.body.empty() ? "" : " " + call.body));
    servers.push_back(server.authority());
    timeouts.push_back(call.timeout);
    ca_files.push_back(call.ca_file);
    keys.push_back(call.key);
    if (answers.empty()) return fail(Reason::internal, "the script has no further answer");
    Result<HttpAnswer> answer = std::move(answers.front());
    answers.erase(answers.begin());
    return answer;
  }
  void answer(int status, std::string body, std::optional<Micros> retry_after = {}) {
    answers.push_back(HttpAnswer{status, std::move(body), retry_after});
  }

  std::vector<std::string> asked;
  std::vector<std::string> servers;
  std::vector<Micros> timeouts;
  std::vector<std::string> ca_files;
  std::vector<std::string> keys;
  std::vector<Result<HttpAnswer>> answers;
};

class Defer : public testing::Test {
 protected:
  int run(std::vector<std::string> arguments, const std::string& input = "") {
    in_.clear();
    in_.str(input);
    out_.str("");
    err_.str("");
    World world{
        .in = in_,
        .out = out_,
        .err = err_,
        .in_is_terminal = in_is_terminal_,
        .out_is_terminal = out_is_terminal_,
        .err_is_terminal = err_is_terminal_,
        .transport = server_,
        .now = [] { return wall_from_micros(1'800'000'000'000'000); },  // 2027-01-15T08:00:00Z
        .sleep =
            [this](Micros duration) {
              slept_.push_back(duration);
              return --sleeps_left_ > 0;
            },
        .variable = [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables_.find(name);
          return found == variables_.end() ? std::nullopt
                                           : std::optional<std::string>(found->second);
        }};
    return run_defer(arguments, world);
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  ScriptedTransport server_;
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
  bool in_is_terminal_ = false;
  bool out_is_terminal_ = true;
  bool err_is_terminal_ = false;
  int sleeps_left_ = 100;
  std::vector<Micros> slept_;
  std::map<std::string, std::string> variables_;
};

constexpr const char* queue_default =
    R"({"name":"default","mode":"push","state":"running","rate":"500/s","burst":100,"concurrency":1000,"priority":5,"retry":{"max_attempts":100}})";
constexpr const char* queue_mail =
    R"({"name":"mail","mode":"push","state":"paused","rate":"5/s","burst":1,"concurrency":20,"priority":9,"retry":{"max_attempts":-1}})";

TEST_F(Defer, ListsQueuesAsATableOverAllPages) {
  server_.answer(200,
                 std::string(R"({"queues":[)") + queue_default + R"(],"next_page_token":"a b"})");
  server_.answer(200, std::string(R"({"queues":[)") + queue_mail + "]}");
  EXPECT_EQ(run({"queues", "ls"}), exit_done);
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/queues", "GET /v1/queues?page_token=a%20b"));
  EXPECT_EQ(out(),
            "QUEUE    MODE  STATE    RATE   BURST  CONCURRENCY  PRIORITY  MAX ATTEMPTS\n"
            "default  push  running  500/s    100         1000         5           100\n"
            "mail     push  paused   5/s        1           20         9            -1\n");
}

TEST_F(Defer, PrintsJsonLinesWhenNobodyWatchesOrWhenAsked) {
  out_is_terminal_ = false;
  server_.answer(200, std::string(R"({"queues":[)") + queue_default + "," + queue_mail + "]}");
  EXPECT_EQ(run({"queues", "ls"}), exit_done);
  EXPECT_EQ(out(), std::string(queue_default) + "\n" + queue_mail + "\n");
  out_is_terminal_ = true;
  server_.answer(200, std::string(R"({"queues":[)") + queue_default + "]}");
  EXPECT_EQ(run({"queues", "ls", "--json"}), exit_done);
  EXPECT_EQ(out(), std::string(queue_default) + "\n");
  out_is_terminal_ = false;
  server_.answer(200, R"({"queues":[]})");
  EXPECT_EQ(run({"--table", "queues", "ls"}), exit_done);
  EXPECT_THAT(out(), StartsWith("QUEUE"));
}

TEST_F(Defer, SetsOnlyWhatIsGivenOfAQueue) {
  server_.answer(200, queue_mail);
  EXPECT_EQ(run({"queues", "set", "mail", "--rate", "5/s", "--concurrency", "20", "--max-attempts",
                 "-1"}),
            exit_done);
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(PUT /v1/queues/mail {"rate":"5/s","concurrency":20,"retry":{"max_attempts":-1}})"));
  EXPECT_THAT(out(), HasSubstr("retry.max_attempts  -1"));
}

TEST_F(Defer, SettingsOfAGroupAreSentTogether) {
  server_.answer(200, queue_mail);
  EXPECT_EQ(run({"queues", "set", "mail", "--dead-keep", "1d", "--dead-queue", "", "--history", "3",
                 "--results-max-bytes", "9"}),
            exit_done)
      << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(PUT /v1/queues/mail {"dead":{"keep":"1d","queue":""},"history":3,"results":{"max_bytes":9}})"));
}

TEST_F(Defer, ANumberThatIsNoneIsRefusedBeforeTheServerIsAsked) {
  EXPECT_EQ(run({"queues", "set", "mail", "--burst", "many"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("--burst: \"many\" is not a whole number"));
  EXPECT_THAT(server_.asked, IsEmpty());
}

TEST_F(Defer, PausesAndResumes) {
  server_.answer(200, queue_mail);
  EXPECT_EQ(run({"queues", "pause", "mail"}), exit_done);
  EXPECT_EQ(out(), "mail: paused\n");
  server_.answer(200, queue_mail);
  EXPECT_EQ(run({"queues", "resume", "mail"}), exit_done);
  EXPECT_THAT(server_.asked,
              ElementsAre("POST /v1/queues/mail:pause {}", "POST /v1/queues/mail:resume {}"));
}

TEST_F(Defer, AsksOnATerminalBeforeItRemoves) {
  in_is_terminal_ = true;
  EXPECT_EQ(run({"queues", "purge", "mail"}, "n\n"), exit_refused);
  EXPECT_THAT(err(), HasSubstr("remove all tasks of queue mail? [y/N]"));
  EXPECT_EQ(run({"queues", "rm", "mail"}, ""), exit_refused);
  EXPECT_THAT(server_.asked, IsEmpty());
  server_.answer(200, queue_mail);
  EXPECT_EQ(run({"queues", "purge", "mail"}, "y\n"), exit_done);
  server_.answer(200, "{}");
  EXPECT_EQ(run({"queues", "rm", "mail", "--yes"}), exit_done);
  EXPECT_THAT(err(), Not(HasSubstr("?")));
  EXPECT_THAT(server_.asked,
              ElementsAre("POST /v1/queues/mail:purge {}", "DELETE /v1/queues/mail"));
}

TEST_F(Defer, AsksNothingWithoutATerminal) {
  server_.answer(204, "");
  EXPECT_EQ(run({"queues", "rm", "mail"}), exit_done);
  EXPECT_THAT(server_.asked, ElementsAre("DELETE /v1/queues/mail"));
  EXPECT_THAT(err(), IsEmpty());
}

TEST_F(Defer, AddsATaskWithAllThatItCanCarry) {
  server_.answer(201,
                 R"({"id":"01800000000000000000","queue":"mail","eta":"2027-01-15T08:01:30Z"})");
  EXPECT_EQ(run({"add",
                 "mail",
                 "http://localhost:9/x",
                 "-X",
                 "PUT",
                 "-H",
                 "X-One: 1",
                 "-H",
                 "X-Two:2",
                 "-d",
                 "hi",
                 "--name",
                 "n",
                 "--delay",
                 "1m30s",
                 "--priority",
                 "9",
                 "--key",
                 "k",
                 "--attempt-timeout",
                 "5s",
                 "--max-attempts",
                 "3"}),
            exit_done)
      << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/mail/tasks {"url":"http://localhost:9/x","method":"PUT","headers":{"X-One":"1","X-Two":"2"},)"
          R"("body":"hi","name":"n","delay":"1m30s","priority":9,"key":"k","timeout":"5s","retry":{"max_attempts":3}})"));
  EXPECT_EQ(out(), "stored 01800000000000000000 in mail, due in 1m30s\n");
}

TEST_F(Defer, ABodyMayBeAFileStandardInputOrBytes) {
  server_.answer(201, "{}");
  EXPECT_EQ(run({"add", "results", "-d", "@-"}, "from a pipe"), exit_done) << err();
  server_.answer(201, "{}");
  EXPECT_EQ(run({"add", "results", "-d", "@-"}, std::string("\xff\xfe\x00z", 4)), exit_done)
      << err();
  server_.answer(201, "{}");
  EXPECT_EQ(run({"add", "results", "--data-json", R"({"a": [1.10]})", "--key", "k"}), exit_done)
      << err();
  server_.answer(201, "{}");
  EXPECT_EQ(run({"add", "results", "-d", ""}), exit_done) << err();
  EXPECT_THAT(server_.asked,
              ElementsAre(R"(POST /v1/queues/results/tasks {"body":"from a pipe"})",
                          R"(POST /v1/queues/results/tasks {"body_base64":"//4Aeg=="})",
                          R"(POST /v1/queues/results/tasks {"json":{"a": [1.10]},"key":"k"})",
                          R"(POST /v1/queues/results/tasks {"body":""})"));
  EXPECT_EQ(run({"add", "results", "-d", "@/nonexistent/file"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("/nonexistent/file: cannot be read"));
  EXPECT_EQ(run({"add", "results", "--data-json", "{"}), exit_usage);
  EXPECT_EQ(run({"add", "results", "-H", "nonsense"}), exit_usage);
  EXPECT_EQ(run({"add", "results", "--priority", "10"}), exit_usage);
  EXPECT_EQ(run({"add", "results", "--delay", "1s", "--eta", "2027-01-31T08:00:00Z"}), exit_usage);
  EXPECT_EQ(server_.asked.size(), 4U);
}

constexpr const char* queue_plan =
    R"("queues":[{"queue":"mail","action":"make","settings":[{"setting":"mode","before":null,"after":"push"},)"
    R"({"setting":"rate","before":null,"after":"10/m"}]},)"
    R"({"queue":"news","action":"enable","settings":[{"setting":"bucket_size","before":"9","after":"5"}]},)"
    R"({"queue":"default","action":"keep","settings":[]},{"queue":"old","action":"disable","settings":[]}],)"
    R"("total_storage_limit":{"before":"none","after":"120M"}})";

TEST_F(Defer, ShowsWhatAQueueYamlChangesAndAsks) {
  in_is_terminal_ = true;
  const std::string file = testing::TempDir() + "/queue.yaml";
  std::ofstream(file) << "queue: []\n";
  server_.answer(200, R"({"applied":false,)" + std::string(queue_plan));
  EXPECT_EQ(run({"apply", file}, "n\n"), exit_refused);
  EXPECT_THAT(server_.asked, ElementsAre("POST /v1/queues:apply?plan=true queue: []\n"));
  EXPECT_EQ(out(),
            "   ACTION   QUEUE  SETTING              BEFORE    AFTER\n"
            "+  make     mail   mode                           push\n"
            "                   rate                           10/m\n"
            "~  enable   news   state                disabled  running\n"
            "                   bucket_size          9         5\n"
            "-  disable  old    state                          disabled\n"
            "~  change   (all)  total_storage_limit  none      120M\n"
            "4 to change, 1 queue unchanged\n");
  EXPECT_EQ(err(), "apply? [y/N] nothing was done\n");

  server_.asked.clear();
  server_.answer(200, R"({"applied":false,)" + std::string(queue_plan));
  server_.answer(200, R"({"applied":true,)" + std::string(queue_plan));
  EXPECT_EQ(run({"apply", file}, "y\n"), exit_done);
  EXPECT_THAT(server_.asked, ElementsAre("POST /v1/queues:apply?plan=true queue: []\n",
                                         "POST /v1/queues:apply queue: []\n"));
  EXPECT_THAT(out(), HasSubstr("applied\n"));

  server_.asked.clear();
  server_.answer(200, R"({"applied":false,)" + std::string(queue_plan));
  EXPECT_EQ(run({"apply", "-", "--plan", "--json", "--project", "shop"}, "queue: []\n"), exit_done);
  EXPECT_THAT(server_.asked,
              ElementsAre("POST /v1/projects/shop/locations/local/queues:apply?plan=true queue: "
                          "[]\n"));
  EXPECT_THAT(out(), StartsWith(R"({"applied":false,"queues":[)"));
  std::filesystem::remove(file);
}

TEST_F(Defer, AWrongQueueYamlIsToldWithItsLineAndNotSent) {
  EXPECT_EQ(run({"apply", "-"}, "queue:\n- {name: mail, rate: 5}\n"), exit_usage);
  EXPECT_THAT(server_.asked, IsEmpty());
  EXPECT_THAT(err(), StartsWith("defer: queue.yaml:2:22: queue \"mail\": Unable to assign"));
  EXPECT_THAT(err(), HasSubstr("\n    - {name: mail, rate: 5}\n                         ^\n"));
}

TEST_F(Defer, AQueueYamlThatTheServerRefusesIsToldByItsOwnName) {
  const std::string file = testing::TempDir() + "/mine.yaml";
  std::ofstream(file) << "queue: []\n";
  server_.answer(400, R"({"error":{"code":400,"status":"FAILED_PRECONDITION","field":"a.mode",)"
                      R"("message":"queue.yaml:1:1: no\n  line\n  ^"}})");
  EXPECT_EQ(run({"apply", file, "--yes"}), exit_refused);
  EXPECT_EQ(err(), "defer: " + file + ":1:1: no\n  line\n  ^\n");
  std::filesystem::remove(file);
}

TEST_F(Defer, TellsWhatTheServerSaid) {
  server_.answer(
      400,
      R"({"error":{"code":400,"status":"INVALID_ARGUMENT","message":"priority 10 is outside 0..9","field":"priority"}})");
  EXPECT_EQ(run({"add", "default", "http://localhost:9/"}), exit_refused);
  EXPECT_EQ(err(), "defer: priority: priority 10 is outside 0..9\n");
  server_.answer(
      429, R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"queue is full"}})");
  EXPECT_EQ(run({"add", "default", "http://localhost:9/", "--json"}), exit_try_later);
  EXPECT_EQ(err(),
            "{\"error\":{\"exit_code\":4,\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"queue is "
            "full\"}}\n");
  server_.answer(502, "<html>bad\x1b[31m gateway</html>");
  EXPECT_EQ(run({"add", "default", "http://localhost:9/"}), exit_try_later);
  EXPECT_EQ(err(), "defer: the server answered 502 <html>bad?[31m gateway</html>\n");
  server_.answer(200, "<html>hello</html>");
  EXPECT_EQ(run({"queues", "ls"}), exit_unreachable);
  EXPECT_THAT(err(), HasSubstr("is it another server?"));
}

TEST_F(Defer, SaysHowToStartAServerThatIsNotThere) {
  server_.answers.push_back(fail(Reason::not_found, "Connection refused"));
  EXPECT_EQ(run({"queues", "ls"}), exit_unreachable);
  EXPECT_EQ(err(),
            "defer: no deferd at http://127.0.0.1:8123 (Connection refused); start one with: "
            "deferd --listen 127.0.0.1:8123, "
            "or name another with --url or DEFERD_URL\n");
  server_.answers.push_back(fail(Reason::internal, "connection reset"));
  EXPECT_EQ(run({"add", "q", "http://a/"}), exit_unreachable);
  EXPECT_THAT(err(), HasSubstr("whether the call was carried out is not known"));
  server_.answers.push_back(fail(Reason::timeout, "no answer within 30 s"));
  EXPECT_EQ(run({"queues", "ls"}), exit_unreachable);
  EXPECT_THAT(err(), HasSubstr("--timeout waits longer"));
  EXPECT_THAT(err(), Not(HasSubstr("not known")));
}

TEST_F(Defer, TheServerIsGivenByFlagThenVariableThenDefault) {
  for (int i = 0; i < 3; ++i) server_.answer(200, R"({"queues":[]})");
  run({"queues", "ls"});
  variables_["DEFERD_URL"] = "http://one:1";
  run({"queues", "ls"});
  run({"queues", "ls", "--url", "two:2"});
  EXPECT_THAT(server_.servers, ElementsAre("127.0.0.1:8123", "one:1", "two:2"));
  EXPECT_EQ(run({"queues", "ls", "--url", "http://x/path"}), exit_usage);
  EXPECT_EQ(run({"queues", "ls", "--url", "ftp://x"}), exit_usage);
  EXPECT_EQ(run({"queues", "ls", "--timeout", "soon"}), exit_usage);
}

TEST_F(Defer, WhoMayHaveSignedTheServersCertificateIsGivenByFlagThenVariable) {
  for (int i = 0; i < 3; ++i) server_.answer(200, R"({"queues":[]})");
  run({"queues", "ls", "--url", "https://one"});
  variables_["DEFERD_CA"] = "ours.pem";
  run({"queues", "ls", "--url", "https://one"});
  run({"queues", "ls", "--url", "https://one", "--ca", "theirs.pem"});
  EXPECT_THAT(server_.servers, ElementsAre("one", "one", "one"));
  EXPECT_THAT(server_.ca_files, ElementsAre("", "ours.pem", "theirs.pem"));
}

TEST_F(Defer, AProjectMakesThePathLong) {
  server_.answer(200, queue_mail);
  run({"queues", "show", "mail", "--project", "shop"});
  server_.answer(200, queue_mail);
  run({"queues", "show", "a/b"});
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/projects/shop/locations/local/queues/mail",
                                         "GET /v1/queues/a%2Fb"));
}

TEST_F(Defer, ListsTasksUpToAScreenful) {
  server_.answer(200, R"({"tasks":[
      {"id":"01799999999999999999","state":"ready","priority":5,"eta":"2027-01-15T07:59:01.2Z","attempts":2,"url":"http://a/\u001b"},
      {"id":"01799999999999999998","name":"n","state":"scheduled","priority":9,"eta":"2027-01-16T09:00:00Z","attempts":0,"key":"k"}]})");
  EXPECT_EQ(run({"tasks", "ls", "mail", "--state", "ready"}), exit_done) << err();
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/queues/mail/tasks?page_size=100&state=ready"));
  EXPECT_EQ(out(),
            "TASK                  STATE      PRIORITY  DUE      ATTEMPTS  KEY  TARGET\n"
            "01799999999999999999  ready             5  59s ago         2       http://a/?\n"
            "n                     scheduled         9  in 1d1h         0  k\n");
}

TEST_F(Defer, ListsAllTasksAsJsonPageByPage) {
  out_is_terminal_ = false;
  server_.answer(200, R"({"tasks":[{"id":"1"},{"id":"2"}],"next_page_token":"t"})");
  server_.answer(200, R"({"tasks":[{"id":"3"}]})");
  EXPECT_EQ(run({"tasks", "ls", "mail"}), exit_done);
  EXPECT_EQ(out(), "{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\"3\"}\n");
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/queues/mail/tasks?page_size=1000",
                                         "GET /v1/queues/mail/tasks?page_size=1000&page_token=t"));
  server_.answer(200, R"({"tasks":[{"id":"1"},{"id":"2"}],"next_page_token":"t"})");
  EXPECT_EQ(run({"tasks", "ls", "mail", "--max", "1"}), exit_done);
  EXPECT_EQ(out(), "{\"id\":\"1\"}\n");
}

TEST_F(Defer, StopsWithoutAWordWhenNobodyReadsOn) {
  out_is_terminal_ = false;
  out_.setstate(std::ios::badbit);
  server_.answer(200, R"({"tasks":[{"id":"1"}],"next_page_token":"t"})");
  EXPECT_EQ(run({"tasks", "ls", "mail"}), exit_done);
  EXPECT_EQ(server_.asked.size(), 1U);
  EXPECT_THAT(err(), IsEmpty());
}

TEST_F(Defer, OneMissingTaskDoesNotHoldUpTheOthers) {
  server_.answer(404, R"({"error":{"code":404,"status":"NOT_FOUND","message":"no such task"}})");
  server_.answer(200, "{}");
  EXPECT_EQ(run({"tasks", "rm", "mail", "a", "b"}), exit_refused);
  EXPECT_EQ(out(), "b: removed\n");
  EXPECT_EQ(err(), "defer: a: no such task\n");
  EXPECT_THAT(server_.asked,
              ElementsAre("DELETE /v1/queues/mail/tasks/a", "DELETE /v1/queues/mail/tasks/b"));
}

TEST_F(Defer, ShowsAndRunsATask) {
  server_.answer(200, R"({"id":"1","eta":"2027-01-15T08:00:00Z","attempts":0})");
  EXPECT_EQ(run({"tasks", "show", "mail", "1"}), exit_done);
  EXPECT_THAT(out(), HasSubstr("eta       2027-01-15T08:00:00Z (now)"));
  server_.answer(200, R"({"id":"1"})");
  EXPECT_EQ(run({"tasks", "run", "mail", "1"}), exit_done);
  EXPECT_EQ(out(), "1: started\n");
  EXPECT_EQ(server_.asked.back(), "POST /v1/queues/mail/tasks/1:run {}");
}

TEST_F(Defer, SendsABatchInCallsOfAThousand) {
  std::string lines;
  std::string stored;
  for (int i = 0; i < 1001; ++i) lines += "{\"body\":\"" + std::to_string(i) + "\"}\n\n";
  for (int i = 0; i < 1000; ++i) stored += std::string(i == 0 ? "" : ",") + R"({"task":{}})";
  server_.answer(200, R"({"results":[)" + stored + "]}");
  server_.answer(200, R"({"results":[{"task":{}}]})");
  EXPECT_EQ(run({"batch", "mail"}, lines), exit_done) << err();
  ASSERT_EQ(server_.asked.size(), 2U);
  EXPECT_THAT(
      server_.asked[0],
      StartsWith(R"(POST /v1/queues/mail/tasks:batch {"tasks":[{"body":"0"},{"body":"1"})"));
  EXPECT_EQ(server_.asked[1], R"(POST /v1/queues/mail/tasks:batch {"tasks":[{"body":"1000"}]})");
  EXPECT_EQ(out(), "stored 1,001 tasks in mail\n");
  EXPECT_THAT(err(), IsEmpty());
}

TEST_F(Defer, ABatchShowsProgressOnATerminalOnly) {
  err_is_terminal_ = true;
  server_.answer(200, R"({"results":[{"task":{}}]})");
  EXPECT_EQ(run({"batch", "mail"}, "{\"json\": 1.10}\n"), exit_done);
  EXPECT_THAT(err(), HasSubstr("100 %  1 stored"));
  EXPECT_THAT(server_.asked,
              ElementsAre(R"(POST /v1/queues/mail/tasks:batch {"tasks":[{"json": 1.10}]})"));
}

TEST_F(Defer, ABatchGoesToTheDefaultQueueUnlessToldOtherwise) {
  server_.answer(200, R"({"results":[{"task":{}}]})");
  EXPECT_EQ(run({"batch"}, "{}\n"), exit_done);
  EXPECT_EQ(server_.asked.back(), R"(POST /v1/queues/default/tasks:batch {"tasks":[{}]})");
}

TEST_F(Defer, ARefusedLineIsNamedAndDoesNotHoldUpTheOthers) {
  server_.answer(
      200,
      R"({"results":[{"task":{}},{"error":{"code":400,"message":"url: missing"}},{"task":{}}]})");
  EXPECT_EQ(run({"batch", "mail"}, "{\"url\":\"http://a/\"}\n\n{}\n{\"url\":\"http://b/\"}\n"),
            exit_refused);
  EXPECT_EQ(err(), "defer: line 3: url: missing\n");
  EXPECT_EQ(out(), "stored 2 tasks in mail, 1 were refused\n");
}

TEST_F(Defer, ABrokenLineEndsTheBatchAfterTheLinesBeforeIt) {
  server_.answer(200, R"({"results":[{"task":{}}]})");
  EXPECT_EQ(run({"batch", "mail"}, "{}\n{\"url\":\n{}\n"), exit_usage);
  EXPECT_THAT(err(), HasSubstr("line 2 is not JSON"));
  EXPECT_THAT(err(), HasSubstr("the 1 tasks stored before it stay"));
  EXPECT_EQ(server_.asked.size(), 1U);
}

TEST_F(Defer, ABatchWaitsForAnOverloadedServerAsLongAsItSays) {
  server_.answer(429, R"({"error":{"code":429,"message":"too much is waiting"}})", Seconds(2));
  server_.answer(200, R"({"results":[{"task":{}}]})");
  EXPECT_EQ(run({"batch", "mail"}, "{}\n"), exit_done);
  EXPECT_THAT(slept_, ElementsAre(Micros(Seconds(2))));
  server_.answer(429, R"({"error":{"code":429,"message":"queue is full"}})");
  EXPECT_EQ(run({"batch", "mail"}, "{}\n"), exit_try_later);
  EXPECT_EQ(err(), "defer: line 1 to 1: queue is full; 0 tasks before them are stored\n");
}

TEST_F(Defer, ABatchWantsAFileOnATerminal) {
  in_is_terminal_ = true;
  EXPECT_EQ(run({"batch", "mail"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("defer batch QUEUE < tasks.jsonl"));
}

TEST_F(Defer, LeasesAndWaitsAsLongAsTheServerDoes) {
  server_.answer(
      200,
      R"({"tasks":[{"id":"1","lease_token":"77","lease_expires":"2027-01-15T08:01:00Z","attempts":1,"body":"b"}]})");
  EXPECT_EQ(run({"lease", "results", "--max", "10", "--for", "60s", "--key", "", "--wait", "20s"}),
            exit_done)
      << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/results/tasks:lease {"max":10,"lease":"60s","key":"","wait":"20s"})"));
  EXPECT_EQ(server_.timeouts.front(), Micros(Seconds(50)));
  EXPECT_EQ(out(),
            "TASK  LEASE TOKEN  EXPIRES  ATTEMPTS  KEY  BODY\n"
            "1     77           in 1m           1       b\n");
  server_.answer(200, R"({"tasks":[]})");
  EXPECT_EQ(run({"lease", "results"}), exit_done);
  EXPECT_EQ(out(), "nothing to lease in results\n");
  server_.answer(200, R"({"tasks":[]})");
  EXPECT_EQ(run({"lease", "results", "--oldest-key"}), exit_done);
  EXPECT_EQ(server_.asked.back(),
            R"(POST /v1/queues/results/tasks:lease {"max":1,"oldest_key":true})");
  EXPECT_EQ(run({"lease", "results", "--max", "1001"}), exit_usage);
  EXPECT_EQ(run({"lease", "results", "--key", "a", "--oldest-key"}), exit_usage);
}

TEST_F(Defer, AcksWhatLeasePrinted) {
  server_.answer(200, R"({"results":[{},{"error":{"code":409,"message":"lease lost"}}]})");
  EXPECT_EQ(run({"ack", "results"},
                "{\"id\":\"1\",\"lease_token\":\"77\",\"body\":\"x\"}\n{\"id\":\"2\",\"lease_"
                "token\":\"78\"}\n"),
            exit_refused);
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/results/tasks:ack {"tasks":[{"id":"1","lease_token":"77"},{"id":"2","lease_token":"78"}]})"));
  EXPECT_EQ(out(), "1 acknowledged\n");
  EXPECT_EQ(err(), "defer: 2: lease lost\n");
}

TEST_F(Defer, TellsWhatAWorkerHasToTell) {
  for (int i = 0; i < 2; ++i) server_.answer(200, R"({"results":[{}]})");
  EXPECT_EQ(run({"ack", "results", "1:77", "--result", "42"}), exit_done) << err();
  EXPECT_EQ(run({"fail", "results", "1:77", "--error", "no such user"}), exit_done) << err();
  EXPECT_EQ(out(), "1 failed\n");
  server_.answer(200, R"({"tasks":[]})");
  EXPECT_EQ(run({"lease", "results", "--worker", "host/1"}), exit_done) << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/results/tasks:ack {"tasks":[{"id":"1","lease_token":"77","result":{"body":"42"}}]})",
          R"(POST /v1/queues/results/tasks:fail {"tasks":[{"id":"1","lease_token":"77","error":"no such user"}]})",
          R"(POST /v1/queues/results/tasks:lease {"max":1,"worker":"host/1"})"));
}

TEST_F(Defer, ShowsAResultAndWaitsForItInCallsOfAMinute) {
  server_.answer(200, R"({"id":"1","state":"pending"})");
  server_.answer(200, R"({"id":"1","state":"succeeded","result":{"body":"42","headers":{}}})");
  EXPECT_EQ(run({"result", "jobs", "1", "--wait", "90s"}), exit_done) << err();
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/queues/jobs/tasks/1/result?wait=1m",
                                         "GET /v1/queues/jobs/tasks/1/result?wait=1m"));
  EXPECT_EQ(server_.timeouts.back(), Seconds(90));
  EXPECT_THAT(out(), HasSubstr("state   succeeded\n"));
  server_.answer(200, R"({"id":"1","state":"succeeded","result":{"body_base64":"AP8="}})");
  EXPECT_EQ(run({"result", "jobs", "1", "--body"}), exit_done);
  EXPECT_EQ(out(), std::string("\0\xff", 2));
  server_.answer(200, R"({"id":"1","state":"failed"})");
  EXPECT_EQ(run({"result", "jobs", "1", "--history"}), exit_refused);
  EXPECT_EQ(server_.asked.back(), "GET /v1/queues/jobs/tasks/1/result?wait=0s&history=true");
  server_.answer(200, R"({"id":"1","state":"pending"})");
  EXPECT_EQ(run({"result", "jobs", "1"}), exit_try_later);
  EXPECT_EQ(run({"result", "jobs", "1", "--wait", "soon"}), exit_usage);
}

TEST_F(Defer, AddsATaskAndWaitsForItsResult) {
  server_.answer(201, R"({"id":"7"})");
  server_.answer(200, R"({"id":"7","state":"succeeded"})");
  EXPECT_EQ(run({"add", "jobs", "--keep-result", "1h", "--wait", "--callback", "http://a/",
                 "--callback-queue", "calls"}),
            exit_done)
      << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/jobs/tasks {"keep_result":"1h","callback_url":"http://a/","callback_queue":"calls"})",
          "GET /v1/queues/jobs/tasks/7/result?wait=1m"));
  EXPECT_EQ(run({"add", "jobs", "--wait"}), exit_usage);
}

TEST_F(Defer, CancelsTasks) {
  server_.answer(200, R"({"id":"1","state":"leased"})");
  EXPECT_EQ(run({"cancel", "jobs", "1"}), exit_done);
  EXPECT_EQ(out(), "1: cancelled, was leased\n");
  EXPECT_THAT(server_.asked, ElementsAre("POST /v1/queues/jobs/tasks/1:cancel {}"));
}

TEST_F(Defer, ListsAndShowsDeadLetters) {
  server_.answer(200, R"({"tasks":[{"id":"1","reason":"attempts","died":"2027-01-15T07:00:00Z",
      "attempts":3,"last_status":503,"key":"k","url":"http://a/"}]})");
  EXPECT_EQ(run({"dead", "ls", "mail", "--status", "503", "--key", "a b", "--since", "1h"}),
            exit_done)
      << err();
  EXPECT_THAT(server_.asked,
              ElementsAre("GET /v1/queues/mail/dead?page_size=100&status=503&key=a%20b"
                          "&since=2027-01-15T07%3A00%3A00.000000Z"));
  EXPECT_EQ(out(),
            "TASK  DIED    REASON    ATTEMPTS  ANSWER  KEY  TARGET\n"
            "1     1h ago  attempts         3  503     k    http://a/\n");
  server_.answer(200, R"({"tasks":[]})");
  EXPECT_EQ(run({"dead", "ls", "mail"}), exit_done);
  EXPECT_EQ(out(), "no dead letters in mail\n");
  server_.answer(200, R"({"id":"1","died":"2027-01-15T07:00:00Z","history":[{"attempt":1,
      "started":"2027-01-15T06:00:00Z","duration":1.5,"failure":"failed","error":"no\u001buser","worker":"w",
      "usage":{"cpu":0.02,"cause":"exited","code":65},"log":"one\ntwo\u001b[31m\n"}]})");
  EXPECT_EQ(run({"dead", "show", "mail", "1"}), exit_done);
  EXPECT_EQ(out(),
            "MEMBER  VALUE\n"
            "id      1\n"
            "died    2027-01-15T07:00:00Z (1h ago)\n"
            "\n"
            "ATTEMPT  STARTED  TOOK  ANSWER  END         CPU  WORKER  ERROR\n"
            "      1  2h ago   1.5s  failed  exited 65  20ms  w       no?user\n"
            "\n"
            "log of attempt 1:\n"
            "  one\n"
            "  two?[31m\n");
}

TEST_F(Defer, RetriesDeadLettersByFilterAndSaysHowManyFirst) {
  in_is_terminal_ = true;
  server_.answer(200, R"({"matched":12})");
  EXPECT_EQ(run({"dead", "retry", "mail", "--reason", "attempts"}, "n\n"), exit_refused);
  EXPECT_THAT(err(), HasSubstr("retry 12 dead letters of queue mail? [y/N]"));
  server_.answer(200, R"({"matched":12})");
  server_.answer(200, R"({"matched":12,"retried":12})");
  EXPECT_EQ(run({"dead", "retry", "mail", "--reason", "attempts"}, "y\n"), exit_done) << err();
  EXPECT_EQ(out(), "12 retried\n");
  EXPECT_THAT(server_.asked,
              ElementsAre(R"(POST /v1/queues/mail/dead:retry {"reason":"attempts","plan":true})",
                          R"(POST /v1/queues/mail/dead:retry {"reason":"attempts","plan":true})",
                          R"(POST /v1/queues/mail/dead:retry {"reason":"attempts"})"));
  server_.asked.clear();
  server_.answer(200, R"({"matched":1})");
  server_.answer(200, R"({"matched":1,"deleted":1})");
  EXPECT_EQ(run({"dead", "rm", "mail", "--all", "--yes"}), exit_done) << err();
  EXPECT_THAT(server_.asked, ElementsAre(R"(POST /v1/queues/mail/dead:delete {"plan":true})",
                                         "POST /v1/queues/mail/dead:delete {}"));
  server_.asked.clear();
  server_.answer(200, R"({"id":"1"})");
  server_.answer(204, "");
  EXPECT_EQ(run({"dead", "retry", "mail", "1"}), exit_done);
  EXPECT_EQ(out(), "1: retried\n");
  EXPECT_EQ(run({"dead", "rm", "mail", "1"}), exit_done);
  EXPECT_EQ(out(), "1: deleted\n");
  EXPECT_THAT(server_.asked,
              ElementsAre("POST /v1/queues/mail/dead/1:retry", "DELETE /v1/queues/mail/dead/1"));
  EXPECT_EQ(run({"dead", "rm", "mail"}), exit_usage);
  EXPECT_EQ(run({"dead", "rm", "mail", "1", "--all"}), exit_usage);
  EXPECT_EQ(run({"dead", "rm", "mail", "--all", "--key", "k"}), exit_usage);
}

TEST_F(Defer, RenewsAndReleasesByWord) {
  server_.answer(200, R"({"results":[{}]})");
  EXPECT_EQ(run({"renew", "results", "1:77", "--for", "5m"}), exit_done) << err();
  server_.answer(200, R"({"results":[{}]})");
  EXPECT_EQ(run({"release", "results", "1:77", "--delay", "0s"}), exit_done) << err();
  EXPECT_THAT(
      server_.asked,
      ElementsAre(
          R"(POST /v1/queues/results/tasks:renew {"tasks":[{"id":"1","lease_token":"77"}],"lease":"5m"})",
          R"(POST /v1/queues/results/tasks:release {"tasks":[{"id":"1","lease_token":"77"}],"delay":"0s"})"));
  EXPECT_EQ(run({"ack", "results", "77"}), exit_usage);
  EXPECT_EQ(run({"renew", "results", "1:77"}), exit_usage);
  EXPECT_EQ(run({"ack", "results"}, "{\"id\":\"1\"}\n"), exit_usage);
  EXPECT_THAT(err(), HasSubstr("line 1 has no id and lease_token"));
}

TEST_F(Defer, ShowsStatisticsOfAllQueuesAndOfOne) {
  server_.answer(200, std::string(R"({"queues":[)") + queue_mail + "," + queue_default + "]}");
  server_.answer(
      200,
      R"({"tasks":1234,"ready":4,"scheduled":0,"in_flight":1,"leased":0,"oldest_ready":3.0,"executed_minute":60,"failure_rate":0.051,"dead":7})");
  server_.answer(404, R"({"error":{"code":404,"message":"gone"}})");
  EXPECT_EQ(run({"stats"}), exit_done) << err();
  EXPECT_EQ(out(),
            "QUEUE  STATE   TASKS  READY  SCHEDULED  IN FLIGHT  LEASED  OLDEST  LAST MINUTE  "
            "FAILED  DEAD\n"
            "mail   paused  1,234      4          0          1       0      3s           60   5.1 "
            "%     7\n");
  server_.answer(
      200,
      R"({"tasks":1234,"oldest_ready":null,"outgoing":2,"forward_error":"no queue later","execution":{"count":3,"p95":0.02},"delay":{"p50":3723.5},"failure_rate":0.0512345})");
  EXPECT_EQ(run({"stats", "mail"}), exit_done);
  EXPECT_EQ(out(),
            "STATISTIC                  mail\n"
            "tasks                     1,234\n"
            "oldest_ready\n"
            "outgoing                      2\n"
            "forward_error    no queue later\n"
            "execution.count               3\n"
            "execution.p95              20ms\n"
            "delay.p50                1h2m3s\n"
            "failure_rate             0.0512\n");
}

TEST_F(Defer, WatchesUntilInterrupted) {
  sleeps_left_ = 2;
  for (int i = 0; i < 2; ++i) server_.answer(200, R"({"tasks":1})");
  EXPECT_EQ(run({"stats", "mail", "--watch", "--every", "500ms"}), exit_done);
  EXPECT_EQ(server_.asked.size(), 2U);
  EXPECT_THAT(slept_, ElementsAre(Micros(Millis(500)), Micros(Millis(500))));
  EXPECT_EQ(run({"stats", "--every", "1ms"}), exit_usage);
}

TEST_F(Defer, TellsWhetherTheServerLivesAndIsReady) {
  server_.answer(200, "ok");
  server_.answer(503, R"({"status":"failed","reason":"store failed"})");
  EXPECT_EQ(run({"server", "status"}), exit_try_later);
  EXPECT_THAT(server_.asked, ElementsAre("GET /healthz", "GET /readyz"));
  EXPECT_THAT(out(), HasSubstr("ready    no: store failed"));
  server_.answer(
      200,
      R"({"settings":{"listen":{"value":"127.0.0.1:1","from":"--listen"},"token":{"secret":true,"set":true,"from":"x"}}})");
  EXPECT_EQ(run({"server", "config"}), exit_done);
  EXPECT_THAT(out(), HasSubstr("listen   127.0.0.1:1  --listen"));
  EXPECT_THAT(out(), HasSubstr("token    (secret)     x"));
}

TEST_F(Defer, WrongWordsAreUsageErrorsWithTheNearestWord) {
  EXPECT_EQ(run({"queus", "ls"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("did you mean queues?"));
  EXPECT_EQ(run({"queues", "pasue", "mail"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("did you mean pause?"));
  EXPECT_EQ(run({"queues", "ls", "--jsno"}), exit_usage);
  EXPECT_THAT(err(), HasSubstr("did you mean --json?"));
  EXPECT_EQ(run({}), exit_usage);
  EXPECT_EQ(run({"queues"}), exit_usage);
  EXPECT_EQ(run({"queues", "show"}), exit_usage);
  EXPECT_THAT(server_.asked, IsEmpty());
}

TEST_F(Defer, EveryCommandHasHelpWithExamples) {
  EXPECT_EQ(run({"--help"}), exit_done);
  EXPECT_THAT(out(), HasSubstr("Exit codes"));
  EXPECT_THAT(out(), HasSubstr("queues"));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"queues", "ls"},
                                             {"queues", "set"},
                                             {"add"},
                                             {"batch"},
                                             {"tasks", "ls"},
                                             {"lease"},
                                             {"ack"},
                                             {"fail"},
                                             {"result"},
                                             {"cancel"},
                                             {"dead", "ls"},
                                             {"dead", "retry"},
                                             {"stats"},
                                             {"completion"}}) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("--help");
    EXPECT_EQ(run(arguments), exit_done) << command.front();
    EXPECT_THAT(out(), HasSubstr("Examples:")) << command.front();
  }
  EXPECT_EQ(run({"--version"}), exit_done);
  EXPECT_THAT(out(), StartsWith("defer "));
}

TEST_F(Defer, CompletesCommandsFlagsAndQueues) {
  EXPECT_EQ(run({"complete", "--", "qu"}), exit_done);
  EXPECT_EQ(out(), "queues\n");
  EXPECT_EQ(run({"complete", "--", "queues", "pu"}), exit_done);
  EXPECT_EQ(out(), "purge\n");
  EXPECT_EQ(run({"complete", "--", "queues", "set", "mail", "--ra"}), exit_done);
  EXPECT_EQ(out(), "--rate\n");
  EXPECT_THAT(server_.asked, IsEmpty());
  server_.answer(200, std::string(R"({"queues":[)") + queue_default + "," + queue_mail + "]}");
  EXPECT_EQ(run({"complete", "--", "queues", "pause", "m"}), exit_done);
  EXPECT_EQ(out(), "mail\n");
  server_.answers.push_back(fail(Reason::not_found, "Connection refused"));
  EXPECT_EQ(run({"complete", "--", "add", ""}), exit_done);
  EXPECT_THAT(err(), IsEmpty());
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(run({"completion", shell}), exit_done);
    EXPECT_THAT(out(), HasSubstr("defer complete --"));
  }
  EXPECT_EQ(run({"completion", "tcsh"}), exit_usage);
}

constexpr const char* cron_job =
    R"({"id":"1f0c2a7e8b9d0c1e2f3a4b5c6d7e8f90","url":"/tasks/summary","schedule":"every day 09:00",)"
    R"("timezone":"Europe/Berlin","missed":"run","state":"scheduled",)"
    R"("next_runs":["2027-01-16T08:00:00.000000Z","2027-01-17T08:00:00.000000Z"],)"
    R"("last_run":"2027-01-15T08:00:00.000000Z","last_status":200})";
constexpr const char* cron_poll =
    R"({"id":"1f0c000000000000000000000000ffff","url":"/poll","schedule":"every 5 minutes",)"
    R"("timezone":"UTC","missed":"run","state":"in_flight","next_runs":[],"last_failure":"timeout",)"
    R"("last_run":"2027-01-15T07:00:00.000000Z"})";

TEST_F(Defer, ShowsTheNextRunsOfEachCronJob) {
  server_.answer(200, std::string(R"({"jobs":[)") + cron_job + "," + cron_poll + "]}");
  EXPECT_EQ(run({"cron", "ls"}), exit_done);
  EXPECT_THAT(server_.asked, ElementsAre("GET /v1/cron"));
  EXPECT_EQ(out(),
            "JOB       URL             SCHEDULE         ZONE           LAST RUN                   "
            "NEXT RUNS\n"
            "1f0c2a7e  /tasks/summary  every day 09:00  Europe/Berlin  now, 200                   "
            "2027-01-16T08:00Z (in 1d)\n"
            "                                                                                     "
            "2027-01-17T08:00Z (in 2d)\n"
            "1f0c0000  /poll           every 5 minutes  UTC            1h ago, timeout (running)  "
            "none\n");
  server_.answer(200, R"({"jobs":[]})");
  EXPECT_EQ(run({"--project", "shop", "cron", "ls"}), exit_done);
  EXPECT_EQ(server_.asked.back(), "GET /v1/projects/shop/locations/local/cron");
  EXPECT_THAT(out(), HasSubstr("no jobs"));
  server_.answer(200, std::string(R"({"jobs":[)") + cron_job + "]}");
  EXPECT_EQ(run({"cron", "ls", "--json"}), exit_done);
  EXPECT_EQ(out(), std::string(cron_job) + "\n");
}

TEST_F(Defer, AppliesACronYamlAndShowsThePlan) {
  const std::string plan =
      R"("jobs":[{"id":"a","url":"/a","schedule":"every 5 minutes","timezone":"UTC","action":"make",)"
      R"("next_run":"2027-01-15T08:05:00.000000Z","settings":[]},)"
      R"({"id":"b","url":"/b","schedule":"@daily","timezone":"UTC","action":"change",)"
      R"("next_run":"2027-01-16T00:00:00.000000Z","settings":[{"setting":"description","before":null,"after":"new"}]},)"
      R"({"id":"c","url":"/c","schedule":"@daily","timezone":"UTC","action":"keep","next_run":"2027-01-16T00:00:00.000000Z","settings":[]},)"
      R"({"id":"d","url":"/d","schedule":"@daily","timezone":"UTC","action":"remove","settings":[]}]})";
  const std::string file = "cron: []\n";
  server_.answer(200, "{\"applied\":false," + plan);
  EXPECT_EQ(run({"cron", "apply", "-", "--plan"}, file), exit_done);
  EXPECT_THAT(server_.asked, ElementsAre("POST /v1/cron?plan=true " + file));
  EXPECT_EQ(out(),
            "   ACTION  URL  SCHEDULE         ZONE  NEXT RUN                    SETTING      "
            "BEFORE  AFTER\n"
            "+  make    /a   every 5 minutes  UTC   2027-01-15T08:05Z (in 5m)\n"
            "~  change  /b   @daily           UTC   2027-01-16T00:00Z (in 16h)  description        "
            "  new\n"
            "-  remove  /d   @daily           UTC\n"
            "3 to change, 1 job unchanged\n");
  server_.answer(200, "{\"applied\":false," + plan);
  server_.answer(200, "{\"applied\":true," + plan);
  EXPECT_EQ(run({"cron", "apply", "-", "--yes"}, file), exit_done);
  EXPECT_EQ(server_.asked.back(), "POST /v1/cron " + file);
  EXPECT_THAT(out(), HasSubstr("3 to change, 1 job unchanged\napplied\n"));
  // On a terminal one is asked.
  in_is_terminal_ = true;
  const auto path = std::filesystem::temp_directory_path() /
                    ("defer-cron-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << file;
  server_.answer(200, "{\"applied\":false," + plan);
  EXPECT_EQ(run({"cron", "apply", path.string()}, "n\n"), exit_refused);
  EXPECT_EQ(server_.asked.back(), "POST /v1/cron?plan=true " + file);
  // A complaint names the file as it was named here.
  server_.answer(400,
                 R"({"error":{"message":"cron.yaml:3:13: job \"/a\": no","field":"/a.schedule"}})");
  EXPECT_EQ(run({"cron", "apply", path.string()}), exit_refused);
  EXPECT_THAT(err(), HasSubstr(path.string() + ":3:13: job"));
  std::filesystem::remove(path);
  server_.answer(200, R"({"applied":false,"jobs":[]})");
  server_.answer(200, R"({"applied":true,"jobs":[]})");
  EXPECT_EQ(run({"cron", "apply", "-"}, file), exit_done);
  EXPECT_EQ(out(), "nothing to change, 0 jobs unchanged\n");
  EXPECT_EQ(run({"cron", "apply", "/nowhere/cron.yaml"}), exit_usage);
}

TEST_F(Defer, RunsACronJobByItsUrlOrTheBeginningOfItsId) {
  const std::string jobs = std::string(R"({"jobs":[)") + cron_job + "," + cron_poll + "]}";
  const std::string run_path =
      "POST /v1/queues/__cron/tasks/1f0c2a7e8b9d0c1e2f3a4b5c6d7e8f90:run {}";
  for (const char* job : {"/tasks/summary", "1f0c2", "1f0c2a7e8b9d0c1e2f3a4b5c6d7e8f90"}) {
    server_.answer(200, jobs);
    server_.answer(200, "{}");
    EXPECT_EQ(run({"cron", "run", job}), exit_done) << job;
    EXPECT_EQ(server_.asked.back(), run_path);
    EXPECT_EQ(out(), "job 1f0c2a7e: started\n");
  }
  server_.answer(200, jobs);
  EXPECT_EQ(run({"cron", "run", "1f0c"}), exit_refused);
  EXPECT_THAT(err(), HasSubstr("2 jobs are 1f0c"));
  server_.answer(200, jobs);
  EXPECT_EQ(run({"cron", "run", "/other"}), exit_refused);
  EXPECT_THAT(err(), HasSubstr("no job /other"));
}

TEST(Printable, KeepsTextAndDropsWhatSteersATerminal) {
  EXPECT_EQ(printable("grün\x1b[2J\n"), "grün?[2J?");
  EXPECT_EQ(printable("a\xC2\x9B"
                      "31mb"),
            "a?31mb");
  EXPECT_EQ(printable("abcdef", 4), "abc…");
  EXPECT_EQ(printable("üüüü", 4), "üüüü");
  EXPECT_EQ(printable("üüüüü", 4), "üüü…");
}

TEST(Relative, SaysHowFar) {
  constexpr std::int64_t now = 1'800'000'000'000'000;  // 2027-01-15T08:00:00Z
  EXPECT_EQ(relative("2027-01-15T08:00:00Z", now), "now");
  EXPECT_EQ(relative("2027-01-15T08:00:00.9Z", now), "now");
  EXPECT_EQ(relative("2027-01-15T08:00:01.98Z", now), "in 2s");
  EXPECT_EQ(relative("2027-01-15T09:10:05Z", now), "in 1h10m");
  EXPECT_EQ(relative("2027-01-12T07:10:05Z", now), "3d ago");
  EXPECT_EQ(relative("soon", now), "soon");
}

TEST_F(Defer, CallsAreMadeWithTheKeyOfTheVariableOrTheFile) {
  const std::string file = testing::TempDir() + "defer_key_" + std::to_string(getpid());
  std::ofstream(file) << "deferd_of_file\n";
  server_.answer(200, R"({"queues":[]})");
  EXPECT_EQ(run({"queues", "ls"}), exit_done);
  variables_["DEFERD_KEY"] = "deferd_of_variable";
  server_.answer(200, R"({"queues":[]})");
  EXPECT_EQ(run({"queues", "ls"}), exit_done);
  server_.answer(200, R"({"queues":[]})");
  EXPECT_EQ(run({"queues", "ls", "--key-file", file}), exit_done);
  variables_["DEFERD_KEY_FILE"] = file;
  server_.answer(200, R"({"queues":[]})");
  EXPECT_EQ(run({"queues", "ls"}), exit_done);
  EXPECT_THAT(server_.keys,
              ElementsAre("", "deferd_of_variable", "deferd_of_file", "deferd_of_file"));
  std::ofstream(file) << "two\nlines\n";
  EXPECT_EQ(run({"queues", "ls"}), exit_usage);
  EXPECT_THAT(err_.str(), Not(HasSubstr("two")));
  std::filesystem::remove(file);
  EXPECT_EQ(run({"queues", "ls"}), exit_usage);
  EXPECT_THAT(err_.str(), HasSubstr("--key-file"));
}

TEST_F(Defer, AKeyIsMadeWithoutAServer) {
  EXPECT_EQ(run({"key", "new", "web@shop.example", "--role", "enqueuer", "--project", "shop",
                 "--queue", "emails", "--table"}),
            exit_done);
  EXPECT_THAT(server_.asked, IsEmpty());
  EXPECT_THAT(out_.str(), StartsWith("key: deferd_"));
  EXPECT_THAT(out_.str(), HasSubstr("  - name: web@shop.example\n    sha256: "));
  EXPECT_THAT(out_.str(),
              HasSubstr("    roles: [enqueuer]\n    project: shop\n    queues: [emails]\n"));
  EXPECT_EQ(run({"key", "new", "ops", "--json"}), exit_done);
  const auto made = boost::json::parse(out_.str()).as_object();
  EXPECT_EQ(made.at("name").as_string(), "ops");
  EXPECT_EQ(made.at("sha256").as_string().size(), 64U);
  EXPECT_EQ(run({"key", "new", "ops", "--role", "boss"}), exit_usage);
  EXPECT_THAT(err_.str(), HasSubstr("\"boss\" is none of viewer, enqueuer"));
  EXPECT_EQ(run({"key", "new", "ops", "--queue", "q"}), exit_usage);
  EXPECT_EQ(run({"key", "new", "a: b"}), exit_usage);
}

}  // namespace
}  // namespace deferd::cli
