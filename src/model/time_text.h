// Instants as RFC 3339 writes them: "2026-11-24T22:53:01.123456Z".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace deferd {

// Accepts date "T" time with an offset ("Z" or +hh:mm), years 1970 to 9999, up to six decimals of a
// second (further ones must be 0: nothing is rounded). A leap second (":60") is read as the first
// instant after it. Fails with Reason::invalid.
Result<Wall> parse_time(std::string_view text);

// In UTC, always with six decimals, so that texts order as instants do. Requires an instant of
// those years.
std::string format_time(Wall wall);
void append_time(std::string& out, Wall wall);

}  // namespace deferd
