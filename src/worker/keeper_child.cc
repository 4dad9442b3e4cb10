// The inside of the sandbox that all others of a worker are made in, from clone to the exec of
// their keeper: only system calls, no allocation.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "worker/sandbox_plan.h"
#include "worker/warm_wire.h"

namespace deferd {
namespace {

// Debian 12's headers of the C library have not all of these.
int open_tree(int folder, const char* path, unsigned flags) {
  return static_cast<int>(::syscall(SYS_open_tree, folder, path, flags));
}
int move_mount(int from, const char* to) {
  return static_cast<int>(
      ::syscall(SYS_move_mount, from, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH));
}
int set_mount(const char* path, std::uint64_t set, bool recursive) {
  mount_attr attr = {};
  attr.attr_set = set;
  return static_cast<int>(::syscall(SYS_mount_setattr, AT_FDCWD, path, recursive ? AT_RECURSIVE : 0,
                                    &attr, sizeof attr));
}
int fs_open(const char* type) {
  return static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}
int fs_set(int fs, const char* key, const char* value) {
  return static_cast<int>(::syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}
int fs_mount(int fs, unsigned attributes) {
  if (::syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return -1;
  return static_cast<int>(::syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

class Child {
 public:
  Child(const SandboxPlan& plan, const SandboxPipes& pipes, bool drop_groups)
      : plan_(plan), pipes_(pipes), drop_groups_(drop_groups) {}

  [[noreturn]] void run() {
    ::close(pipes_.go_other);
    char go = 0;
    if (::read(pipes_.go, &go, 1) != 1) ::_exit(1);  // the worker gave up, and says why itself
    for (const int entrance : pipes_.entrances) {
      if (entrance >= 0) check(::write(entrance, "0", 1), "enter the control group");
    }
    // The worker's signal handling is not ours.
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);

    open_sources();
    become_user();
    make_root();
    check(::sethostname("task", 4), "set the host name");
    become_keeper();
  }

 private:
  static constexpr std::size_t sources_max = 64;

  [[noreturn]] void fail(const char* step) {
    SandboxReport report;
    report.error = errno;
    std::strncpy(report.step, step, sizeof report.step - 1);
    (void)!::write(pipes_.report, &report, sizeof report);
    ::_exit(127);
  }
  void check(long status, const char* step) {
    if (status < 0) fail(step);
  }

  // As the worker's user, who may look where the task's user may not: a folder that is shown is
  // shown whatever lies above it.
  void open_sources() {
    if (plan_.shown.size() + plan_.devices.size() > sources_max) {
      errno = E2BIG;
      fail("show so many folders");
    }
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    std::size_t at = 0;
    for (const Shown& one : plan_.shown) {
      sources_[at] = -1;
      if (one.kind != Shown::Kind::symlink) {
        sources_[at] = open_tree(AT_FDCWD, one.path.c_str(),
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        check(sources_[at], one.path.c_str());
      }
      ++at;
    }
    for (const std::string& device : plan_.devices) {
      sources_[at] = open_tree(AT_FDCWD, device.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
      check(sources_[at++], device.c_str());
    }
  }

  // Keeps the capabilities in our own namespaces, for the mounts.
  void become_user() {
    check(::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS), "keep rights");
    if (drop_groups_) check(::syscall(SYS_setgroups, 0, nullptr), "drop groups");
    check(::syscall(SYS_setresgid, sandbox_user, sandbox_user, sandbox_user), "set the group");
    check(::syscall(SYS_setresuid, sandbox_user, sandbox_user, sandbox_user), "set the user");
    // Dies with the worker, whatever ends that. A change of user forgets this, so it is here.
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "die with the worker");
    pollfd worker = {pipes_.go, 0, 0};
    if (::poll(&worker, 1, 0) != 0) ::_exit(1);  // it has ended before that
    ::close(pipes_.go);
  }

  // A small file system of our own, in which nothing but mount points is; then read-only.
  void make_root() {
    const int root = fs_open("tmpfs");
    check(root, "open tmpfs");
    check(fs_set(root, "size", "256k"), "size the root");
    check(fs_set(root, "mode", "755"), "set the root's mode");
    const int mounted = fs_mount(root, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    check(mounted, "mount the root");
    check(move_mount(mounted, "/tmp"), "move the root");
    check(::chdir("/tmp"), "enter the root");

    // Before what is shown, which may lie in the machine's /tmp.
    make_folder("tmp");
    const int tmp = fs_open("tmpfs");
    check(tmp, "open tmpfs");
    check(fs_set(tmp, "size", plan_.tmp_bytes.c_str()), "size /tmp");
    check(fs_set(tmp, "nr_inodes", plan_.tmp_inodes.c_str()), "size /tmp");
    check(fs_set(tmp, "mode", "700"), "set the mode of /tmp");
    const int tmp_mounted = fs_mount(tmp, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    check(tmp_mounted, "mount /tmp");
    check(move_mount(tmp_mounted, "tmp"), "move /tmp");
    ::close(tmp_mounted);

    std::size_t at = 0;
    for (const Shown& one : plan_.shown) {
      const int source = sources_[at++];
      for (const std::string& parent : one.parents) make_folder(parent.c_str() + 1);
      const char* const place = one.path.c_str() + 1;
      switch (one.kind) {
        case Shown::Kind::symlink:
          check(::symlink(one.link.c_str(), place), place);
          continue;
        case Shown::Kind::folder:
          make_folder(place);
          break;
        case Shown::Kind::file:
          make_file(place);
          break;
      }
      check(move_mount(source, place), place);
      check(set_mount(place, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, true),
            place);
      ::close(source);
    }
    make_folder("dev");
    for (const std::string& device : plan_.devices) {
      const char* const place = device.c_str() + 1;
      make_file(place);
      check(move_mount(sources_[at], place), place);
      check(set_mount(place, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false), place);
      ::close(sources_[at++]);
    }
    for (const auto& [name, to] :
         std::to_array<std::pair<const char*, const char*>>({{"dev/fd", "/proc/self/fd"},
                                                             {"dev/stdin", "/proc/self/fd/0"},
                                                             {"dev/stdout", "/proc/self/fd/1"},
                                                             {"dev/stderr", "/proc/self/fd/2"},
                                                             {"dev/shm", "/tmp"}})) {
      check(::symlink(to, name), name);
    }
    make_folder("proc");
    check(::mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
          "mount /proc");
    ::close(mounted);
    check(set_mount(".", MOUNT_ATTR_RDONLY, false), "make the root read-only");
    // The old root goes below the new one, and away.
    check(::syscall(SYS_pivot_root, ".", "."), "change the root");
    check(::umount2(".", MNT_DETACH), "leave the old root");
    check(::chdir("/tmp"), "enter /tmp");
  }

  void make_folder(const char* path) {
    if (::mkdir(path, 0755) != 0 && errno != EEXIST) fail(path);
  }
  void make_file(const char* path) {
    const int file = ::open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    check(file, path);
    ::close(file);
  }

  // With the rights that it has in these namespaces; nothing of the worker's memory.
  [[noreturn]] void become_keeper() {
    check(::dup2(pipes_.socket, keeper_socket), "the keeper's socket");
    check(::dup2(pipes_.plan, keeper_plan), "the keeper's plan");
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets = {};
    check(::syscall(SYS_capget, &header, sets.data()), "look at capabilities");
    for (__user_cap_data_struct& set : sets) set.inheritable = set.permitted;
    check(::syscall(SYS_capset, &header, sets.data()), "hand capabilities on");
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
      ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    for (const int fd : {0, 1, 2}) ::close(fd);
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int fd : {1, 2}) check(::dup2(nothing, fd), "open /dev/null");
    check(::syscall(SYS_close_range, 5U, ~0U, CLOSE_RANGE_CLOEXEC), "close what was open");
    char name[] = "deferd-keeper";
    std::array<char*, 2> command = {name, nullptr};
    std::array<char*, 1> environment = {nullptr};
    ::syscall(SYS_execveat, pipes_.program, "", command.data(), environment.data(), AT_EMPTY_PATH);
    fail("start the keeper");
  }

  const SandboxPlan& plan_;
  const SandboxPipes pipes_;
  const bool drop_groups_;
  std::array<int, sources_max> sources_ = {};
};

}  // namespace

void run_sandbox(const SandboxPlan& plan, const SandboxPipes& pipes, bool drop_groups) noexcept {
  Child(plan, pipes, drop_groups).run();
}

}  // namespace deferd
