#include "cron/next.h"

#include <algorithm>
#include <chrono>

#include "base/assert.h"

namespace deferd {
namespace {

using std::chrono::days;

constexpr Wall last_instant = Wall(days(2'567'000));  // in the year 8998

void keep_earlier(std::optional<Wall>& best, Wall candidate) {
  if (!best || candidate < *best) best = candidate;
}

bool is_day_of(const Calendar& calendar, std::chrono::year_month_day date,
               std::chrono::weekday weekday) {
  const int day = static_cast<int>(static_cast<unsigned>(date.day()));
  const bool by_day = calendar.days.has(day);
  const bool by_weekday = calendar.weekdays.has(static_cast<int>(weekday.c_encoding())) &&
                          calendar.ordinals.has((day - 1) / 7 + 1);
  return calendar.either ? by_day || by_weekday : by_day && by_weekday;
}

// The first day that the calendar names, from `from` on.
std::optional<LocalDay> first_day(const Calendar& calendar, LocalDay from) {
  // A fifth monday of february comes every 28 years, around a year like 2100 after 40.
  constexpr int months_max = 12 * 41;
  const std::chrono::year_month_day start(from);
  std::chrono::year_month month(start.year(), start.month());
  std::chrono::day first = start.day();
  for (int i = 0; i < months_max;
       ++i, month += std::chrono::months(1), first = std::chrono::day(1)) {
    if (!calendar.months.has(static_cast<int>(static_cast<unsigned>(month.month())))) continue;
    const std::chrono::day last = (month / std::chrono::last).day();
    for (std::chrono::day day = first; day <= last; ++day) {
      const std::chrono::year_month_day date = month / day;
      const LocalDay local(date);
      if (is_day_of(calendar, date, std::chrono::weekday(local))) return local;
    }
  }
  return std::nullopt;
}

// The first of the day's times that is later than `after`, where the clock goes evenly.
std::optional<Wall> first_on_even_day(const Calendar& calendar, LocalDay day, Seconds offset,
                                      Wall after) {
  const Wall midnight(Wall(LocalTime(day).time_since_epoch() - offset));
  // In whole minutes of this day; the times to look at are above it.
  const std::int64_t passed =
      std::chrono::floor<Minutes>(std::max(after, midnight - Minutes(1)) - midnight).count();
  if (passed >= 24 * 60) return std::nullopt;
  const int from = static_cast<int>(passed) + 1;
  for (int hour = calendar.hours.from(from / 60); hour >= 0; hour = calendar.hours.from(hour + 1)) {
    const int minute = calendar.minutes.from(hour == from / 60 ? from % 60 : 0);
    if (minute >= 0) return midnight + std::chrono::hours(hour) + Minutes(minute);
  }
  return std::nullopt;
}

// The same on any day, for the few on which the clock is set.
std::optional<Wall> first_on_odd_day(const Calendar& calendar, const Zone& zone, LocalDay day,
                                     Wall after) {
  std::optional<Wall> best;
  for (int hour = calendar.hours.from(0); hour >= 0; hour = calendar.hours.from(hour + 1)) {
    for (int minute = calendar.minutes.from(0); minute >= 0;
         minute = calendar.minutes.from(minute + 1)) {
      const LocalTime local = day + std::chrono::hours(hour) + Minutes(minute);
      const Wall instant = zone.instant(local);
      if (instant > after) keep_earlier(best, instant);
      if (!calendar.all_hours) continue;
      if (const auto first = zone.first_of_two(local); first && *first > after) {
        keep_earlier(best, *first);
      }
    }
  }
  return best;
}

std::optional<Wall> first_on(const Calendar& calendar, const Zone& zone, LocalDay day, Wall after) {
  if (const auto offset = zone.offset_all(day)) {
    return first_on_even_day(calendar, day, *offset, after);
  }
  return first_on_odd_day(calendar, zone, day, after);
}

std::optional<Wall> next_of(const Calendar& calendar, const Zone& zone, Wall after) {
  // Times of yesterday may still come: a time that is not shown moves on, and one hour before
  // midnight may be shown twice.
  LocalDay from = std::chrono::floor<days>(zone.local(after)) - days(1);
  while (const auto day = first_day(calendar, from)) {
    from = *day + days(1);
    std::optional<Wall> best = first_on(calendar, zone, *day, after);
    if (!best) continue;
    // And a time of tomorrow may come before one of today that moved on past midnight.
    if (first_day(calendar, from) == from) {
      if (const auto other = first_on(calendar, zone, from, after)) keep_earlier(best, *other);
    }
    return best;
  }
  return std::nullopt;
}

std::optional<Wall> next_of(const Interval& interval, const Zone& zone, Wall after) {
  if (interval.start == Interval::Start::run_end) {
    return std::chrono::floor<Minutes>(after + interval.every);
  }
  // Midnight or `from` of some day begins a series, the next one ends it.
  const LocalDay today = std::chrono::floor<days>(zone.local(after));
  std::optional<Wall> best;
  for (LocalDay day = today - days(2); day <= today + days(2); day += days(1)) {
    const Wall begin = zone.instant(day + interval.from);
    const Wall next_begin = zone.instant(day + days(1) + interval.from);
    Wall end = next_begin;
    if (interval.start == Interval::Start::range) {
      const days later(interval.to < interval.from ? 1 : 0);
      // A clock that jumps may show `to` before `from`; there is one run a day at least.
      end = std::max(begin, zone.instant(day + later + interval.to));
    }
    const Wall run = after < begin
                         ? begin
                         : begin + interval.every * ((after - begin) / Micros(interval.every) + 1);
    if (run <= end && run < next_begin) keep_earlier(best, run);
  }
  return best;
}

}  // namespace

std::optional<Wall> next_run(const Schedule& schedule, const Zone& zone, Wall after) {
  if (after >= last_instant) return std::nullopt;
  const auto next =
      std::visit([&](const auto& when) { return next_of(when, zone, after); }, schedule.when);
  DEFERD_ASSERT(!next || *next > after, "after", to_micros(after));
  return next;
}

}  // namespace deferd
