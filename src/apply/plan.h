// What uploading a queue.yaml would change, worked out before anything is changed (GAE-spec 8.3).
// Pure: a file and the queues that exist go in, a list of changes comes out.
//
// The rules, App Engine's:
//   a declared queue is made, or gets every setting that queue.yaml speaks of; what the file leaves
//     out returns to its default. Settings that queue.yaml has no word for stay.
//   a queue of the project and location that is not declared becomes disabled: it keeps its tasks,
//     takes new ones and starts none. Two kinds stay as they are: `default`, and queues whose name
//     queue.yaml could not even spell (`__cron`, `a_b`).
//   a declared queue that is disabled runs again. One that was paused by hand stays paused unless
//   the
//     file says resume_paused_queues. Rate 0 is a rate, not a state: raising it lets the queue run.
//   the mode of a queue that holds tasks cannot change: then the whole file is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/queue_yaml.h"
#include "model/names.h"
#include "model/queue_settings.h"

namespace deferd {

// A project and location as they are when the plan is made.
struct ExistingQueue {
  QueueSettings settings;
  QueueState state = QueueState::running;
  std::string name;         // the last part of it
  std::uint64_t tasks = 0;  // asked for only when the file gives the queue another mode
};
struct ExistingProject {
  std::string project;
  std::string location;
  std::vector<ExistingQueue> queues;      // by name
  std::uint64_t storage_limit_bytes = 0;  // 0: none
};

// In the words of queue.yaml: {"rate", "5/s", "10/m"}.
struct SettingChange {
  std::string setting;
  std::string before;  // empty in a queue that is being made
  std::string after;

  friend bool operator==(const SettingChange&, const SettingChange&) = default;
};

enum class PlannedAction : std::uint8_t {
  keep,     // is as the file wants it
  make,     // does not exist yet
  change,   // other settings
  enable,   // was disabled, since an earlier file left it out; perhaps with other settings
  resume,   // was paused by hand; perhaps with other settings
  disable,  // is left out of the file
};
std::string_view to_string(PlannedAction action);

struct PlannedQueue {
  QueueName name;
  PlannedAction action = PlannedAction::keep;
  std::vector<SettingChange> settings;
  // Not for programs that show a plan, but for carrying it out.
  std::optional<DeclaredQueue> declared;
  bool remake = false;  // its mode changes: it holds no tasks, and is deleted and made anew
  bool write = false;   // its settings differ (if only in how a rate was written)
};

struct QueuePlan {
  std::vector<PlannedQueue> queues;  // declared ones in the file's order, then others by name
  std::optional<SettingChange> storage_limit;  // absent: stays
  std::uint64_t storage_limit_bytes = 0;       // after; 0: none

  bool changes_anything() const;
};

// Fails with Reason::invalid, or Reason::queue_mode for a queue whose mode cannot change; with a
// complete complaint about the file.
Result<QueuePlan> plan_queues(const QueueYaml& file, const ExistingProject& there);

}  // namespace deferd
