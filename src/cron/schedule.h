// When a job of cron.yaml runs, as a value: what App Engine's schedule language says ("every 5
// minutes", "2nd,third mon of march 17:00", GAE-spec 9.3), and what the five fields of a crontab
// say ("*/5 * * * mon-fri", "@daily"). A schedule knows no zone and no instant: cron/next.h brings
// them together.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace deferd {

using Minutes = std::chrono::minutes;

// Some of the numbers 0 to 63.
class NumberSet {
 public:
  constexpr NumberSet() = default;
  static constexpr NumberSet range(int low, int high) {
    NumberSet set;
    for (int number = low; number <= high; ++number) set.add(number);
    return set;
  }

  constexpr void add(int number) { bits_ |= std::uint64_t{1} << number; }
  constexpr bool has(int number) const { return (bits_ >> number & 1) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  // The least that is at least `number`; -1: there is none.
  constexpr int from(int number) const {
    const std::uint64_t rest = number < 64 ? bits_ >> number : 0;
    return rest == 0 ? -1 : number + std::countr_zero(rest);
  }

  friend constexpr bool operator==(NumberSet, NumberSet) = default;

 private:
  std::uint64_t bits_ = 0;
};

// "every N hours|mins|minutes": by what has passed, whatever the clock shows.
struct Interval {
  enum class Start : std::uint8_t {
    run_end,   // plain: N after the run before has ended
    midnight,  // synchronized: N, 2N, 3N after each local midnight
    range,     // from..to: the same after each `from`, until `to`, that included
  };

  Minutes every{1};  // > 0
  Start start = Start::run_end;
  // Times of the day, only of a range. `to` before `from` is that of the next day.
  Minutes from{0};
  Minutes to{0};

  friend bool operator==(const Interval&, const Interval&) = default;
};

// Days and the times of the clock on them.
struct Calendar {
  NumberSet months;    // 1 to 12
  NumberSet days;      // of the month, 1 to 31
  NumberSet weekdays;  // 0, sunday, to 6
  NumberSet ordinals;  // 1 to 5: the first monday of a month, the second ..
  // A crontab that restricts days and weekdays means days that are in either (Vixie's cron).
  // Otherwise a day must be in all sets.
  bool either = false;

  NumberSet hours;    // 0 to 23
  NumberSet minutes;  // 0 to 59
  // The hours were written "*": then a time that the clock shows twice is two times. Without it, a
  // job of "*/5 * * * *" would rest for an hour in autumn.
  bool all_hours = false;

  // Whether some day of some year is meant: "31 of feb" means none.
  bool has_days() const;

  friend bool operator==(const Calendar&, const Calendar&) = default;
};

struct Schedule {
  std::variant<Interval, Calendar> when;

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

constexpr std::size_t schedule_chars_max = 500;

// Either language; which one is seen from the text alone. Fails with Reason::invalid and a message
// that says what was wrong, where in the text, and what would be right.
Result<Schedule> parse_schedule(std::string_view text);

}  // namespace deferd
