// Everything that a task's process needs from its birth to exec, laid out before: between clone and
// exec nothing may allocate, since another thread of the worker may have held the allocator's lock.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/limits.h"

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
  std::vector<sock_filter> seccomp;
  Limits limits;
  std::string tmp_bytes;  // of tmpfs, as mount options are spelled
  std::string tmp_inodes;

  std::vector<std::string> command;  // the program's path first
  std::vector<std::string> environment;
  // The same as execve(2) wants it; made last, by lay_out().
  std::vector<char*> command_raw;
  std::vector<char*> environment_raw;

  void lay_out() {
    const auto raw = [](std::vector<std::string>& texts) {
      std::vector<char*> pointers;
      for (std::string& text : texts) pointers.push_back(text.data());
      pointers.push_back(nullptr);
      return pointers;
    };
    command_raw = raw(command);
    environment_raw = raw(environment);
  }
};

// What a process of a sandbox tells the worker: how far it did not come, or how its task ended.
struct SandboxReport {
  enum class Kind : std::uint8_t { setup_failed, ended };
  Kind kind = Kind::setup_failed;
  std::int32_t error = 0;               // errno
  std::int32_t wait_status = 0;         // ended: as waitpid(2) has it
  std::uint64_t cpu_micros = 0;         // ended: of the task's own process and what it waited for
  std::uint64_t memory_peak_bytes = 0;  // ended: of the largest of them
  char step[48] = {};                   // setup_failed: "mount /proc"
};

// The descriptors that a child begins with; all are closed on exec.
struct SandboxPipes {
  int in = -1;
  int out = -1;
  int err = -1;
  int report = -1;
  int go = -1;        // a byte comes when the worker has done its part; it ends with the worker
  int go_other = -1;  // the worker's end of it, to be closed here
  // Of the task's control groups (Cgroup::open_entrances()); -1: no further one.
  std::array<int, 4> entrances = {-1, -1, -1, -1};
  // Of a keeper's sandbox (keeper_main.cc): its program, its end of the socket, its plan.
  int keeper = -1;
  int keeper_socket = -1;
  int keeper_plan = -1;
};

// Inside its user id is this; there is no other but those that are not mapped.
constexpr unsigned sandbox_user = 1000;

// In the new process, which is the first one of its namespaces. Does not return.
[[noreturn]] void run_sandbox(const SandboxPlan& plan, const SandboxPipes& pipes,
                              bool drop_groups) noexcept;

}  // namespace deferd
