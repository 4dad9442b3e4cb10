// App Engine's schedule language, by descent: a function a rule of the grammar (GAE-spec 9.3).
//
//   schedule  = interval | specific
//   interval  = "every" N period [ "from" TIME "to" TIME | "synchronized" ]
//   specific  = ( ordinals weekdays [ "of" months ] | monthdays "of" months ) TIME
//   ordinals  = "every" | ordinal { "," ordinal }
//   weekdays  = "day" | weekday { "," weekday }
//   monthdays = 1..31 { "," 1..31 }
//   months    = "month" | month { "," month } | "quarter" | qord { "," qord } "month" "of"
//   "quarter"
#include <algorithm>
#include <array>
#include <optional>

#include "cron/schedule_text.h"

namespace deferd::cron {
namespace {

constexpr std::string_view days_are =
    "days are mon tue wed thu fri sat sun, their full names, or day";
constexpr std::string_view months_are =
    "months are jan to dec, their full names, month, quarter, or \"1st month of quarter\"";
constexpr std::string_view time_is = "a time of day, H:MM or HH:MM, 0:00 to 23:59";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct Token {
  enum class Kind : std::uint8_t { word, number, ordinal, sign, end };
  Kind kind = Kind::end;
  std::string_view text;
  std::size_t at = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { step(); }

  Parsed<Schedule> schedule() {
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] >= 'A' && text_[i] <= 'Z') return complain(i, "must be all in lower case");
    }
    Parsed<Schedule> parsed = begins_with_every() ? interval() : specific();
    if (parsed && token_.kind != Token::Kind::end) return complain(token_.at, what_is_left());
    return parsed;
  }

 private:
  bool begins_with_every() {
    if (!is("every")) return false;
    const Parser behind = after_this();
    return behind.token_.kind == Token::Kind::number || behind.is_period();
  }

  Parsed<Schedule> interval() {
    step();
    if (token_.kind != Token::Kind::number) {
      return complain(token_.at,
                      "how many is missing; write \"every 1 hours\", not \"every hour\"");
    }
    const Token number = token_;
    if (number.text.size() > 5) {
      return complain(number.at, "interval must be at most 99999, in 1 to 5 digits");
    }
    const int count = value(number);
    step();
    if (count == 0) return complain(number.at, "interval must be greater than zero");
    Interval interval;
    if (is("hours")) {
      interval.every = std::chrono::hours(count);
    } else if (is("mins") || is("minutes")) {
      interval.every = Minutes(count);
    } else {
      return complain(token_.at, "must be hours, mins or minutes, also after 1, not " + seen());
    }
    step();
    if (is("synchronized")) {
      if (Minutes(std::chrono::days(1)) % interval.every != Minutes(0)) {
        return complain(number.at,
                        "can only use synchronized for periods that divide evenly into 24 hours");
      }
      interval.start = Interval::Start::midnight;
      step();
      if (is("from")) {
        return complain(token_.at, "from .. to and synchronized do not go together");
      }
    } else if (is("from")) {
      interval.start = Interval::Start::range;
      step();
      const auto from = time_of_day();
      if (!from) return tl::unexpected(from.error());
      if (!is("to")) return complain(token_.at, "must be \"to\" and " + std::string(time_is));
      step();
      const auto to = time_of_day();
      if (!to) return tl::unexpected(to.error());
      interval.from = *from;
      interval.to = *to;
      if (is("synchronized")) {
        return complain(token_.at, "from .. to and synchronized do not go together");
      }
    }
    return Schedule{interval};
  }

  Parsed<Schedule> specific() {
    Calendar calendar;
    calendar.months = NumberSet::range(1, 12);
    calendar.days = NumberSet::range(1, 31);
    calendar.weekdays = NumberSet::range(0, 6);
    calendar.ordinals = NumberSet::range(1, 5);
    const std::size_t begin = token_.at;
    int least_day = 1;
    if (token_.kind == Token::Kind::number) {
      const auto days = list([this]() { return monthday(); });
      if (!days) return tl::unexpected(days.error());
      calendar.days = *days;
      least_day = calendar.days.from(0);
      if (!is("of")) {
        return complain(
            token_.at, "must be \"of\" and months, not " + seen() + "; " + std::string(months_are));
      }
    } else {
      NumberSet ordinals = calendar.ordinals;
      const bool every = is("every");
      if (every) {
        step();
      } else {
        const auto given = list([this]() { return ordinal(5); });
        if (!given) return tl::unexpected(given.error());
        ordinals = *given;
      }
      if (is("day")) {
        step();
        if (!every) calendar.days = ordinals;  // "2nd day": of the month, not of a week
      } else {
        const auto weekdays = list([this]() { return weekday(); });
        if (!weekdays) return tl::unexpected(weekdays.error());
        calendar.weekdays = *weekdays;
        calendar.ordinals = ordinals;
      }
    }
    if (is("of")) {
      step();
      const auto months = month_set();
      if (!months) return tl::unexpected(months.error());
      calendar.months = *months;
    }
    const auto time = time_of_day();
    if (!time) return tl::unexpected(time.error());
    calendar.hours.add(static_cast<int>(time->count() / 60));
    calendar.minutes.add(static_cast<int>(time->count() % 60));
    if (!calendar.has_days()) {
      int month = 12;
      while (!calendar.months.has(month)) --month;
      return complain(begin, "invalid day of month, got day " + std::to_string(least_day) +
                                 " of month " + std::to_string(month));
    }
    return Schedule{calendar};
  }

  Parsed<NumberSet> month_set() {
    if (is("month")) {
      step();
      return NumberSet::range(1, 12);
    }
    NumberSet months;
    const auto add_quarterly = [&months](int first) {
      for (int month = first; month <= 12; month += 3) months.add(month);
    };
    if (is("quarter")) {
      step();
      add_quarterly(1);
      return months;
    }
    if (ordinal_value() == 0) return list([this]() { return month(); });
    const auto positions = list([this]() { return ordinal(3); });
    if (!positions) return tl::unexpected(positions.error());
    for (const std::string_view word : {"month", "of", "quarter"}) {
      if (!is(word)) {
        return complain(token_.at, "must be \"" + std::string(word) +
                                       "\", as in \"1st month of "
                                       "quarter\", not " +
                                       seen());
      }
      step();
    }
    for (int position = 1; position <= 3; ++position) {
      if (positions->has(position)) add_quarterly(position);
    }
    return months;
  }

  // One or more of what `item` reads, with commas between.
  template <class Item>
  Parsed<NumberSet> list(Item item) {
    NumberSet set;
    while (true) {
      const Parsed<int> next = item();
      if (!next) return tl::unexpected(next.error());
      set.add(*next);
      step();
      if (!is(",")) return set;
      step();
    }
  }

  // These look at the token and leave it in place.

  Parsed<int> monthday() {
    const int day = token_.kind == Token::Kind::number ? value(token_) : 0;
    if (day < 1 || day > 31) {
      return complain(token_.at, "days of the month are 1 to 31, not " + seen());
    }
    return day;
  }

  Parsed<int> ordinal(int most) {
    const int found = ordinal_value();
    if (found == 0 || found > most) {
      if (token_.at == first_at_) {
        return complain(token_.at,
                        "must begin with every, 1st to 5th (first to fifth), or days of "
                        "the month (1,15 of ..), not " +
                            seen());
      }
      return complain(token_.at, "must be " + std::string(most == 3 ? "1st to 3rd" : "1st to 5th") +
                                     ", not " + seen());
    }
    return found;
  }

  Parsed<int> weekday() {
    const int found = token_.kind == Token::Kind::word ? weekday_of(token_.text) : -1;
    if (found < 0) return complain(token_.at, seen() + " is no day; " + std::string(days_are));
    return found;
  }

  Parsed<int> month() {
    const int found = token_.kind == Token::Kind::word ? month_of(token_.text) : -1;
    if (found < 0) return complain(token_.at, seen() + " is no month; " + std::string(months_are));
    return found;
  }

  // 0: is none.
  int ordinal_value() const {
    constexpr std::array<std::array<std::string_view, 2>, 5> names = {{{"1st", "first"},
                                                                       {"2nd", "second"},
                                                                       {"3rd", "third"},
                                                                       {"4th", "fourth"},
                                                                       {"5th", "fifth"}}};
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (token_.text == names[i][0] || token_.text == names[i][1]) return static_cast<int>(i) + 1;
    }
    return 0;
  }

  Parsed<Minutes> time_of_day() {
    const std::size_t at = token_.at;
    const auto wrong = [&] {
      return complain(at, "must be " + std::string(time_is) + ", not " +
                              (token_.kind == Token::Kind::end && token_.at == at
                                   ? "the end"
                                   : in_quotes(text_.substr(at))));
    };
    if (token_.kind != Token::Kind::number || token_.text.size() > 2) return wrong();
    const int hour = value(token_);
    step();
    if (!is(":")) return wrong();
    step();
    if (token_.kind != Token::Kind::number || token_.text.size() != 2) return wrong();
    const int minute = value(token_);
    if (hour > 23 || minute > 59) return wrong();
    step();
    return Minutes(hour * 60 + minute);
  }

  bool is(std::string_view text) const { return token_.text == text; }
  bool is_period() const {
    constexpr std::array<std::string_view, 8> periods = {"hours",  "hour",    "mins",   "min",
                                                         "minute", "minutes", "second", "seconds"};
    return std::ranges::find(periods, token_.text) != periods.end();
  }
  std::string seen() const {
    return token_.kind == Token::Kind::end ? "the end" : in_quotes(token_.text);
  }
  std::string what_is_left() const { return seen() + " is more than a schedule says"; }
  static int value(const Token& number) {
    int value = 0;
    for (const char c : number.text.substr(0, 6)) value = value * 10 + (c - '0');
    return value;
  }

  Parser after_this() const {
    Parser behind = *this;
    behind.step();
    return behind;
  }

  void step() {
    while (next_ < text_.size() && is_blank(text_[next_])) ++next_;
    const std::size_t begin = next_;
    const auto take = [&](bool (*fits)(char)) {
      while (next_ < text_.size() && fits(text_[next_])) ++next_;
    };
    Token::Kind kind = Token::Kind::end;
    if (begin < text_.size()) {
      kind = Token::Kind::sign;
      if (is_digit(text_[begin])) {
        kind = Token::Kind::number;
        take(is_digit);
        const std::string_view suffix = text_.substr(next_, 2);
        if (suffix == "st" || suffix == "nd" || suffix == "rd" || suffix == "th") {
          kind = Token::Kind::ordinal;
          next_ += 2;
        }
      } else if (is_letter(text_[begin])) {
        kind = Token::Kind::word;
        take(is_letter);
      } else {
        ++next_;
      }
    }
    token_ = {kind, text_.substr(begin, next_ - begin), begin};
    first_at_ = std::min(first_at_, begin);
  }

  std::string_view text_;
  std::size_t next_ = 0;                           // of text_, behind the token
  std::size_t first_at_ = std::string_view::npos;  // where the first token stands
  Token token_;
};

}  // namespace

Parsed<Schedule> parse_appengine(std::string_view text) { return Parser(text).schedule(); }

}  // namespace deferd::cron
