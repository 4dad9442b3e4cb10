// What the worker, the keeper of its sandboxes (keeper_main.cc) and the library of warm handlers
// (warm/warm.cc) say to each other, over sockets of this machine between parts of one release.
//
//   worker ──order──▶ keeper: makes places and sandboxes, starts the template
//   worker ──WarmOrder──▶ template (the library in the handler): forks into a sandbox
//   keeper ──KeeperAnswer──▶ worker: a sandbox is made, a task's process has ended
//   task ──WarmTellHeader──▶ worker: what its result is, why it failed
#pragma once

#include <cstdint>

namespace deferd {

constexpr std::uint32_t warm_version = 0x0d'fe'0002;

// Of a task's process, set by itself.
struct WarmLimits {
  std::uint64_t open_files = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t cpu_seconds = 0;  // 0: none
};

// ---- Worker and keeper

constexpr int keeper_socket = 3;
constexpr int keeper_plan = 4;

// The file that a keeper begins with. Behind it: `filter_size` instructions of its own system call
// filter, `template_filter_size` of the template's, then `text_size` bytes of texts that end with a
// zero each: the options of the tmpfs of a /tmp, `shown_in_tmp` paths of what is shown there,
// `arguments` words of the handler's command, and the rest its environment.
struct KeeperPlan {
  std::uint32_t version = warm_version;
  std::uint32_t own_users = 0;  // each place has a user of its own: first_place_user and so on
  std::uint32_t network = 0;    // the host's, for all: places have none
  std::uint32_t launcher = 0;   // the template is warm/launcher.h, and the command each task's own
  WarmLimits limits;            // of the template
  std::uint32_t filter_size = 0;
  std::uint32_t template_filter_size = 0;
  std::uint32_t shown_in_tmp = 0;
  std::uint32_t arguments = 0;
  std::uint32_t text_size = 0;
};

// The user of place 0 in the keeper's user namespace, when it has several.
constexpr unsigned first_place_user = 2000;
constexpr unsigned places_max = 2048;
// Sandboxes whose task has ended, beside one of each place: more are not made before those are
// gone.
constexpr unsigned sandboxes_going_max = 16;

// With `handler` come its end of the control socket and the writing end of its log.
struct KeeperOrder {
  enum class Kind : std::uint32_t { sandbox, handler, ended };  // ended: in answers only
  Kind kind = Kind::sandbox;
  std::uint32_t place = 0;
};
// With a pidfd unless it failed. `ended`: a task's process did, and this is how.
struct KeeperAnswer {
  KeeperOrder order;
  std::int32_t error = 0;  // errno
  char step[44] = {};
  std::int32_t process = 0;  // ended: its number in the keeper's pid namespace
  std::int32_t code = 0;
  std::int32_t signal = 0;              // 0: it exited
  std::uint64_t cpu_micros = 0;         // of it and what it waited for
  std::uint64_t memory_peak_bytes = 0;  // of the largest of them
};

// ---- Worker and template

// First: then `filter_size` instructions.
struct WarmHello {
  std::uint32_t version = warm_version;
  std::uint32_t filter_size = 0;
  std::uint32_t network = 0;  // as in KeeperPlan
  WarmLimits limits;          // of a task
};
// With, in this order, the pidfd of the sandbox's first process, the pipes in, out, err and tell,
// and then the entrances of its control groups.
struct WarmOrder {
  std::uint64_t number = 0;
};
constexpr unsigned warm_pipes = 5;  // descriptors before the entrances
constexpr unsigned warm_descriptors_max = 8;

// number 0: loaded, and ready for tasks. Else the task of that order runs, or does not.
struct WarmAnswer {
  std::uint64_t number = 0;
  std::int32_t process = 0;  // the task's, in the keeper's pid namespace
  std::int32_t error = 0;
  char step[44] = {};
};

// What is in the pipe `in`: this, the three texts, arguments for the launcher that end with a zero
// each, the payload.
struct WarmTaskHeader {
  std::uint64_t attempt = 0;
  std::uint32_t keep_result = 0;
  std::uint32_t queue_size = 0;
  std::uint32_t id_size = 0;
  std::uint32_t name_size = 0;
  std::uint32_t arguments_size = 0;
  std::uint64_t payload_size = 0;
};

// In the pipe `tell`: this and `size` bytes, again and again; of `retry_after` 8, milliseconds.
struct WarmTellHeader {
  enum class Kind : std::uint32_t { content_type, error, not_started, retry_after };
  Kind kind = Kind::error;
  std::uint32_t size = 0;
};
constexpr std::uint32_t content_type_bytes_max = 200;
constexpr std::uint32_t error_bytes_max = 4096;
constexpr std::uint64_t retry_after_max = 3650ULL * 24 * 3600 * 1000;  // milliseconds: eta_horizon

}  // namespace deferd
