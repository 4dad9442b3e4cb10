// Retry-After as targets send it: a number of seconds or a date.
#pragma once

#include <string_view>

#include "base/time.h"

namespace deferd {

// A target that asks for longer is asked again after a day all the same.
constexpr Micros retry_after_max = std::chrono::hours(24);

// How long from `now`; 0 for a date that has passed and for what is not understood. Never more than
// retry_after_max. Takes the three date forms of RFC 9110 (IMF-fixdate, RFC 850, asctime), all in
// GMT.
Micros parse_retry_after(std::string_view value, Wall now);

}  // namespace deferd
