#include "dispatch/retry_after.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace deferd {
namespace {

constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads what it is asked for from the front; once something is not there, ok is false.
struct DateReader {
  std::string_view in;
  bool ok = true;

  int number(std::size_t digits) {
    if (!ok || in.size() < digits) return ok = false, 0;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(in[i])) return ok = false, 0;
      value = value * 10 + (in[i] - '0');
    }
    in.remove_prefix(digits);
    return value;
  }
  void text(std::string_view wanted) {
    if (!ok || !in.starts_with(wanted)) {
      ok = false;
      return;
    }
    in.remove_prefix(wanted.size());
  }
  unsigned month() {
    for (unsigned i = 0; i < months.size(); ++i) {
      if (!in.starts_with(months[i])) continue;
      in.remove_prefix(3);
      return i + 1;
    }
    return ok = false, 1;
  }
};

// Sun, 06 Nov 1994 08:49:37 GMT
// Sunday, 06-Nov-94 08:49:37 GMT
// Sun Nov  6 08:49:37 1994
std::optional<Wall> parse_http_date(std::string_view text, Wall now) {
  std::size_t day_name = 0;
  while (day_name < text.size() && text[day_name] >= 'A' && text[day_name] <= 'z') ++day_name;
  if (day_name < 3) return std::nullopt;
  DateReader reader{text.substr(day_name)};
  int year = 0;
  int day = 0;
  unsigned month = 1;
  const bool asctime = !reader.in.starts_with(',');
  if (asctime) {
    reader.text(" ");
    month = reader.month();
    reader.text(" ");
    if (reader.in.starts_with(' ')) {
      reader.text(" ");
      day = reader.number(1);
    } else {
      day = reader.number(2);
    }
  } else {
    reader.text(", ");
    day = reader.number(2);
    const bool dashes = reader.in.starts_with('-');
    reader.text(dashes ? "-" : " ");
    month = reader.month();
    reader.text(dashes ? "-" : " ");
    if (dashes) {
      // Two digits: the year of this century, unless that is over 50 years ahead (RFC 9110, 5.6.7).
      const auto today = std::chrono::floor<std::chrono::days>(now.time_since_epoch());
      const int this_year =
          static_cast<int>(std::chrono::year_month_day(std::chrono::sys_days(today)).year());
      year = this_year - this_year % 100 + reader.number(2);
      if (year > this_year + 50) year -= 100;
    } else {
      year = reader.number(4);
    }
  }
  reader.text(" ");
  const int hour = reader.number(2);
  reader.text(":");
  const int minute = reader.number(2);
  reader.text(":");
  const int second = reader.number(2);
  reader.text(" ");
  if (asctime) {
    year = reader.number(4);
  } else {
    reader.text("GMT");
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!reader.ok || !reader.in.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return Wall(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(hour) +
              std::chrono::minutes(minute) + Seconds(second));
}

}  // namespace

Micros parse_retry_after(std::string_view value, Wall now) {
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  if (value.empty()) return Micros(0);
  if (std::all_of(value.begin(), value.end(), is_digit)) {
    if (value.size() > 9) return retry_after_max;
    return std::min<Micros>(Seconds(std::stol(std::string(value))), retry_after_max);
  }
  const std::optional<Wall> date = parse_http_date(value, now);
  if (!date || *date <= now) return Micros(0);
  return std::min<Micros>(*date - now, retry_after_max);
}

}  // namespace deferd
