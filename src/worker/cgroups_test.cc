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
    return {(root_ / "mountinfo").string(), (root_ / "membership").string()};
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
  // No kernel makes the files of a new folder here, so it is not taken; and said to be nowhere.
  const auto tree = CgroupTree::find(from);
  EXPECT_FALSE(tree.memory());
  EXPECT_EQ(folders_in(own).size(), 2U) << "the worker's, and one for itself";
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
