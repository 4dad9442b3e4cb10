// Sandboxes to run tasks in, of programs and of the sample of a warm handler.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "worker/sandbox.h"

namespace deferd {

// The limits of a small task, so that harm shows soon.
inline Limits small() {
  Limits limits;
  limits.wall_time = Seconds(20);
  limits.cpu_time = Seconds(10);
  limits.memory_bytes = 64 << 20;
  limits.processes = 16;
  limits.open_files = 64;
  limits.output_bytes = 64 << 10;
  limits.log_bytes = 4 << 10;
  limits.disk_bytes = 8 << 20;
  return limits;
}

inline testing::AssertionResult ended(const SandboxExit& exit, ExitCause cause) {
  if (exit.cause == cause) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << to_string(exit.cause) << " code " << exit.code << " signal " << exit.signal << " "
         << exit.detail << "\nstdout: " << exit.output.substr(0, 500) << "\nstderr: " << exit.log;
}
inline testing::AssertionResult exited(const SandboxExit& exit, int code) {
  if (auto ok = ended(exit, ExitCause::exited); !ok) return ok;
  if (exit.code == code) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "code " << exit.code << "\n" << exit.output << exit.log;
}

// Of this process, those of that name; their number.
inline int kill_descendants(const std::string& name, bool children_only = false) {
  namespace fs = std::filesystem;
  const std::string own = std::to_string(::getpid());
  const auto parent_of = [](const std::string& process) {
    std::ifstream status("/proc/" + process + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("PPid:")) return std::to_string(std::stoi(line.substr(5)));
    }
    return std::string("0");
  };
  int killed = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string process = entry.path().filename().string();
    std::ifstream comm(entry.path() / "comm");
    std::string its_name;
    if (!std::getline(comm, its_name) || its_name != name) continue;
    std::string above = parent_of(process);
    while (!children_only && above != "0" && above != own) above = parent_of(above);
    if (above == own && ::kill(std::stoi(process), SIGKILL) == 0) ++killed;
  }
  return killed;
}

class SandboxFixture : public testing::Test {
 protected:
  // For tasks that name their program as arguments.
  static SandboxOptions programs() {
    SandboxOptions options;
    options.command = {"/usr/bin/env"};
    options.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp"};
    options.limits = small();
    options.concurrency = 8;
    return options;
  }
  // warm_sample: tasks do what their payload says.
  static SandboxOptions warm_sample() {
    SandboxOptions options = programs();
    options.command = {default_part("warm_sample")};
    options.warm = true;
    return options;
  }

  void make(SandboxOptions options) {
    sandboxes_.reset();
    warm_ = options.warm;
    auto made = Sandboxes::make(io_, std::move(options));
    ASSERT_TRUE(made) << made.error().message;
    sandboxes_ = std::move(*made);
  }

  std::uint64_t start(SandboxJob job, SandboxExit& exit) {
    ++running_;
    job.task = {"mail", "00000000000000000007", "seven", 3, true};
    return sandboxes_->start(std::move(job), [this, &exit](SandboxExit how) {
      exit = std::move(how);
      --running_;
    });
  }
  // Until all that was started has ended.
  void finish() {
    io_.restart();
    while (running_ > 0) ASSERT_TRUE(io_.run_one_for(std::chrono::seconds(60)));
  }
  SandboxExit run(SandboxJob job) {
    SandboxExit exit;
    start(std::move(job), exit);
    finish();
    return exit;
  }
  SandboxExit run(std::vector<std::string> arguments, std::string input = {}) {
    return run(SandboxJob{std::move(arguments), std::move(input), {}});
  }
  SandboxExit run_warm(std::string payload) { return run({}, std::move(payload)); }

  // A task that is a script, however tasks are run.
  SandboxJob shell_job(std::string script) const {
    if (warm_) return {{}, "shell " + std::move(script), {}};
    return {{"sh", "-c", std::move(script)}, {}, {}};
  }
  SandboxJob python_job(std::string script) const {  // Debian's own, which needs /usr alone
    if (warm_) return {{}, "python " + std::move(script), {}};
    return {{"/usr/bin/python3", "-c", std::move(script)}, {}, {}};
  }

  boost::asio::io_context io_;
  std::unique_ptr<Sandboxes> sandboxes_;
  bool warm_ = false;
  int running_ = 0;
};

// With tests of both ways to run tasks.
class EachWayFixture : public SandboxFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override { make(options()); }
  static SandboxOptions options() { return GetParam() ? warm_sample() : programs(); }
  void make_with(const Limits& limits) {
    SandboxOptions changed = options();
    changed.limits = limits;
    make(std::move(changed));
  }

  // With a neighbour beside it, and one after it: neither notices.
  SandboxExit run_beside_others(SandboxJob job) {
    SandboxExit exit;
    SandboxExit beside;
    SandboxExit after;
    start(shell_job("sleep 0.1; sh -c 'echo fine'"), beside);
    start(std::move(job), exit);
    finish();
    start(shell_job("echo fine too"), after);
    finish();
    EXPECT_EQ(beside.output, "fine\n") << to_string(beside.cause) << beside.detail << beside.log;
    EXPECT_EQ(after.output, "fine too\n") << to_string(after.cause) << after.detail;
    return exit;
  }
  SandboxExit shell(const std::string& script) { return run_beside_others(shell_job(script)); }
  SandboxExit python(const std::string& script) { return run_beside_others(python_job(script)); }

 public:
  static std::string name(const testing::TestParamInfo<bool>& info) {
    return info.param ? "Warm" : "Program";
  }
};

}  // namespace deferd
