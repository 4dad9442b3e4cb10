#include "worker/sandbox_process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "base/unix_file.h"

namespace deferd {
namespace {

// Of the numbers that nobody gives to people, services or containers.
constexpr std::uint32_t first_outer_user = 0x7000'0000;
constexpr std::uint32_t outer_users = 1 << 16;

tl::unexpected<Error> sandbox_error(const std::string& what, int number) {
  return fail(Reason::unsupported, "sandbox: " + what + ": " + std::strerror(number));
}

// A pipe whose ends have numbers above those that programs expect; closed unless taken.
class Pipe {
 public:
  Pipe() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    constexpr int low = 10;
    for (std::size_t i = 0; i < 2; ++i) {
      ends_[i] = ::fcntl(ends[i], F_DUPFD_CLOEXEC, low);
      ::close(ends[i]);
    }
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool ok() const { return ends_[0] >= 0 && ends_[1] >= 0; }
  int read() const { return ends_[0]; }
  int write() const { return ends_[1]; }
  void close_read() { close(ends_[0]); }
  void close_write() { close(ends_[1]); }
  int take_read() { return take(ends_[0]); }
  int take_write() { return take(ends_[1]); }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  static int take(int& fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return std::exchange(fd, -1);
  }

  std::array<int, 2> ends_ = {-1, -1};
};

bool write_file(const std::string& path, const std::string& text) {
  const UnixFile file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.fd() >= 0 &&
         ::write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Who the sandbox's user is outside: root gives it a number of its own, anybody else his own.
Result<void> map_user(pid_t process, bool own_numbers, std::uint32_t slot) {
  const std::string folder = "/proc/" + std::to_string(process);
  const auto line = [](std::uint32_t outer) {
    return std::to_string(sandbox_user) + " " + std::to_string(outer) + " 1";
  };
  const std::uint32_t outer = first_outer_user + slot % outer_users;
  if (!own_numbers) write_file(folder + "/setgroups", "deny");
  if (!write_file(folder + "/uid_map", line(own_numbers ? outer : ::geteuid())) ||
      !write_file(folder + "/gid_map", line(own_numbers ? outer : ::getegid())))
    return sandbox_error("cannot map its user", errno);
  return {};
}

}  // namespace

void kill_sandbox(int pidfd) { ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0); }

void reap_sandbox(int pidfd) {
  siginfo_t info = {};
  ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED);
}

Result<SandboxProcess> make_sandbox_process(const SandboxPlan& plan, const Cgroup& group,
                                            std::uint32_t slot) {
  Pipe in;
  Pipe out;
  Pipe err;
  Pipe report;
  Pipe go;
  if (!in.ok() || !out.ok() || !err.ok() || !report.ok() || !go.ok())
    return sandbox_error("cannot make pipes", errno);
  const bool own_numbers = ::geteuid() == 0;

  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
               CLONE_NEWIPC | CLONE_NEWUTS | (plan.limits.network ? 0 : CLONE_NEWNET);
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const auto process = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (process < 0) {
    return sandbox_error(
        "cannot make namespaces (user namespaces must be allowed: sysctl user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone)",
        errno);
  }
  if (process == 0) {
    run_sandbox(plan, {in.read(), out.write(), err.write(), report.write(), go.read(), go.write()},
                own_numbers);
  }
  // Here it waits for us, and ends by itself when we go without a word.
  Result<void> ready = map_user(process, own_numbers, slot);
  if (ready) ready = group.add(process);
  if (ready && ::write(go.write(), "g", 1) != 1) ready = sandbox_error("cannot let it go", errno);
  if (!ready) {
    kill_sandbox(pidfd);
    reap_sandbox(pidfd);
    ::close(pidfd);
    return fail(ready.error());
  }
  return SandboxProcess{pidfd,           in.take_write(),    out.take_read(),
                        err.take_read(), report.take_read(), go.take_write()};
}

}  // namespace deferd
