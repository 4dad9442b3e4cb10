// Which texts are schedules, which are not, and what is said of those.
#include "cron/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deferd {
namespace {

using testing::HasSubstr;

std::string complaint(std::string_view text) {
  const auto schedule = parse_schedule(text);
  return schedule ? "" : schedule.error().message;
}

// GAE-190: each refused one of GAE-spec 9.3, with its reason; the texts that the spec gives, word
// by word.
TEST(ScheduleText, WhatAppEngineRefusesIsRefusedWithItsReason) {
  const std::pair<std::string_view, std::string_view> refused[] = {
      {"every minute", "write \"every 1 hours\", not \"every hour\""},
      {"every hour", "write \"every 1 hours\", not \"every hour\""},
      {"every 1 hour", "must be hours, mins or minutes, also after 1, not \"hour\""},
      {"every 5 seconds", "must be hours, mins or minutes, also after 1, not \"seconds\""},
      {"every 0 minutes", "interval must be greater than zero (at character 7 of"},
      {"every 5 minutes from 10:00", "must be \"to\" and a time of day"},
      {"every day", "must be a time of day, H:MM or HH:MM, 0:00 to 23:59, not the end"},
      {"monday 09:00", "must begin with every, 1st to 5th (first to fifth), or days of the month"},
      {"every day 24:00", "must be a time of day, H:MM or HH:MM, 0:00 to 23:59, not \"24:00\""},
      {"every day 9:5", "must be a time of day"},
      {"Every day 09:00", "must be all in lower case (at character 1 of"},
      {"every day 09:00 UTC", "must be all in lower case (at character 17 of"},
      {"every tues 10:00", "\"tues\" is no day; days are mon tue wed"},
      {"every weekday 09:00", "\"weekday\" is no day"},
      {"last fri of month 1:00", "must begin with every, 1st to 5th"},
      {"every 5 minutes from 10:00 to 12:00 synchronized", "do not go together"},
      {"every 5 minutes synchronized from 10:00 to 12:00", "do not go together"},
      {"every 7 hours synchronized",
       "can only use synchronized for periods that divide evenly into 24 hours"},
      {"every 48 hours synchronized",
       "can only use synchronized for periods that divide evenly into 24 hours"},
      {"30 of feb 10:00", "invalid day of month, got day 30 of month 2"},
      {"30,31 of feb 10:00", "invalid day of month, got day 30 of month 2"},
      {"31 of feb,apr,jun 10:00", "invalid day of month, got day 31 of month 6"},
      {"32 of month 10:00", "days of the month are 1 to 31, not \"32\""},
      {"0 of month 10:00", "days of the month are 1 to 31, not \"0\""},
      {"every 100000 minutes", "interval must be at most 99999"},
      {"every 99999999999999999999999 minutes", "interval must be at most 99999"},
  };
  for (const auto& [text, reason] : refused) {
    EXPECT_THAT(complaint(text), HasSubstr(reason)) << text;
  }
}

TEST(ScheduleText, MoreThatIsRefused) {
  for (const std::string_view text : {"",
                                      " ",
                                      "every",
                                      "every 5",
                                      "every 5 minutes every",
                                      "every 5 minutes 10:00",
                                      "every monday,day 10:00",
                                      "every mon, 10:00",
                                      "every mon tue 10:00",
                                      "6th mon 10:00",
                                      "1st,6th mon of month 10:00",
                                      "1st 10:00",
                                      "1 10:00",
                                      "1 of 10:00",
                                      "1 of month",
                                      "1 of months 10:00",
                                      "4th month of quarter 10:00",
                                      "1 of 4th month of quarter 10:00",
                                      "1 of 1st month of year 10:00",
                                      "1st month of quarter 10:00",
                                      "every day 10:00 10:00",
                                      "every day 100:00",
                                      "every day 10:000",
                                      "every day -1:00",
                                      "every day 10.00",
                                      "1st,2 mon of month 10:00",
                                      "1,2nd of month 10:00",
                                      "every 5 minutes from 1000 to 1100",
                                      "every 5 minutes to 10:00",
                                      "sunday",
                                      "every day at 10:00",
                                      "every d\xc3\xa4y 10:00"}) {
    EXPECT_NE(complaint(text), "") << text;
  }
  EXPECT_NE(complaint(std::string("every day 10:00\0", 16)), "");
  EXPECT_THAT(complaint(std::string(501, ' ')), HasSubstr("501 characters; at most 500"));
}

// GAE-190
TEST(ScheduleText, BlanksMayStandBetweenAnyTokens) {
  for (const std::string_view text :
       {"1st , third\tmon,\n wed of  jan ,feb 9:05", " 1st,third mon,wed of jan,feb 9 : 05 ",
        "first,3rd monday,wednesday of january,february 09:05",
        "1st,third mon,wed of jan,feb 09:05"}) {
    ASSERT_EQ(complaint(text), "") << text;
    EXPECT_EQ(*parse_schedule(text), *parse_schedule("1st,3rd mon,wed of jan,feb 9:05")) << text;
  }
  EXPECT_EQ(*parse_schedule("every 5 mins"), *parse_schedule("every 5 minutes"));
  EXPECT_EQ(*parse_schedule("every 2 hours"), *parse_schedule("every 120 minutes"));
  EXPECT_EQ(*parse_schedule("every 00005 minutes"), *parse_schedule("every 5 minutes"));
  EXPECT_EQ(*parse_schedule("every day of month 0:00"), *parse_schedule("every day 00:00"));
  EXPECT_EQ(*parse_schedule("1,2 of month 0:00"), *parse_schedule("1st,second day 00:00"));
}

// GAE-190
TEST(ScheduleText, EveryNameOfADayAndAMonth) {
  const char* const days[] = {"sunday",   "monday", "tuesday", "wednesday",
                              "thursday", "friday", "saturday"};
  for (int i = 0; i < 7; ++i) {
    const std::string name = days[i];
    const auto schedule = parse_schedule("every " + name + " 10:00");
    ASSERT_TRUE(schedule) << name;
    EXPECT_TRUE(std::get<Calendar>(schedule->when).weekdays.has(i));
    EXPECT_EQ(*schedule, *parse_schedule("every " + name.substr(0, 3) + " 10:00"));
  }
  const char* const months[] = {"january",   "february", "march",    "april",
                                "may",       "june",     "july",     "august",
                                "september", "october",  "november", "december"};
  for (int i = 0; i < 12; ++i) {
    const std::string name = months[i];
    const auto schedule = parse_schedule("1 of " + name + " 10:00");
    ASSERT_TRUE(schedule) << name;
    EXPECT_EQ(std::get<Calendar>(schedule->when).months, NumberSet::range(i + 1, i + 1));
    EXPECT_EQ(*schedule, *parse_schedule("1 of " + name.substr(0, 3) + " 10:00"));
  }
}

TEST(ScheduleText, WhatACrontabRefuses) {
  const std::pair<std::string_view, std::string_view> refused[] = {
      {"* * * *", "has 4 fields; a crontab has five"},
      {"* * * * * *", "more than five fields"},
      {"0 0 31 2 *", "invalid day of month, got day 31 of month 2"},
      {"0 0 30,31 feb *", "invalid day of month, got day 30 of month 2"},
      {"60 * * * *", "minute is 0 to 59, not \"60\" (at character 1 of"},
      {"0 24 * * *", "hour is 0 to 23, not \"24\" (at character 3 of"},
      {"0 0 0 * *", "day of month is 1 to 31"},
      {"0 0 * 13 *", "month is 1 to 12 or a name of three letters"},
      {"0 0 * * 8", "day of week is 0 to 7 or a name of three letters"},
      {"0 0 * * monday", "or a name of three letters, not \"monday\""},
      {"0 0 * * tues", "not \"tues\""},
      {"*/0 * * * *", "a step is a whole number above 0"},
      {"*/ * * * *", "a step is a whole number above 0"},
      {"5/15 * * * *", "a step needs a range: write 5-59/15"},
      {"30-10 * * * *", "a range goes up"},
      {"0 22-2 * * *", "a range goes up"},
      {"0 0 * * fri-mon", "a range goes up"},
      {"1,,2 * * * *", "not \"\""},
      {"1- * * * *", "not \"\""},
      {"*,x * * * *", "not \"x\""},
      {"*5 * * * *", "not \"*5\""},
      {"1-2-3 * * * *", "not \"2-3\""},
      {"0 0 L * *", "not \"L\""},
      {"0 0 ? * *", "not \"?\""},
      {"0 0 * * 5#3", "not \"5#3\""},
      {"@reboot", "\"@reboot\" is not known; there are @hourly"},
      {"@", "is not known"},
      {"@daily x", "is not known"},
      {"9999999999999 * * * *", "minute is 0 to 59"},
  };
  for (const auto& [text, reason] : refused) {
    EXPECT_THAT(complaint(text), HasSubstr(reason)) << text;
  }
  // When either of two day fields may name the day, a day of february that never comes harms not.
  EXPECT_EQ(complaint("0 0 31 2 mon"), "");
  EXPECT_EQ(*parse_schedule("0 0 * * 5-7"), *parse_schedule("0 0 * * fri,sat,sun"));
  EXPECT_EQ(*parse_schedule("0 0 * * 0-7"), *parse_schedule("0 0 * * sun-sat"));
  EXPECT_EQ(*parse_schedule("@DAILY"), *parse_schedule("0 0 * * *"));
}

}  // namespace
}  // namespace deferd
