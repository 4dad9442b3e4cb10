// The work loop between a server that the test plays and sandboxes that end when it says so.
#include "worker/work_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>

namespace deferd {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto awaiting = asio::as_tuple(asio::use_awaitable);

LeasedTask task(const std::string& id) {
  LeasedTask one;
  one.id = id;
  one.token = "t" + id;
  one.attempt = 1;
  return one;
}

class FakeLink final : public QueueLink {
 public:
  explicit FakeLink(asio::io_context& io)
      : changed_(io, asio::steady_timer::time_point::max()),
        ended_(io, asio::steady_timer::time_point::max()),
        held_(io, asio::steady_timer::time_point::max()) {}

  Co<Result<std::vector<LeasedTask>>> lease(std::uint32_t tasks_max, Micros, Micros) override {
    while (due.empty() && !stopped_) (void)co_await changed_.async_wait(awaiting);
    std::vector<LeasedTask> tasks;
    while (!due.empty() && tasks.size() < tasks_max) {
      tasks.push_back(due.front());
      due.pop_front();
    }
    leases.push_back(tasks.size());
    co_return tasks;
  }
  Co<Result<std::vector<std::optional<Error>>>> renew(std::vector<TaskRef> tasks, Micros) override {
    std::vector<std::optional<Error>> answers;
    for (const TaskRef& one : tasks) {
      auto& answer = answers.emplace_back();
      if (gone.contains(one.id)) answer = Error{Reason::task_missing, "gone", "", std::nullopt};
    }
    renewals.push_back(tasks.size());
    co_return answers;
  }
  Co<Result<std::vector<Error>>> end(TaskReport::Verb verb, std::vector<std::string_view> items,
                                     std::optional<Micros> delay) override {
    delays.push_back(delay);
    std::vector<std::string> call;
    for (const std::string_view item : items) call.emplace_back(item);
    ends.emplace_back(verb, call);
    if (hold) (void)co_await held_.async_wait(awaiting);
    if (failures > 0) {
      --failures;
      co_return fail(Reason::timeout, "the server is away");
    }
    co_return std::vector<Error>();
  }
  Co<Result<std::vector<std::string>>> watch(std::vector<std::string> ids, Micros) override {
    watches.push_back(ids);
    cut_ = false;
    while (!cut_) {
      std::vector<std::string> ended;
      for (const std::string& id : ids) {
        if (gone.contains(id)) ended.push_back(id);
      }
      if (!ended.empty()) co_return ended;
      (void)co_await ended_.async_wait(awaiting);
    }
    co_return fail(Reason::stopping, "cut short");
  }
  void cut_watch() override {
    cut_ = true;
    ended_.cancel();
  }
  void stop_waiting() override {
    stopped_ = true;
    changed_.cancel();
  }

  void add(const std::string& id) {
    due.push_back(task(id));
    changed_.cancel();
  }
  void cancel(const std::string& id) {
    gone.insert(id);
    ended_.cancel();
  }
  void answer_ends() {
    hold = false;
    held_.cancel();
  }

  std::deque<LeasedTask> due;
  std::set<std::string> gone;
  std::vector<std::size_t> leases;
  std::vector<std::size_t> renewals;
  std::vector<std::pair<TaskReport::Verb, std::vector<std::string>>> ends;
  std::vector<std::optional<Micros>> delays;  // of `ends`
  std::vector<std::vector<std::string>> watches;
  bool hold = false;  // end() waits for answer_ends()
  int failures = 0;

 private:
  asio::steady_timer changed_;
  asio::steady_timer ended_;
  asio::steady_timer held_;
  bool stopped_ = false;
  bool cut_ = false;
};

class FakeSandboxes final : public Sandboxes {
 public:
  std::vector<std::string> enforcement() const override { return {}; }
  std::uint64_t start(SandboxJob job, Callback<void(SandboxExit)> done) override {
    running.emplace(job.task.id, std::pair{++last_, std::move(done)});
    return last_;
  }
  void kill(std::uint64_t run) override {
    for (auto& [id, one] : running) {
      if (one.first == run) {
        killed.push_back(id);
        return end(id, ExitCause::killed, 0);
      }
    }
  }
  void end(const std::string& id, ExitCause cause, int code,
           std::optional<Micros> retry_after = std::nullopt) {
    auto done = std::move(running.at(id).second);
    running.erase(id);
    SandboxExit exit;
    exit.cause = cause;
    exit.code = code;
    exit.retry_after = retry_after;
    exit.usage.wall = Millis(1);
    done(std::move(exit));
  }

  std::map<std::string, std::pair<std::uint64_t, Callback<void(SandboxExit)>>> running;
  std::vector<std::string> killed;

 private:
  std::uint64_t last_ = 0;
};

class WorkLoopTest : public testing::Test {
 protected:
  void start(std::uint32_t concurrency, Micros lease = Seconds(60)) {
    WorkOptions options;
    options.queue = "q";
    options.concurrency = concurrency;
    options.lease = lease;
    loop_ = WorkLoop::start(io_, options, link_, sandboxes_, [this] { idle_ = true; });
    io_.poll();
  }
  template <class Condition>
  void until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < end)
      io_.run_one_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(condition());
  }
  void finish() {
    loop_->drain();
    until([this] { return idle_; });
  }

  asio::io_context io_;
  FakeLink link_{io_};
  FakeSandboxes sandboxes_;
  std::unique_ptr<WorkLoop> loop_;
  bool idle_ = false;
};

TEST_F(WorkLoopTest, AnEndIsToldWithItsReport) {
  link_.add("1");
  start(1);
  sandboxes_.end("1", ExitCause::signalled, 0);
  until([this] { return link_.ends.size() == 1; });
  EXPECT_EQ(link_.ends[0].first, TaskReport::Verb::release);
  EXPECT_THAT(link_.ends[0].second,
              ElementsAre(HasSubstr(R"("id":"1","lease_token":"t1","error":"killed by signal)")));
  finish();
}

TEST_F(WorkLoopTest, WhileOneCallIsUnderWayTheNextOneGathers) {
  for (const char* id : {"1", "2", "3", "4"}) link_.add(id);
  link_.hold = true;
  start(4);
  for (const char* id : {"1", "2", "3", "4"}) {
    sandboxes_.end(id, ExitCause::exited, 0);
    io_.poll();
  }
  ASSERT_EQ(link_.ends.size(), 1U);
  link_.answer_ends();
  until([this] { return link_.ends.size() == 2; });
  EXPECT_EQ(link_.ends[0].second.size(), 1U);
  EXPECT_EQ(link_.ends[1].second.size(), 3U);
  finish();
}

TEST_F(WorkLoopTest, WhatIsReleasedInOneCallHasOneDelay) {
  for (const char* id : {"1", "2", "3", "4", "5"}) link_.add(id);
  link_.hold = true;
  start(5);
  sandboxes_.end("1", ExitCause::exited, 1);
  sandboxes_.end("2", ExitCause::exited, 1, Seconds(90));
  sandboxes_.end("3", ExitCause::exited, 1, Seconds(90));
  sandboxes_.end("4", ExitCause::exited, 1);
  sandboxes_.end("5", ExitCause::exited, 1, Seconds(5));
  io_.poll();
  link_.answer_ends();
  until([this] { return link_.ends.size() == 4; });
  EXPECT_THAT(link_.delays, ElementsAre(std::nullopt, Seconds(90), std::nullopt, Seconds(5)));
  EXPECT_EQ(link_.ends[1].second.size(), 2U);
  finish();
}

TEST_F(WorkLoopTest, AReportThatIsNotAnsweredIsToldAgain) {
  link_.add("1");
  link_.failures = 2;
  start(1);
  sandboxes_.end("1", ExitCause::exited, 0);
  until([this] { return link_.ends.size() == 3; });
  finish();
}

TEST_F(WorkLoopTest, ACancelledTaskIsKilledAndNothingIsToldOfIt) {
  link_.add("1");
  link_.add("2");
  start(2);
  until([this] { return !link_.watches.empty() && link_.watches.back().size() == 2; });
  link_.cancel("1");
  until([this] { return !sandboxes_.killed.empty(); });
  EXPECT_THAT(sandboxes_.killed, ElementsAre("1"));
  sandboxes_.end("2", ExitCause::exited, 0);
  finish();
  ASSERT_EQ(link_.ends.size(), 1U);
  EXPECT_THAT(link_.ends[0].second, ElementsAre(HasSubstr(R"("id":"2")")));
}

TEST_F(WorkLoopTest, OneThatIsLongAtWorkJoinsThoseThatAreWatched) {
  link_.add("1");
  start(2);
  until([this] { return !link_.watches.empty(); });
  link_.add("2");
  until([this] { return link_.watches.back().size() == 2; });
  for (const char* id : {"1", "2"}) sandboxes_.end(id, ExitCause::exited, 0);
  finish();
}

TEST_F(WorkLoopTest, LeasesAreRenewedTogetherAndALostOneIsKilled) {
  link_.add("1");
  link_.add("2");
  start(2, Millis(300));
  until([this] { return link_.renewals.size() >= 3; });
  EXPECT_EQ(link_.renewals.back(), 2U);
  link_.gone.insert("2");
  until([this] { return !sandboxes_.killed.empty(); });
  EXPECT_THAT(sandboxes_.killed, ElementsAre("2"));
  sandboxes_.end("1", ExitCause::exited, 0);
  finish();
}

TEST_F(WorkLoopTest, ShortTasksAreLeasedAheadAndGivenBackByADrain) {
  for (int i = 0; i < 100; ++i) link_.add(std::to_string(i));
  start(1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(sandboxes_.running.size(), 1U);
    sandboxes_.end(sandboxes_.running.begin()->first, ExitCause::exited, 0);
    io_.poll();
  }
  EXPECT_THAT(link_.leases, testing::Contains(2U));
  sandboxes_.end(sandboxes_.running.begin()->first, ExitCause::exited, 0);
  loop_->drain();
  while (!sandboxes_.running.empty())
    sandboxes_.end(sandboxes_.running.begin()->first, ExitCause::exited, 0);
  until([this] { return idle_; });
  std::size_t told = 0;
  for (const auto& [verb, items] : link_.ends) told += items.size();
  EXPECT_EQ(told + link_.due.size(), 100U) << "each was told of, or not leased";
}

}  // namespace
}  // namespace deferd
