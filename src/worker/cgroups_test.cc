// Against folders that look like a control group file system; the real one is met by
// sandbox_test.cc, in whichever version the machine has.
#include "worker/cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace deferd {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

class CgroupsTest : public testing::Test {
 protected:
  CgroupsTest()
      : root_(fs::temp_directory_path() / ("deferd-cgroups-" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~CgroupsTest() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string read(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // One that a kernel would make with the folder.
  void appear(const fs::path& folder, std::initializer_list<const char*> files) {
    fs::create_directories(folder);
    for (const char* file : files) std::ofstream(folder / file) << "";
  }
  CgroupSources sources(const std::string& mounts, const std::string& membership) {
    write("mountinfo", mounts);
    write("membership", membership);
    return {(root_ / "mountinfo").string(), (root_ / "membership").string(),
            [this](const std::string& path) {
              fs::create_directory(path);
              if (path.starts_with((root_ / "v2").string()))
                appear(path, {"cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max",
                              "memory.peak", "memory.swap.max"});
              return true;
            }};
  }
  std::vector<fs::path> folders_in(const fs::path& folder) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_directory()) found.push_back(entry.path());
    }
    return found;
  }

  const fs::path root_;
};

TEST_F(CgroupsTest, NothingIsMounted) {
  const auto tree = CgroupTree::find(sources("22 1 0:20 / /proc rw - proc proc rw\n", "0::/\n"));
  EXPECT_FALSE(tree.memory() || tree.processes() || tree.cpu());
  EXPECT_EQ(tree.version(), "no cgroup");
}

TEST_F(CgroupsTest, Version1HasAFolderForEachController) {
  std::string mounts;
  for (const char* controller : {"memory", "pids", "cpuacct"}) {
    fs::create_directories(root_ / controller / "mine");
    mounts += "30 25 0:26 / " + (root_ / controller).string() + " rw - cgroup cgroup rw," +
              controller + "\n";
  }
  const auto from = sources(mounts, "3:memory:/mine\n2:pids:/mine\n1:cpuacct:/mine\n");
  {
    const auto tree = CgroupTree::find(from);
    EXPECT_EQ(tree.version(), "cgroup v1");
    EXPECT_TRUE(tree.memory() && tree.processes() && tree.cpu());
    const auto folders = folders_in(root_ / "memory" / "mine");
    ASSERT_EQ(folders.size(), 1U);
    EXPECT_THAT(folders[0].filename().string(), testing::StartsWith("deferd-worker-"));
  }
  EXPECT_THAT(folders_in(root_ / "memory" / "mine"), IsEmpty()) << "it is removed with the tree";
}

// What a service with Delegate=yes has: its own group, with the worker in it.
TEST_F(CgroupsTest, Version2LeavesItsOwnGroupBeforeItHandsControllersOn) {
  const fs::path own = root_ / "v2" / "service";
  appear(own, {"cgroup.subtree_control", "cgroup.procs"});
  write("v2/service/cgroup.controllers", "cpu memory pids\n");
  const auto from = sources(
      "30 25 0:26 / " + (root_ / "v2").string() + " rw - cgroup2 cgroup2 rw\n", "0::/service\n");
  const auto tree = CgroupTree::find(from);
  EXPECT_EQ(tree.version(), "cgroup v2");
  EXPECT_TRUE(tree.memory() && tree.processes() && tree.cpu());
  const auto folders = folders_in(own);
  ASSERT_EQ(folders.size(), 2U) << "the worker's for tasks, and one for itself";
  const auto& self = folders[0].string().ends_with("-self") ? folders[0] : folders[1];
  EXPECT_EQ(read(self / "cgroup.procs"), std::to_string(::getpid()));
  EXPECT_EQ(read(own / "cgroup.subtree_control"), "+memory +pids");
}

TEST_F(CgroupsTest, Version2LimitsAndCountsATask) {
  appear(root_ / "v2", {"cgroup.subtree_control"});
  write("v2/cgroup.controllers", "memory pids\n");
  write("v2/cgroup.subtree_control", "memory pids\n");
  const auto tree = CgroupTree::find(
      sources("30 25 0:26 / " + (root_ / "v2").string() + " rw - cgroup2 cgroup2 rw\n", "0::/\n"));
  Limits limits;
  limits.memory_bytes = 64 << 20;
  limits.processes = 16;
  auto group = tree.make("task-1", limits);
  ASSERT_TRUE(group) << group.error().message;
  const fs::path folder = folders_in(root_ / "v2").at(0) / "task-1";
  EXPECT_EQ(read(folder / "memory.max"), "67108864");
  EXPECT_EQ(read(folder / "pids.max"), "17") << "the sandbox's first process is one, too";
  const auto entrances = (*group)->open_entrances();
  ASSERT_TRUE(entrances) << entrances.error().message;
  ASSERT_EQ(entrances->size(), 1U);
  ASSERT_EQ(::write(entrances->at(0), "0", 1), 1);
  ::close(entrances->at(0));
  EXPECT_EQ(read(folder / "cgroup.procs"), "0");
  const auto set = [&](const char* file, const char* text) {
    std::ofstream(folder / file) << text;
  };
  set("cpu.stat", "usage_usec 2500\nuser_usec 2000\n");
  set("memory.peak", "1048576\n");
  set("memory.events", "low 0\noom 2\noom_kill 1\n");
  EXPECT_EQ((*group)->cpu(), Micros(2500));
  EXPECT_EQ((*group)->memory_peak_bytes(), 1U << 20);
  EXPECT_EQ((*group)->oom_kills(), 1U);
  set("memory.current", "4096\n");
  EXPECT_TRUE((*group)->start_over());
  EXPECT_EQ((*group)->cpu(), Micros(0));
  EXPECT_EQ((*group)->oom_kills(), 0U);
  set("memory.current", "99999999\n");
  EXPECT_FALSE((*group)->start_over()) << "something of the last task is still there";
}

TEST_F(CgroupsTest, Version2WithoutTheMemoryControllerIsPassedOver) {
  write("v2/cgroup.controllers", "hugetlb\n");
  const auto from =
      sources("30 25 0:26 / " + (root_ / "v2").string() + " rw - cgroup2 cgroup2 rw\n", "0::/\n");
  const auto tree = CgroupTree::find(from);
  EXPECT_FALSE(tree.memory());
  EXPECT_THAT(folders_in(root_ / "v2"), IsEmpty());
}

}  // namespace
}  // namespace deferd
