#include "model/outcome.h"

#include <gtest/gtest.h>

namespace deferd {
namespace {

AttemptUsage some_usage() {
  return {.cpu = Millis(30),
          .wall = Seconds(2),
          .memory_peak_bytes = 7 << 20,
          .cause = ExitCause::signalled,
          .code = 0,
          .signal = 11};
}

Outcome some_outcome() {
  Outcome outcome;
  outcome.id = TaskId{1'700'000'000'000'000};
  outcome.name = "welcome-17";
  outcome.state = OutcomeState::failed;
  outcome.reason = DeathReason::poison;
  outcome.created = wall_from_micros(10);
  outcome.ended = wall_from_micros(20);
  outcome.kept_until = wall_from_micros(30);
  outcome.attempts = 3;
  outcome.last_status = status_released;
  outcome.error = "killed by signal 11";
  outcome.worker = "host/42";
  outcome.usage = some_usage();
  outcome.result = ResultBody{{{"Content-Type", "text/plain"}}, "so far", true};
  return outcome;
}

TEST(Outcome, ComesBackAsItWas) {
  const Outcome outcome = some_outcome();
  EXPECT_EQ(decode_outcome(encode(outcome)).value(), outcome);
  EXPECT_EQ(decode_outcome(encode(Outcome())).value(), Outcome());
}

TEST(Outcome, OneThatIsCutShortIsDamaged) {
  const std::string bytes = encode(some_outcome());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_outcome(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_outcome(bytes + "x"));
}

TEST(AttemptRecord, ComesBackAsItWas) {
  AttemptRecord record;
  record.attempt = 2;
  record.started = wall_from_micros(1'000);
  record.took = Millis(1500);
  record.status = 503;
  record.error = "busy";
  record.worker = "host/42";
  record.log = "line\nline\n";
  record.usage = some_usage();
  const std::string bytes = encode(record);
  EXPECT_EQ(decode_attempt_record(bytes).value(), record);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_attempt_record(std::string_view(bytes).substr(0, size))) << size;
}

TEST(ExitCause, WordsAreUnderstoodAgain) {
  for (int i = 0; i < exit_cause_count; ++i) {
    const auto cause = static_cast<ExitCause>(i);
    EXPECT_EQ(parse_exit_cause(to_string(cause)), cause);
  }
  EXPECT_EQ(parse_exit_cause("tired"), std::nullopt);
}

}  // namespace
}  // namespace deferd
