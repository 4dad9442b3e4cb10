// What headers of HTTP may hold (RFC 9110, 5.6.2 and 5.5).
#pragma once

#include <algorithm>
#include <string_view>

namespace deferd {

// The name of a header: a token.
constexpr bool is_header_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// Whether this can stand behind a header's name and be its whole value: no line ends in it.
constexpr bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

}  // namespace deferd
