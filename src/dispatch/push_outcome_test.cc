// From a push to the outcome that is kept of its task, through the engine.
#include <gtest/gtest.h>

#include "dispatch/testing/push_fixture.h"

namespace deferd {
namespace {

class PushOutcomeTest : public PushTest {
 protected:
  void SetUp() override {
    start({});
    queue("q", eager());
  }
  TaskId add_keeping(const PushRequest& request) {
    TaskOptions options;
    options.keep_result = Seconds(60);
    options.result_headers = {"X-One"};
    return add("q", request, options);
  }
  Outcome outcome(TaskId id) {
    GetOutcomes command{.queue = *QueueName::parse("shop", "l", "q"), .tasks = {TaskRef(id)}};
    command.wait = outcome_wait_max;
    auto items = ask<std::vector<Result<GetOutcomes::Item>>>(std::move(command));
    if (items && items->at(0) && items->at(0)->outcome) return *items->at(0)->outcome;
    ADD_FAILURE() << "there is no outcome";
    return {};
  }
};

TEST_F(PushOutcomeTest, HoldsTheResponseOfTheLastAttempt) {
  Handler handler({answer(503, "X-One: no\r\n", "not yet"),
                   answer(200, "X-One: yes\r\nContent-Type: text/plain\r\n", "done")});
  const Outcome kept = outcome(add_keeping(post(handler.url())));
  EXPECT_EQ(kept.state, OutcomeState::succeeded);
  EXPECT_EQ(kept.attempts, 2u);
  EXPECT_EQ(kept.last_status, 200);
  ASSERT_TRUE(kept.result.has_value());
  EXPECT_EQ(kept.result->body, "done");
  EXPECT_EQ(kept.result->headers, (std::vector<std::pair<std::string, std::string>>{
                                      {"X-One", "yes"}, {"Content-Type", "text/plain"}}));
}

TEST_F(PushOutcomeTest, OfACancelledTaskComesAtOnceAndItsConnectionIsClosed) {
  Seen<std::string> seen;
  ScriptedServer server([&](Peer& peer) {
    SeenRequest request;
    if (!peer.read_request(request)) return;
    seen.put("asked");
    peer.wait_until_closed();
    seen.put("closed");
  });
  const TaskId id = add_keeping(post(server.url()));
  EXPECT_EQ(seen.take(), "asked");
  CancelTasks command{.queue = *QueueName::parse("shop", "l", "q"), .tasks = {TaskRef(id)}};
  const auto cancelled = ask<std::vector<Result<TaskInfo>>>(std::move(command));
  ASSERT_TRUE(cancelled && cancelled->at(0));
  EXPECT_EQ(seen.take(), "closed");
  EXPECT_EQ(outcome(id).state, OutcomeState::cancelled);
  wait_until([&] { return dispatcher_->stats().cancelled == 1; });
}

}  // namespace
}  // namespace deferd
