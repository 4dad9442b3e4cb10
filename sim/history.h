// What happened in a run, as the world around the engine saw it: what callers asked and were
// answered, what targets were sent and how it ended, when the process died and what its disk held
// when the next one opened it. The checker judges nothing else.
//
// The world emits an event when it happens. What comes into the shard's mailbox (Called,
// AttemptEnded, CommitFailed, Stopping) is taken by the next RunBegan, in this order; what the
// shard does in return (Configured, Started, Answered) lies between that RunBegan and its RunEnded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/named_type.h"
#include "base/time.h"
#include "engine/commands.h"
#include "engine/dispatcher.h"
#include "engine/store.h"

namespace deferd::sim {

using CallId = Named<std::uint64_t, struct CallIdTag>;
using AttemptId = Named<std::uint64_t, struct AttemptIdTag>;

// Every task of a run carries a tag of its own at the beginning of its payload, so that it is known
// wherever it turns up, also when its add was never answered.
using Tag = std::uint64_t;
SharedBytes payload_of(Tag tag, std::size_t bytes);  // at least as long as the tag needs
std::optional<Tag> tag_of(const SharedBytes& payload);

struct Called {
  CallId call;
  Command command;         // its reply is empty
  QueueSettings wanted{};  // of ConfigureQueue: what `change` will give
};
struct AttemptEnded {
  AttemptId attempt;
  AttemptResult result;
};
struct CommitFailed {};
struct Stopping {};

struct RunBegan {
  Now now;  // as the engine sees it
};
struct Configured {  // the engine called `change`
  CallId call;
  std::optional<QueueSettings> before;
};
struct Started {
  AttemptId attempt;
  Attempt what;
};
using Answer =
    std::variant<Result<void>, Result<ConfigureQueue::Answer>, Result<QueueInfo>,
                 Result<std::vector<QueueInfo>>, Result<QueueStats>,
                 Result<std::vector<Result<Task>>>, Result<TaskInfo>, Result<ListTasks::Answer>,
                 Result<std::vector<Result<void>>>, Result<std::vector<TaskInfo>>,
                 Result<std::vector<Result<TaskInfo>>>, Result<GetProjectUse::Answer>,
                 Result<std::vector<Result<GetOutcomes::Item>>>, Result<std::vector<TaskRef>>,
                 Result<ListDead::Answer>>;
struct Answered {
  CallId call;
  Answer answer;
};
struct RunEnded {
  bool store_busy = false;     // a commit or a read is under way
  Mono wake_at = Mono::max();  // when the shard wants to be run again
};

enum class Death : std::uint8_t { stopped, killed, power_cut };
struct Died {
  Death how = Death::stopped;
  Mono at{};
};
// The disk as the next process finds it, read around the engine.
struct Opened {
  Now now;
  QueueNumber next_number{1};
  std::vector<StoredQueue> queues;
  std::map<QueueNumber, std::vector<Task>> tasks;  // that live
  std::map<QueueNumber, std::vector<Task>> dead;
  std::map<QueueNumber, std::set<TaskId>> outcomes;
  std::vector<ProjectRecord> projects;
  std::vector<GoneQueue> gone;
};
// The run is over: after a time without faults everything must have ended.
struct Ended {
  bool drained = true;
};

using Event = std::variant<Called, AttemptEnded, CommitFailed, Stopping, RunBegan, Configured,
                           Started, Answered, RunEnded, Died, Opened, Ended>;

std::string to_text(const Event& event);
std::string to_text(const TaskRef& ref);
std::string to_text(const Read& read);

// The same command without its reply.
Command without_reply(const Command& command);

struct Violation {
  int property = 0;  // its number in checker.h
  std::string text;
};

}  // namespace deferd::sim
