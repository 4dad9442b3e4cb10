#include "model/duration_text.h"

#include <array>

namespace deferd {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> units = {{
    {"w", 7 * 86'400'000'000},
    {"d", 86'400'000'000},
    {"h", 3'600'000'000},
    {"m", 60'000'000},
    {"s", 1'000'000},
    {"ms", 1'000},
    {"us", 1},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number as an integer scaled by 10^places: "0.25", 3 -> 250. Advances `text` past it.
struct Scaled {
  std::int64_t value = 0;
  bool any = false;   // at least one digit was there
  bool exact = true;  // no digit beyond `places` other than 0
  bool fits = true;
};

Scaled take_number(std::string_view& text, int places) {
  Scaled number;
  constexpr std::int64_t limit = INT64_C(4'000'000'000'000'000'000) / 10;
  const auto digit = [&number](char c) {
    if (number.value > limit) {
      number.fits = false;
    } else {
      number.value = number.value * 10 + (c - '0');
    }
    number.any = true;
  };
  while (!text.empty() && is_digit(text.front())) {
    digit(text.front());
    text.remove_prefix(1);
  }
  int decimals = 0;
  if (!text.empty() && text.front() == '.' && number.any) {
    text.remove_prefix(1);
    bool after_point = false;
    while (!text.empty() && is_digit(text.front())) {
      if (decimals < places) {
        digit(text.front());
        ++decimals;
      } else if (text.front() != '0') {
        number.exact = false;
      }
      after_point = true;
      text.remove_prefix(1);
    }
    if (!after_point) number.any = false;  // "1." is not a number
  }
  for (; decimals < places && number.fits; ++decimals) {
    if (number.value > limit)
      number.fits = false;
    else
      number.value *= 10;
  }
  return number;
}

std::string quoted(std::string_view text) {
  // What a caller sent is shown, but not at any length.
  constexpr std::size_t shown_max = 40;
  std::string out = "\"" + std::string(text.substr(0, shown_max));
  return out + (text.size() > shown_max ? "...\"" : "\"");
}

tl::unexpected<Error> bad_duration(std::string_view text, std::string_view why) {
  return fail(Reason::invalid, "duration " + quoted(text) + " " + std::string(why) +
                                   "; write it like \"1m30s\", \"0.1s\" or 90 (seconds)");
}

tl::unexpected<Error> bad_rate(std::string_view text, std::string_view why) {
  return fail(Reason::invalid,
              "rate " + quoted(text) + " " + std::string(why) +
                  "; write it like \"5/s\", \"0.25/s\", \"10/m\", \"0\" or \"unlimited\"");
}

}  // namespace

Result<Micros> parse_duration(std::string_view text) {
  const std::string_view whole = text;
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty()) return bad_duration(whole, "is empty");
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    // Six places of the largest unit would overflow an int64, so the number is kept apart from its
    // unit.
    std::string_view before = text;
    Scaled number = take_number(text, 6);
    if (!number.any) return bad_duration(whole, "is not a duration");
    std::string_view name;
    while (name.size() < text.size() && text[name.size()] >= 'a' && text[name.size()] <= 'z') {
      name = text.substr(0, name.size() + 1);
    }
    text.remove_prefix(name.size());
    if (name.empty()) {
      if (before.size() != whole.size() - (negative ? 1 : 0) || !text.empty()) {
        return bad_duration(whole, "has a number without a unit");
      }
      name = "s";
    }
    std::size_t unit = next_unit;
    while (unit < units.size() && units[unit].first != name) ++unit;
    if (unit == units.size()) {
      return bad_duration(whole, "has an unknown unit, or units out of order");
    }
    next_unit = unit + 1;
    __extension__ using Wide = __int128;
    if (!number.fits || !number.exact) return bad_duration(whole, "has too many digits");
    const Wide scaled = static_cast<Wide>(number.value) * units[unit].second;
    if (scaled % 1'000'000 != 0) return bad_duration(whole, "is finer than a microsecond");
    const Wide micros = scaled / 1'000'000;
    if (micros > duration_max.count() || total + micros > duration_max.count()) {
      return bad_duration(whole, "is longer than a century");
    }
    total += static_cast<std::int64_t>(micros);
  }
  return Micros(negative ? -total : total);
}

std::string format_duration(Micros duration) {
  std::int64_t left = duration.count();
  if (left == 0) return "0s";
  std::string out;
  if (left < 0) {
    out = "-";
    left = -left;
  }
  for (const auto& [name, size] : units) {
    if (name == "w" || left < size) continue;
    out += std::to_string(left / size);
    out += name;
    left %= size;
  }
  return out;
}

Result<Rate> parse_rate(std::string_view text) {
  const std::string_view whole = text;
  if (text == "unlimited") return Rate{.count = 0, .period = Seconds(1), .unlimited = true};
  if (!text.empty() && text.front() == '-') return bad_rate(whole, "is negative");
  const Scaled number = take_number(text, 3);
  if (!number.any) return bad_rate(whole, "is not a rate");
  if (!number.fits) return bad_rate(whole, "is too large");
  if (!number.exact) return bad_rate(whole, "has more than three decimals");
  if (text.empty()) {
    if (number.value == 0) return Rate{};
    return bad_rate(whole, "has no unit");
  }
  Micros period{};
  if (text == "/s")
    period = Seconds(1);
  else if (text == "/m")
    period = Seconds(60);
  else if (text == "/h")
    period = Seconds(3600);
  else if (text == "/d")
    period = Seconds(86400);
  else
    return bad_rate(whole, "has an unknown unit");
  const std::int64_t most = rate_per_second_max * 1000 * (period / Seconds(1));
  if (number.value > most) return bad_rate(whole, "is above 1000000/s");
  if (number.value == 0) return Rate{};
  return Rate{.count = number.value, .period = period, .unlimited = false};
}

std::string format_rate(const Rate& rate) {
  if (rate.unlimited) return "unlimited";
  if (rate.count == 0) return "0";
  std::string out = std::to_string(rate.count / 1000);
  if (const std::int64_t thousandths = rate.count % 1000; thousandths != 0) {
    std::string decimals = std::to_string(1000 + thousandths).substr(1);
    while (decimals.back() == '0') decimals.pop_back();
    out += "." + decimals;
  }
  if (rate.period == Seconds(1)) return out + "/s";
  if (rate.period == Seconds(60)) return out + "/m";
  if (rate.period == Seconds(3600)) return out + "/h";
  return out + "/d";
}

}  // namespace deferd
