// Durations and rates as people write them: "1m30s", "0.1s", 90 (seconds); "5/s", "0.25/s", "10/m".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

// The longest duration that any setting takes: a century, so that no sum of two instants overflows.
constexpr Micros duration_max = std::chrono::hours(24 * 365 * 100);

// Accepts "1h2m3.5s", units w d h m s ms us each at most once and in falling order, or a plain
// number of seconds ("90", "0.1"). At most duration_max, to the microsecond (further digits are
// refused, not rounded). A leading "-" is understood, so that the caller can say what is wrong with
// a negative one.
Result<Micros> parse_duration(std::string_view text);

// The shortest text that parses to the same: "1m30s", "100ms", "0s".
std::string format_duration(Micros duration);

// How many a second; a rational, so that "1/m" is exact. 0: stops. Unlimited is a value of its own.
struct Rate {
  // `count` every `period`.
  std::int64_t count = 0;  // in thousandths, so that "0.25/s" is 250
  Micros period = Seconds(1);
  bool unlimited = false;

  double per_second() const {
    return static_cast<double>(count) / 1000.0 / (static_cast<double>(period.count()) / 1e6);
  }
  friend bool operator==(const Rate&, const Rate&) = default;
};

constexpr std::int64_t rate_per_second_max = 1'000'000;

// Accepts NUMBER "/" (s|m|h|d) with up to three decimals, "0", and "unlimited". At most a million a
// second.
Result<Rate> parse_rate(std::string_view text);
std::string format_rate(const Rate& rate);

}  // namespace deferd
