// The Recurrences port for jobs of cron.yaml: what the engine asks when a recurring task has ended.
//
// The recurrence of a task is a text that is stored with it and can be read by people:
//
//   missed=run zone=Europe/Berlin every monday 09:00
//
// Two kinds of schedules: a plain interval counts from the end of a run; all others are fixed
// times, and those that pass while a run lasts are skipped (GAE-193). A time that passed while the
// server was down, or the queue paused, runs once, or is skipped when it is more than
// missed_grace late (GAE-196).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cron/schedule.h"
#include "cron/zone.h"
#include "engine/recurrences.h"

namespace deferd {

enum class CronMissed : std::uint8_t { run, skip };

std::string_view to_string(CronMissed missed);

// How late a run may start before it counts as missed: longer than a restart takes.
constexpr Micros missed_grace = Seconds(60);

// The parts of that text, as they were written.
struct RecurrenceText {
  CronMissed missed = CronMissed::run;
  std::string zone = "UTC";
  std::string schedule;

  // Any text; Reason::invalid for what text() does not give. Whether there are such a zone and
  // schedule is not looked at.
  static Result<RecurrenceText> parse(std::string_view text);
  std::string text() const;

  friend bool operator==(const RecurrenceText&, const RecurrenceText&) = default;
};

// What they say.
struct Recurrence {
  CronMissed missed = CronMissed::run;
  Zone zone;
  Schedule schedule;

  // Fails with Reason::invalid; `field` is "schedule" or "timezone".
  static Result<Recurrence> make(const RecurrenceText& text);
};

// Thread-safe. Keeps what it parsed, so that a job is parsed once and not at each of its runs.
//
// A text that cannot be read (a zone that a new tz database no longer has) is an error in the log:
// such a job does not run, and is looked at again each hour.
std::unique_ptr<Recurrences> make_cron_recurrences();

}  // namespace deferd
