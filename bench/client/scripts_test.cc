// Each script against answers that come byte by byte: the round must end exactly with the last one.

#include <gtest/gtest.h>

#include <string>

#include "bench/client/script.h"

namespace deferd::bench {
namespace {

// What a script says next, when it hears `answer` one byte more at a time. Fails if the round ends
// before the last.
struct Heard {
  std::string said;
  bool round_done = false;
  std::uint32_t tasks = 0;
};

Heard hear_slowly(Script& script, std::string_view answer) {
  Heard result;
  std::string in;
  for (const char c : answer) {
    EXPECT_FALSE(result.round_done) << "before all was heard: " << in;
    in += c;
    const Script::Heard heard = script.hear(in, result.said);
    in.erase(0, heard.bytes);
    result.round_done = heard.round_done;
    result.tasks = heard.tasks;
  }
  EXPECT_EQ(in, "");
  return result;
}

std::string http_answer(std::string_view start, std::string_view body) {
  return "HTTP/1.1 " + std::string(start) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

ScriptOptions options_of(Target target, std::uint32_t batch) {
  return {.target = target, .batch = batch, .payload_bytes = 4, .queue = "q"};
}

TEST(AppEngineScripts, TheLengthOfABatchIsThatOfItsBodyAndEachTaskMustBeAccepted) {
  const auto script = make_script(options_of(Target::appengine, 2), Role::producer, 0);
  std::string said;
  script->say(said);
  const std::size_t body = said.find("\r\n\r\n") + 4;
  EXPECT_NE(said.find("Content-Length: " + std::to_string(said.size() - body) + "\r\n"),
            std::string::npos)
      << said;
  // response { TaskResult { OK, chosen "ab" } TaskResult { OK, chosen "cd" } }
  const std::string both(
      "\x0a\x10\x0b\x10\x00\x1a\x02"
      "ab\x0c\x0b\x10\x00\x1a\x02"
      "cd\x0c",
      18);
  const Heard heard = hear_slowly(*script, http_answer("200 OK", both));
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(script->error(), "");
  EXPECT_EQ(heard.tasks, 2u);
  // The second is a duplicate (10), and has no chosen name.
  const std::string one(
      "\x0a\x0c\x0b\x10\x00\x1a\x02"
      "ab\x0c\x0b\x10\x0a\x0c",
      14);
  EXPECT_EQ(hear_slowly(*script, http_answer("200 OK", one)).tasks, 0u);
  EXPECT_NE(script->error(), "");
  // application_error { 1, "" }
  const std::string refused("\x1a\x04\x08\x01\x12\x00", 6);
  EXPECT_EQ(hear_slowly(*script, http_answer("200 OK", refused)).tasks, 0u);
}

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint8_t stream,
                  std::string_view payload) {
  std::string out = {
      0, 0, static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags), 0,
      0, 0, static_cast<char>(stream)};
  return out.append(payload);
}

TEST(CloudTasksScripts, AGrpcCallEndsWithItsStreamAndNeedsAMessage) {
  constexpr std::uint8_t data = 0, headers = 1, settings = 4, ping = 6, end = 1, ack = 1;
  const auto script = make_script(options_of(Target::grpc_create, 1), Role::producer, 0);
  std::string said;
  script->say(said);
  EXPECT_TRUE(said.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  Heard heard = hear_slowly(*script, frame(settings, 0, 0, "") + frame(ping, 0, 0, "12345678") +
                                         frame(headers, 4, 1, "head") +
                                         frame(data, 0, 1, std::string_view("\0\0\0\0\1x", 6)) +
                                         frame(headers, end, 1, "status"));
  EXPECT_EQ(heard.said, frame(settings, ack, 0, "") + frame(ping, ack, 0, "12345678"));
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(heard.tasks, 1u);
  EXPECT_EQ(script->error(), "");

  script->say(said);
  heard = hear_slowly(*script, frame(headers, end, 3, "status 8"));
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(heard.tasks, 0u);
  EXPECT_EQ(script->error(), "refused: status 8");
}

TEST(CloudTasksScripts, TheLengthOfARestCallIsThatOfItsBody) {
  const auto script = make_script(options_of(Target::rest_create, 1), Role::producer, 0);
  std::string said;
  script->say(said);
  const std::size_t body = said.find("\r\n\r\n") + 4;
  EXPECT_NE(said.find("Content-Length: " + std::to_string(said.size() - body) + "\r\n"),
            std::string::npos)
      << said;
  EXPECT_EQ(hear_slowly(*script, http_answer("200 OK", "{}")).tasks, 1u);
  EXPECT_EQ(hear_slowly(*script, http_answer("404 Not Found", "no")).tasks, 0u);
  EXPECT_EQ(script->error(), "no");
}

TEST(DeferdScripts, TheLengthOfABatchIsThatOfItsBody) {
  const auto script = make_script(options_of(Target::deferd, 3), Role::producer, 0);
  std::string said;
  script->say(said);
  const std::size_t body = said.find("\r\n\r\n") + 4;
  EXPECT_NE(said.find("Content-Length: " + std::to_string(said.size() - body) + "\r\n"),
            std::string::npos)
      << said;
  const Heard heard = hear_slowly(*script, http_answer("200 OK", R"({"results":[{},{},{}]})"));
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(heard.tasks, 3u);
}

TEST(DeferdScripts, ARefusedTaskOfABatchIsAnError) {
  const auto script = make_script(options_of(Target::deferd, 2), Role::producer, 0);
  std::string said;
  script->say(said);
  const Heard heard =
      hear_slowly(*script, http_answer("200 OK", R"({"results":[{},{"error":{"code":429}}]})"));
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(heard.tasks, 0u);
  EXPECT_NE(script->error(), "");
}

TEST(DeferdScripts, WhatWasLeasedIsAcked) {
  const auto script = make_script(options_of(Target::deferd, 2), Role::consumer, 0);
  std::string said;
  script->say(said);
  const Heard leased = hear_slowly(
      *script,
      http_answer(
          "200 OK",
          R"({"tasks":[{"id":"01","lease_token":7,"body":"x"},{"lease_token":8,"id":"02"}]})"));
  EXPECT_FALSE(leased.round_done);
  EXPECT_NE(
      leased.said.find(R"({"tasks":[{"id":"01","lease_token":7},{"id":"02","lease_token":8}]})"),
      std::string::npos)
      << leased.said;
  const Heard acked = hear_slowly(*script, http_answer("200 OK", "{}"));
  EXPECT_TRUE(acked.round_done);
  EXPECT_EQ(acked.tasks, 2u);
}

TEST(DeferdScripts, ARefusedAckIsAnError) {
  const auto script = make_script(options_of(Target::deferd, 1), Role::consumer, 0);
  std::string said;
  script->say(said);
  hear_slowly(*script, http_answer("200 OK", R"({"tasks":[{"id":"01","lease_token":"7"}]})"));
  const Heard acked =
      hear_slowly(*script, http_answer("200 OK", R"({"results":[{"error":{"code":409}}]})"));
  EXPECT_TRUE(acked.round_done);
  EXPECT_EQ(acked.tasks, 0u);
  EXPECT_NE(script->error(), "");
}

TEST(DeferdScripts, ALeaseOfNothingEndsTheRound) {
  const auto script = make_script(options_of(Target::deferd, 2), Role::consumer, 0);
  std::string said;
  script->say(said);
  const Heard leased = hear_slowly(*script, http_answer("200 OK", R"({"tasks":[]})"));
  EXPECT_TRUE(leased.round_done);
  EXPECT_EQ(leased.tasks, 0u);
  EXPECT_EQ(leased.said, "");
}

TEST(RedisScripts, AListRoundEndsWithTheDeletionOfWhatWasMoved) {
  const auto script = make_script(options_of(Target::redis_list, 2), Role::consumer, 5);
  std::string said;
  script->say(said);
  const Heard moved = hear_slowly(*script, "$4\r\nabcd\r\n$-1\r\n");
  EXPECT_FALSE(moved.round_done);
  EXPECT_EQ(moved.said, "*2\r\n$3\r\nDEL\r\n$9\r\nq:taken:5\r\n");
  const Heard deleted = hear_slowly(*script, ":1\r\n");
  EXPECT_TRUE(deleted.round_done);
  EXPECT_EQ(deleted.tasks, 1u);
}

TEST(RedisScripts, AStreamRoundAcknowledgesAndDeletesByIds) {
  const auto script = make_script(options_of(Target::redis_stream, 100), Role::consumer, 0);
  std::string said;
  script->say(said);
  const Heard read =
      hear_slowly(*script,
                  "*1\r\n*2\r\n$1\r\nq\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\np\r\n$2\r\nxx\r\n"
                  "*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\np\r\n$2\r\nyy\r\n");
  EXPECT_EQ(read.said,
            "*5\r\n$4\r\nXACK\r\n$1\r\nq\r\n$5\r\nbench\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n"
            "*4\r\n$4\r\nXDEL\r\n$1\r\nq\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n");
  const Heard finished = hear_slowly(*script, ":2\r\n:2\r\n");
  EXPECT_TRUE(finished.round_done);
  EXPECT_EQ(finished.tasks, 2u);
}

TEST(RedisScripts, AnErrorInAPipelineCountsNoTask) {
  const auto script = make_script(options_of(Target::redis_stream, 2), Role::producer, 0);
  std::string said;
  script->say(said);
  const Heard heard = hear_slowly(*script, "$3\r\n1-1\r\n-OOM no memory\r\n");
  EXPECT_TRUE(heard.round_done);
  EXPECT_EQ(heard.tasks, 0u);
  EXPECT_EQ(script->error(), "-OOM no memory\r\n");
}

TEST(BeanstalkdScripts, AllReservedJobsAreDeleted) {
  const auto script = make_script(options_of(Target::beanstalkd, 2), Role::consumer, 0);
  std::string said;
  script->say(said);
  EXPECT_EQ(said, "reserve\r\nreserve\r\n");
  const Heard reserved = hear_slowly(*script, "RESERVED 7 4\r\nab\r\n\r\nRESERVED 8 2\r\ncd\r\n");
  EXPECT_EQ(reserved.said, "delete 7\r\ndelete 8\r\n");
  const Heard deleted = hear_slowly(*script, "DELETED\r\nDELETED\r\n");
  EXPECT_TRUE(deleted.round_done);
  EXPECT_EQ(deleted.tasks, 2u);
}

}  // namespace
}  // namespace deferd::bench
