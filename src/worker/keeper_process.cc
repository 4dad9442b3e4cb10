#include "worker/keeper_process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "base/unix_file.h"
#include "worker/pipe.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

// Users outside: of the numbers that nobody gives to people, services or containers, as many for
// each worker as it may have sandboxes, and the keeper's.
constexpr std::uint32_t first_outer_user = 0x7000'0000;
constexpr std::uint32_t worker_ranges = 100'000;

tl::unexpected<Error> sandbox_error(const std::string& what, int number) {
  return fail(Reason::unsupported, "sandbox: " + what + ": " + std::strerror(number));
}

bool write_file(const std::string& path, const std::string& text) {
  const UnixFile file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.fd() >= 0 &&
         ::write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Who the keeper's user is outside: root gives it a number of its own, and one to each of its
// places; anybody else his own.
Result<void> map_user(pid_t process, bool own_numbers) {
  const std::string folder = "/proc/" + std::to_string(process);
  const auto lines = [&](std::uint32_t own) {
    if (!own_numbers) return std::to_string(sandbox_user) + " " + std::to_string(own) + " 1";
    const std::uint32_t range = static_cast<std::uint32_t>(::getpid()) % worker_ranges;
    const std::uint32_t outer = first_outer_user + range * (places_max + 1);
    return std::to_string(sandbox_user) + " " + std::to_string(outer) + " 1\n" +
           std::to_string(first_place_user) + " " + std::to_string(outer + 1) + " " +
           std::to_string(places_max);
  };
  if (!own_numbers) write_file(folder + "/setgroups", "deny");
  if (!write_file(folder + "/uid_map", lines(::geteuid())) ||
      !write_file(folder + "/gid_map", lines(::getegid())))
    return sandbox_error("cannot map its user", errno);
  return {};
}

constexpr std::uint64_t sandbox_namespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

// As fork(2), with a pidfd.
pid_t clone_into(std::uint64_t namespaces, int& pidfd) {
  clone_args args = {};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | namespaces;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

tl::unexpected<Error> no_namespaces() {
  return sandbox_error(
      "cannot make namespaces (user namespaces must be allowed: sysctl user.max_user_namespaces, "
      "kernel.unprivileged_userns_clone)",
      errno);
}

// Descriptors that are closed with this.
class Entrances {
 public:
  explicit Entrances(const Cgroup& group) : opened_(group.open_entrances()) {}
  ~Entrances() {
    if (!opened_) return;
    for (const int entrance : *opened_) ::close(entrance);
  }
  Entrances(const Entrances&) = delete;
  Entrances& operator=(const Entrances&) = delete;

  const Result<std::vector<int>>& opened() const { return opened_; }
  void hand_to(SandboxPipes& pipes) const { std::ranges::copy(*opened_, pipes.entrances.begin()); }

 private:
  const Result<std::vector<int>> opened_;
};

}  // namespace

void kill_sandbox(int pidfd) { ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0); }

void reap_sandbox(int pidfd) {
  // Who waits for it to be readable has made it one that does not block.
  ::fcntl(pidfd, F_SETFL, 0);
  siginfo_t info = {};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED) != 0 &&
         errno == EINTR) {
  }
}

Result<KeeperProcess> make_keeper_process(const SandboxPlan& plan, const Cgroup& group,
                                          const KeeperOptions& options) {
  Pipe report;
  Pipe go;
  std::array<int, 2> ends = {-1, -1};
  if (!report.ok() || !go.ok() ||
      ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return sandbox_error("cannot make pipes", errno);
  const UnixFile ours(ends[0]);
  const UnixFile theirs(ends[1]);
  const auto above = [](int fd) { return UnixFile(::fcntl(fd, F_DUPFD_CLOEXEC, Pipe::low)); };
  const UnixFile socket = above(theirs.fd());
  const UnixFile plan_file = above(options.plan);
  const UnixFile program = above(options.program);
  const bool own_numbers = ::geteuid() == 0;
  const Entrances entrances(group);
  if (!entrances.opened()) return fail(entrances.opened().error());

  int pidfd = -1;
  const pid_t process =
      clone_into(sandbox_namespaces & ~(options.network ? CLONE_NEWNET : 0UL), pidfd);
  if (process < 0) return no_namespaces();
  if (process == 0) {
    SandboxPipes pipes;
    pipes.report = report.write();
    pipes.go = go.read();
    pipes.go_other = go.write();
    pipes.program = program.fd();
    pipes.socket = socket.fd();
    pipes.plan = plan_file.fd();
    entrances.hand_to(pipes);
    run_sandbox(plan, pipes, own_numbers);
  }
  // Here it waits for us, and ends by itself when we go without a word.
  auto ready = map_user(process, own_numbers);
  if (ready && ::write(go.write(), "g", 1) != 1) ready = sandbox_error("cannot let it go", errno);
  if (!ready) {
    kill_sandbox(pidfd);
    reap_sandbox(pidfd);
    ::close(pidfd);
    return fail(ready.error());
  }
  const int socket_kept = ::fcntl(ours.fd(), F_DUPFD_CLOEXEC, 0);
  ::fcntl(socket_kept, F_SETFL, O_NONBLOCK);
  return KeeperProcess{pidfd, report.take_read(), socket_kept, go.take_write()};
}

}  // namespace deferd
