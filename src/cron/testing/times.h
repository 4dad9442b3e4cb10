// Instants as tests of schedules write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "cron/next.h"
#include "model/time_text.h"

namespace deferd {

// "2026-03-01T00:07" or "2026-03-01T00:07:30", UTC.
inline Wall at(std::string_view text) {
  std::string full(text);
  if (full.size() == 16) full += ":00";
  const auto wall = parse_time(full + "Z");
  DEFERD_ASSERT(wall.has_value(), text);
  return *wall;
}

// "2026-03-01T00:07", with the seconds when there are any.
inline std::string show(Wall wall) {
  const std::string full = format_time(wall);
  return full.substr(0, full.substr(16, 3) == ":00" ? 16 : 19);
}

inline Schedule schedule_of(std::string_view text) {
  const auto schedule = parse_schedule(text);
  DEFERD_ASSERT(schedule.has_value(), text, schedule ? "" : schedule.error().message);
  return *schedule;
}

inline Zone zone_of(std::string_view name) {
  const auto zone = Zone::find(name);
  DEFERD_ASSERT(zone.has_value(), name);
  return *zone;
}

// The next `count` runs after `after`, each counted from the one before.
inline std::vector<std::string> runs(std::string_view schedule, std::string_view zone, Wall after,
                                     int count) {
  std::vector<std::string> shown;
  const Schedule parsed = schedule_of(schedule);
  const Zone in = zone_of(zone);
  for (int i = 0; i < count; ++i) {
    const auto next = next_run(parsed, in, after);
    if (!next) break;
    shown.push_back(show(*next));
    after = *next;
  }
  return shown;
}

}  // namespace deferd
