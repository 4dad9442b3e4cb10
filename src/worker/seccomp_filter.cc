#include "worker/seccomp_filter.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "base/unix_file.h"

namespace deferd {
namespace {

// By what they are about. A name that this machine's kernel interface has not is passed over.
constexpr auto allowed = std::to_array<const char*>({
    // files
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "lseek",
    "access",
    "faccessat",
    "faccessat2",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "flock",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
    "truncate",
    "ftruncate",
    "fallocate",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "symlink",
    "symlinkat",
    "readlink",
    "readlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "umask",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "statfs",
    "fstatfs",
    "sendfile",
    "splice",
    "tee",
    "copy_file_range",
    "readahead",
    "fadvise64",
    "memfd_create",
    "pipe",
    "pipe2",
    "mknod",
    "mknodat",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    "ioctl",
    // memory
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "msync",
    "mincore",
    "mlock",
    "mlock2",
    "munlock",
    "brk",
    "membarrier",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "get_mempolicy",
    "set_mempolicy",
    "mbind",
    // processes and threads; what they may make is said below for clone
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "getpid",
    "getppid",
    "gettid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "getsid",
    "setsid",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "futex",
    "futex_waitv",
    "rseq",
    "arch_prctl",
    "prctl",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capget",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_setparam",
    "sched_getscheduler",
    "sched_setscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_rr_get_interval",
    "sched_getattr",
    "sched_setattr",
    "getpriority",
    "setpriority",
    "ioprio_get",
    "ioprio_set",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "getrusage",
    "times",
    "getcpu",
    "pidfd_open",
    "pidfd_send_signal",
    "restart_syscall",
    // signals
    "kill",
    "tkill",
    "tgkill",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "rt_sigsuspend",
    "sigaltstack",
    "pause",
    "signalfd",
    "signalfd4",
    // time
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "alarm",
    "getitimer",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_getoverrun",
    "timer_delete",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    // waiting
    "select",
    "pselect6",
    "poll",
    "ppoll",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    // sockets; which ones is said below
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "shutdown",
    // memory and messages shared by name: the namespace of its own holds them
    "shmget",
    "shmat",
    "shmctl",
    "shmdt",
    "semget",
    "semop",
    "semctl",
    "semtimedop",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    "mq_open",
    "mq_unlink",
    "mq_timedsend",
    "mq_timedreceive",
    "mq_notify",
    "mq_getsetattr",
    // what the system says of itself
    "uname",
    "sysinfo",
    "getrandom",
});

constexpr unsigned namespace_flags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

tl::unexpected<Error> seccomp_error(const char* what, int status) {
  return fail(Reason::internal, std::string("seccomp: ") + what + ": " + std::strerror(-status));
}

constexpr auto allowed_to_templates = std::to_array<const char*>({"setns", "seccomp", "capset"});
constexpr auto allowed_to_keepers =
    std::to_array<const char*>({"setns", "seccomp", "capset", "clone", "unshare", "mount"});

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Result<std::vector<sock_filter>> make_filter(bool network, std::span<const char* const> more) {
  const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return fail(Reason::internal, "seccomp: cannot make a filter");
  // A tree, not a list: the kernel tries each call's number when a filter is loaded, for each task.
  int status = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (status != 0) return seccomp_error("optimize", status);
  for (const auto& names : {std::span<const char* const>(allowed), more}) {
    for (const char* name : names) {
      const int number = seccomp_syscall_resolve_name(name);
      if (number == __NR_SCMP_ERROR) continue;
      status = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0);
      if (status != 0) return seccomp_error(name, status);
    }
  }
  // Threads and processes, but no namespaces. The flags of clone3 are in memory, where a filter
  // cannot look: libraries that are told it is not there use clone.
  const scmp_arg_cmp no_namespace = {0, SCMP_CMP_MASKED_EQ, namespace_flags, 0};
  status = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &no_namespace);
  if (status != 0) return seccomp_error("clone", status);
  status = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (status != 0) return seccomp_error("clone3", status);
  const auto allow_sockets = [&](int family) {
    const scmp_arg_cmp this_family = {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0};
    return seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &this_family);
  };
  status = allow_sockets(AF_UNIX);
  // Netlink is how libraries list the addresses of a machine.
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
    if (network && status == 0) status = allow_sockets(family);
  }
  if (status != 0) return seccomp_error("socket", status);

  const UnixFile file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (file.fd() < 0) return fail(Reason::internal, "seccomp: cannot make a file in memory");
  status = seccomp_export_bpf(filter.get(), file.fd());
  if (status != 0) return seccomp_error("export", status);
  const off_t size = ::lseek(file.fd(), 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (::pread(file.fd(), program.data(), static_cast<std::size_t>(size), 0) != size)
    return fail(Reason::internal, "seccomp: cannot read the program back");
  return program;
}

}  // namespace

Result<std::vector<sock_filter>> make_seccomp_filter(bool network) {
  return make_filter(network, {});
}

Result<std::vector<sock_filter>> make_template_filter(bool network) {
  return make_filter(network, allowed_to_templates);
}

Result<std::vector<sock_filter>> make_keeper_filter(bool network) {
  return make_filter(network, allowed_to_keepers);
}

}  // namespace deferd
