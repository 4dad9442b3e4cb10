// Tasks of a warm handler, hostile ones and others: contained as those of programs are
// (sandbox_test.cc), with neighbours undisturbed and the loaded handler at work afterwards.
#include "worker/warm_sandboxes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>

#include "worker/testing/small_limits.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;

class WarmTest : public testing::Test {
 protected:
  void SetUp() override { make(small()); }
  void make(const Limits& limits,
            std::vector<std::string> command = {default_part("warm_sample")}) {
    WarmOptions options;
    options.command = std::move(command);
    options.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"};
    options.limits = limits;
    options.concurrency = 8;
    options.keeper = default_part("deferd-keeper");
    options.library = default_part("libdeferd_warm.so");
    sandboxes_.reset();
    auto made = make_warm_sandboxes(io_, {.show = {options.command[0]}}, options);
    ASSERT_TRUE(made) << made.error().message;
    sandboxes_ = std::move(*made);
  }

  std::uint64_t start(std::string payload, SandboxExit& exit) {
    ++running_;
    SandboxJob job;
    job.input = std::move(payload);
    job.task = {"mail", "00000000000000000007", "seven", 3, true};
    return sandboxes_->start(std::move(job), [this, &exit](SandboxExit how) {
      exit = std::move(how);
      --running_;
    });
  }
  // Until all that was started has ended.
  void finish() {
    io_.restart();
    while (running_ > 0) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  }
  // With a neighbour beside it, and one after it: neither notices.
  SandboxExit run(const std::string& payload) {
    SandboxExit exit;
    SandboxExit beside;
    SandboxExit after;
    start("fine", beside);
    start(payload, exit);
    finish();
    start("fine too", after);
    finish();
    EXPECT_EQ(beside.output, "fine");
    EXPECT_EQ(after.output, "fine too") << to_string(after.cause) << after.detail;
    return exit;
  }
  SandboxExit shell(const std::string& script) { return run("shell " + script); }
  SandboxExit python(const std::string& script) { return run("python " + script); }

  boost::asio::io_context io_;
  std::unique_ptr<Sandboxes> sandboxes_;
  int running_ = 0;
};

testing::AssertionResult ended(const SandboxExit& exit, ExitCause cause) {
  if (exit.cause == cause) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << to_string(exit.cause) << " code " << exit.code << " signal " << exit.signal << " "
         << exit.detail << "\nstdout: " << exit.output.substr(0, 500) << "\nstderr: " << exit.log;
}
testing::AssertionResult exited(const SandboxExit& exit, int code) {
  if (auto ok = ended(exit, ExitCause::exited); !ok) return ok;
  if (exit.code == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "code " << exit.code << "\n" << exit.output << exit.log;
}

// ---- Tasks that mean no harm

TEST_F(WarmTest, PayloadGoesInAndOutputComesOut) {
  const SandboxExit exit = run("hello");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "hello");
}

TEST_F(WarmTest, APayloadMayBeLargerThanAPipe) {
  Limits limits = small();
  limits.output_bytes = 2 << 20;
  make(limits);
  EXPECT_EQ(run(std::string(1 << 20, 'x')).output, std::string(1 << 20, 'x'));
}

TEST_F(WarmTest, ItKnowsItsTask) {
  EXPECT_EQ(run("facts").output, "mail 00000000000000000007 seven 3 1");
  EXPECT_EQ(shell("echo $DEFERD_QUEUE $DEFERD_TASK $DEFERD_ATTEMPT; env | grep -c WARM").output,
            "mail seven 3\n0\n");
}

TEST_F(WarmTest, ItSaysWhatItsResultIsAndWhyItFailed) {
  EXPECT_EQ(run("json").content_type, "application/json");
  const SandboxExit exit = run("error");
  EXPECT_TRUE(exited(exit, 3));
  EXPECT_EQ(exit.error, "it went wrong");
}

TEST_F(WarmTest, ASignalOfItsOwnIsTold) {
  const SandboxExit exit = run("abort");
  EXPECT_TRUE(ended(exit, ExitCause::signalled));
  EXPECT_EQ(exit.signal, SIGABRT);
}

TEST_F(WarmTest, ItIsAloneInItsSandbox) {
  const SandboxExit exit = python(
      "import os\n"
      "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))\n"
      "print(os.listdir('/tmp'), os.getcwd(), os.getresuid(), os.getresgid(), os.getgroups())\n"
      "print(os.listdir('/proc/self/fd'), open('/proc/net/dev').read().count(':'))\n"
      "for line in open('/proc/self/status'):\n"
      "  if line.startswith(('CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb', 'NoNewPrivs', "
      "'Seccomp:')): print(line.split())\n"
      "for path in ('/proc/1/mem', '/proc/1/environ', '/proc/1/root/etc', '/proc/1/fd'):\n"
      "  try:\n"
      "    open(path, 'rb') if path.endswith(('mem', 'environ')) else os.listdir(path)\n"
      "    print('opened', path)\n"
      "  except PermissionError: pass\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output,
            "[1, 2]\n[] /tmp (1000, 1000, 1000) (1000, 1000, 1000) []\n['0', '1', '2', '3'] 1\n"
            "['CapInh:', '0000000000000000']\n['CapPrm:', '0000000000000000']\n"
            "['CapEff:', '0000000000000000']\n['CapBnd:', '0000000000000000']\n"
            "['CapAmb:', '0000000000000000']\n['NoNewPrivs:', '1']\n['Seccomp:', '2']\n");
}

TEST_F(WarmTest, ManyAtOnceAndOneAfterAnother) {
  std::vector<SandboxExit> exits(100);
  for (std::size_t i = 0; i < exits.size(); ++i)
    start("shell echo " + std::to_string(i) + " >/tmp/f; cat /tmp/f; ls /tmp", exits[i]);
  finish();
  for (std::size_t i = 0; i < exits.size(); ++i) {
    EXPECT_TRUE(exited(exits[i], 0));
    EXPECT_EQ(exits[i].output, std::to_string(i) + "\nf\n");
  }
}

TEST_F(WarmTest, WhatItUsedIsItsOwn) {
  const SandboxExit big = python("x = bytearray(range(256)) * (1 << 16)");
  EXPECT_GE(big.usage.memory_peak_bytes, 16U << 20);
  const SandboxExit exit = run("small");
  EXPECT_LT(exit.usage.memory_peak_bytes, 8U << 20);
  EXPECT_LT(exit.usage.cpu, Millis(200));
}

// ---- Tasks that take too much

TEST_F(WarmTest, AMemoryHogIsOutOfMemory) {
  EXPECT_TRUE(ended(python("x = b'x' * (1 << 30)"), ExitCause::out_of_memory));
  EXPECT_TRUE(
      ended(python("x = []\nwhile True: x.append(bytearray(100_000))"), ExitCause::out_of_memory));
}

TEST_F(WarmTest, AForkBombIsBoundedAndEnds) {
  Limits limits = small();
  limits.wall_time = Seconds(2);
  make(limits);
  EXPECT_FALSE(exited(shell("b() { b | b & }; b; sleep 60"), 0));
}

TEST_F(WarmTest, SpinningEndsAtTheCpuLimitOfAllProcessesTogether) {
  Limits limits = small();
  limits.cpu_time = Millis(600);
  make(limits);
  EXPECT_TRUE(
      ended(shell("for i in 1 2 3; do while :; do :; done & done; wait"), ExitCause::cpu_time));
}

TEST_F(WarmTest, SleepingForEverEndsAtTheWallLimitWhateverSignalsItIgnores) {
  Limits limits = small();
  limits.wall_time = Millis(300);
  make(limits);
  EXPECT_TRUE(
      ended(shell("trap '' TERM INT HUP; while :; do sleep 60; done"), ExitCause::wall_time));
}

TEST_F(WarmTest, AFloodOfOutputEndsIt) {
  const SandboxExit exit = shell("cat /dev/zero");
  EXPECT_TRUE(ended(exit, ExitCause::output));
  EXPECT_EQ(exit.output.size(), small().output_bytes);
}

TEST_F(WarmTest, AFloodToldOfItselfIsCutOff) { EXPECT_TRUE(exited(run("tell too much"), 0)); }

TEST_F(WarmTest, AFullDiskIsItsOwn) {
  EXPECT_THAT(shell("head -c 9000000 /dev/zero >a || echo full").output, HasSubstr("full"));
}

// ---- Tasks that want out

TEST_F(WarmTest, NothingOutlivesItsTask) {
  const SandboxExit exit = python(
      "import os, time\n"
      "if os.fork() == 0:\n"
      "  os.setsid()\n"
      "  if os.fork() == 0:\n"
      "    os.closerange(0, 100)\n"
      "    time.sleep(3601)\n"
      "  os._exit(0)\n"
      "os.wait(); time.sleep(0.1)");
  EXPECT_TRUE(exited(exit, 0));
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline");
    std::string command;
    std::getline(in, command);
    EXPECT_THAT(command, Not(HasSubstr("time.sleep(3601)")));
  }
}

TEST_F(WarmTest, NobodyIsHitOrTraced) {
  const SandboxExit exit = python(
      "import ctypes, os\n"
      "libc = ctypes.CDLL(None, use_errno=True)\n"
      "for pid in (1, *range(3, 400)):\n"
      "  try: os.kill(pid, 9); print('hit', pid)\n"
      "  except PermissionError: print('may not hit', pid)\n"
      "  except ProcessLookupError: pass\n"
      "assert libc.ptrace(16, 1, 0, 0) == -1 and ctypes.get_errno() == 1\n"
      "assert libc.setns(0, 0) == -1 and ctypes.get_errno() == 1\n"
      "assert libc.syscall(317, 1, 0, 0) == -1 and ctypes.get_errno() == 1, 'seccomp'\n"
      "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1\n"
      "assert libc.unshare(0x10000000) == -1\n"
      "print('still here')");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "may not hit 1\nstill here\n");
}

TEST_F(WarmTest, TheMachinesAndTheHandlersFilesAreNotThere) {
  EXPECT_EQ(shell("ls /home /root /var /srv 2>/dev/null; cat /etc/shadow 2>/dev/null; "
                  "for d in / /usr /etc /dev /proc; do echo x >$d/t && echo wrote $d; done "
                  "2>/dev/null; true")
                .output,
            "");
}

TEST_F(WarmTest, ThereIsNoNetwork) {
  EXPECT_TRUE(exited(python("import socket\n"
                            "for family, kind in ((2, 1), (2, 2), (10, 1), (16, 3), (17, 3)):\n"
                            "  try: socket.socket(family, kind); raise SystemExit(9)\n"
                            "  except PermissionError: pass\n"),
                     0));
}

TEST_F(WarmTest, AnAbstractSocketOfOneTaskIsNotThereForAnother) {
  const std::string hold =
      "python import socket, sys, time\ns = socket.socket(1); s.bind(b'\\0deferd'); s.listen(); "
      "print('bound', file=sys.stderr, flush=True); time.sleep(1)";
  const std::string look =
      "python import socket, time\ntime.sleep(0.5)\ns = socket.socket(1)\n"
      "try: s.connect(b'\\0deferd'); print('met')\n"
      "except ConnectionRefusedError: print('alone')";
  SandboxExit holder;
  SandboxExit other;
  start(hold, holder);
  start(look, other);
  finish();
  EXPECT_EQ(holder.log, "bound\n");
  EXPECT_EQ(other.output, "alone\n");
}

TEST_F(WarmTest, GrantedTheNetworkItHasOne) {
  Limits limits = small();
  limits.network = true;
  make(limits);
  EXPECT_TRUE(exited(python("import socket\n"
                            "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                            "c = socket.create_connection(s.getsockname())"),
                     0));
}

// ---- Handlers that fail

TEST_F(WarmTest, AHandlerThatCannotLoadGivesItsTasksBack) {
  make(small(), {"/bin/sh", "-c", "exit 3"});
  SandboxExit exit;
  start("x", exit);
  finish();
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
  EXPECT_EQ(run("before").output, "before");
  kill_handlers();
  io_.restart();
  while (sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  while (!sandboxes_->ready()) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  EXPECT_EQ(run("after").output, "after");
}

TEST_F(WarmTest, AHandlerThatIsNotThereIsToldAtTheStart) {
  WarmOptions options;
  options.command = {"no-such-handler"};
  options.keeper = default_part("deferd-keeper");
  options.library = default_part("libdeferd_warm.so");
  const auto made = make_warm_sandboxes(io_, {}, options);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("no-such-handler is no program"));
}

}  // namespace
}  // namespace deferd
