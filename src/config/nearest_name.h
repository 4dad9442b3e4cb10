// "did you mean": the known name that a mistyped one is nearest to.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace deferd {

// By edits (insert, delete, replace, swap neighbours); absent when none is near enough to be meant.
std::optional<std::string_view> nearest_name(std::string_view typed,
                                             std::span<const std::string_view> known);

}  // namespace deferd
