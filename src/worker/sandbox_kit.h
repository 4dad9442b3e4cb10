// What all sandboxes of a worker are made of: control groups, the files they show, the lists of
// system calls. Found and checked once, at the start.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "worker/cgroups.h"
#include "worker/sandbox.h"
#include "worker/sandbox_plan.h"

namespace deferd {

struct SandboxKit {
  // Fails as Sandboxes::make() does.
  static Result<SandboxKit> make(const SandboxOptions& options);

  // What each limit is enforced by: lines for the start of a log.
  std::vector<std::string> enforcement() const;
  SandboxPlan plan(const Limits& limits) const;

  CgroupTree tree;
  std::vector<Shown> shown;
  std::vector<sock_filter> seccomp;  // of tasks
};

}  // namespace deferd
