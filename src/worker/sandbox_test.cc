// Tasks that mean no harm, of programs and of warm handlers; what is a program's alone; and what
// sandboxes say before there is a task. hostile_test.cc has the others.
#include "worker/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "worker/testing/sandbox_fixture.h"

namespace deferd {
namespace {

using testing::HasSubstr;

// ---- However tasks are run

class HarmlessTest : public EachWayFixture {};
INSTANTIATE_TEST_SUITE_P(Each, HarmlessTest, testing::Bool(), EachWayFixture::name);

TEST_P(HarmlessTest, ItsEnvironmentIsWhatIsGivenAndItsTask) {
  ::setenv("DEFERD_TEST_SECRET", "of the worker", 1);
  make(options());
  EXPECT_EQ(run(shell_job("env | grep -v -e PWD= -e _= | sort")).output,
            "DEFERD_ATTEMPT=3\nDEFERD_QUEUE=mail\nDEFERD_TASK=seven\nHOME=/tmp\n"
            "PATH=/usr/local/bin:/usr/bin:/bin\n");
}

TEST_P(HarmlessTest, ItMayWriteToItsTmpWhichIsItsOwn) {
  SandboxOptions one = options();
  one.concurrency = 1;  // places are used again at once
  make(std::move(one));
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(
        exited(run(shell_job("test ! -e f && echo a >f && cat f && test $(pwd) = /tmp")), 0));
}

TEST_P(HarmlessTest, ASignalOfItsOwnIsTold) {
  const SandboxExit exit = shell("kill -SEGV $$");
  EXPECT_TRUE(ended(exit, ExitCause::signalled));
  EXPECT_EQ(exit.signal, SIGSEGV);
}

TEST_P(HarmlessTest, WhatItUsedIsCounted) {
  const SandboxExit exit = python(
      "import time\n"
      "data = bytearray(24 << 20)\n"
      "end = time.process_time() + 0.2\n"
      "while time.process_time() < end: pass\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_GE(exit.usage.cpu, Millis(200));
  EXPECT_LT(exit.usage.cpu, Seconds(5));
  EXPECT_GE(exit.usage.memory_peak_bytes, 24U << 20);
  EXPECT_LE(exit.usage.memory_peak_bytes, small().memory_bytes);
  EXPECT_GE(exit.usage.wall, Millis(200));
}

TEST_P(HarmlessTest, WhatItUsedIsItsOwn) {
  const SandboxExit big = python("x = bytearray(range(256)) * (1 << 16)");
  EXPECT_GE(big.usage.memory_peak_bytes, 16U << 20);
  const SandboxExit exit = shell("exit 0");
  EXPECT_LT(exit.usage.memory_peak_bytes, 8U << 20);
  EXPECT_LT(exit.usage.cpu, Millis(200));
}

TEST_P(HarmlessTest, ThreadsAndSubprocessesWork) {
  EXPECT_TRUE(
      exited(python("import threading, subprocess\n"
                    "t = threading.Thread(target=print, args=('hi',)); t.start(); t.join()\n"
                    "assert subprocess.check_output(['/bin/echo', 'x']) == b'x\\n'\n"),
             0));
}

TEST_P(HarmlessTest, ManyAtOnceAndOneAfterAnotherDoNotMeet) {
  std::vector<SandboxExit> exits(100);
  for (std::size_t i = 0; i < exits.size(); ++i)
    start(shell_job("echo " + std::to_string(i) + " >/tmp/f" + std::to_string(i) + "; cat /tmp/f*"),
          exits[i]);
  finish();
  for (std::size_t i = 0; i < exits.size(); ++i) {
    EXPECT_TRUE(exited(exits[i], 0));
    EXPECT_EQ(exits[i].output, std::to_string(i) + "\n");
  }
}

TEST_P(HarmlessTest, HundredsRunAtOnce) {
  constexpr std::size_t at_once = 200;
  SandboxOptions many = options();
  many.concurrency = at_once;
  make(std::move(many));
  std::vector<SandboxExit> exits(at_once);
  for (SandboxExit& exit : exits) start(shell_job("sleep 1"), exit);
  finish();
  for (const SandboxExit& exit : exits) EXPECT_TRUE(exited(exit, 0));
}

// Sandboxes whose task has ended take a while to go, and count as long as they are there.
TEST_P(HarmlessTest, ManyShortOnesDoNotOutrunTheEndOfTheirSandboxes) {
  SandboxOptions few = options();
  few.limits.processes = 2;
  make(std::move(few));
  std::vector<SandboxExit> exits(1000);
  for (SandboxExit& exit : exits) start(shell_job("exit 0"), exit);
  finish();
  for (const SandboxExit& exit : exits) EXPECT_TRUE(exited(exit, 0));
}

TEST_P(HarmlessTest, TheSmallestLimitsAreEnoughToStartIt) {
  SandboxOptions few = options();
  few.limits.open_files = 8;
  few.limits.processes = 1;
  few.limits.memory_bytes = 4 << 20;
  few.limits.disk_bytes = 64 << 10;
  make(std::move(few));
  EXPECT_EQ(run(shell_job("ulimit -n")).output, "8\n");
}

TEST_P(HarmlessTest, AKeeperThatEndsTakesWhatRunsAlongAndIsStartedAgain) {
  SandboxExit exit;
  start(shell_job("sleep 3600"), exit);
  io_.run_for(std::chrono::milliseconds(300));
  ASSERT_EQ(kill_descendants("deferd-keeper", true), 1);
  finish();
  EXPECT_TRUE(ended(exit, ExitCause::killed));
  EXPECT_EQ(exit.detail, "somebody else ended the sandbox");
  while (sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  while (!sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  EXPECT_TRUE(exited(shell("exit 7"), 7));
}

TEST_P(HarmlessTest, WhatIsShownInTheMachinesTmpIsThereBesideItsOwn) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("deferd-shown-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "shown");
  std::ofstream(folder / "shown" / "file") << "here";
  std::ofstream(folder / "one") << "one";
  std::ofstream(folder / "other") << "not shown";
  SandboxOptions shows = options();
  shows.show = {(folder / "shown").string(), (folder / "one").string()};
  make(shows);
  EXPECT_EQ(shell("cd " + folder.string() +
                  " && ls && cat shown/file one && echo x >own && cat own && "
                  "{ echo x >shown/file || echo x >one || echo kept; }")
                .output,
            "one\nshown\nhereonex\nkept\n");
  std::filesystem::remove_all(folder);
}

// ---- Programs

class ProgramTest : public SandboxFixture {
 protected:
  void SetUp() override { make(programs()); }

  // A program in a folder of the machine's /tmp that is there as long as this.
  class File {
   public:
    explicit File(const std::string& text)
        : path_(std::filesystem::temp_directory_path() /
                ("deferd-program-" + std::to_string(::getpid()))) {
      std::ofstream(path_) << text;
      std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    ~File() { std::filesystem::remove(path_); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    std::string path() const { return path_.string(); }

   private:
    const std::filesystem::path path_;
  };
  void make_program(const std::string& path) {
    SandboxOptions options = programs();
    options.command = {path};
    make(std::move(options));
  }
};

TEST_F(ProgramTest, InputGoesInAndOutputComesOut) {
  const SandboxExit exit =
      run({"sh", "-c", "cat; echo problem >&2; exit 3"}, std::string(50'000, 'x'));
  EXPECT_TRUE(exited(exit, 3));
  EXPECT_EQ(exit.output, std::string(50'000, 'x'));
  EXPECT_EQ(exit.log, "problem\n");
}

TEST_F(ProgramTest, InputMayBeLargerThanAPipeAndThanItsMemory) {
  const SandboxExit exit = run({"wc", "-c"}, std::string(100 << 20, 'x'));
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "104857600\n");
}

TEST_F(ProgramTest, ItMayLeaveItsInputUnread) {
  EXPECT_TRUE(exited(run({"true"}, std::string(1 << 20, 'x')), 0));
}

TEST_F(ProgramTest, WithoutInputItReadsTheEnd) {
  EXPECT_TRUE(exited(run({"sh", "-c", "test -z \"$(cat)\""}), 0));
}

TEST_F(ProgramTest, ItsArgumentsAreThoseOfTheCommandAndOfTheTask) {
  SandboxOptions options = programs();
  options.command = {"sh", "-c", "printf '[%s]' \"$@\"", "sh", "own"};
  make(options);
  EXPECT_EQ(run({"", "two words", "\n"}).output, "[own][][two words][\n]");
  EXPECT_EQ(run(std::vector<std::string>{}).output, "[own]");
}

TEST_F(ProgramTest, AnArgumentWithAZeroByteIsRefused) {
  const SandboxExit exit = run({"echo", std::string("a\0b", 3)});
  EXPECT_TRUE(ended(exit, ExitCause::not_started));
  EXPECT_EQ(exit.detail, "an argument cannot hold a zero byte");
}

TEST_F(ProgramTest, AnArgumentThatIsTooLongForTheKernelIsTold) {
  const SandboxExit exit = run({"echo", std::string(1 << 20, 'x')});
  EXPECT_TRUE(ended(exit, ExitCause::not_started));
  EXPECT_EQ(exit.detail, "start /usr/bin/env: Argument list too long");
}

TEST_F(ProgramTest, OneInTheMachinesTmpIsShownThere) {
  const File program("#!/bin/sh\necho here; echo x >$0 || echo kept\n");
  make_program(program.path());
  EXPECT_EQ(run(std::vector<std::string>{}).output, "here\nkept\n");
}

TEST_F(ProgramTest, OneThatCannotBeStartedIsTold) {
  const File program("#!/no/such/interpreter\n");
  make_program(program.path());
  const SandboxExit exit = run(std::vector<std::string>{});
  EXPECT_TRUE(ended(exit, ExitCause::not_started));
  EXPECT_EQ(exit.detail, "start " + program.path() + ": No such file or directory");
}

TEST_F(ProgramTest, OneThatIsNoProgramIsTold) {
  const File program("neither a script nor a program\n");
  make_program(program.path());
  EXPECT_THAT(run(std::vector<std::string>{}).detail, HasSubstr("Exec format error"));
}

// ---- Before there is a task

TEST(Sandboxes, SayWhatEnforcesWhat) {
  boost::asio::io_context io;
  auto sandboxes = Sandboxes::make(io, {.command = {"true"}});
  ASSERT_TRUE(sandboxes) << sandboxes.error().message;
  const auto lines = (*sandboxes)->enforcement();
  EXPECT_THAT(lines, testing::Contains(HasSubstr("memory: cgroup v")));
}

TEST(Sandboxes, RefuseToShowTheWholeMachine) {
  boost::asio::io_context io;
  const auto sandboxes = Sandboxes::make(io, {.command = {"true"}, .show = {"/"}});
  ASSERT_FALSE(sandboxes);
  EXPECT_THAT(sandboxes.error().message, HasSubstr("whole machine"));
}

TEST(Sandboxes, RefuseACommandThatIsNotThere) {
  boost::asio::io_context io;
  for (const bool warm : {false, true}) {
    const auto sandboxes = Sandboxes::make(io, {.command = {"no-such-program"}, .warm = warm});
    ASSERT_FALSE(sandboxes);
    EXPECT_EQ(sandboxes.error().message, "command: no-such-program is no program in PATH");
  }
}

}  // namespace
}  // namespace deferd
