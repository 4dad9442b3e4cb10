// How /v1 spells the end of an attempt that had no HTTP status: "timeout", "lease_expired".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace deferd::native {

// Of a status below 0 (model/task.h).
std::string_view failure_word(std::int16_t status);
std::optional<std::int16_t> parse_failure(std::string_view word);

}  // namespace deferd::native
