#include "cron/schedule.h"

#include <array>

#include "cron/schedule_text.h"

namespace deferd {

bool Calendar::has_days() const {
  if (either && !weekdays.empty()) return true;
  // Any day of a month falls on any weekday in some year, so the weekdays rule nothing out.
  constexpr int longest[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int month = 1; month <= 12; ++month) {
    if (!months.has(month)) continue;
    for (int day = 1; day <= longest[month - 1]; ++day) {
      if (days.has(day) && (either || ordinals.has((day - 1) / 7 + 1))) return true;
    }
  }
  return false;
}

namespace cron {
namespace {

constexpr std::array<std::string_view, 12> month_names = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};
constexpr std::array<std::string_view, 7> weekday_names = {
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

// App Engine's texts always have a time with a colon or begin with a word; a crontab has no colon.
bool is_crontab(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return false;
  const char c = text[first];
  if (c == '@' || c == '*') return true;
  return c >= '0' && c <= '9' && text.find(':') == text.npos && text.find("of") == text.npos;
}

}  // namespace

int find_name(std::string_view text, const std::string_view* full_names, int count) {
  for (int i = 0; i < count; ++i) {
    if (text == full_names[i] || text == full_names[i].substr(0, 3)) return i;
  }
  return -1;
}

int month_of(std::string_view name) {
  const int found = find_name(name, month_names.data(), static_cast<int>(month_names.size()));
  return found < 0 ? found : found + 1;
}

int weekday_of(std::string_view name) {
  return find_name(name, weekday_names.data(), static_cast<int>(weekday_names.size()));
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t shown_max = 80;
  std::string out = "\"" + std::string(text.substr(0, shown_max));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out + (text.size() > shown_max ? "...\"" : "\"");
}

}  // namespace cron

Result<Schedule> parse_schedule(std::string_view text) {
  if (text.size() > schedule_chars_max) {
    return fail(Reason::invalid,
                "has " + std::to_string(text.size()) + " characters; at most " +
                    std::to_string(schedule_chars_max) + " are read",
                "schedule");
  }
  auto parsed = cron::is_crontab(text) ? cron::parse_crontab(text) : cron::parse_appengine(text);
  if (!parsed) {
    return fail(Reason::invalid,
                parsed.error().what + " (at character " + std::to_string(parsed.error().at + 1) +
                    " of " + cron::in_quotes(text) + ")",
                "schedule");
  }
  return std::move(*parsed);
}

}  // namespace deferd
