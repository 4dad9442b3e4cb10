// Random schedules in zones whose clocks are often set, against a search over every minute. The
// seed is printed by the test program.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "base/random.h"
#include "base/testing/seed.h"
#include "cron/next.h"
#include "cron/testing/times.h"

namespace deferd {
namespace {

using std::chrono::days;

constexpr std::array<std::string_view, 10> zones = {
    "UTC",          "America/New_York", "Europe/Berlin",   "Australia/Lord_Howe", "America/Nuuk",
    "Africa/Cairo", "Asia/Kolkata",     "America/Caracas", "Pacific/Apia",        "America/Havana"};
constexpr std::array<std::string_view, 7> weekday_names = {"sun", "mon", "tue", "wed",
                                                           "thu", "fri", "sat"};
constexpr std::array<std::string_view, 12> month_names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};

template <class Make>
std::string some(Random& random, std::int64_t most, Make make) {
  std::string list;
  for (std::int64_t i = random.between(1, most); i > 0; --i) {
    list += (list.empty() ? "" : ",") + std::string(make());
  }
  return list;
}

std::string random_time(Random& random) {
  // Mostly of the hours in which clocks are set.
  const std::int64_t hour = random.chance(70) ? random.between(0, 3) : random.between(0, 23);
  const std::int64_t minute = random.between(0, 59);
  return std::to_string(hour) + (minute < 10 ? ":0" : ":") + std::to_string(minute);
}

std::string random_months(Random& random) {
  if (random.chance(60)) return "month";
  if (random.chance(20)) return "quarter";
  if (random.chance(25)) {
    return some(random, 2,
                [&] {
                  constexpr std::array<std::string_view, 3> ordinals = {"1st", "2nd", "third"};
                  return ordinals[random.below(3)];
                }) +
           " month of quarter";
  }
  return some(random, 4, [&] { return month_names[random.below(12)]; });
}

std::string random_field(Random& random, std::int64_t least, std::int64_t most) {
  if (random.chance(40)) return "*";
  if (random.chance(30)) return "*/" + std::to_string(random.between(1, 20));
  return some(random, 3, [&] {
    const std::int64_t low = random.between(least, most);
    std::string item = std::to_string(low);
    if (random.chance(40)) {
      item += "-" + std::to_string(random.between(low, most));
      if (random.chance(40)) item += "/" + std::to_string(random.between(1, 5));
    }
    return item;
  });
}

// Of any kind; some are refused.
std::string random_schedule(Random& random) {
  switch (random.below(6)) {
    case 0:
      return "every " + std::to_string(random.between(1, 2000)) + " minutes";
    case 1: {
      constexpr std::array<int, 8> even = {5, 30, 60, 90, 240, 360, 720, 1440};
      return "every " + std::to_string(even[random.below(even.size())]) + " minutes synchronized";
    }
    case 2:
      return "every " + std::to_string(random.between(1, 300)) + " mins from " +
             random_time(random) + " to " + random_time(random);
    case 3:
      return some(random, 4, [&] { return std::to_string(random.between(1, 31)); }) + " of " +
             random_months(random) + " " + random_time(random);
    case 4: {
      constexpr std::array<std::string_view, 5> ordinals = {"1st", "second", "3rd", "4th", "fifth"};
      std::string text =
          random.chance(50) ? "every" : some(random, 3, [&] { return ordinals[random.below(5)]; });
      text += " ";
      text += random.chance(30) ? "day"
                                : some(random, 3, [&] { return weekday_names[random.below(7)]; });
      if (random.chance(60)) text += " of " + random_months(random);
      return text + " " + random_time(random);
    }
    default:
      return random_field(random, 0, 59) + " " + random_field(random, 0, 23) + " " +
             random_field(random, 1, 31) + " " + random_field(random, 1, 12) + " " +
             random_field(random, 0, 6);
  }
}

// Where clocks are set, in one of the years that the zones above are interesting in.
Wall random_start(Random& random) {
  constexpr std::array<std::string_view, 9> around = {
      "2026-03-08T05:00", "2026-11-01T05:00", "2026-03-29T01:00",
      "2026-10-25T01:00", "2026-04-04T15:00", "2026-10-03T15:00",
      "2011-12-30T10:00", "2016-05-01T07:00", "2025-04-24T22:00"};
  if (random.chance(20)) return at("2024-01-01T00:00") + Minutes(random.between(0, 2'000'000));
  return at(around[random.below(around.size())]) +
         Micros(random.between(-86'400, 86'400) * 999'983);
}

TEST(NextProperties, AlwaysStrictlyLaterAndAtAFullMinute) {
  Random random(test_seed());
  int ran = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_schedule(random);
    const std::string_view zone_name = zones[random.below(zones.size())];
    const auto schedule = parse_schedule(text);
    if (!schedule) continue;
    const Zone zone = zone_of(zone_name);
    Wall last = random_start(random);
    for (int run = 0; run < 20; ++run) {
      const auto next = next_run(*schedule, zone, last);
      if (!next) break;
      ASSERT_GT(*next, last) << text << " in " << zone_name;
      ASSERT_EQ(next->time_since_epoch() % Minutes(1), Micros(0)) << text << " in " << zone_name;
      // Nothing between two runs: whoever asks in between is told the second.
      const Interval* const interval = std::get_if<Interval>(&schedule->when);
      if (interval == nullptr || interval->start != Interval::Start::run_end) {
        const Wall between = last + Micros(random.between(0, (*next - last).count() - 1));
        ASSERT_EQ(next_run(*schedule, zone, between), next)
            << text << " in " << zone_name << " after " << show(last);
      }
      last = *next;
      ++ran;
    }
  }
  EXPECT_GT(ran, 10'000);
}

// A clock tells of each minute of a week what it shows; from that alone follows when each time of
// it is: shown once, twice, or not.
class Shown {
 public:
  Shown(const Zone& zone, Wall from, Wall to) {
    LocalTime last{};
    for (Wall minute = std::chrono::floor<Minutes>(from); minute < to; minute += Minutes(1)) {
      const LocalTime local = zone.local(minute);
      at_[local].push_back(minute);
      // A jump: what was left out is this much later.
      if (minute >= from + Minutes(1)) {
        for (LocalTime skipped = last + Minutes(1); skipped < local; skipped += Minutes(1)) {
          at_[skipped] = {minute + (skipped - last - Minutes(1))};
        }
      }
      last = local;
    }
  }
  const std::map<LocalTime, std::vector<Wall>>& times() const { return at_; }

 private:
  std::map<LocalTime, std::vector<Wall>> at_;
};

bool is_day(const Calendar& calendar, LocalDay local) {
  const std::chrono::year_month_day date(local);
  const int day = static_cast<int>(static_cast<unsigned>(date.day()));
  if (!calendar.months.has(static_cast<int>(static_cast<unsigned>(date.month())))) return false;
  const int weekday = static_cast<int>(std::chrono::weekday(local).c_encoding());
  int how_often = 0;  // this weekday came in the month until this day
  for (int d = day; d >= 1; d -= 7) ++how_often;
  const bool by_weekday = calendar.weekdays.has(weekday) && calendar.ordinals.has(how_often);
  return calendar.either ? calendar.days.has(day) || by_weekday
                         : calendar.days.has(day) && by_weekday;
}

std::set<Wall> searched(const Calendar& calendar, const Shown& shown) {
  std::set<Wall> runs;
  for (const auto& [local, instants] : shown.times()) {
    const LocalDay day = std::chrono::floor<days>(local);
    const std::int64_t minute = std::chrono::floor<Minutes>(local - day).count();
    if (!calendar.hours.has(static_cast<int>(minute / 60))) continue;
    if (!calendar.minutes.has(static_cast<int>(minute % 60)) || !is_day(calendar, day)) continue;
    if (calendar.all_hours) {
      runs.insert(instants.begin(), instants.end());
    } else {
      runs.insert(instants.back());
    }
  }
  return runs;
}

// GAE-194
TEST(NextProperties, CalendarsAreWhatASearchOverEveryMinuteFinds) {
  Random random(test_seed());
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string_view zone_name = zones[random.below(zones.size())];
    const Zone zone = zone_of(zone_name);
    const Wall start = random_start(random);
    const Wall from = start - days(3);
    const Wall to = start + days(4);
    const Shown shown(zone, from - days(2), to + days(2));
    for (int j = 0; j < 40; ++j) {
      const std::string text = random_schedule(random);
      const auto schedule = parse_schedule(text);
      if (!schedule || !std::holds_alternative<Calendar>(schedule->when)) continue;
      const std::set<Wall> all = searched(std::get<Calendar>(schedule->when), shown);
      Wall last = from;
      for (auto expected = all.upper_bound(from); expected != all.end() && *expected < to;
           ++expected) {
        const auto next = next_run(*schedule, zone, last);
        ASSERT_TRUE(next) << text;
        ASSERT_EQ(show(*next), show(*expected))
            << text << " in " << zone_name << " after " << show(last);
        last = *expected;
        ++found;
      }
      if (const auto next = next_run(*schedule, zone, last)) {
        ASSERT_GE(*next, to) << text << " in " << zone_name << " after " << show(last);
      }
    }
  }
  EXPECT_GT(found, 1000);
}

// GAE-194
TEST(NextProperties, SeriesAreEvenBetweenTheirBegins) {
  Random random(test_seed());
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_schedule(random);
    const auto schedule = parse_schedule(text);
    if (!schedule || !std::holds_alternative<Interval>(schedule->when)) continue;
    const Interval interval = std::get<Interval>(schedule->when);
    if (interval.start == Interval::Start::run_end) continue;
    const std::string_view zone_name = zones[random.below(zones.size())];
    const Zone zone = zone_of(zone_name);
    Wall last = random_start(random);
    std::optional<Wall> before;
    for (int run = 0; run < 100; ++run) {
      const auto next = next_run(*schedule, zone, last);
      ASSERT_TRUE(next);
      // A run is the begin of a series, or one interval behind the run before it.
      const LocalDay day = std::chrono::floor<days>(zone.local(*next));
      const bool begins = *next == zone.instant(day + interval.from) ||
                          *next == zone.instant(day - days(1) + interval.from);
      if (before && !begins) {
        ASSERT_EQ(*next - *before, interval.every)
            << text << " in " << zone_name << " after " << show(last);
      }
      before = last = *next;
    }
  }
}

}  // namespace
}  // namespace deferd
