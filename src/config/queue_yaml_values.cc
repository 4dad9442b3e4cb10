// The values that queue.yaml has forms of its own for: rates, sizes, ages.
#include <charconv>
#include <cmath>
#include <string>

#include "config/queue_yaml.h"

namespace deferd {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// [0-9]+(\.[0-9]*)?, and nothing of what else from_chars takes (a sign, inf, nan).
std::optional<double> plain_decimal(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0) return std::nullopt;
  if (digits < text.size()) {
    if (text[digits] != '.') return std::nullopt;
    for (const char c : text.substr(digits + 1)) {
      if (!is_digit(c)) return std::nullopt;
    }
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::int64_t seconds_of(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86'400;
    default:
      return 0;
  }
}

}  // namespace

Result<Rate> parse_queue_rate(std::string_view text) {
  if (text == "0") return Rate{};
  const std::size_t slash = text.find('/');
  const auto bad = [&](const std::string& why) {
    return fail(Reason::invalid, "Rate " + quoted(text) + " is invalid" + why, "rate");
  };
  if (slash == text.npos || text.find('/', slash + 1) != text.npos) return bad(".");
  const std::string_view number = text.substr(0, slash);
  const std::string_view unit = text.substr(slash + 1);
  const auto count = plain_decimal(number);
  if (!count) return bad(": " + quoted(number) + " is not a number.");
  const std::int64_t period = unit.size() == 1 ? seconds_of(unit.front()) : 0;
  if (period == 0) return bad(": " + quoted(unit) + " is not one of s, m, h, d.");
  if (*count / static_cast<double>(period) > static_cast<double>(rate_per_second_max))
    return bad(": it is above " + std::to_string(rate_per_second_max) + "/s.");
  if (*count == 0) return Rate{};
  const double thousandths = *count * 1000;
  if (std::fabs(thousandths - std::round(thousandths)) < 1e-6 * (1 + thousandths * 1e-9)) {
    return Rate{.count = std::llround(thousandths), .period = Seconds(period), .unlimited = false};
  }
  // Finer than a Rate counts: as so many a day it is exact to a hundred millionth of a task a
  // second.
  const double a_day = thousandths * (86'400.0 / static_cast<double>(period));
  return Rate{.count = std::max<std::int64_t>(1, std::llround(a_day)),
              .period = Seconds(86'400),
              .unlimited = false};
}

Result<std::uint64_t> parse_storage_limit(std::string_view text) {
  constexpr std::string_view units = "BKMGT";
  const double bytes_max = std::ldexp(1000, 40);  // what UpdateStorageLimit takes: GAE-spec 5.10
  text = trimmed(text);
  if (text.empty()) {
    return fail(Reason::invalid, "Total Storage Limit must not be empty.", "total_storage_limit");
  }
  const auto bad = [&](const std::string& why) {
    return fail(Reason::invalid, "Total Storage Limit " + quoted(text) + " is invalid" + why,
                "total_storage_limit");
  };
  const std::size_t unit = units.find(text.back());
  // Without a unit it is a number of bytes, and those are whole.
  if (unit == units.npos && text.find('.') != text.npos) return bad(".");
  const auto number = plain_decimal(unit == units.npos ? text : text.substr(0, text.size() - 1));
  if (!number) return bad(".");
  const double bytes = std::ldexp(*number, unit == units.npos ? 0 : static_cast<int>(10 * unit));
  if (bytes > bytes_max) return bad(": it is above 1000T.");
  if (bytes < 1) return bad(": every task would be refused; leave it out for no limit.");
  return static_cast<std::uint64_t>(bytes);
}

Result<Micros> parse_task_age_limit(std::string_view text) {
  text = trimmed(text);
  const auto bad = [](std::string message) {
    return fail(Reason::invalid, std::move(message), "task_age_limit");
  };
  if (text.empty()) return bad("Task Age Limit must not be empty.");
  const std::int64_t unit = seconds_of(text.back());
  if (unit == 0) {
    return bad("Task Age_Limit must be in s (seconds), m (minutes), h (hours), or d (days)");
  }
  const auto number = plain_decimal(trimmed(text.substr(0, text.size() - 1)));
  if (!number) return bad("Task Age_Limit " + quoted(text) + " is invalid.");
  const double seconds = std::floor(*number * static_cast<double>(unit));
  if (!(seconds > 0)) return bad("Task age limit must be greater than zero.");
  if (seconds > static_cast<double>(std::chrono::floor<Seconds>(duration_max).count()))
    return bad("Task Age_Limit " + quoted(text) + " is invalid: it is longer than a century.");
  return Seconds(static_cast<std::int64_t>(seconds));
}

std::string format_storage_limit(std::uint64_t bytes) {
  constexpr std::string_view units = "KMGT";
  for (std::size_t i = units.size(); i > 0; --i) {
    // Quarters of a unit have at most two decimals.
    const std::uint64_t unit = std::uint64_t{1} << (10 * i);
    if (bytes < unit || bytes % (unit / 4) != 0) continue;
    constexpr std::string_view quarters[] = {"", ".25", ".5", ".75"};
    return std::to_string(bytes / unit) + std::string(quarters[bytes % unit / (unit / 4)]) +
           units[i - 1];
  }
  return std::to_string(bytes);
}

}  // namespace deferd
