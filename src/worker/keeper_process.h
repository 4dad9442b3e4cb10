// The birth of a keeper (keeper_main.cc), seen from the worker: its process is made in namespaces
// of its own, mapped to users of their own, put into its control group, and let go.
#pragma once

#include "base/result.h"
#include "worker/cgroups.h"
#include "worker/sandbox_plan.h"

namespace deferd {

struct KeeperOptions {
  bool network = false;  // the host's
  int program = -1;      // open: keeper_main.cc's
  int plan = -1;         // open: a KeeperPlan
};

// The worker's ends, all closed on exec. Whoever has them closes them.
struct KeeperProcess {
  int pidfd = -1;   // readable once it and all that it made have ended
  int report = -1;  // a SandboxReport: why it could not begin; ends when it has begun
  int socket = -1;  // SOCK_SEQPACKET, not blocking
  int go = -1;      // nothing more to do with it than to keep it: closed, it says that we are gone
};
Result<KeeperProcess> make_keeper_process(const SandboxPlan& plan, const Cgroup& group,
                                          const KeeperOptions& options);

// What a first process is sent when all of its sandbox must end; all of it does.
void kill_sandbox(int pidfd);
// Waits for the end of the sandbox, and forgets it.
void reap_sandbox(int pidfd);

}  // namespace deferd
