// Which system calls a task may make: a list of what programs need, everything else fails with
// EPERM. Left out is whatever reaches beyond the sandbox or widens the kernel's surface without
// need: mounts, namespaces, tracing, keys, modules, BPF, io_uring, raw and exotic sockets.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.h"

namespace deferd {

// A program for seccomp(2), made once and loaded by each task. Without the network only local
// sockets can be made.
Result<std::vector<sock_filter>> make_seccomp_filter(bool network);
// For the program of a warm handler, which enters the sandboxes of its tasks and takes the above
// there: beside that list, setns, seccomp and capset.
Result<std::vector<sock_filter>> make_template_filter(bool network);
// For the keeper and the first processes of its sandboxes: beside that, mounts and namespaces.
Result<std::vector<sock_filter>> make_keeper_filter(bool network);

}  // namespace deferd
