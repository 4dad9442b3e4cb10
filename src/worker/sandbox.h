// Runs a program in a sandbox of its own: namespaces (user, mount, pid, ipc, uts, network), a
// read-only root of chosen folders with a private /tmp, no capabilities, a list of system calls,
// and limits on time, memory, processes, files, output and disk. Whatever the program leaves behind
// ends with it.
//
// The sandboxes of the next tasks are made before they come (docs/decisions/0027). One keeper makes
// them, and one template forks into them: a warm handler, or a launcher of ours, whose forks become
// the program.
//
//             ┌─ keeper ──▶ sandboxes that wait ◀──fork── template
//   worker ───┤                   │                          ▲
//             └───────────────────┴── pidfd, pipes ──────────┘
//
// On one thread: all of it is called from, and calls back on, the io_context's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"
#include "worker/limits.h"

namespace deferd {

// How a program ended, as told apart.
enum class ExitCause : std::uint8_t {
  exited,         // by itself: `code`
  signalled,      // by a signal that was not ours: `signal`
  out_of_memory,  // at its limit of memory
  cpu_time,       // at its limit of CPU time
  wall_time,      // at its limit of time
  output,         // at its limit of output
  killed,         // on request: Sandboxes::kill()
  not_started,    // never began: `detail` says why
};
// "exited", "out_of_memory" and so on: stable words for logs and records.
std::string_view to_string(ExitCause cause);

struct SandboxExit {
  ExitCause cause = ExitCause::not_started;
  int code = 0;
  int signal = 0;
  std::string detail;
  std::string output;              // stdout
  std::string log;                 // stderr, the middle left out when there is more than log_bytes
  std::uint64_t log_left_out = 0;  // bytes
  std::string content_type;        // of the output, when a warm handler said so
  std::string error;               // why it failed, when a warm handler said so
  std::optional<Micros> retry_after;  // until it is tried again, when a warm handler said so
  Usage usage;
};

// What is told to whoever does a task.
struct TaskFacts {
  std::string queue;
  std::string id;
  std::string name;  // may be empty
  std::uint64_t attempt = 0;
  bool keep_result = false;
};

struct SandboxJob {
  std::vector<std::string> arguments;  // behind the command's own; not of a warm handler
  std::string input;                   // on stdin; a warm handler's payload
  TaskFacts task;
};

struct SandboxOptions {
  // The program, looked up in PATH, and its arguments. Tasks see it.
  std::vector<std::string> command;
  bool warm = false;  // loaded once, forked for each task: docs/reference/warm-handlers.md
  std::vector<std::string> environment;  // "NAME=value", in place of the worker's
  Limits limits;                         // of each task, and of a warm handler itself
  std::uint32_t concurrency = 1;         // how many tasks run at once
  // Folders and files that tasks see, read-only, beside the system's and the program's own.
  std::vector<std::string> show;
  // Limits whose lack is accepted where the system cannot enforce them: "memory", "processes",
  // "cpu_time".
  std::vector<std::string> unenforced;
  Micros load_time = Seconds(60);  // of a warm handler, from its start until it takes tasks
};

// "deferd-keeper", "libdeferd_warm.so": beside this program, or in ../lib or ../lib/deferd of it.
std::string default_part(const std::string& name);

class Sandboxes {
 public:
  // Fails with Reason::invalid when the command is none, and with Reason::unsupported when the
  // system has not what a sandbox is made of, or cannot enforce a limit that `options` does not
  // except; the message says what to do.
  static Result<std::unique_ptr<Sandboxes>> make(boost::asio::io_context& io,
                                                 SandboxOptions options);
  virtual ~Sandboxes() = default;  // kills what runs; its callbacks are not called

  // What each limit is enforced by: lines for the start of a log.
  virtual std::vector<std::string> enforcement() const = 0;

  // Whether tasks would start now; else soon, or when what is wrong with the handler is mended.
  virtual bool ready() const { return true; }

  // `done` is called once, later. The number names the run for kill().
  virtual std::uint64_t start(SandboxJob job, Callback<void(SandboxExit)> done) = 0;
  // Ends a run, which is reported as killed; nothing if it is over.
  virtual void kill(std::uint64_t run) = 0;
};

}  // namespace deferd
