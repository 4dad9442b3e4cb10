// Tasks that mean harm, of programs and of warm handlers: each must be contained, its cause told,
// and a neighbour not disturbed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>

#include "worker/sandbox.h"
#include "worker/testing/sandbox_fixture.h"

namespace deferd {
namespace {

using testing::HasSubstr;
using testing::Not;

class HostileTest : public EachWayFixture {};
INSTANTIATE_TEST_SUITE_P(Each, HostileTest, testing::Bool(), EachWayFixture::name);

// ---- Tasks that take too much

TEST_P(HostileTest, AllMemoryAtOnceIsOutOfMemory) {
  EXPECT_TRUE(ended(python("x = b'x' * (1 << 30)"), ExitCause::out_of_memory));
}

TEST_P(HostileTest, AllMemoryLittleByLittleIsOutOfMemory) {
  const SandboxExit exit = python("x = []\nwhile True: x.append(bytearray(100_000))");
  EXPECT_TRUE(ended(exit, ExitCause::out_of_memory));
  EXPECT_LE(exit.usage.memory_peak_bytes, small().memory_bytes);
}

TEST_P(HostileTest, AForkBombIsBoundedAndEnds) {
  Limits limits = small();
  limits.wall_time = Seconds(2);
  make_with(limits);
  EXPECT_FALSE(exited(shell("b() { b | b & }; b; sleep 60"), 0));
}

TEST_P(HostileTest, AThreadStormIsBounded) {
  const SandboxExit exit = python(
      "import threading, time\n"
      "for i in range(1000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()");
  EXPECT_TRUE(exited(exit, 1));
  EXPECT_THAT(exit.log, HasSubstr("can't start new thread"));
}

TEST_P(HostileTest, SpinningEndsAtTheCpuLimitOfAllProcessesTogether) {
  Limits limits = small();
  limits.cpu_time = Millis(600);
  make_with(limits);
  const SandboxExit exit = shell("for i in 1 2 3; do while :; do :; done & done; wait");
  EXPECT_TRUE(ended(exit, ExitCause::cpu_time));
  EXPECT_GE(exit.usage.cpu, Millis(600));
  EXPECT_LT(exit.usage.cpu, Seconds(3));
}

TEST_P(HostileTest, SleepingForEverEndsAtTheWallLimitWhateverSignalsItIgnores) {
  Limits limits = small();
  limits.wall_time = Millis(300);
  make_with(limits);
  const SandboxExit exit = shell("trap '' TERM INT HUP; while :; do sleep 60; done");
  EXPECT_TRUE(ended(exit, ExitCause::wall_time));
  EXPECT_LT(exit.usage.wall, Seconds(10));
}

TEST_P(HostileTest, AFloodOfOutputEndsIt) {
  const SandboxExit exit = shell("cat /dev/zero");
  EXPECT_TRUE(ended(exit, ExitCause::output));
  EXPECT_EQ(exit.output.size(), small().output_bytes);
}

TEST_P(HostileTest, AFloodOfLogsKeepsTheBeginningAndTheEnd) {
  const SandboxExit exit =
      shell("echo first >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; echo last >&2");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_THAT(exit.log, testing::StartsWith("first\n"));
  EXPECT_THAT(exit.log, testing::EndsWith("last\n"));
  EXPECT_THAT(exit.log, HasSubstr("bytes left out"));
  EXPECT_LT(exit.log.size(), small().log_bytes + 100);
}

TEST_P(HostileTest, AFullDiskIsItsOwn) {
  const SandboxExit exit = shell(
      "head -c 4000000 /dev/zero >a; head -c 6000000 /dev/zero >b || echo full; test -e a && rm a "
      "b "
      "&& echo again >c && cat c");
  EXPECT_THAT(exit.output, HasSubstr("full"));
  EXPECT_THAT(exit.output, HasSubstr("again"));
}

TEST_P(HostileTest, ManySmallFilesAreBoundedToo) {
  EXPECT_TRUE(exited(python("n = 0\n"
                            "try:\n"
                            "  while n < 100_000: open(f'/tmp/{n}', 'w').close(); n += 1\n"
                            "except OSError: pass\n"
                            "assert 1000 < n < 10_000, n"),
                     0));
}

TEST_P(HostileTest, OpenFilesAreBounded) {
  EXPECT_TRUE(exited(python("import os\n"
                            "try:\n"
                            "  for i in range(1000): os.open('/dev/null', os.O_RDONLY)\n"
                            "except OSError as e: assert e.errno == 24, e\n"
                            "else: raise SystemExit(9)"),
                     0));
}

// ---- Tasks that want out

TEST_P(HostileTest, NothingOutlivesItsTask) {
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

TEST_P(HostileTest, NobodyElseIsSeenHitOrTraced) {
  const SandboxExit exit = python(
      "import ctypes, os\n"
      "print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))\n"
      "for pid in (1, *range(3, 400), " +
      std::to_string(::getpid()) +
      "):\n"
      "  try: os.kill(pid, 9); print('hit', pid)\n"
      "  except PermissionError: print('may not hit', pid)\n"
      "  except ProcessLookupError: pass\n"
      "libc = ctypes.CDLL(None, use_errno=True)\n"
      "assert libc.ptrace(16, 1, 0, 0) == -1 and ctypes.get_errno() == 1\n"
      "assert libc.syscall(310, 1, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1, 'readv'\n"
      "print('still here')");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "[1, 2]\nmay not hit 1\nstill here\n");
}

// Of the worker, the keeper and the template nothing is there; of the sandbox's first process there
// is a name.
TEST_P(HostileTest, ProcIsItsOwn) {
  const SandboxExit exit = python(
      "import os\n"
      "for pid in (p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()):\n"
      "  for name in ('mem', 'environ', 'maps', 'auxv', 'syscall', 'stack', 'io'):\n"
      "    try: open(f'/proc/{pid}/{name}', 'rb').read(1); print('read', pid, name)\n"
      "    except OSError: pass\n"
      "  for name in ('fd', 'root', 'cwd', 'map_files', 'task/1/fd', 'task/1/cwd'):\n"
      "    try: os.listdir(f'/proc/{pid}/{name}'); print('listed', pid, name)\n"
      "    except OSError: pass\n"
      "  for name in ('exe', 'ns/user', 'ns/mnt', 'ns/pid'):\n"
      "    try: os.readlink(f'/proc/{pid}/{name}'); print('followed', pid, name)\n"
      "    except OSError: pass\n"
      "for name in ('/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/kcore', "
      "'/proc/self/oom_score_adj'):\n"
      "  try: open(name, 'r+b'); print('opened', name)\n"
      "  except OSError: pass\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "");
}

TEST_P(HostileTest, TheMachinesFilesAreNotThere) {
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

TEST_P(HostileTest, NothingButItsTmpCanBeWrittenTo) {
  const SandboxExit exit = shell(
      "for d in / /usr /usr/bin /etc /dev /proc; do echo x >$d/deferd-test && echo wrote $d; done; "
      "rm -f /usr/bin/env && echo removed; echo x >/proc/self/comm && echo proc; touch /dev/null2 "
      "&& echo dev; true");
  EXPECT_EQ(exit.output, "");
}

TEST_P(HostileTest, ThereIsNoNetwork) {
  const SandboxExit exit = python(
      "import socket\n"
      "for family, kind in ((2, 1), (2, 2), (10, 1), (16, 3), (17, 3), (40, 1), (38, 5)):\n"
      "  try: socket.socket(family, kind); print('made', family)\n"
      "  except PermissionError: pass\n"
      "print(open('/proc/net/dev').read().count(':'))\n");
  EXPECT_TRUE(exited(exit, 0));
  EXPECT_EQ(exit.output, "1\n") << "the loopback interface, which is down";
}

TEST_P(HostileTest, GrantedTheNetworkItHasOne) {
  Limits limits = small();
  limits.network = true;
  make_with(limits);
  EXPECT_TRUE(exited(python("import socket\n"
                            "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                            "c = socket.create_connection(s.getsockname())"),
                     0));
}

TEST_P(HostileTest, NoMountsNoNamespacesNoRights) {
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
      "fails('seccomp', libc.syscall(317, 1, 0, 0))\n"
      "fails('capset', libc.syscall(126, 0, 0))\n"
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

TEST_P(HostileTest, ASetuidProgramGivesNoRights) {
  // su, mount and the like are setuid root on every Debian.
  const SandboxExit exit = shell(
      "test -u /usr/bin/su || echo su is not setuid; su -c id root </dev/null; "
      "mount -t tmpfs none /tmp && echo mounted; "
      "python3 -c 'import os; s = os.stat(\"/usr/bin/su\"); print(s.st_uid == os.getuid())'; "
      "cp /usr/bin/id /tmp/own && chmod u+s /tmp/own && /tmp/own -u");
  EXPECT_EQ(exit.output, "False\n1000\n") << exit.log;
}

TEST_P(HostileTest, NoDescriptorOfTheWorkerOrTheTemplateIsInherited) {
  // On purpose without O_CLOEXEC; the sample of a warm handler has one like it.
  const int left_open = ::open("/etc/passwd", O_RDONLY);
  make(options());
  EXPECT_EQ(shell("ls /proc/self/fd | tr '\\n' ' '").output, "0 1 2 3 ") << "3 is ls's own folder";
  ::close(left_open);
}

// Whether a process in any network namespace of this machine listens at an abstract socket.
bool is_bound_somewhere(const std::string& name) {
  for (const auto& process : std::filesystem::directory_iterator("/proc")) {
    std::ifstream sockets(process.path() / "net" / "unix");
    for (std::string line; std::getline(sockets, line);) {
      if (line.ends_with("@" + name)) return true;
    }
  }
  return false;
}

TEST_P(HostileTest, AnAbstractSocketOfOneTaskIsNotThereForAnother) {
  const std::string name = "deferd-" + std::to_string(::getpid());
  const std::string address = "b'\\0" + name + "'";
  SandboxExit holder;
  SandboxExit other;
  const auto number = start(python_job("import socket, signal\ns = socket.socket(1); s.bind(" +
                                       address + "); s.listen(); signal.pause()"),
                            holder);
  const auto deadline = std::chrono::steady_clock::now() + Seconds(20);
  while (!is_bound_somewhere(name)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    io_.restart();
    io_.run_for(Millis(5));
  }
  // It goes when the other has looked.
  ++running_;
  sandboxes_->start(python_job("import socket\ns = socket.socket(1)\ntry: s.connect(" + address +
                               "); print('met')\n"
                               "except ConnectionRefusedError: print('alone')"),
                    [&](SandboxExit exit) {
                      other = std::move(exit);
                      --running_;
                      sandboxes_->kill(number);
                    });
  finish();
  EXPECT_TRUE(ended(holder, ExitCause::killed));
  EXPECT_EQ(other.output, "alone\n");
}

TEST_P(HostileTest, KillEndsAllOfIt) {
  SandboxExit exit;
  const auto number = start(shell_job("trap '' TERM; sleep 3600 & sleep 3600"), exit);
  boost::asio::steady_timer soon(io_, Millis(100));
  soon.async_wait([&](auto) { sandboxes_->kill(number); });
  finish();
  EXPECT_TRUE(ended(exit, ExitCause::killed));
}

// What is left to the first process of a sandbox does not stay there and count.
TEST_P(HostileTest, OrphansThatHaveEndedAreGone) {
  EXPECT_TRUE(exited(shell("for i in $(seq 100); do (true & true); done; sh -c 'exit 7'"), 7));
}

}  // namespace
}  // namespace deferd
