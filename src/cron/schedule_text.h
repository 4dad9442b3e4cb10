// Inside the parsers of schedules: the two languages, and how they complain.
#pragma once

#include <string>
#include <string_view>

#include "cron/schedule.h"

namespace deferd::cron {

// What is wrong, at which character of the text (counted from 0).
struct Complaint {
  std::size_t at = 0;
  std::string what;
};

template <class T>
using Parsed = tl::expected<T, Complaint>;

inline tl::unexpected<Complaint> complain(std::size_t at, std::string what) {
  return tl::unexpected<Complaint>(Complaint{at, std::move(what)});
}

// 0 for "jan" or "january"; -1: no such name.
int find_name(std::string_view text, const std::string_view* full_names, int count);
// "jan", .. "december" as 1 to 12, "sun" .. "saturday" as 0 to 6; -1.
int month_of(std::string_view name);
int weekday_of(std::string_view name);

std::string in_quotes(std::string_view text);

Parsed<Schedule> parse_appengine(std::string_view text);
Parsed<Schedule> parse_crontab(std::string_view text);

}  // namespace deferd::cron
