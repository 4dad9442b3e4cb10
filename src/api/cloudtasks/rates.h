// Rates between Google's doubles and our rationals, and the burst that follows from a rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "model/duration_text.h"

namespace deferd::cloudtasks {

// Exact to six decimals a second; of a positive rate at least that much, never 0.
inline Rate rate_of(double per_second) {
  const auto thousandths = static_cast<std::int64_t>(std::llround(per_second * 1e3));
  if (std::abs(per_second * 1e3 - static_cast<double>(thousandths)) < 1e-9 && thousandths > 0) {
    return {.count = thousandths, .period = Seconds(1)};
  }
  const auto millionths = static_cast<std::int64_t>(std::llround(per_second * 1e6));
  return {.count = std::max<std::int64_t>(millionths, 1), .period = Seconds(1000)};
}

// CT-spec 9.2.
inline std::int32_t derived_burst(const Rate& rate) {
  constexpr double most = 1'000'000;
  const double fifth = rate.unlimited ? most : std::ceil(rate.per_second() / 5 - 1e-9);
  return static_cast<std::int32_t>(std::clamp(fifth, 10.0, most));
}

}  // namespace deferd::cloudtasks
