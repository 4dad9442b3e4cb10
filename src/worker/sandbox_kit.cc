#include "worker/sandbox_kit.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "worker/sandbox_root.h"
#include "worker/seccomp_filter.h"

namespace deferd {
namespace {

constexpr auto device_paths = std::to_array<const char*>(
    {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"});

Result<void> check_limits(const CgroupTree& tree, const std::vector<std::string>& unenforced) {
  for (const std::string& name : unenforced) {
    if (name != "memory" && name != "processes" && name != "cpu_time") {
      return fail(Reason::invalid,
                  "unenforced: \"" + name + "\" is not one of memory, processes, cpu_time",
                  "unenforced");
    }
  }
  for (const auto& [name, enforced] :
       std::to_array<std::pair<const char*, bool>>({{"memory", tree.memory()},
                                                    {"processes", tree.processes()},
                                                    {"cpu_time", tree.cpu()}})) {
    if (enforced || std::ranges::find(unenforced, name) != unenforced.end()) continue;
    return fail(Reason::unsupported,
                std::string("the limit \"") + name +
                    "\" cannot be enforced: no control group of it may be made here. Run as root, "
                    "or under systemd with Delegate=yes; or accept it with --unenforced " +
                    name);
  }
  return {};
}

}  // namespace

Result<SandboxKit> SandboxKit::make(const SandboxOptions& options) {
  // A program that closes its input early is no reason for the worker to end.
  ::signal(SIGPIPE, SIG_IGN);
  SandboxKit kit = {CgroupTree::find(), {}, {}};
  if (auto ok = check_limits(kit.tree, options.unenforced); !ok) return fail(ok.error());
  auto shown = shown_files(options.show);
  if (!shown) return fail(shown.error());
  kit.shown = std::move(*shown);
  auto filter = make_seccomp_filter(options.limits.network);
  if (!filter) return fail(filter.error());
  kit.seccomp = std::move(*filter);
  return kit;
}

std::vector<std::string> SandboxKit::enforcement() const {
  const std::string groups(tree.version());
  const auto by = [&](bool enforced, const char* otherwise) {
    return enforced ? groups : std::string(otherwise);
  };
  return {
      "wall time: the worker's timer",
      "CPU time: " + by(tree.cpu(), "each process alone (RLIMIT_CPU)"),
      "memory: " + by(tree.memory(), "nothing"),
      "processes: " + by(tree.processes(), "nothing"),
      "open files: RLIMIT_NOFILE",
      "output: the worker's count",
      "disk: tmpfs of bounded size, the only place to write to" +
          std::string(tree.memory() ? ", counted as memory" : ""),
      "files: a read-only root of chosen folders in a mount namespace",
      "network: a network namespace without interfaces, and no sockets but local ones (seccomp)",
      "other processes: pid, ipc and uts namespaces",
      std::string("rights: ") +
          (::geteuid() == 0 ? "a user id of its own" : "the worker's user id") +
          " in a user namespace, no capabilities, no_new_privs, a seccomp allow-list",
  };
}

SandboxPlan SandboxKit::plan(const Limits& limits) const {
  SandboxPlan plan;
  plan.shown = shown;
  plan.devices.assign(device_paths.begin(), device_paths.end());
  plan.tmp_bytes = std::to_string(limits.disk_bytes);
  plan.tmp_inodes = std::to_string(limits.disk_bytes / 4096 + 1024);
  return plan;
}

}  // namespace deferd
