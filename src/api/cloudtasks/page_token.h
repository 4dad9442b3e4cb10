// Where a list goes on: opaque to callers, bound to the list it came from, good for two hours
// (CT-spec 4).
#pragma once

#include <string>
#include <string_view>

#include "api/cloudtasks/outcome.h"
#include "base/time.h"

namespace deferd::cloudtasks {

// `list` says which list it is (its method, parent and filter).
std::string make_page_token(std::string_view list, std::string_view after, Wall now);
// Gives `after`; empty for no token. Fails with INVALID_ARGUMENT for a foreign, damaged or old one.
Outcome<std::string> read_page_token(std::string_view list, std::string_view token, Wall now);

// page_size as it is meant: 0 is the most, more is the most, less than 0 is INVALID_ARGUMENT.
Outcome<std::uint32_t> page_size_of(std::int32_t given, std::uint32_t most);

}  // namespace deferd::cloudtasks
