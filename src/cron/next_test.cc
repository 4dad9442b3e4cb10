// What schedules mean: every vector of GAE-spec 9.4, then crontabs, then what clocks do when they
// are set.
#include "cron/next.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cron/testing/times.h"

namespace deferd {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

struct Vector {
  std::string_view schedule;
  std::string_view zone;
  std::string_view after;
  std::vector<std::string> runs;
};

void expect_all(const std::vector<Vector>& vectors) {
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(std::string(vector.schedule) + " in " + std::string(vector.zone));
    EXPECT_THAT(
        runs(vector.schedule, vector.zone, at(vector.after), static_cast<int>(vector.runs.size())),
        ElementsAreArray(vector.runs));
  }
}

// GAE-190
TEST(Next, EveryScheduleOfTheSpecYieldsItsTimes) {
  constexpr std::string_view start = "2026-03-01T00:07:30";
  expect_all({
      {"every 5 minutes",
       "UTC",
       start,
       {"2026-03-01T00:12", "2026-03-01T00:17", "2026-03-01T00:22"}},
      {"every 24 hours", "UTC", start, {"2026-03-02T00:07", "2026-03-03T00:07"}},
      {"every 2 hours synchronized",
       "UTC",
       start,
       {"2026-03-01T02:00", "2026-03-01T04:00", "2026-03-01T06:00"}},
      {"every 2 hours from 10:00 to 14:00",
       "UTC",
       start,
       {"2026-03-01T10:00", "2026-03-01T12:00", "2026-03-01T14:00", "2026-03-02T10:00"}},
      {"every 45 minutes from 23:30 to 01:00",
       "UTC",
       start,
       {"2026-03-01T00:15", "2026-03-01T01:00", "2026-03-01T23:30", "2026-03-02T00:15"}},
      {"every 5 minutes from 10:00 to 10:00",
       "UTC",
       start,
       {"2026-03-01T10:00", "2026-03-02T10:00", "2026-03-03T10:00"}},
      {"every monday 09:00", "UTC", start, {"2026-03-02T09:00", "2026-03-09T09:00"}},
      {"2nd,third mon,wed,thu of march 17:00",
       "UTC",
       start,
       {"2026-03-09T17:00", "2026-03-11T17:00", "2026-03-12T17:00", "2026-03-16T17:00",
        "2026-03-18T17:00", "2026-03-19T17:00", "2027-03-08T17:00"}},
      {"1 of jan,april,july,oct 00:00",
       "UTC",
       start,
       {"2026-04-01T00:00", "2026-07-01T00:00", "2026-10-01T00:00", "2027-01-01T00:00"}},
      {"first sunday of quarter 00:00", "UTC", start, {"2026-04-05T00:00", "2026-07-05T00:00"}},
      {"1st monday of 2nd month of quarter 10:00",
       "UTC",
       start,
       {"2026-05-04T10:00", "2026-08-03T10:00"}},
      {"31 of month 10:00",
       "UTC",
       start,
       {"2026-03-31T10:00", "2026-05-31T10:00", "2026-07-31T10:00"}},
      {"29 of feb 10:00", "UTC", start, {"2028-02-29T10:00", "2032-02-29T10:00"}},
      {"5th tue of month 10:00",
       "UTC",
       start,
       {"2026-03-31T10:00", "2026-06-30T10:00", "2026-09-29T10:00"}},
      {"1,15,31 of month 23:59",
       "UTC",
       start,
       {"2026-03-01T23:59", "2026-03-15T23:59", "2026-03-31T23:59", "2026-04-01T23:59"}},
      {"every monday 09:00", "Australia/NSW", start, {"2026-03-01T22:00"}},
      // The Python library's answer: the shifted time. The Java library's skips the day.
      {"every day 02:30",
       "America/New_York",
       "2026-03-07T12:00",
       {"2026-03-08T07:30", "2026-03-09T06:30"}},
      {"every day 01:30",
       "America/New_York",
       "2026-10-31T12:00",
       {"2026-11-01T06:30", "2026-11-02T06:30"}},
      {"every 2 hours synchronized",
       "America/New_York",
       "2026-03-08T04:30",
       {"2026-03-08T05:00", "2026-03-08T07:00", "2026-03-08T09:00", "2026-03-08T11:00"}},
      {"every 1 hours from 00:00 to 05:00",
       "America/New_York",
       "2026-11-01T03:30",
       {"2026-11-01T04:00", "2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00",
        "2026-11-01T08:00", "2026-11-01T09:00", "2026-11-01T10:00", "2026-11-02T05:00"}},
  });
}

// GAE-190
TEST(Next, WordsThatMeanTheSame) {
  constexpr std::string_view start = "2026-03-01T00:07:30";
  expect_all({
      {"every day 10:00", "UTC", start, {"2026-03-01T10:00", "2026-03-02T10:00"}},
      {"every day of month 10:00", "UTC", start, {"2026-03-01T10:00", "2026-03-02T10:00"}},
      // Day 1 of the month, not the days of its first week.
      {"1st day of month 10:00", "UTC", start, {"2026-03-01T10:00", "2026-04-01T10:00"}},
      {"2nd,third day of quarter 9:05", "UTC", start, {"2026-04-02T09:05", "2026-04-03T09:05"}},
      {"1 of quarter 0:00", "UTC", start, {"2026-04-01T00:00", "2026-07-01T00:00"}},
      {"1,2 of first,3rd month of quarter 0:00",
       "UTC",
       start,
       {"2026-03-02T00:00", "2026-04-01T00:00", "2026-04-02T00:00", "2026-06-01T00:00"}},
      {"every sat,sunday of february 10:00",
       "UTC",
       start,
       {"2027-02-06T10:00", "2027-02-07T10:00"}},
  });
}

TEST(Next, CrontabsAsVixieReadsThem) {
  constexpr std::string_view start = "2026-03-01T00:07:30";  // a sunday
  expect_all({
      {"*/5 * * * *", "UTC", start, {"2026-03-01T00:10", "2026-03-01T00:15"}},
      {"0,30 9-10 * * mon-fri",
       "UTC",
       start,
       {"2026-03-02T09:00", "2026-03-02T09:30", "2026-03-02T10:00", "2026-03-02T10:30",
        "2026-03-03T09:00"}},
      {"59 23 31 12 *", "UTC", start, {"2026-12-31T23:59", "2027-12-31T23:59"}},
      {"0 0 29 2 *", "UTC", start, {"2028-02-29T00:00", "2032-02-29T00:00"}},
      {"15 10-20/4 * * *",
       "UTC",
       start,
       {"2026-03-01T10:15", "2026-03-01T14:15", "2026-03-01T18:15"}},
      // Both day fields: a day that is in either.
      {"0 12 13 * fri",
       "UTC",
       start,
       {"2026-03-06T12:00", "2026-03-13T12:00", "2026-03-20T12:00", "2026-03-27T12:00",
        "2026-04-03T12:00", "2026-04-10T12:00", "2026-04-13T12:00"}},
      // A field that begins with a star restricts nothing alone, so a day must be in both.
      {"0 12 */2 * mon", "UTC", start, {"2026-03-09T12:00", "2026-03-23T12:00"}},
      {"0 0 * * 7", "UTC", start, {"2026-03-08T00:00"}},
      {"0 0 * * 0", "UTC", start, {"2026-03-08T00:00"}},
      {"0 0 * * SAT-SUN", "UTC", start, {"2026-03-07T00:00", "2026-03-08T00:00"}},
      {"0 0 1 Jan,jul *", "UTC", start, {"2026-07-01T00:00", "2027-01-01T00:00"}},
      {"@hourly", "UTC", start, {"2026-03-01T01:00"}},
      {"@daily", "UTC", start, {"2026-03-02T00:00"}},
      {"@midnight", "UTC", start, {"2026-03-02T00:00"}},
      {"@weekly", "UTC", start, {"2026-03-08T00:00"}},
      {"@monthly", "UTC", start, {"2026-04-01T00:00"}},
      {"@yearly", "UTC", start, {"2027-01-01T00:00"}},
      {" @annually ", "UTC", start, {"2027-01-01T00:00"}},
      // */29 is 1 and 30.
      {"0 0 */29 2 mon", "UTC", start, {"2027-02-01T00:00"}},
      // A monday 29 february comes every 28 years, past a century after 40.
      {"5th mon of feb 10:00", "UTC", start, {"2044-02-29T10:00", "2072-02-29T10:00"}},
      {"5th mon of feb 10:00", "UTC", "2073-01-01T00:00", {"2112-02-29T10:00"}},
  });
}

// GAE-194: spring and autumn, a day before to a day after, in three zones.

TEST(Next, InSpringATimeThatIsNotShownRunsShifted) {
  // New York: 2026-03-08 02:00 becomes 03:00.
  EXPECT_THAT(runs("every day 02:00", "America/New_York", at("2026-03-07T00:00"), 3),
              ElementsAre("2026-03-07T07:00", "2026-03-08T07:00", "2026-03-09T06:00"));
  EXPECT_THAT(runs("every day 02:59", "America/New_York", at("2026-03-08T00:00"), 2),
              ElementsAre("2026-03-08T07:59", "2026-03-09T06:59"));
  EXPECT_THAT(runs("30 2 * * *", "America/New_York", at("2026-03-08T00:00"), 2),
              ElementsAre("2026-03-08T07:30", "2026-03-09T06:30"));
  // Berlin: 2026-03-29 02:00 becomes 03:00.
  EXPECT_THAT(runs("every day 02:30", "Europe/Berlin", at("2026-03-28T00:00"), 3),
              ElementsAre("2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"));
  // Lord Howe: 2026-10-04 02:00 becomes 02:30; 02:10 means what is then shown as 02:40.
  EXPECT_THAT(runs("every day 02:10", "Australia/Lord_Howe", at("2026-10-02T00:00"), 3),
              ElementsAre("2026-10-02T15:40", "2026-10-03T15:40", "2026-10-04T15:10"));
  EXPECT_THAT(runs("every day 02:30", "Australia/Lord_Howe", at("2026-10-03T00:00"), 2),
              ElementsAre("2026-10-03T15:30", "2026-10-04T15:30"));
}

// GAE-194
TEST(Next, InAutumnATimeThatIsShownTwiceRunsOnce) {
  // New York: 2026-11-01 02:00 becomes 01:00. Asked after the first 01:30 too, it is the second.
  EXPECT_THAT(runs("every day 01:30", "America/New_York", at("2026-11-01T05:31"), 2),
              ElementsAre("2026-11-01T06:30", "2026-11-02T06:30"));
  EXPECT_THAT(runs("30 1 * * *", "America/New_York", at("2026-10-31T12:00"), 2),
              ElementsAre("2026-11-01T06:30", "2026-11-02T06:30"));
  // Berlin: 2026-10-25 03:00 becomes 02:00.
  EXPECT_THAT(runs("every day 02:30", "Europe/Berlin", at("2026-10-24T00:00"), 3),
              ElementsAre("2026-10-24T00:30", "2026-10-25T01:30", "2026-10-26T01:30"));
  // Lord Howe: 2026-04-05 02:00 becomes 01:30; 01:45 is shown twice, 01:15 once.
  EXPECT_THAT(runs("every day 01:45", "Australia/Lord_Howe", at("2026-04-03T00:00"), 3),
              ElementsAre("2026-04-03T14:45", "2026-04-04T15:15", "2026-04-05T15:15"));
  EXPECT_THAT(runs("every day 01:15", "Australia/Lord_Howe", at("2026-04-04T00:00"), 2),
              ElementsAre("2026-04-04T14:15", "2026-04-05T14:45"));
}

// GAE-194
TEST(Next, SynchronizedIsEvenInTimeThatPassesFromEachMidnight) {
  EXPECT_THAT(runs("every 12 hours synchronized", "America/New_York", at("2026-03-07T12:00"), 5),
              ElementsAre("2026-03-07T17:00", "2026-03-08T05:00", "2026-03-08T17:00",
                          "2026-03-09T04:00", "2026-03-09T16:00"));
  // 25 hours: two runs of twelve, and one hour before the next midnight.
  EXPECT_THAT(
      runs("every 12 hours synchronized", "America/New_York", at("2026-11-01T03:00"), 4),
      ElementsAre("2026-11-01T04:00", "2026-11-01T16:00", "2026-11-02T04:00", "2026-11-02T05:00"));
  EXPECT_THAT(runs("every 6 hours synchronized", "Europe/Berlin", at("2026-03-28T22:00"), 5),
              ElementsAre("2026-03-28T23:00", "2026-03-29T05:00", "2026-03-29T11:00",
                          "2026-03-29T17:00", "2026-03-29T22:00"));
  EXPECT_THAT(runs("every 12 hours synchronized", "Australia/Lord_Howe", at("2026-10-03T10:00"), 3),
              ElementsAre("2026-10-03T13:30", "2026-10-04T01:30", "2026-10-04T13:00"));
}

// GAE-194
TEST(Next, RangesAreEvenInTimeThatPassesFromTheirBegin) {
  // Five hours on the clock, four that pass.
  EXPECT_THAT(
      runs("every 2 hours from 00:00 to 05:00", "America/New_York", at("2026-03-08T04:00"), 4),
      ElementsAre("2026-03-08T05:00", "2026-03-08T07:00", "2026-03-08T09:00", "2026-03-09T04:00"));
  // A begin that is not shown is shifted; an end before it leaves the one run.
  EXPECT_THAT(
      runs("every 10 minutes from 02:30 to 03:05", "America/New_York", at("2026-03-08T00:00"), 3),
      ElementsAre("2026-03-08T07:30", "2026-03-09T06:30", "2026-03-09T06:40"));
  EXPECT_THAT(runs("every 1 hours from 01:00 to 04:00", "Europe/Berlin", at("2026-10-24T22:30"), 6),
              ElementsAre("2026-10-24T23:00", "2026-10-25T00:00", "2026-10-25T01:00",
                          "2026-10-25T02:00", "2026-10-25T03:00", "2026-10-26T00:00"));
  EXPECT_THAT(runs("every 30 minutes from 01:00 to 02:30", "Australia/Lord_Howe",
                   at("2026-04-04T12:00"), 6),
              ElementsAre("2026-04-04T14:00", "2026-04-04T14:30", "2026-04-04T15:00",
                          "2026-04-04T15:30", "2026-04-04T16:00", "2026-04-05T14:30"));
}

// GAE-194: a crontab with "*" hours neither rests nor runs twice at one instant.
TEST(Next, StarHoursRunThroughBothChanges) {
  for (const auto& [zone, day] : {std::pair("America/New_York", "2026-03-08T04:00"),
                                  {"America/New_York", "2026-11-01T03:00"},
                                  {"Europe/Berlin", "2026-03-28T22:00"},
                                  {"Europe/Berlin", "2026-10-24T21:00"},
                                  {"Australia/Lord_Howe", "2026-10-03T12:00"},
                                  {"Australia/Lord_Howe", "2026-04-04T12:00"}}) {
    SCOPED_TRACE(zone);
    Wall last = at(day);
    for (int i = 0; i < 12 * 26; ++i) {
      const auto next = next_run(schedule_of("*/5 * * * *"), zone_of(zone), last);
      ASSERT_TRUE(next);
      ASSERT_EQ(*next - last, Minutes(5)) << show(last);
      last = *next;
    }
  }
  // Hours that are named run once.
  EXPECT_THAT(runs("0,30 1 * * *", "America/New_York", at("2026-11-01T03:00"), 3),
              ElementsAre("2026-11-01T06:00", "2026-11-01T06:30", "2026-11-02T06:00"));
}

// GAE-194: changes of the tz database that are no summer time.
TEST(Next, ZonesThatMove) {
  // Samoa went over the date line: there was no 2011-12-30. Its run is that of the 31st.
  EXPECT_THAT(runs("every day 10:00", "Pacific/Apia", at("2011-12-29T00:00"), 3),
              ElementsAre("2011-12-29T20:00", "2011-12-30T20:00", "2011-12-31T20:00"));
  EXPECT_THAT(
      runs("every 12 hours synchronized", "Pacific/Apia", at("2011-12-29T12:00"), 4),
      ElementsAre("2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00", "2011-12-31T10:00"));
  // Venezuela: 2016-05-01 02:30 became 03:00, for good.
  EXPECT_THAT(runs("every day 02:45", "America/Caracas", at("2016-04-30T00:00"), 3),
              ElementsAre("2016-04-30T07:15", "2016-05-01T07:15", "2016-05-02T06:45"));
  // Sao Paulo jumped at midnight: there was no 00:00 on 2018-11-04.
  EXPECT_THAT(runs("every day 00:00", "America/Sao_Paulo", at("2018-11-03T00:00"), 3),
              ElementsAre("2018-11-03T03:00", "2018-11-04T03:00", "2018-11-05T02:00"));
  // Nuuk jumps from 23:00 of one day to 00:00 of the next: 23:30 is run after 00:00, at 00:30.
  EXPECT_THAT(
      runs("0,30 0,23 * * *", "America/Nuuk", at("2026-03-29T00:00"), 4),
      ElementsAre("2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00", "2026-03-30T00:30"));
}

// GAE-193: what the engine is told for overlapping runs follows from these two.
TEST(Next, PlainIntervalsCountFromTheEndOthersDoNot) {
  EXPECT_EQ(show(*next_run(schedule_of("every 5 minutes"), Zone(), at("2026-03-01T12:02"))),
            "2026-03-01T12:07");
  EXPECT_EQ(
      show(*next_run(schedule_of("every 5 minutes synchronized"), Zone(), at("2026-03-01T12:06"))),
      "2026-03-01T12:10");
}

TEST(Next, TheEndOfTimeIsNever) {
  for (const std::string_view text : {"every 5 minutes", "every day 10:00", "* * * * *"}) {
    EXPECT_EQ(next_run(schedule_of(text), Zone(), Wall::max()), std::nullopt);
    EXPECT_EQ(next_run(schedule_of(text), Zone(), Wall(std::chrono::days(2'600'000))),
              std::nullopt);
  }
}

TEST(Zones, AreKnownByTheirNamesToTheLetter) {
  EXPECT_TRUE(Zone::find("Europe/Berlin"));
  EXPECT_TRUE(Zone::find("UTC"));
  EXPECT_TRUE(Zone::find("GMT"));
  EXPECT_TRUE(Zone::find("US/Eastern"));
  // GAE-195
  for (const std::string_view name : {"europe/berlin", "Mars/Olympus", "", "../../etc/passwd",
                                      "localtime", "Europe/Berlin ", "posix/Europe/Berlin"}) {
    const auto zone = Zone::find(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_THAT(zone.error().message,
                testing::StartsWith("timezone '" + std::string(name) + "' is unknown"));
  }
  EXPECT_FALSE(Zone::find(std::string(1000, 'x')));
}

}  // namespace
}  // namespace deferd
