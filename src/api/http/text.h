// Bytes and text: base64 (RFC 4648, section 4) and UTF-8.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace deferd {

void append_base64(std::string& out, std::string_view bytes);
// The standard alphabet with its padding, nothing else: no line breaks, no spaces.
std::optional<std::string> decode_base64(std::string_view text);

// RFC 4648, section 5: "-" and "_" for "+" and "/"; padded.
void append_base64url(std::string& out, std::string_view bytes);
// Either alphabet, with its padding or without.
std::optional<std::string> decode_any_base64(std::string_view text);

// Whether all of it is well-formed UTF-8 (no overlong forms, no surrogates, nothing above
// U+10FFFF).
bool is_utf8(std::string_view text);
// The text if it is; else with "?" for every byte that is not ASCII. An answer must be valid JSON,
// and what it quotes may have been cut within a character.
std::string valid_utf8(std::string_view text);

// Of a part of a path or query; `plus_is_space` for a query. Nothing when a "%" is not followed by
// two hex digits.
std::optional<std::string> decode_percent(std::string_view text, bool plus_is_space);

// How many single-character edits apart two names are; for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace deferd
