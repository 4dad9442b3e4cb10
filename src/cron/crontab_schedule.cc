// The five fields of a crontab, as Vixie's cron reads them, and its @daily and the like.
//
//   minute 0-59   hour 0-23   day of month 1-31   month 1-12, jan-dec   day of week 0-7, sun-sat
//
// A field is a list of *, N, N-M, */STEP, N-M/STEP. Names in any case. 7 is sunday, too.
#include <array>
#include <utility>

#include "base/text.h"
#include "cron/schedule_text.h"

namespace deferd::cron {
namespace {

struct Field {
  std::string_view name;
  int least;
  int most;
  int (*number_of)(std::string_view);  // of a name; null: it has none
};
constexpr std::array<Field, 5> fields = {{{"minute", 0, 59, nullptr},
                                          {"hour", 0, 23, nullptr},
                                          {"day of month", 1, 31, nullptr},
                                          {"month", 1, 12, month_of},
                                          {"day of week", 0, 7, weekday_of}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames = {{
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
}};

std::string span_of(const Field& field) {
  return std::to_string(field.least) + " to " + std::to_string(field.most);
}

// -1: not a number of one to three digits.
int number(std::string_view text) {
  if (text.empty() || text.size() > 3) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

Parsed<int> bound(const Field& field, std::string_view text, std::size_t at) {
  int value = number(text);
  if (value < 0 && field.number_of != nullptr) {
    value = field.number_of(to_lower(text));
    if (text.size() > 3) value = -1;  // "monday" is no name of a crontab
  }
  if (value >= field.least && value <= field.most) return value;
  return complain(at, std::string(field.name) + " is " + span_of(field) +
                          (field.number_of == nullptr ? "" : " or a name of three letters") +
                          ", not " + in_quotes(text));
}

// One item of a field's list, added to `set`.
Parsed<void> add_item(const Field& field, std::string_view item, std::size_t at, NumberSet& set) {
  const std::size_t slash = item.find('/');
  const std::string_view span = item.substr(0, slash);
  int step = 1;
  if (slash != item.npos) {
    step = number(item.substr(slash + 1));
    if (step < 1) {
      return complain(at + slash + 1, "a step is a whole number above 0, as in */5, not " +
                                          in_quotes(item.substr(slash + 1)));
    }
  }
  int low = field.least;
  int high = field.most;
  if (span != "*") {
    const std::size_t dash = span.find('-');
    const auto first = bound(field, span.substr(0, dash), at);
    if (!first) return tl::unexpected(first.error());
    low = high = *first;
    if (dash != span.npos) {
      const auto last = bound(field, span.substr(dash + 1), at + dash + 1);
      if (!last) return tl::unexpected(last.error());
      high = *last;
      if (high == 0 && field.most == 7) high = 7;  // sat-sun
      if (high < low) {
        return complain(at, "a range goes up, " + in_quotes(span) + " goes down; write two");
      }
    } else if (slash != item.npos) {
      return complain(at, "a step needs a range: write " + std::to_string(low) + "-" +
                              std::to_string(field.most) + std::string(item.substr(slash)) +
                              ", not " + in_quotes(item));
    }
  }
  for (int value = low; value <= high; value += step) {
    set.add(value == 7 && field.most == 7 ? 0 : value);
  }
  return {};
}

Parsed<NumberSet> parse_field(const Field& field, std::string_view text, std::size_t at) {
  NumberSet set;
  while (true) {
    const std::size_t comma = text.find(',');
    if (auto ok = add_item(field, text.substr(0, comma), at, set); !ok) {
      return tl::unexpected(ok.error());
    }
    if (comma == text.npos) return set;
    text.remove_prefix(comma + 1);
    at += comma + 1;
  }
}

Parsed<Schedule> parse_fields(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  std::array<NumberSet, fields.size()> sets;
  std::array<bool, fields.size()> starred{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    at = text.find_first_not_of(blanks, at);
    if (at == text.npos) {
      return complain(text.size(), "has " + std::to_string(i) +
                                       " fields; a crontab has five: minute, hour, day of month, "
                                       "month, day of week");
    }
    const std::size_t end = std::min(text.size(), text.find_first_of(blanks, at));
    const auto set = parse_field(fields[i], text.substr(at, end - at), at);
    if (!set) return tl::unexpected(set.error());
    sets[i] = *set;
    starred[i] = text[at] == '*';
    at = end;
  }
  if (at = text.find_first_not_of(blanks, at); at != text.npos) {
    return complain(at,
                    "has more than five fields; seconds, years and commands have no place here");
  }
  Calendar calendar;
  calendar.minutes = sets[0];
  calendar.hours = sets[1];
  calendar.days = sets[2];
  calendar.months = sets[3];
  calendar.weekdays = sets[4];
  calendar.ordinals = NumberSet::range(1, 5);
  calendar.all_hours = starred[1] && calendar.hours == NumberSet::range(0, 23);
  calendar.either = !starred[2] && !starred[4];
  if (!calendar.has_days()) {
    int month = 12;
    while (!calendar.months.has(month)) --month;
    return complain(0, "invalid day of month, got day " + std::to_string(calendar.days.from(0)) +
                           " of month " + std::to_string(month));
  }
  return Schedule{calendar};
}

}  // namespace

Parsed<Schedule> parse_crontab(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '@') {
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    const std::string name = to_lower(text.substr(first, last - first + 1));
    for (const auto& [nickname, meaning] : nicknames) {
      if (name == nickname) return parse_fields(meaning);
    }
    return complain(first, in_quotes(name) +
                               " is not known; there are @hourly @daily @midnight @weekly @monthly "
                               "@yearly @annually");
  }
  return parse_fields(text);
}

}  // namespace deferd::cron
