#include "api/cloudtasks/rest/json_values.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "api/cloudtasks/text.h"

namespace deferd::cloudtasks::rest {
namespace {

constexpr std::size_t nano_digits = 9;
constexpr std::int64_t time_first = -62'135'596'800;  // the year 1
constexpr std::int64_t time_last = 253'402'300'799;   // the end of 9999
constexpr std::size_t mask_chars_max = 10'000;
constexpr std::int64_t duration_seconds_max = 315'576'000'000;

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// Between `least` and `most` digits from the front; -1: they are not there.
std::int64_t take_digits(std::string_view& text, std::size_t least, std::size_t most) {
  std::int64_t value = 0;
  std::size_t count = 0;
  for (; count < most && !text.empty() && text.front() >= '0' && text.front() <= '9'; ++count) {
    value = value * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  return count < least ? -1 : value;
}

// What follows a point, if one does; -1: a point that no decimals follow.
std::int64_t take_nanos(std::string_view& text) {
  if (!take(text, '.')) return 0;
  const std::size_t before = text.size();
  std::int64_t nanos = take_digits(text, 1, nano_digits);
  for (std::size_t i = before - text.size(); nanos > 0 && i < nano_digits; ++i) nanos *= 10;
  return nanos;
}

// 0, 3, 6 or 9 decimals, whichever are enough.
void append_nanos(std::int64_t nanos, std::string& out) {
  if (nanos == 0) return;
  std::size_t digits = nano_digits;
  for (; nanos % 1000 == 0; nanos /= 1000) digits -= 3;
  const std::string text = std::to_string(nanos);
  out.push_back('.');
  out.append(digits - text.size(), '0');
  out += text;
}

void append_digits(std::int64_t number, std::size_t digits, std::string& out) {
  const std::string text = std::to_string(number);
  if (text.size() < digits) out.append(digits - text.size(), '0');
  out += text;
}

}  // namespace

bool read_timestamp(std::string_view text, google::protobuf::Timestamp& out) {
  namespace chrono = std::chrono;
  const std::int64_t year = take_digits(text, 4, 4);
  const bool dash = take(text, '-');
  const std::int64_t month = take_digits(text, 2, 2);
  const bool dash2 = take(text, '-');
  const std::int64_t day = take_digits(text, 2, 2);
  const bool between = take(text, 'T') || take(text, 't');
  const std::int64_t hour = take_digits(text, 2, 2);
  const bool colon = take(text, ':');
  const std::int64_t minute = take_digits(text, 2, 2);
  const bool colon2 = take(text, ':');
  const std::int64_t second = take_digits(text, 2, 2);
  const std::int64_t nanos = take_nanos(text);
  if (!dash || !dash2 || !between || !colon || !colon2 || year < 0 || month < 0 || day < 0 ||
      hour < 0 || minute < 0 || second < 0 || nanos < 0 || hour > 23 || minute > 59 || second > 59)
    return false;
  const chrono::year_month_day date{chrono::year(static_cast<int>(year)),
                                    chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  std::int64_t offset_minutes = 0;
  if (!take(text, 'Z') && !take(text, 'z')) {
    const int sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
    const std::int64_t hours = take_digits(text, 2, 2);
    const bool colon3 = take(text, ':');
    const std::int64_t minutes = take_digits(text, 2, 2);
    if (sign == 0 || hours < 0 || !colon3 || minutes < 0 || hours > 23 || minutes > 59)
      return false;
    offset_minutes = sign * (hours * 60 + minutes);
  }
  if (!text.empty()) return false;
  const std::int64_t days = chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
  if (seconds < time_first || seconds > time_last) return false;
  out.set_seconds(seconds);
  out.set_nanos(static_cast<std::int32_t>(nanos));
  return true;
}

void append_timestamp(const google::protobuf::Timestamp& time, std::string& out) {
  namespace chrono = std::chrono;
  const chrono::sys_seconds at{chrono::seconds(time.seconds())};
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date{day};
  const std::int64_t of_day = (at - day).count();
  append_digits(static_cast<int>(date.year()), 4, out);
  out.push_back('-');
  append_digits(static_cast<unsigned>(date.month()), 2, out);
  out.push_back('-');
  append_digits(static_cast<unsigned>(date.day()), 2, out);
  out.push_back('T');
  append_digits(of_day / 3600, 2, out);
  out.push_back(':');
  append_digits(of_day % 3600 / 60, 2, out);
  out.push_back(':');
  append_digits(of_day % 60, 2, out);
  append_nanos(time.nanos(), out);
  out.push_back('Z');
}

bool read_duration_text(std::string_view text, google::protobuf::Duration& out) {
  const std::int64_t sign = take(text, '-') ? -1 : 1;
  constexpr std::size_t seconds_digits_max = 12;
  const std::int64_t seconds = take_digits(text, 1, seconds_digits_max);
  const std::int64_t nanos = take_nanos(text);
  if (seconds < 0 || nanos < 0 || text != "s" || seconds > duration_seconds_max) return false;
  out.set_seconds(sign * seconds);
  out.set_nanos(static_cast<std::int32_t>(sign * nanos));
  return true;
}

void append_duration(const google::protobuf::Duration& duration, std::string& out) {
  if (duration.seconds() < 0 || duration.nanos() < 0) out.push_back('-');
  out += std::to_string(std::abs(duration.seconds()));
  append_nanos(std::abs(std::int64_t{duration.nanos()}), out);
  out.push_back('s');
}

bool read_mask(std::string_view text, google::protobuf::FieldMask& out) {
  if (text.size() > mask_chars_max) return false;
  out.clear_paths();
  for (const std::string_view path : split(text, ',')) {
    if (!path.empty()) out.add_paths(std::string(path));
  }
  return true;
}

std::string mask_text(const google::protobuf::FieldMask& mask) {
  std::string text;
  for (const std::string& path : mask.paths()) {
    if (!text.empty()) text.push_back(',');
    text += path;
  }
  return text;
}

}  // namespace deferd::cloudtasks::rest
