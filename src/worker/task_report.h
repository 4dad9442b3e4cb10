// How the attempt at a task ended, as the server is told.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "worker/leased_task.h"
#include "worker/limits.h"
#include "worker/sandbox.h"

namespace deferd {

// A report's own limits, as docs/reference/api.md says.
constexpr std::uint64_t result_bytes_max = 1 << 20;
constexpr std::size_t error_text_max = 4 << 10;
constexpr std::size_t log_text_max = 64 << 10;

struct TaskReport {
  enum class Verb : std::uint8_t { ack, release, fail };
  Verb verb = Verb::ack;
  // An item of the call's "tasks".
  boost::json::object item;
  std::optional<Micros> delay;  // of a release; none: as the queue's backoff says
};

// "exit code 3", "killed by signal 9", "out of memory (limit 256MiB)": one line.
std::string describe(const SandboxExit& exit, const Limits& limits);

// Exit code 0 is done, `never_again_code` has failed for good, anything else is tried again.
TaskReport make_report(const LeasedTask& task, const SandboxExit& exit, const Limits& limits,
                       int never_again_code);
// A task that was leased and not begun.
TaskReport give_back(const LeasedTask& task);

}  // namespace deferd
