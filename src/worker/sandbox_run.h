// One run of a program in a sandbox, from its birth until all that it said is read.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/callback.h"
#include "worker/bounded_log.h"
#include "worker/cgroups.h"
#include "worker/sandbox.h"

namespace deferd {

// How a task's own process ended, and what it used with those that it waited for.
struct TaskEnd {
  int code = 0;
  int signal = 0;  // 0: it exited
  Usage usage;
};

// What the worker holds of a run, not blocking: -1 is not there.
struct SandboxProcess {
  int pidfd = -1;  // of the sandbox's first process: readable once all of the sandbox has ended
  int in = -1;     // to write
  int out = -1;    // to read, as the next two
  int err = -1;
  int tell = -1;  // what the task's process tells of itself (warm_wire.h)
};

class SandboxRun : public std::enable_shared_from_this<SandboxRun> {
 public:
  // `group` is where its processes are counted; `done` is called once, unless it is abandoned.
  SandboxRun(boost::asio::io_context& io, const Limits& limits, std::shared_ptr<Cgroup> group,
             Callback<void(SandboxExit)> done);

  // Takes the descriptors. `input` is written as far as it is read.
  void begin(const SandboxProcess& process, std::string input);

  // Its task's process has ended, as the keeper saw; what it left behind ends now.
  void task_ended(const TaskEnd& end);
  // All processes end; the first cause given is the one that counts.
  void end(ExitCause cause, std::string detail = {});
  // Ends without a word.
  void abandon();

 private:
  using Stream = boost::asio::posix::stream_descriptor;
  using Clock = std::chrono::steady_clock;

  template <class Take>
  void read(Stream& stream, Take take);
  void take_output(std::string_view bytes);
  void watch_cpu(Micros used);
  void ended();
  void take_tales();
  void tell_cause();

  const Limits limits_;
  std::shared_ptr<Cgroup> group_;
  Callback<void(SandboxExit)> done_;
  SandboxExit exit_;
  BoundedLog log_;
  std::string input_;
  std::optional<TaskEnd> end_;
  std::string not_started_;  // why its program could not begin
  std::optional<ExitCause> cause_;
  Clock::time_point began_;
  bool over_ = false;  // nothing more is said

  Stream process_;
  Stream in_;
  Stream out_;
  Stream err_;
  Stream tales_;
  boost::asio::steady_timer wall_timer_;
  boost::asio::steady_timer cpu_timer_;
};

}  // namespace deferd
