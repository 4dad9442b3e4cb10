#include <gtest/gtest.h>

#include "api/native/native.h"
#include "engine/callbacks.h"
#include "model/push_request.h"

namespace deferd::native {
namespace {

TEST(CallbackTasks, PostWhatBecameOfATask) {
  Task task;
  TaskOptions options;
  options.callback_url = "https://example.com/done";
  task.options = std::make_shared<const TaskOptions>(options);
  Outcome outcome;
  outcome.id = TaskId{7};
  outcome.name = "n";
  outcome.state = OutcomeState::failed;
  outcome.reason = DeathReason::attempts;
  outcome.created = wall_from_micros(1'800'000'000'000'000);
  outcome.ended = outcome.created + Seconds(1);
  outcome.attempts = 3;
  outcome.last_status = status_timeout;
  outcome.error = "no answer within 5s";

  const NewTask callback =
      make_native_callbacks()->callback_for({"default", "local", "mail"}, task, outcome);
  EXPECT_TRUE(callback.has_target);
  EXPECT_EQ(callback.options, nullptr);
  const auto request = decode_push_request(*callback.payload);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, HttpMethod::post);
  EXPECT_EQ(request->url, "https://example.com/done");
  ASSERT_EQ(request->headers.size(), 1u);
  EXPECT_EQ(request->headers[0].second, "application/json");
  EXPECT_EQ(
      request->body,
      R"({"queue":"mail","id":"00000000000000000007","name":"n","state":"failed","attempts":3,)"
      R"("created":"2027-01-15T08:00:00.000000Z","ended":"2027-01-15T08:00:01.000000Z",)"
      R"("last_failure":"timeout","reason":"attempts","error":"no answer within 5s"})");
}

}  // namespace
}  // namespace deferd::native
