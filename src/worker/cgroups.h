// Control groups: the kernel's limits and accounts for all processes of a task together. Version 2
// where its controllers are given to us, version 1 where those are what is mounted; a controller
// may also be nowhere, and then its limit is not enforced by a group (`CgroupTree::memory()` and so
// on say so).
//
// A tree is found once; groups are made in it by any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "worker/limits.h"

namespace deferd {

// What is used of the system; tests give folders of their own, and make what a kernel would make in
// a new one.
struct CgroupSources {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string membership = "/proc/self/cgroup";
  std::function<bool(const std::string& path)> make_folder = make_system_folder;

  static bool make_system_folder(const std::string& path);
};

class Cgroup {
 public:
  // Removes the group, whose processes have ended.
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // Files, open for writing, by which a process with one thread enters: it writes "0" to each, and
  // what it starts later is in as well. The caller closes them. Moving another process by its
  // number would wait for a lock of the whole kernel.
  Result<std::vector<int>> open_entrances() const;
  // Counts from 0 again, for the next task; the last one's processes have ended. False when a new
  // group must be made: what the last one left in memory is still there, or the kernel cannot.
  bool start_over();

  // No process is in it, or those that are have ended and are only not forgotten yet. False when
  // there is nobody to ask.
  bool is_empty() const;
  Micros cpu() const;                       // 0 when nobody counts
  std::uint64_t memory_peak_bytes() const;  // 0 when nobody counts
  std::uint64_t oom_kills() const;

 private:
  friend class CgroupTree;
  struct Files;
  explicit Cgroup(std::unique_ptr<Files> files);

  std::uint64_t oom_kills_ever() const;

  const std::unique_ptr<Files> files_;
  Micros cpu_before_{0};
  std::uint64_t oom_kills_before_ = 0;
};

class CgroupTree {
 public:
  // Finds what there is and makes a folder of this worker in it. Never fails: what cannot be used
  // is not there.
  static CgroupTree find(const CgroupSources& sources = {});
  // Removes the worker's folders.
  ~CgroupTree();
  CgroupTree(CgroupTree&&) noexcept;
  CgroupTree& operator=(CgroupTree&&) = delete;

  bool memory() const { return !memory_.empty(); }
  bool processes() const { return !processes_.empty(); }
  bool cpu() const { return !cpu_.empty(); }
  // "cgroup v1", "cgroup v2", or "no cgroup".
  std::string_view version() const;

  // `name` is one of a file.
  Result<std::unique_ptr<Cgroup>> make(std::string_view name, const Limits& limits) const;

 private:
  CgroupTree() = default;
  bool settle_in(const std::string& parent, bool own);

  std::function<bool(const std::string& path)> make_folder_;
  bool unified_ = false;
  // The worker's folder of each controller; empty: nowhere. With version 2 they are one.
  std::string memory_;
  std::string processes_;
  std::string cpu_;
  std::vector<std::string> made_;  // to remove
};

}  // namespace deferd
