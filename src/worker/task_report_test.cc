#include "worker/task_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "worker/utf8.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;
using Verb = TaskReport::Verb;

LeasedTask task(bool keep_result = false) {
  LeasedTask task;
  task.id = "7";
  task.token = "t";
  task.keep_result = keep_result;
  return task;
}
SandboxExit exited(int code) {
  SandboxExit exit;
  exit.cause = ExitCause::exited;
  exit.code = code;
  exit.usage = {Millis(12), 3 << 20, Millis(40)};
  return exit;
}
TaskReport report(const LeasedTask& of, const SandboxExit& exit) {
  return make_report(of, exit, Limits(), 65);
}
std::string text(const boost::json::value& value) { return boost::json::serialize(value); }

TEST(TaskReport, TheExitCodeIsTheVerb) {
  EXPECT_EQ(report(task(), exited(0)).verb, Verb::ack);
  EXPECT_EQ(report(task(), exited(65)).verb, Verb::fail);
  EXPECT_EQ(report(task(), exited(1)).verb, Verb::release);
  SandboxExit killed = exited(0);
  killed.cause = ExitCause::out_of_memory;
  EXPECT_EQ(report(task(), killed).verb, Verb::release);
}

TEST(TaskReport, UsageAndCauseGoAlong) {
  const auto item = report(task(), exited(3)).item;
  EXPECT_EQ(text(item.at("usage")),
            R"({"cpu":"12ms","wall":"40ms","memory_peak":3145728,"cause":"exited","code":3})");
  EXPECT_EQ(text(item.at("error")), R"("exit code 3")");
  EXPECT_FALSE(report(task(), exited(0)).item.contains("error"));
}

TEST(TaskReport, TheHandlersOwnWordsCountForMore) {
  SandboxExit exit = exited(1);
  exit.error = "no such customer";
  EXPECT_EQ(text(report(task(), exit).item.at("error")), R"("no such customer")");
}

TEST(TaskReport, AHandlerThatEndedByItselfSaysWhenItIsTriedAgain) {
  SandboxExit exit = exited(1);
  EXPECT_FALSE(report(task(), exit).delay);
  exit.retry_after = Seconds(90);
  EXPECT_EQ(report(task(), exit).delay, Seconds(90));
  exit.code = 0;
  EXPECT_FALSE(report(task(), exit).delay) << "it is done";
  exit.cause = ExitCause::out_of_memory;
  EXPECT_FALSE(report(task(), exit).delay) << "it did not come to its end";
}

TEST(TaskReport, LimitsAreNamed) {
  SandboxExit exit;
  for (const auto& [cause, says] :
       std::to_array<std::pair<ExitCause, const char*>>({{ExitCause::out_of_memory, "256MiB"},
                                                         {ExitCause::wall_time, "10m"},
                                                         {ExitCause::output, "1MiB"}})) {
    exit.cause = cause;
    EXPECT_THAT(describe(exit, Limits()), HasSubstr(says));
  }
}

TEST(TaskReport, AResultIsSentOnlyWhenItIsKept) {
  SandboxExit exit = exited(0);
  exit.output = "[1, 2]";
  EXPECT_FALSE(report(task(), exit).item.contains("result"));
  EXPECT_EQ(text(report(task(true), exit).item.at("result")),
            R"({"content_type":"application/json","body":"[1, 2]"})");
  exit.output = "[1, 2";
  EXPECT_THAT(text(report(task(true), exit).item.at("result")), HasSubstr("text/plain"));
  exit.output = "\xff\x01";
  EXPECT_EQ(text(report(task(true), exit).item.at("result")),
            R"({"content_type":"application/octet-stream","body_base64":"/wE="})");
  exit.content_type = "image/x";
  EXPECT_THAT(text(report(task(true), exit).item.at("result")), HasSubstr("image/x"));
  EXPECT_FALSE(report(task(true), exited(1)).item.contains("result")) << "it is tried again";
}

TEST(TaskReport, ALogIsTextWithinItsBound) {
  SandboxExit exit = exited(0);
  exit.log = "first" + std::string(200'000, '\xff') + "last";
  const std::string log(report(task(), exit).item.at("log").as_string());
  EXPECT_LE(log.size(), log_text_max);
  EXPECT_TRUE(is_utf8(log));
  EXPECT_THAT(log, testing::StartsWith("first"));
  EXPECT_THAT(log, testing::EndsWith("last"));
}

TEST(Utf8, KnowsItFromOtherBytes) {
  for (const char* good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_EQ(to_text("a\xff"
                    "b",
                    100),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace deferd
