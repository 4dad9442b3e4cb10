// What is a warm handler's alone: how its tasks are told to it and what they tell, and what becomes
// of one that fails. sandbox_test.cc and hostile_test.cc have what its tasks share with programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

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

// The loaded handler and its forks that wait are killed: of our own descendants, those of its name.
void kill_handlers() {
  namespace fs = std::filesystem;
  const auto parent_of = [](const std::string& process) {
    std::ifstream status("/proc/" + process + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("PPid:")) return std::to_string(std::stoi(line.substr(5)));
    }
    return std::string("0");
  };
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string process = entry.path().filename().string();
    std::ifstream comm(entry.path() / "comm");
    std::string name;
    if (!std::getline(comm, name) || name != "warm_sample") continue;
    std::string above = process;
    while (above != "0" && above != std::to_string(::getpid())) above = parent_of(above);
    if (above != "0") ::kill(std::stoi(process), SIGKILL);
  }
}

TEST_F(WarmTest, ForksThatEndBeforeTheirTaskComesAreMadeAgain) {
  EXPECT_EQ(run_warm("before").output, "before");
  kill_handlers();
  io_.restart();
  while (sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  while (!sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  EXPECT_EQ(run_warm("after").output, "after");
}

}  // namespace
}  // namespace deferd
