// JSON for eyes (`prettyPrint=true`).
#pragma once

#include <string>
#include <string_view>

namespace deferd::cloudtasks::rest {

// The same with line breaks and two spaces a level. Requires valid JSON without spaces between its
// tokens.
std::string pretty(std::string_view json);

}  // namespace deferd::cloudtasks::rest
