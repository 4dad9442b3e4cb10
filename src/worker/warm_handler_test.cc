// What is a warm handler's alone: how its tasks are told to it and what they tell, and what becomes
// of one that fails. sandbox_test.cc and hostile_test.cc have what its tasks share with programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "worker/sandbox.h"
#include "worker/testing/sandbox_fixture.h"

namespace deferd {
namespace {

using testing::HasSubstr;

class WarmTest : public SandboxFixture {
 protected:
  void SetUp() override { make(warm_sample()); }
};

TEST_F(WarmTest, PayloadGoesInAndOutputComesOut) {
  const SandboxExit exit = run_warm("hello");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "hello");
}

TEST_F(WarmTest, APayloadMayBeLargerThanAPipe) {
  SandboxOptions options = warm_sample();
  options.limits.output_bytes = 2 << 20;
  make(std::move(options));
  const std::string large(1 << 20, 'x');
  EXPECT_TRUE(run_warm(large).output == large);
}

TEST_F(WarmTest, ItKnowsItsTask) {
  EXPECT_EQ(run_warm("facts").output, "mail 00000000000000000007 seven 3 1");
}

TEST_F(WarmTest, ItSaysWhatItsResultIsAndWhyItFailed) {
  EXPECT_EQ(run_warm("json").content_type, "application/json");
  const SandboxExit exit = run_warm("error");
  EXPECT_TRUE(exited(exit, 3));
  EXPECT_EQ(exit.error, "it went wrong");
  EXPECT_FALSE(exit.retry_after);
}

TEST_F(WarmTest, ItSaysWhenItIsToBeTriedAgain) {
  const SandboxExit exit = run_warm("later");
  EXPECT_TRUE(exited(exit, 1));
  EXPECT_EQ(exit.retry_after, Seconds(90));
}

TEST_F(WarmTest, ASignalOfItsOwnIsTold) {
  const SandboxExit exit = run_warm("abort");
  EXPECT_TRUE(ended(exit, ExitCause::signalled));
  EXPECT_EQ(exit.signal, SIGABRT);
}

TEST_F(WarmTest, AFloodToldOfItselfIsCutOff) {
  EXPECT_TRUE(exited(run_warm("tell too much"), 0));
  EXPECT_EQ(run_warm("fine").output, "fine");
}

// The handler has a file open, on purpose without O_CLOEXEC.
TEST_F(WarmTest, NoDescriptorOfTheHandlersIsOpenInItsFork) {
  EXPECT_THAT(run_warm("descriptors").output,
              testing::MatchesRegex("0 /dev/null\n1 pipe:.*\n2 pipe:.*\n3 pipe:.*\n"));
}

TEST_F(WarmTest, AHandlerThatCannotLoadGivesItsTasksBack) {
  SandboxOptions options = warm_sample();
  options.command = {"/bin/sh", "-c", "exit 3"};
  make(std::move(options));
  const SandboxExit exit = run_warm("x");
  EXPECT_TRUE(ended(exit, ExitCause::not_started));
  EXPECT_THAT(exit.detail, HasSubstr("it is to call deferd_warm_next()"));
  EXPECT_FALSE(sandboxes_->ready());
}

TEST_F(WarmTest, ForksThatEndBeforeTheirTaskComesAreMadeAgain) {
  EXPECT_EQ(run_warm("before").output, "before");
  kill_descendants("warm_sample");  // the loaded one, and its forks that wait
  io_.restart();
  while (sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  while (!sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  EXPECT_EQ(run_warm("after").output, "after");
}

}  // namespace
}  // namespace deferd
