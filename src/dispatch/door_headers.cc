#include "dispatch/door_headers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace deferd {
namespace {

// Seconds since 1970 with all six decimals, so that equal instants are equal texts.
std::string epoch_seconds(Wall instant) {
  const std::int64_t micros = std::max<std::int64_t>(0, to_micros(instant));
  std::string text = std::to_string(micros / 1'000'000);
  const std::string fraction = std::to_string(1'000'000 + micros % 1'000'000);  // keeps the zeros
  text.push_back('.');
  text.append(fraction, 1);
  return text;
}

bool native_drops(std::string_view lower_name) { return lower_name.starts_with("x-deferd-"); }

void native_append(const Attempt& attempt, HeaderLines& lines) {
  const Task& task = attempt.task;
  const Progress& progress = task.progress;
  lines.add("X-Deferd-Queue", attempt.queue->queue);
  if (task.name().empty()) {
    lines.add("X-Deferd-Task", to_string(task.id));
  } else {
    lines.add("X-Deferd-Task", task.name());
  }
  lines.add("X-Deferd-Attempt", std::uint64_t{progress.attempts} + 1);
  lines.add("X-Deferd-Retry-Count", progress.attempts);
  lines.add("X-Deferd-Execution-Count", progress.executions);
  lines.add("X-Deferd-ETA", epoch_seconds(task.place.eta));
  if (progress.attempts > 0) {
    // 0: the attempt before this one got no answer.
    lines.add("X-Deferd-Previous-Status",
              progress.last_status > 0 ? static_cast<std::uint64_t>(progress.last_status) : 0);
  }
}

constexpr DoorHeaders native{"deferd", native_drops, native_append};

}  // namespace

void HeaderLines::add(std::string_view name, std::uint64_t value) {
  std::array<char, 20> digits;  // 2^64 - 1 has 20
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  add(name, std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

const DoorHeaders& door_headers(Door door) {
  switch (door) {
    case Door::native:
    case Door::appengine:   // until its door is there and says what its handlers expect
    case Door::cloudtasks:  // likewise
      return native;
  }
  return native;
}

}  // namespace deferd
