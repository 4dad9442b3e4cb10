#include "model/time_text.h"

#include <algorithm>
#include <chrono>

namespace deferd {
namespace {

namespace chrono = std::chrono;

constexpr Wall wall_first{};
// 9999-12-31T23:59:59.999999Z
constexpr Wall wall_last = wall_from_micros(253'402'300'799'999'999);

tl::unexpected<Error> bad_time(std::string_view text, std::string_view why) {
  constexpr std::size_t shown_max = 40;
  return fail(Reason::invalid, "time \"" + std::string(text.substr(0, shown_max)) + "\" " +
                                   std::string(why) +
                                   "; write it like \"2026-11-24T22:53:01.5Z\" (RFC 3339)");
}

// Exactly `digits` digits, taken from the front; -1 when they are not there.
int take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return -1;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

// Letters in either case (RFC 3339, 5.6).
bool take(std::string_view& text, char wanted) {
  if (text.empty()) return false;
  const char c = text.front();
  const bool lower_case = wanted >= 'A' && wanted <= 'Z' && c == wanted + ('a' - 'A');
  if (c != wanted && !lower_case) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<Wall> parse_time(std::string_view text) {
  std::string_view rest = text;
  const int year = take_digits(rest, 4);
  const bool dash = take(rest, '-');
  const int month = take_digits(rest, 2);
  const bool dash2 = take(rest, '-');
  const int day = take_digits(rest, 2);
  if (year < 0 || !dash || month < 0 || !dash2 || day < 0) return bad_time(text, "has no date");
  if (!take(rest, 'T')) return bad_time(text, "has no \"T\" after its date");
  const int hour = take_digits(rest, 2);
  const bool colon = take(rest, ':');
  const int minute = take_digits(rest, 2);
  const bool colon2 = take(rest, ':');
  const int second = take_digits(rest, 2);
  if (hour < 0 || !colon || minute < 0 || !colon2 || second < 0)
    return bad_time(text, "has no time of day");
  const chrono::year_month_day date{chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return bad_time(text, "names a day that is not in the calendar");
  if (hour > 23 || minute > 59 || second > 60) return bad_time(text, "names no time of day");

  std::int64_t micros = 0;
  if (take(rest, '.')) {
    std::int64_t unit = 100'000;
    std::size_t digits = 0;
    for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
         rest.remove_prefix(1), ++digits) {
      const int digit = rest.front() - '0';
      if (unit == 0 && digit != 0) return bad_time(text, "is finer than a microsecond");
      micros += digit * unit;
      unit /= 10;
    }
    if (digits == 0) return bad_time(text, "has a point without decimals");
  }

  int offset_minutes = 0;
  if (!take(rest, 'Z')) {
    const int sign = take(rest, '+') ? 1 : take(rest, '-') ? -1 : 0;
    const int hours = sign == 0 ? -1 : take_digits(rest, 2);
    const bool between = take(rest, ':');
    const int minutes = take_digits(rest, 2);
    if (hours < 0 || !between || minutes < 0 || hours > 23 || minutes > 59) {
      return bad_time(text, "has no offset (\"Z\" for UTC)");
    }
    offset_minutes = sign * (hours * 60 + minutes);
  }
  if (!rest.empty()) return bad_time(text, "has more behind it");

  const auto days = chrono::sys_days(date).time_since_epoch();
  const Micros instant = days + chrono::hours(hour) + chrono::minutes(minute) + Seconds(second) +
                         Micros(micros) - chrono::minutes(offset_minutes);
  const Wall wall(instant);
  if (wall < wall_first || wall > wall_last)
    return bad_time(text, "is outside the years 1970 to 9999");
  return wall;
}

void append_time(std::string& out, Wall wall) {
  wall = std::clamp(wall, wall_first, wall_last);
  const std::int64_t micros = to_micros(wall);
  const std::int64_t seconds = micros / 1'000'000;
  const chrono::year_month_day date{chrono::sys_days(chrono::days(seconds / 86400))};
  char text[] = "0000-00-00T00:00:00.000000Z";
  const auto digits = [&text](std::size_t at, std::size_t count, std::int64_t number) {
    for (std::size_t i = at + count; i > at; number /= 10)
      text[--i] = static_cast<char>('0' + number % 10);
  };
  digits(0, 4, static_cast<int>(date.year()));
  digits(5, 2, static_cast<unsigned>(date.month()));
  digits(8, 2, static_cast<unsigned>(date.day()));
  digits(11, 2, seconds % 86400 / 3600);
  digits(14, 2, seconds % 3600 / 60);
  digits(17, 2, seconds % 60);
  digits(20, 6, micros % 1'000'000);
  out.append(text, sizeof text - 1);
}

std::string format_time(Wall wall) {
  std::string out;
  out.reserve(27);
  append_time(out, wall);
  return out;
}

}  // namespace deferd
