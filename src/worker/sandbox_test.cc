// Programs that mean harm, and programs that mean none. Each of the former must be contained, its
// cause told, and a neighbour not disturbed.
#include "worker/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
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

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Sandboxes::make(io_, {});
    ASSERT_TRUE(made) << made.error().message;
    sandboxes_ = std::move(*made);
  }

  std::uint64_t start(std::vector<std::string> command, const Limits& limits, SandboxExit& exit,
                      std::string input = {}) {
    return sandboxes_->start({std::move(command),
                              {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"},
                              std::move(input),
                              limits},
                             [&exit](SandboxExit how) { exit = std::move(how); });
  }
  SandboxExit run(std::vector<std::string> command, const Limits& limits = small(),
                  std::string input = {}) {
    SandboxExit exit;
    start(std::move(command), limits, exit, std::move(input));
    io_.restart();
    io_.run();
    return exit;
  }
  SandboxExit shell(const std::string& script, const Limits& limits = small()) {
    return run({"/bin/sh", "-c", script}, limits);
  }
  // Debian's own, which needs nothing beyond /usr.
  SandboxExit python(const std::string& script, const Limits& limits = small()) {
    return run({"/usr/bin/python3", "-c", script}, limits);
  }

  boost::asio::io_context io_;
  std::unique_ptr<Sandboxes> sandboxes_;
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

// ---- Programs that mean no harm

TEST_F(SandboxTest, InputGoesInAndOutputComesOut) {
  const SandboxExit exit =
      run({"sh", "-c", "cat; echo problem >&2; exit 3"}, small(), std::string(50'000, 'x'));
  EXPECT_TRUE(exited(exit, 3));
  EXPECT_EQ(exit.output, std::string(50'000, 'x'));
  EXPECT_EQ(exit.log, "problem\n");
}

TEST_F(SandboxTest, AProgramMayLeaveItsInputUnread) {
  EXPECT_TRUE(exited(run({"true"}, small(), std::string(1 << 20, 'x')), 0));
}

TEST_F(SandboxTest, ItsEnvironmentIsWhatIsGivenAndNoMore) {
  ::setenv("DEFERD_TEST_SECRET", "of the worker", 1);
  const SandboxExit exit = run({"env"});
  EXPECT_EQ(exit.output, "PATH=/usr/local/bin:/usr/bin:/bin\nHOME=/tmp\n");
}

TEST_F(SandboxTest, ItMayWriteToItsOwnTmpWhichStartsEmpty) {
  EXPECT_TRUE(
      exited(shell("test -z \"$(ls -A /tmp)\" && echo a >f && cat f && test $(pwd) = /tmp"), 0));
}

TEST_F(SandboxTest, ASignalOfItsOwnIsTold) {
  const SandboxExit exit = shell("kill -SEGV $$");
  EXPECT_TRUE(ended(exit, ExitCause::signalled));
  EXPECT_EQ(exit.signal, SIGSEGV);
}

TEST_F(SandboxTest, WhatItUsedIsCounted) {
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

TEST_F(SandboxTest, AProgramThatIsNotThereIsTold) {
  const SandboxExit exit = run({"no-such-program"});
  EXPECT_TRUE(ended(exit, ExitCause::not_started));
  EXPECT_THAT(exit.detail, HasSubstr("no-such-program is no program in PATH"));
}

TEST_F(SandboxTest, ThreadsAndSubprocessesWork) {
  EXPECT_TRUE(
      exited(python("import threading, subprocess\n"
                    "t = threading.Thread(target=print, args=('hi',)); t.start(); t.join()\n"
                    "assert subprocess.check_output(['/bin/echo', 'x']) == b'x\\n'\n"),
             0));
}

TEST_F(SandboxTest, ManyAtOnceDoNotMeet) {
  std::vector<SandboxExit> exits(20);
  for (std::size_t i = 0; i < exits.size(); ++i)
    start({"sh", "-c", "echo $0 >/tmp/f; cat /tmp/f; ls /tmp", std::to_string(i)}, small(),
          exits[i]);
  io_.run();
  for (std::size_t i = 0; i < exits.size(); ++i) {
    EXPECT_TRUE(exited(exits[i], 0));
    EXPECT_EQ(exits[i].output, std::to_string(i) + "\nf\n");
  }
}

TEST_F(SandboxTest, AProgramInTheMachinesTmpIsShownThere) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("deferd-program-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "program") << "#!/bin/sh\necho here; echo x >$0 || echo kept\n";
  std::filesystem::permissions(folder / "program", std::filesystem::perms(0755));
  auto made = Sandboxes::make(io_, {.show = {(folder / "program").string()}});
  ASSERT_TRUE(made) << made.error().message;
  sandboxes_ = std::move(*made);
  EXPECT_EQ(run({(folder / "program").string()}).output, "here\nkept\n");
  std::filesystem::remove_all(folder);
}

// ---- Programs that take too much

TEST_F(SandboxTest, AllMemoryAtOnceIsOutOfMemory) {
  EXPECT_TRUE(ended(python("x = b'x' * (1 << 30)"), ExitCause::out_of_memory));
}

TEST_F(SandboxTest, AllMemoryLittleByLittleIsOutOfMemory) {
  const SandboxExit exit = python("x = []\nwhile True: x.append(bytearray(100_000))");
  EXPECT_TRUE(ended(exit, ExitCause::out_of_memory));
  EXPECT_LE(exit.usage.memory_peak_bytes, small().memory_bytes);
}

TEST_F(SandboxTest, AForkBombIsBoundedAndEnds) {
  Limits limits = small();
  limits.wall_time = Seconds(2);
  SandboxExit neighbour;
  start({"sh", "-c", "sleep 1; echo fine"}, small(), neighbour);
  const SandboxExit exit = shell("b() { b | b & }; b; sleep 60", limits);
  EXPECT_FALSE(exited(exit, 0));
  EXPECT_EQ(neighbour.output, "fine\n");
}

TEST_F(SandboxTest, AThreadStormIsBounded) {
  const SandboxExit exit = python(
      "import threading, time\n"
      "for i in range(1000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()");
  EXPECT_TRUE(exited(exit, 1));
  EXPECT_THAT(exit.log, HasSubstr("can't start new thread"));
}

TEST_F(SandboxTest, SpinningEndsAtTheCpuLimitOfAllProcessesTogether) {
  Limits limits = small();
  limits.cpu_time = Millis(600);
  const SandboxExit exit = shell("for i in 1 2 3; do while :; do :; done & done; wait", limits);
  EXPECT_TRUE(ended(exit, ExitCause::cpu_time));
  EXPECT_GE(exit.usage.cpu, Millis(600));
  EXPECT_LT(exit.usage.cpu, Seconds(3));
}

TEST_F(SandboxTest, SleepingForEverEndsAtTheWallLimitWhateverSignalsItIgnores) {
  Limits limits = small();
  limits.wall_time = Millis(300);
  const SandboxExit exit = shell("trap '' TERM INT HUP; while :; do sleep 60; done", limits);
  EXPECT_TRUE(ended(exit, ExitCause::wall_time));
  EXPECT_LT(exit.usage.wall, Seconds(10));
}

TEST_F(SandboxTest, AFloodOfOutputEndsIt) {
  const SandboxExit exit = run({"cat", "/dev/zero"});
  EXPECT_TRUE(ended(exit, ExitCause::output));
  EXPECT_EQ(exit.output.size(), small().output_bytes);
}

TEST_F(SandboxTest, AFloodOfLogsKeepsTheBeginningAndTheEnd) {
  const SandboxExit exit =
      shell("echo first >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; echo last >&2");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_THAT(exit.log, testing::StartsWith("first\n"));
  EXPECT_THAT(exit.log, testing::EndsWith("last\n"));
  EXPECT_THAT(exit.log, HasSubstr("bytes left out"));
  EXPECT_LT(exit.log.size(), small().log_bytes + 100);
}

TEST_F(SandboxTest, AFullDiskIsItsOwn) {
  const SandboxExit exit = shell(
      "head -c 4000000 /dev/zero >a; head -c 6000000 /dev/zero >b || echo full; test -e a && rm a "
      "b "
      "&& echo again >c && cat c");
  EXPECT_THAT(exit.output, HasSubstr("full"));
  EXPECT_THAT(exit.output, HasSubstr("again"));
}

TEST_F(SandboxTest, ManySmallFilesAreBoundedToo) {
  EXPECT_TRUE(exited(python("n = 0\n"
                            "try:\n"
                            "  while n < 100_000: open(f'/tmp/{n}', 'w').close(); n += 1\n"
                            "except OSError: pass\n"
                            "assert 1000 < n < 10_000, n"),
                     0));
}

TEST_F(SandboxTest, OpenFilesAreBounded) {
  EXPECT_TRUE(exited(python("import os\n"
                            "try:\n"
                            "  for i in range(1000): os.open('/dev/null', os.O_RDONLY)\n"
                            "except OSError as e: assert e.errno == 24, e\n"
                            "else: raise SystemExit(9)"),
                     0));
}

// ---- Programs that want out

TEST_F(SandboxTest, NothingOutlivesItsTask) {
  // A daemon that would tell us by a fifo, whose name only the worker's side knows.
  const SandboxExit exit = python(
      "import os, time\n"
      "if os.fork() == 0:\n"
      "  os.setsid()\n"
      "  if os.fork() == 0:\n"
      "    os.closerange(0, 100)\n"
      "    time.sleep(3600)\n"
      "  os._exit(0)\n"
      "os.wait(); time.sleep(0.1)\n"
      "print(len([p for p in os.listdir('/proc') if p.isdigit()]))");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "3\n") << "the first process, the program, the daemon";
  // When its last process has ended its control group is removed, which a living one would prevent;
  // and so the next one of the same worker finds its place.
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline");
    std::string command;
    std::getline(in, command);
    EXPECT_THAT(command, Not(HasSubstr("os.closerange(0, 100)")));
  }
}

TEST_F(SandboxTest, TheMachinesProcessesAreNeitherSeenNorHit) {
  const std::string worker = std::to_string(::getpid());
  const SandboxExit exit = python(
      "import os\n"
      "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))\n"
      "try: os.kill(" +
      worker +
      ", 9)\n"
      "except ProcessLookupError: print('nobody')\n"
      "os.kill(1, 9); print('still here')");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "[1, 2]\nnobody\nstill here\n");
}

TEST_F(SandboxTest, NobodyIsTraced) {
  const SandboxExit exit = python(
      "import ctypes\n"
      "libc = ctypes.CDLL(None, use_errno=True)\n"
      "assert libc.ptrace(16, 1, 0, 0) == -1 and ctypes.get_errno() == 1\n"
      "for path in ('/proc/1/mem', '/proc/1/environ', '/proc/1/root/etc', '/proc/1/fd'):\n"
      "  try:\n"
      "    import os; os.listdir(path) if not path.endswith(('mem', 'environ')) else open(path, "
      "'rb')\n"
      "    print('opened', path)\n"
      "  except PermissionError: pass\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "");
}

TEST_F(SandboxTest, TheMachinesFilesAreNotThere) {
  // A secret of the worker's user, in a folder that everybody may enter.
  const auto folder =
      std::filesystem::temp_directory_path() / ("deferd-secret-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "key") << "secret";
  const SandboxExit exit = shell("cat " + (folder / "key").string() +
                                 "; ls /home /root /var /srv; cat /etc/shadow; ls /");
  std::filesystem::remove_all(folder);
  EXPECT_THAT(exit.output, Not(HasSubstr("secret")));
  EXPECT_THAT(exit.output, Not(HasSubstr("root")));
  EXPECT_THAT(exit.output, Not(HasSubstr("var")));
}

TEST_F(SandboxTest, NothingButItsTmpCanBeWrittenTo) {
  const SandboxExit exit = shell(
      "for d in / /usr /usr/bin /etc /dev /proc; do echo x >$d/deferd-test && echo wrote $d; done; "
      "rm -f /usr/bin/env && echo removed; echo x >/proc/self/comm && echo proc; touch /dev/null2 "
      "&& echo dev; true");
  EXPECT_EQ(exit.output, "");
}

TEST_F(SandboxTest, ThereIsNoNetwork) {
  const SandboxExit exit = python(
      "import socket\n"
      "for family, kind in ((2, 1), (2, 2), (10, 1), (16, 3), (17, 3), (40, 1), (38, 5)):\n"
      "  try: socket.socket(family, kind); print('made', family)\n"
      "  except PermissionError: pass\n"
      "print(open('/proc/net/dev').read().count(':'))\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "1\n") << "the loopback interface, which is down";
}

TEST_F(SandboxTest, GrantedTheNetworkItHasOne) {
  Limits limits = small();
  limits.network = true;
  EXPECT_TRUE(exited(python("import socket\n"
                            "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                            "c = socket.create_connection(s.getsockname())",
                            limits),
                     0));
}

TEST_F(SandboxTest, NoMountsNoNamespacesNoRights) {
  const SandboxExit exit = python(
      "import ctypes, os\n"
      "libc = ctypes.CDLL(None, use_errno=True)\n"
      "def fails(what, result):\n"
      "  if result != -1: print('did', what)\n"
      "fails('mount', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))\n"
      "fails('umount', libc.umount2(b'/proc', 2))\n"
      "fails('unshare', libc.unshare(0x10000000))\n"
      "fails('chroot', libc.chroot(b'/tmp'))\n"
      "fails('setns', libc.setns(0, 0))\n"
      "fails('keyctl', libc.syscall(250, 0, 0, 0, 0))\n"
      "fails('bpf', libc.syscall(321, 0, 0, 0))\n"
      "fails('io_uring', libc.syscall(425, 1, 0))\n"
      "fails('userfaultfd', libc.syscall(323, 0))\n"
      "fails('reboot', libc.reboot(0))\n"
      "fails('sethostname', libc.sethostname(b'x', 1))\n"
      "fails('mknod', libc.mknod(b'/tmp/sda', 0o60666, 0x800))\n"
      "for line in open('/proc/self/status'):\n"
      "  if line.startswith(('CapEff', 'CapPrm', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp:', "
      "'Groups')): print(line.split())\n"
      "print(os.getresuid(), os.getresgid())\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output,
            "['Groups:']\n"
            "['CapPrm:', '0000000000000000']\n"
            "['CapEff:', '0000000000000000']\n"
            "['CapBnd:', '0000000000000000']\n"
            "['CapAmb:', '0000000000000000']\n"
            "['NoNewPrivs:', '1']\n"
            "['Seccomp:', '2']\n"
            "(1000, 1000, 1000) (1000, 1000, 1000)\n");
}

TEST_F(SandboxTest, ASetuidProgramGivesNoRights) {
  // su and mount are setuid root on every Debian.
  EXPECT_THAT(
      shell("su -c id root </dev/null; mount -t tmpfs none /tmp && echo mounted; true").output,
      Not(testing::AnyOf(HasSubstr("uid=0"), HasSubstr("mounted"))));
}

TEST_F(SandboxTest, NoDescriptorOfTheWorkerIsInherited) {
  // On purpose without O_CLOEXEC.
  const int left_open = ::open("/etc/passwd", O_RDONLY);
  EXPECT_EQ(shell("ls /proc/self/fd | tr '\\n' ' '").output, "0 1 2 3 ") << "3 is ls's own folder";
  ::close(left_open);
}

TEST_F(SandboxTest, KillEndsAllOfIt) {
  SandboxExit exit;
  const auto number = start({"sh", "-c", "trap '' TERM; sleep 3600 & sleep 3600"}, small(), exit);
  boost::asio::steady_timer soon(io_, Millis(100));
  soon.async_wait([&](auto) { sandboxes_->kill(number); });
  io_.run();
  EXPECT_TRUE(ended(exit, ExitCause::killed));
}

TEST(Sandboxes, SayWhatEnforcesWhat) {
  boost::asio::io_context io;
  auto sandboxes = Sandboxes::make(io, {});
  ASSERT_TRUE(sandboxes) << sandboxes.error().message;
  const auto lines = (*sandboxes)->enforcement();
  EXPECT_THAT(lines, testing::Contains(HasSubstr("memory: cgroup v")));
}

TEST(Sandboxes, RefuseToShowTheWholeMachine) {
  boost::asio::io_context io;
  const auto sandboxes = Sandboxes::make(io, {.show = {"/"}});
  ASSERT_FALSE(sandboxes);
  EXPECT_THAT(sandboxes.error().message, HasSubstr("whole machine"));
}

}  // namespace
}  // namespace deferd
