// Names of queues and tasks, made valid once by parse() and never half valid.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/named_type.h"
#include "base/result.h"

namespace deferd {

// The number of a task within its queue: given by the engine, ordered by creation, never given
// twice, also not to a queue that is deleted and made again (it starts from the wall clock in
// microseconds).
using TaskId = Named<std::uint64_t, struct TaskIdTag>;

// projects/P/locations/L/queues/Q. App Engine's (application, queue) is (P, Q) in the configured
// location.
struct QueueName {
  std::string project;   // 1..100 of [A-Za-z0-9._:-]
  std::string location;  // 1..100 of [A-Za-z0-9-]
  std::string queue;     // 1..100 of [A-Za-z0-9_-]

  static Result<QueueName> parse(std::string_view project, std::string_view location,
                                 std::string_view queue);

  // "projects/P/locations/L/queues/Q"
  std::string path() const;

  friend auto operator<=>(const QueueName&, const QueueName&) = default;
};

std::size_t hash_value(const QueueName& name);

constexpr std::size_t task_name_chars_max = 500;

// How the server spells an id that it chose: the number in exactly 20 digits. No given name may
// have this form (20 digits beginning with 0), so a chosen name never meets a given one. 2^63
// microseconds have 19 digits.
std::string to_string(TaskId id);

// What a caller calls a task: a name that it gave, or an id that the server chose.
using TaskRef = std::variant<TaskId, std::string>;

// Accepts both spellings. Fails with Reason::invalid.
Result<TaskRef> parse_task_ref(std::string_view text);

// A name for a new task: 1..500 of [A-Za-z0-9_-], and not of the form of an id.
Result<std::string> parse_task_name(std::string_view text);

}  // namespace deferd

template <>
struct std::hash<deferd::QueueName> {
  std::size_t operator()(const deferd::QueueName& name) const { return hash_value(name); }
};
