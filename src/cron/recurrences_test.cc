#include "cron/recurrences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "cron/testing/times.h"

namespace deferd {
namespace {

std::string text_of(CronMissed missed, std::string_view zone, std::string_view schedule) {
  const RecurrenceText text{missed, std::string(zone), std::string(schedule)};
  EXPECT_TRUE(Recurrence::make(text));
  return text.text();
}

TEST(Recurrence, ItsTextReadsBack) {
  const std::string text = text_of(CronMissed::skip, "Europe/Berlin", "every monday 09:00");
  EXPECT_EQ(text, "missed=skip zone=Europe/Berlin every monday 09:00");
  const auto parsed = RecurrenceText::parse(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, (RecurrenceText{CronMissed::skip, "Europe/Berlin", "every monday 09:00"}));
  EXPECT_EQ(parsed->text(), text);
  EXPECT_EQ(Recurrence::make(*parsed)->schedule, schedule_of("every monday 09:00"));
  for (const std::string_view bad :
       {"", "every monday 09:00", "missed=run every monday 09:00", "missed=run zone=UTC",
        "missed=maybe zone=UTC @daily", "zone=UTC missed=run @daily"}) {
    EXPECT_FALSE(RecurrenceText::parse(bad)) << bad;
  }
  for (const std::string_view bad : {"missed=run zone=UTC ", "missed=run zone=Mars/Olympus @daily",
                                     "missed=run zone=UTC every funday 09:00"}) {
    const auto parts = RecurrenceText::parse(bad);
    ASSERT_TRUE(parts) << bad;
    EXPECT_FALSE(Recurrence::make(*parts)) << bad;
  }
}

// GAE-193
TEST(CronRecurrences, APlainIntervalCountsFromTheEndOfTheRun) {
  const auto recurrences = make_cron_recurrences();
  const std::string plain = text_of(CronMissed::run, "UTC", "every 5 minutes");
  const std::string fixed = text_of(CronMissed::run, "UTC", "every 5 minutes synchronized");
  const Wall due = at("2026-03-01T12:00");
  // Two minutes of work: 7 minutes apart, against 5.
  EXPECT_EQ(show(recurrences->next(plain, due, at("2026-03-01T12:02"))), "2026-03-01T12:07");
  EXPECT_EQ(show(recurrences->next(fixed, due, at("2026-03-01T12:02"))), "2026-03-01T12:05");
  // Six: the fixed time that passed meanwhile is skipped.
  EXPECT_EQ(show(recurrences->next(plain, due, at("2026-03-01T12:06"))), "2026-03-01T12:11");
  EXPECT_EQ(show(recurrences->next(fixed, due, at("2026-03-01T12:06"))), "2026-03-01T12:10");
}

// GAE-196
TEST(CronRecurrences, WhatWasMissedRunsOrIsSkippedAsItSays) {
  const auto recurrences = make_cron_recurrences();
  const std::string run = text_of(CronMissed::run, "UTC", "every day 12:00");
  const std::string skip = text_of(CronMissed::skip, "UTC", "every day 12:00");
  const Wall due = at("2026-03-01T12:00");
  EXPECT_FALSE(recurrences->skips(run, due, at("2026-03-09T12:00")));
  EXPECT_FALSE(recurrences->skips(skip, due, due));
  EXPECT_FALSE(recurrences->skips(skip, due, due + missed_grace));
  EXPECT_TRUE(recurrences->skips(skip, due, due + missed_grace + Micros(1)));
  EXPECT_EQ(show(recurrences->next(skip, due, at("2026-03-09T12:30"))), "2026-03-10T12:00");
}

TEST(CronRecurrences, AnUnreadableTextNeitherRunsNorEnds) {
  const auto recurrences = make_cron_recurrences();
  const Wall due = at("2026-03-01T12:00");
  const std::string_view text = "missed=run zone=Mars/Olympus every day 12:00";
  EXPECT_TRUE(recurrences->skips(text, due, due));
  EXPECT_EQ(recurrences->next(text, due, due), due + Seconds(3600));
}

TEST(CronRecurrences, TheEndOfTimeEndsTheTask) {
  const auto recurrences = make_cron_recurrences();
  const std::string text = text_of(CronMissed::run, "UTC", "every day 12:00");
  const Wall late = Wall(std::chrono::days(2'600'000));
  EXPECT_EQ(recurrences->next(text, late, late), Wall::max());
}

// Shards ask at once; what they share is the cache, which here is emptied again and again.
TEST(CronRecurrences, MayBeAskedByManyThreads) {
  const auto recurrences = make_cron_recurrences();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&recurrences, t] {
      for (int i = 0; i < 1500; ++i) {
        const int n = (i * 7 + t) % 1400 + 1;
        const std::string text =
            "missed=run zone=America/New_York every " + std::to_string(n) + " minutes";
        const Wall due = at("2026-03-01T12:00");
        ASSERT_EQ(recurrences->next(text, due, due), due + Minutes(n));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace deferd
