// Everything that a keeper's process needs from its birth to exec, laid out before: between clone
// and exec nothing may allocate, since another thread of the worker may have held the allocator's
// lock.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace deferd {

// A part of the host's files that tasks see, read-only, at the same place.
struct Shown {
  enum class Kind : std::uint8_t { folder, file, symlink };
  Kind kind = Kind::folder;
  std::string path;
  std::string link;                  // symlink: where it points
  std::vector<std::string> parents;  // "/a", "/a/b" of "/a/b/c": to be made first
};

struct SandboxPlan {
  std::vector<Shown> shown;
  std::vector<std::string> devices;  // "/dev/null"
  std::string tmp_bytes;             // of tmpfs, as mount options are spelled
  std::string tmp_inodes;
};

// What a process tells the worker: how far it did not come.
struct SandboxReport {
  std::int32_t error = 0;  // errno
  char step[48] = {};      // "mount /proc"
};

// The descriptors that a keeper's process begins with; all but the socket and the plan are closed
// on exec.
struct SandboxPipes {
  int report = -1;
  int go = -1;        // a byte comes when the worker has done its part; it ends with the worker
  int go_other = -1;  // the worker's end of it, to be closed here
  // Of its control groups (Cgroup::open_entrances()); -1: no further one.
  std::array<int, 4> entrances = {-1, -1, -1, -1};
  int program = -1;  // keeper_main.cc
  int socket = -1;
  int plan = -1;
};

// Inside its user id is this; there is no other but those that are not mapped.
constexpr unsigned sandbox_user = 1000;

// In the new process, which is the first one of its namespaces: becomes the keeper.
[[noreturn]] void run_sandbox(const SandboxPlan& plan, const SandboxPipes& pipes,
                              bool drop_groups) noexcept;

}  // namespace deferd
