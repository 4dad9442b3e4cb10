// What became of a task: of each attempt (its history) and of the whole (its outcome). Plain
// values, with the bytes under which stores keep them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "model/task.h"

namespace deferd {

constexpr Micros keep_result_max = std::chrono::hours(24 * 30);
constexpr std::size_t result_bytes_max = 1 << 20;  // of one body; the rest is cut off
constexpr std::size_t result_headers_max = 16;     // names of one task
constexpr std::size_t attempt_error_bytes_max = 4 << 10;
constexpr std::size_t attempt_log_bytes_max = 64 << 10;
constexpr std::size_t worker_name_bytes_max = 100;

// How a program that ran a task ended, as told apart by who ran it.
enum class ExitCause : std::uint8_t {
  exited,         // by itself: `code`
  signalled,      // by a signal that was not the worker's: `signal`
  out_of_memory,  // at its limit of memory
  cpu_time,       // at its limit of CPU time
  wall_time,      // at its limit of time
  output,         // at its limit of output
  killed,         // on request
  not_started,    // never began
};
constexpr int exit_cause_count = 8;
// "exited", "out_of_memory" and so on: stable words.
std::string_view to_string(ExitCause cause);
std::optional<ExitCause> parse_exit_cause(std::string_view text);

// What one attempt used.
struct AttemptUsage {
  Micros cpu{0};
  Micros wall{0};
  std::uint64_t memory_peak_bytes = 0;
  ExitCause cause = ExitCause::exited;
  std::int32_t code = 0;
  std::int32_t signal = 0;

  friend bool operator==(const AttemptUsage&, const AttemptUsage&) = default;
};

// A target's response, or what a worker acknowledged with.
struct ResultBody {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;        // at most result_bytes_max
  bool truncated = false;  // the body was longer

  friend bool operator==(const ResultBody&, const ResultBody&) = default;
};

// What a worker tells of its attempt when its lease ends.
struct AttemptReport {
  std::string worker;  // who it is; at most worker_name_bytes_max
  std::string error;   // at most attempt_error_bytes_max
  std::string log;     // at most attempt_log_bytes_max
  std::optional<AttemptUsage> usage;
  std::optional<ResultBody> result;
};

// An attempt that ended, as it is remembered.
struct AttemptRecord {
  std::uint32_t attempt = 0;  // 1 is the first
  Wall started{};
  Micros took{0};
  std::int16_t status = status_none;  // as Progress::last_status
  std::string error;
  std::string worker;
  std::string log;
  std::optional<AttemptUsage> usage;

  friend bool operator==(const AttemptRecord&, const AttemptRecord&) = default;
};
std::string encode(const AttemptRecord& record);
Result<AttemptRecord> decode_attempt_record(std::string_view bytes);

enum class OutcomeState : std::uint8_t {
  succeeded,
  failed,     // `reason` says why
  cancelled,  // deleted, too
  expired,    // older than the queue's task_ttl
};
std::string_view to_string(OutcomeState state);
std::string_view to_string(DeathReason reason);
std::optional<DeathReason> parse_death_reason(std::string_view text);

struct Outcome {
  TaskId id{};
  std::string name;
  OutcomeState state = OutcomeState::succeeded;
  DeathReason reason = DeathReason::none;
  Wall created{};
  Wall ended{};
  Wall kept_until{};
  std::uint32_t attempts = 0;
  std::int16_t last_status = status_none;
  std::string error;  // of the last attempt
  std::string worker;
  std::optional<AttemptUsage> usage;
  std::optional<ResultBody> result;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};
std::string encode(const Outcome& outcome);
Result<Outcome> decode_outcome(std::string_view bytes);

}  // namespace deferd
