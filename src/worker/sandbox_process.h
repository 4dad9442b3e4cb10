// The birth of a sandbox, seen from the worker: its processes are made, mapped to a user of their
// own, put into their control group, and let go.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"
#include "worker/cgroups.h"
#include "worker/sandbox_plan.h"

namespace deferd {

// The worker's ends, all non-blocking and closed on exec. Whoever has them closes them.
struct SandboxProcess {
  int pidfd = -1;  // readable once all of the sandbox has ended
  int in = -1;     // to write
  int out = -1;    // to read, as the next two
  int err = -1;
  int report = -1;  // at most one SandboxReport
  int tell = -1;    // what a warm task tells of itself (warm_wire.h); -1: a program's
  int go = -1;      // nothing more to do with it than to keep it: closed, it says that we are gone
};

// `slot` makes the user's number outside, when the worker may choose: two sandboxes at once should
// have two.
Result<SandboxProcess> make_sandbox_process(const SandboxPlan& plan, const Cgroup& group,
                                            std::uint32_t slot);

// The same for a keeper (keeper_main.cc), whose program is open as `program`, and its plan as
// `file`.
struct KeeperProcess {
  int pidfd = -1;
  int report = -1;  // as above: why it could not begin; ends when it has begun
  int socket = -1;  // SOCK_SEQPACKET, not blocking
  int go = -1;
};
// `slot` makes the first one of a range of users' numbers outside.
Result<KeeperProcess> make_keeper_process(const SandboxPlan& plan, const Cgroup& group,
                                          std::uint32_t slot, int program, int file);

// What the sandbox's processes are sent when they must end; all of them do.
void kill_sandbox(int pidfd);
// Waits for the end of the sandbox, and forgets it.
void reap_sandbox(int pidfd);

}  // namespace deferd
