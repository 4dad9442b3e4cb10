// deferd-keeper: the first process of the sandbox in which a warm handler lives. It makes the
// sandboxes that the handler's forks enter, and starts the handler's program (the template). A
// program of its own so that its memory is small to copy and holds nothing of the worker's.
//
//   keeper ──fork──▶ template: no rights, but the owner of what the keeper makes
//      └──fork in a place's namespaces──▶ first process of a sandbox: mounts, and is there
//
// A task's process, of which the template's helper was the parent for a moment, is left to the
// keeper as the first process of all: it tells the worker how the task ended.
//
// A place is a user namespace, with a user of its own, and a network namespace without interfaces
// in it: both are slow to make, and one task after the other can do nothing to them that stays. The
// mount, pid, ipc and uts namespaces of a sandbox are new for each task.
//
// It is started by keeper_child.cc in namespaces of its own, with all rights there.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "warm/launcher.h"
#include "worker/sandbox_plan.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

constexpr auto sandbox_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;

struct Plan {
  KeeperPlan head;
  std::vector<sock_filter> filter;
  std::vector<sock_filter> template_filter;
  std::vector<char> texts;
  const char* tmp_options = nullptr;
  std::vector<const char*> shown_in_tmp;
  std::vector<char*> command;      // ends with a null
  std::vector<char*> environment;  // ends with a null
};

bool read_plan(Plan& plan) {
  const auto take = [](void* to, std::size_t size) {
    return ::read(keeper_plan, to, size) == static_cast<ssize_t>(size);
  };
  if (!take(&plan.head, sizeof plan.head) || plan.head.version != warm_version) return false;
  plan.filter.resize(plan.head.filter_size);
  plan.template_filter.resize(plan.head.template_filter_size);
  plan.texts.resize(plan.head.text_size);
  if (!take(plan.filter.data(), plan.filter.size() * sizeof(sock_filter)) ||
      !take(plan.template_filter.data(), plan.template_filter.size() * sizeof(sock_filter)) ||
      !take(plan.texts.data(), plan.texts.size()))
    return false;
  char* at = plan.texts.data();
  char* const end = at + plan.texts.size();
  plan.tmp_options = at;
  at += std::strlen(at) + 1;
  for (; plan.shown_in_tmp.size() < plan.head.shown_in_tmp; at += std::strlen(at) + 1)
    plan.shown_in_tmp.push_back(at);
  for (; at < end; at += std::strlen(at) + 1)
    (plan.command.size() < plan.head.arguments ? plan.command : plan.environment).push_back(at);
  plan.command.push_back(nullptr);
  plan.environment.push_back(nullptr);
  return true;
}

bool write_file(const char* path, const char* text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done =
      ::write(file, text, std::strlen(text)) == static_cast<ssize_t>(std::strlen(text));
  ::close(file);
  return done;
}

// What the first process of a sandbox tells the keeper.
struct Ready {
  int error = 0;  // errno of the step
  const char* step = "";
};

void set_capabilities(unsigned permitted_low) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets = {};
  sets[0].permitted = permitted_low;
  ::syscall(SYS_capset, &header, sets.data());
}

bool load_filter(const std::vector<sock_filter>& filter) {
  const sock_fprog program = {static_cast<unsigned short>(filter.size()),
                              const_cast<sock_filter*>(filter.data())};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

// ---- The first process of a sandbox

// Or it ends, and tells the keeper why at descriptor 0.
void must(long status, const char* step) {
  if (status >= 0) return;
  const Ready failed = {errno, step};
  (void)!::write(0, &failed, sizeof failed);
  ::_exit(127);
}

// Of the folder or file at `path`, and of what is above it, in a new /tmp.
bool make_mount_point(const char* path, bool folder) {
  std::string made = "/tmp";
  for (const char* at = path + made.size(); *at != '\0';) {
    const char* const end = std::strchr(at + 1, '/');
    made.append(at, end == nullptr ? std::strlen(at) : static_cast<std::size_t>(end - at));
    at = path + made.size();
    const int status = end != nullptr || folder ? ::mkdir(made.c_str(), 0755)
                                                : ::mknod(made.c_str(), S_IFREG | 0644, 0);
    if (status != 0 && errno != EEXIST) return false;
  }
  return true;
}

// A new /tmp, over that of all; what is shown in that one is shown in the new one.
void make_tmp(const Plan& plan) {
  std::vector<int> shown;
  for (const char* path : plan.shown_in_tmp) {
    shown.push_back(::open(path, O_PATH | O_CLOEXEC));
    must(shown.back(), "open what is shown in /tmp");
  }
  must(::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, plan.tmp_options), "mount /tmp");
  if (shown.empty()) return;
  ::setfsuid(sandbox_user);  // files there have owners that the place knows
  ::setfsgid(sandbox_user);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    struct stat status = {};
    must(::fstat(shown[i], &status), "look at what is shown in /tmp");
    const char* const path = plan.shown_in_tmp[i];
    must(make_mount_point(path, S_ISDIR(status.st_mode)) ? 0 : -1, "show it in /tmp");
    std::array<char, 32> source;
    std::snprintf(source.data(), source.size(), "/proc/self/fd/%d", shown[i]);
    must(::mount(source.data(), path, nullptr, MS_BIND | MS_REC, nullptr), "show it in /tmp");
    ::close(shown[i]);
  }
  // Which the change of user has ended: the template enters by us.
  ::prctl(PR_SET_DUMPABLE, 1);
}

// Mounts what is the sandbox's own, says so, and is there: as long as the worker wants the sandbox.
[[noreturn]] void be_first(const Plan& plan, int ready) {
  if (::dup2(ready, 0) < 0) ::_exit(127);
  ::syscall(SYS_close_range, 1U, ~0U, 0);
  make_tmp(plan);
  must(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr),
       "mount /proc");
  ::signal(SIGCHLD, SIG_IGN);  // whoever is left to us is gone when he ends
  // One right stays, which is never used: so nobody without rights may look into this process.
  set_capabilities(1U << CAP_KILL);
  const Ready done;
  (void)!::write(0, &done, sizeof done);
  ::close(0);
  // Until it is killed: the kernel then ends all others.
  while (true) ::pause();
}

// ---- Places

struct Place {
  int user = -1;  // namespaces
  int net = -1;
};

class Keeper {
 public:
  explicit Keeper(const Plan& plan) : plan_(plan) {}

  bool prepare() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_SETMASK, &child, nullptr);
    ended_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return ended_ >= 0 && ::pipe2(ready_.data(), O_CLOEXEC) == 0;
  }

  void serve() {
    std::array<pollfd, 2> on = {pollfd{keeper_socket, POLLIN, 0}, pollfd{ended_, POLLIN, 0}};
    while (true) {
      // No more sandboxes while many still go: what is counted as ours has a limit.
      const bool many_go = own_.size() > places_.size() + sandboxes_going_max;
      on[0].events = many_go ? 0 : POLLIN;
      if (::poll(on.data(), on.size(), -1) < 0 && errno != EINTR) return;
      if (on[1].revents != 0) tell_ended();
      if (on[0].revents == 0) continue;
      KeeperOrder order;
      std::array<int, 2> fds = {-1, -1};
      if (!receive(order, fds)) return;
      error_ = 0;
      step_ = "";
      const pid_t process = order.kind == KeeperOrder::Kind::handler
                                ? start_template(fds[0], fds[1])
                                : make_sandbox(order.place);
      if (process > 0) own_.insert(process);
      answer(order, process);
      for (const int fd : fds) {
        if (fd >= 0) ::close(fd);
      }
    }
  }

 private:
  static bool receive(KeeperOrder& order, std::array<int, 2>& fds) {
    iovec part = {&order, sizeof order};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> room;
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    ssize_t size = 0;
    do {
      size = ::recvmsg(keeper_socket, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    const cmsghdr* const head = CMSG_FIRSTHDR(&message);
    if (size != sizeof order) return false;
    if (head != nullptr) std::memcpy(fds.data(), CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return true;
  }

  // Told before it is forgotten, since with that the worker may see the sandbox's end.
  void tell_ended() {
    signalfd_siginfo signal;
    while (::read(ended_, &signal, sizeof signal) > 0) {
    }
    while (true) {
      siginfo_t info = {};
      rusage used = {};
      if (::syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, &used) != 0 ||
          info.si_pid == 0)
        return;
      int status = 0;
      if (own_.erase(info.si_pid) == 0) {
        KeeperAnswer text;
        text.order.kind = KeeperOrder::Kind::ended;
        text.process = info.si_pid;
        text.code = info.si_code == CLD_EXITED ? info.si_status : 0;
        text.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
        const auto micros = [](const timeval& time) {
          return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
                 static_cast<std::uint64_t>(time.tv_usec);
        };
        text.cpu_micros = micros(used.ru_utime) + micros(used.ru_stime);
        text.memory_peak_bytes = static_cast<std::uint64_t>(used.ru_maxrss) << 10;
        (void)!::send(keeper_socket, &text, sizeof text, MSG_NOSIGNAL);
      }
      ::waitpid(info.si_pid, &status, 0);
    }
  }

  void answer(const KeeperOrder& order, pid_t process) {
    int pidfd = -1;
    if (process > 0) {
      pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
      if (pidfd < 0) fail("open its pidfd");
    }
    KeeperAnswer text;
    text.order = order;
    text.error = error_;
    std::strncpy(text.step, step_, sizeof text.step - 1);
    iovec part = {&text, sizeof text};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof pidfd)> room = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (pidfd >= 0) {
      message.msg_control = room.data();
      message.msg_controllen = room.size();
      cmsghdr* const head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(sizeof pidfd);
      std::memcpy(CMSG_DATA(head), &pidfd, sizeof pidfd);
    }
    (void)!::sendmsg(keeper_socket, &message, MSG_NOSIGNAL);
    if (pidfd >= 0) ::close(pidfd);
  }

  pid_t fail(const char* step) {
    error_ = errno;
    step_ = step;
    return -1;
  }

  pid_t make_sandbox(std::uint32_t number) {
    if (number >= places_max) {
      errno = EINVAL;
      return fail("so many places");
    }
    if (places_.size() <= number) places_.resize(number + 1);
    Place& place = places_[number];
    if (place.user < 0 && !make_place(number, place)) return -1;
    // The helper enters the place and forks there; it shares our memory, and is our child's
    // sibling.
    static volatile pid_t first = -1;
    static volatile int error = 0;
    first = -1;
    const pid_t helper = ::vfork();
    if (helper == 0) {
      if (::setns(place.user, CLONE_NEWUSER) == 0 &&
          (place.net < 0 || ::setns(place.net, CLONE_NEWNET) == 0)) {
        const auto made =
            static_cast<pid_t>(::syscall(SYS_clone, sandbox_flags | CLONE_PARENT, 0, 0, 0, 0));
        if (made == 0) be_first(plan_, ready_[1]);
        first = made;
      }
      error = errno;
      ::_exit(0);
    }
    if (helper < 0) return fail("fork");
    while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
    }
    errno = error;
    if (first < 0) return fail("make namespaces");
    Ready ready = {EIO, "make a sandbox"};
    (void)!::read(ready_[0], &ready, sizeof ready);
    errno = ready.error;
    return ready.error == 0 ? first : fail(ready.step);
  }

  bool make_place(std::uint32_t number, Place& place) {
    std::array<int, 2> made = {-1, -1};
    if (::pipe2(made.data(), O_CLOEXEC) != 0) return fail("make a pipe") == 0;
    const pid_t holder = ::fork();
    if (holder == 0) {
      const int own = CLONE_NEWUSER | (plan_.head.network != 0 ? 0 : CLONE_NEWNET);
      const char ok = ::unshare(own) == 0 ? '+' : '-';
      (void)!::write(made[1], &ok, 1);
      ::pause();
      ::_exit(0);
    }
    ::close(made[1]);
    char ok = '-';
    const bool heard = holder > 0 && ::read(made[0], &ok, 1) == 1 && ok == '+';
    if (!heard) fail("make a place's namespaces");
    ::close(made[0]);
    const bool done = heard && map_user(holder, number) && hold(holder, place);
    if (holder > 0) {
      ::kill(holder, SIGKILL);
      ::waitpid(holder, nullptr, 0);
    }
    return done;
  }

  bool map_user(pid_t holder, std::uint32_t number) {
    std::array<char, 64> path;
    std::array<char, 64> line;
    const unsigned outer = plan_.head.own_users != 0 ? first_place_user + number : sandbox_user;
    std::snprintf(line.data(), line.size(), "%u %u 1", sandbox_user, outer);
    std::snprintf(path.data(), path.size(), "/proc/%d/uid_map", holder);
    if (!write_file(path.data(), line.data())) return fail("map a place's user") == 0;
    std::snprintf(path.data(), path.size(), "/proc/%d/setgroups", holder);
    write_file(path.data(), "deny");  // its groups are what ours are
    std::snprintf(path.data(), path.size(), "/proc/%d/gid_map", holder);
    return write_file(path.data(), line.data()) || fail("map a place's group") == 0;
  }

  bool hold(pid_t holder, Place& place) {
    std::array<char, 64> path;
    if (plan_.head.network == 0) {
      std::snprintf(path.data(), path.size(), "/proc/%d/ns/net", holder);
      place.net = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    }
    std::snprintf(path.data(), path.size(), "/proc/%d/ns/user", holder);
    place.user = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    const bool net = plan_.head.network != 0 || place.net >= 0;
    return (net && place.user >= 0) || fail("hold a place's namespaces") == 0;
  }

  // ---- The template

  pid_t start_template(int control, int log) {
    const pid_t process = ::fork();
    if (process < 0) return fail("fork");
    if (process > 0) return process;
    be_template(control, log);
  }

  // What goes wrong is told in its log.
  [[noreturn]] void be_template(int control, int log) {
    write_file("/proc/self/oom_score_adj", "1000");  // tasks go first when memory runs out
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const auto check = [log](long status, const char* step) {
      if (status >= 0) return;
      ::dprintf(log, "cannot %s: %s\n", step, std::strerror(errno));
      ::_exit(127);
    };
    check(nothing, "open /dev/null");
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    check(::unshare(CLONE_NEWNS), "make a mount namespace");
    check(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr),
          "mount /proc");
    // None of what we hold is below 16 from here on.
    const int above = ::fcntl(control, F_DUPFD_CLOEXEC, 16);
    const int above_log = ::fcntl(log, F_DUPFD_CLOEXEC, 16);
    check(::dup2(nothing, 0), "set stdin");
    check(::dup2(above_log, 1), "set stdout");
    check(::dup2(above_log, 2), "set stderr");
    check(::dup2(above, 3), "hand over the control socket");
    ::syscall(SYS_close_range, 4U, ~0U, 0);
    set_limit(RLIMIT_CORE, 0);
    // An order brings some, which are moved out of the way; each task's limit is its own.
    constexpr std::uint64_t open_files_min = 64;
    set_limit(RLIMIT_NOFILE, std::max(plan_.head.limits.open_files, open_files_min));
    set_limit(RLIMIT_FSIZE, plan_.head.limits.file_bytes);
    set_limit(RLIMIT_MEMLOCK, 64 << 10);
    set_limit(RLIMIT_RTPRIO, 0);
    set_limit(RLIMIT_NICE, 0);
    set_limit(RLIMIT_MSGQUEUE, 64 << 10);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
      ::prctl(PR_CAPBSET_DROP, capability);
    set_capabilities(0);
    if (!load_filter(plan_.template_filter)) {
      ::dprintf(2, "cannot load the seccomp filter: %s\n", std::strerror(errno));
      ::_exit(127);
    }
    if (plan_.head.launcher != 0) {
      environ = const_cast<char**>(plan_.environment.data());
      run_launcher(3, plan_.command.data());
    }
    ::execve(plan_.command[0], plan_.command.data(), plan_.environment.data());
    ::dprintf(2, "cannot start %s: %s\n", plan_.command[0], std::strerror(errno));
    ::_exit(127);
  }

  static void set_limit(int what, rlim_t value) {
    const rlimit both = {value, value};
    ::setrlimit(static_cast<__rlimit_resource>(what), &both);
  }

  const Plan& plan_;
  std::vector<Place> places_;
  std::array<int, 2> ready_ = {-1, -1};  // one Ready comes when a sandbox is made, or is not
  int ended_ = -1;                       // a signalfd
  std::set<pid_t> own_;                  // first processes, templates
  int error_ = 0;
  const char* step_ = "";
};

int run_keeper() {
  Plan plan;
  if (!read_plan(plan)) return 2;
  ::close(keeper_plan);
  Keeper keeper(plan);
  if (!load_filter(plan.filter) || !keeper.prepare()) return 1;
  keeper.serve();
  return 0;
}

}  // namespace
}  // namespace deferd

int main() { return deferd::run_keeper(); }
