#include "cli/table.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ostream>

#include "model/duration_text.h"

namespace deferd::cli {
namespace {

// Characters, not bytes: continuation bytes of UTF-8 take no column.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (std::string& heading : headings_) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> row) {
  row.resize(headings_.size());
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < headings_.size(); ++i) {
    std::size_t width = columns_of(headings_[i]);
    for (const auto& row : rows_) width = std::max(width, columns_of(row[i]));
    widths.push_back(width);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string gap(widths[i] - columns_of(cells[i]), ' ');
      text += right_[i] ? gap + cells[i] : cells[i] + gap;
      text += "  ";
    }
    while (text.ends_with(' ')) text.pop_back();
    out << text << '\n';
  };
  line(headings_);
  for (const auto& row : rows_) line(row);
}

std::string printable(std::string_view text, std::size_t chars_max) {
  std::string out;
  std::size_t chars = 0;
  for (const char c : text) {
    const bool starts = (c & 0xC0) != 0x80;
    if (starts && chars == chars_max) {
      while (!out.empty() && (out.back() & 0xC0) == 0x80) out.pop_back();
      if (!out.empty()) out.pop_back();
      return out + "…";
    }
    if (starts) ++chars;
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  // C1 controls (U+0080..U+009F) come as two bytes, 0xC2 0x80..0x9F; terminals obey them too.
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    const auto second = static_cast<unsigned char>(out[i + 1]);
    if (static_cast<unsigned char>(out[i]) == 0xC2 && second >= 0x80 && second <= 0x9F)
      out.replace(i, 2, "?");
  }
  return out;
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string relative(std::string_view instant, std::int64_t now_micros) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, read = 0;
  std::string text(instant);
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &read) != 6 ||
      read == 0) {
    return text;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return text;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t micros = (((days * 24 + hour) * 60 + minute) * 60 + second) * INT64_C(1'000'000);
  if (static_cast<std::size_t>(read) < text.size() && text[static_cast<std::size_t>(read)] == '.') {
    std::int64_t unit = 100'000;
    for (std::size_t i = static_cast<std::size_t>(read) + 1;
         i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
      micros += (text[i] - '0') * unit;
      unit /= 10;
    }
  }
  const std::int64_t ahead = micros - now_micros;
  if (ahead > -1'000'000 && ahead < 1'000'000) return "now";
  const std::int64_t whole = ((ahead < 0 ? -ahead : ahead) + 500'000) / 1'000'000;
  // Two units are enough to know whether to wait for it.
  const std::int64_t rounded = whole >= 86'400 ? whole / 3600 * 3600
                               : whole >= 3600 ? whole / 60 * 60
                                               : whole;
  const std::string length = format_duration(Seconds(rounded));
  return ahead > 0 ? "in " + length : length + " ago";
}

}  // namespace deferd::cli
