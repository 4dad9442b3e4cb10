#include "worker/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/unix_file.h"

namespace deferd {
namespace {

// One line of mountinfo: where a control group file system is, and what of it.
struct CgroupMount {
  std::string root;   // of the file system: what the mount point shows
  std::string point;  // where
  bool unified = false;
  std::vector<std::string> controllers;  // version 1
};

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (true) {
    const auto end = text.find(at);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<CgroupMount> read_mounts(const std::string& path) {
  std::vector<CgroupMount> mounts;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    // "36 35 98:0 /root /point rw,noatime shared:1 - cgroup source rw,memory"
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = split(std::string_view(line).substr(0, dash), ' ');
    const auto after = split(std::string_view(line).substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    if (after[0] != "cgroup" && after[0] != "cgroup2") continue;
    mounts.push_back({before[3], before[4], after[0] == "cgroup2", split(after[2], ',')});
  }
  return mounts;
}

// Our own group, of a controller or ("") of version 2.
std::string read_own_path(const std::string& file, std::string_view controller) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto parts = split(line, ':');  // "5:memory:/path"
    if (parts.size() < 3) continue;
    const auto names = split(parts[1], ',');
    if (std::ranges::find(names, controller) == names.end()) continue;
    return line.substr(parts[0].size() + parts[1].size() + 2);
  }
  return {};
}

// Where our own group is in what is mounted.
std::string folder_of(const CgroupMount& mount, std::string_view own) {
  if (mount.root != "/") {
    if (!own.starts_with(mount.root)) return mount.point;  // a container that sees itself as root
    own.remove_prefix(mount.root.size());
  }
  std::string folder = mount.point;
  folder += own;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return folder;
}

bool write_file(const std::string& path, std::string_view text) {
  const UnixFile file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.fd() >= 0 &&
         ::write(file.fd(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Of the kernel's own, which are short.
std::string read_file(const std::string& path) {
  const UnixFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  const ssize_t size = file.fd() < 0 ? 0 : ::read(file.fd(), text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The number behind `key` in lines of "key number".
std::uint64_t number_at(const std::string& text, std::string_view key) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return number_of(std::string_view(line).substr(key.size() + 1));
  }
  return 0;
}

bool has_word(const std::string& text, std::string_view word) {
  std::istringstream in(text);
  for (std::string one; in >> one;) {
    if (one == word) return true;
  }
  return false;
}

constexpr std::string_view folder_prefix = "deferd-worker-";

// Of this process, and anew at each call.
std::string worker_folder() {
  static std::atomic<unsigned> trees{0};
  return "/" + std::string(folder_prefix) + std::to_string(::getpid()) + "-" +
         std::to_string(trees++);
}

// Removes what workers that were killed have left in `folder`. Groups with processes stay.
void sweep(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(folder_prefix)) continue;
    const auto process = number_of(std::string_view(name).substr(folder_prefix.size()));
    if (process == 0 || fs::exists("/proc/" + std::to_string(process), error)) continue;
    for (const fs::directory_entry& task : fs::directory_iterator(entry.path(), error))
      ::rmdir(task.path().c_str());
    ::rmdir(entry.path().c_str());
  }
}

// Whether groups in `parent` get the controllers, as far as its owner says.
bool hands_on(const std::string& parent) {
  const std::string given = read_file(parent + "/cgroup.subtree_control");
  return has_word(given, "memory") && has_word(given, "pids");
}

bool hand_on(const std::string& parent) {
  return hands_on(parent) || write_file(parent + "/cgroup.subtree_control", "+memory +pids");
}

}  // namespace

// ---- A group

struct Cgroup::Files {
  bool unified = false;
  std::string memory;
  std::string processes;
  std::string cpu;

  std::vector<std::string> folders() const {
    std::vector<std::string> all;
    for (const std::string& folder : {memory, processes, cpu}) {
      if (!folder.empty() && std::ranges::find(all, folder) == all.end()) all.push_back(folder);
    }
    return all;
  }
};

Cgroup::Cgroup(std::unique_ptr<Files> files) : files_(std::move(files)) {}

Cgroup::~Cgroup() {
  for (const std::string& folder : files_->folders()) ::rmdir(folder.c_str());
}

Result<std::vector<int>> Cgroup::open_entrances() const {
  std::vector<int> entrances;
  for (const std::string& folder : files_->folders()) {
    const std::string path = folder + (files_->unified ? "/cgroup.procs" : "/tasks");
    entrances.push_back(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (entrances.back() >= 0) continue;
    const int error = errno;
    for (const int entrance : entrances) ::close(entrance);
    return system_error("cannot open " + path, error);
  }
  return entrances;
}

bool Cgroup::start_over() {
  cpu_before_ += cpu();
  oom_kills_before_ = oom_kills_ever();
  if (files_->memory.empty()) return true;
  constexpr std::uint64_t rest_bytes_max = 2 << 20;
  const char* const usage = files_->unified ? "/memory.current" : "/memory.usage_in_bytes";
  const char* const peak = files_->unified ? "/memory.peak" : "/memory.max_usage_in_bytes";
  return number_of(read_file(files_->memory + usage)) <= rest_bytes_max &&
         write_file(files_->memory + peak, "0");
}

bool Cgroup::is_empty() const {
  const std::vector<std::string> folders = files_->folders();
  if (folders.empty()) return false;
  const UnixFile file(::open((folders.front() + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC));
  char one = '\0';
  return file.fd() >= 0 && ::read(file.fd(), &one, 1) == 0;
}

Micros Cgroup::cpu() const {
  if (files_->cpu.empty()) return Micros(0);
  const Micros ever = files_->unified
                          ? Micros(number_at(read_file(files_->cpu + "/cpu.stat"), "usage_usec"))
                          : Micros(number_of(read_file(files_->cpu + "/cpuacct.usage")) / 1000);
  return ever - cpu_before_;
}

std::uint64_t Cgroup::memory_peak_bytes() const {
  if (files_->memory.empty()) return 0;
  return number_of(read_file(files_->memory +
                             (files_->unified ? "/memory.peak" : "/memory.max_usage_in_bytes")));
}

std::uint64_t Cgroup::oom_kills() const { return oom_kills_ever() - oom_kills_before_; }

std::uint64_t Cgroup::oom_kills_ever() const {
  if (files_->memory.empty()) return 0;
  return number_at(
      read_file(files_->memory + (files_->unified ? "/memory.events" : "/memory.oom_control")),
      "oom_kill");
}

// ---- The tree

bool CgroupSources::make_system_folder(const std::string& path) {
  return ::mkdir(path.c_str(), 0755) == 0;
}

CgroupTree::CgroupTree(CgroupTree&& other) noexcept
    : make_folder_(std::move(other.make_folder_)),
      unified_(other.unified_),
      memory_(std::move(other.memory_)),
      processes_(std::move(other.processes_)),
      cpu_(std::move(other.cpu_)),
      made_(std::exchange(other.made_, {})) {}

CgroupTree::~CgroupTree() {
  for (const std::string& folder : made_) ::rmdir(folder.c_str());
}

std::string_view CgroupTree::version() const {
  if (unified_) return "cgroup v2";
  return memory() || processes() || cpu() ? "cgroup v1" : "no cgroup";
}

// Makes the worker's folder of version 2 in `parent`, and a second one for the worker itself when
// `parent` is its own group: a group that hands controllers on may hold no process.
bool CgroupTree::settle_in(const std::string& parent, bool own) {
  if (!has_word(read_file(parent + "/cgroup.controllers"), "memory")) return false;
  sweep(parent);
  const std::string folder = parent + worker_folder();
  if (!make_folder_(folder)) return false;
  made_.push_back(folder);
  bool given = hands_on(parent);
  if (!given && own) {
    const std::string self = folder + "-self";
    given = make_folder_(self) && write_file(self + "/cgroup.procs", std::to_string(::getpid())) &&
            hand_on(parent);
  }
  if (!given || !hand_on(folder)) return false;
  unified_ = true;
  memory_ = processes_ = cpu_ = folder;
  return true;
}

CgroupTree CgroupTree::find(const CgroupSources& sources) {
  CgroupTree tree;
  tree.make_folder_ = sources.make_folder;
  const std::vector<CgroupMount> mounts = read_mounts(sources.mountinfo);
  for (const CgroupMount& mount : mounts) {
    if (!mount.unified) continue;
    const std::string own = folder_of(mount, read_own_path(sources.membership, ""));
    if (tree.settle_in(own, true) || (own != mount.point && tree.settle_in(mount.point, false)))
      return tree;
  }
  const std::string name = worker_folder();
  const auto find_v1 = [&](std::string_view controller, std::string& folder) {
    for (const CgroupMount& mount : mounts) {
      if (mount.unified ||
          std::ranges::find(mount.controllers, controller) == mount.controllers.end())
        continue;
      const std::string own = folder_of(mount, read_own_path(sources.membership, controller));
      const std::string made = own + name;
      const bool there = std::ranges::find(tree.made_, made) != tree.made_.end();
      if (!there) sweep(own);
      if (!there && !tree.make_folder_(made)) continue;
      if (!there) tree.made_.push_back(made);
      folder = made;
      return;
    }
  };
  find_v1("memory", tree.memory_);
  find_v1("pids", tree.processes_);
  find_v1("cpuacct", tree.cpu_);
  return tree;
}

Result<std::unique_ptr<Cgroup>> CgroupTree::make(std::string_view name,
                                                 const Limits& limits) const {
  auto files = std::make_unique<Cgroup::Files>();
  files->unified = unified_;
  const auto below = [name](const std::string& folder) {
    return folder.empty() ? folder : folder + "/" + std::string(name);
  };
  files->memory = below(memory_);
  files->processes = below(processes_);
  files->cpu = below(cpu_);
  // Made first: whatever fails from here on removes what is there.
  std::unique_ptr<Cgroup> group(new Cgroup(std::move(files)));
  const Cgroup::Files& made = *group->files_;
  for (const std::string& folder : made.folders()) {
    if (!make_folder_(folder)) return system_error("cannot make " + folder, errno);
  }
  const auto set = [](const std::string& path, std::uint64_t value) -> Result<void> {
    if (write_file(path, std::to_string(value))) return {};
    return system_error("cannot write " + path, errno);
  };
  if (!made.memory.empty()) {
    if (unified_) {
      if (auto ok = set(made.memory + "/memory.max", limits.memory_bytes); !ok)
        return fail(ok.error());
      write_file(made.memory + "/memory.swap.max", "0");  // not there without swap
    } else {
      if (auto ok = set(made.memory + "/memory.limit_in_bytes", limits.memory_bytes); !ok)
        return fail(ok.error());
      write_file(made.memory + "/memory.memsw.limit_in_bytes", std::to_string(limits.memory_bytes));
    }
  }
  if (!made.processes.empty()) {
    // One more: who forks the task's process into it (warm/warm.cc).
    if (auto ok = set(made.processes + "/pids.max", std::uint64_t{limits.processes} + 1); !ok)
      return fail(ok.error());
  }
  return group;
}

}  // namespace deferd
