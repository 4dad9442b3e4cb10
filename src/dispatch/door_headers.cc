#include "dispatch/door_headers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace deferd {
namespace {

// App Engine's too: a handler that serves both may believe that a stranger cannot write them
// (GAE-spec 6.5).
bool native_drops(std::string_view lower_name, const AppEngineHeaderOptions&) {
  return lower_name.starts_with("x-deferd-") || lower_name.starts_with("x-appengine-");
}

void native_append(const HeadFacts& facts, HeaderLines& lines) {
  const Attempt& attempt = facts.attempt;
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

constexpr DoorHeaders native{"deferd", false, "", native_drops, native_append};

}  // namespace

void HeaderLines::add(std::string_view name, std::uint64_t value) {
  std::array<char, 20> digits;  // 2^64 - 1 has 20
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  add(name, std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

std::string epoch_seconds(Wall instant) {
  const std::int64_t micros = std::max<std::int64_t>(0, to_micros(instant));
  std::string text = std::to_string(micros / 1'000'000);
  const std::string fraction = std::to_string(1'000'000 + micros % 1'000'000);  // keeps the zeros
  text.push_back('.');
  text.append(fraction, 1);
  return text;
}

bool is_app_push(const PushRequestView& request) {
  return request.door == Door::appengine ||
         (request.door == Door::cloudtasks && request.url.starts_with('/'));
}

const DoorHeaders& door_headers(const PushRequestView& request) {
  if (is_app_push(request)) return appengine_headers;
  return request.door == Door::cloudtasks ? cloudtasks_headers : native;
}

}  // namespace deferd
