// Bytes of programs as text of JSON.
#pragma once

#include <string>
#include <string_view>

namespace deferd {

bool is_utf8(std::string_view bytes);

// What is not UTF-8 becomes U+FFFD. At most `bytes_max` bytes: the middle of more is left out, and
// said to be.
std::string to_text(std::string_view bytes, std::size_t bytes_max);

}  // namespace deferd
