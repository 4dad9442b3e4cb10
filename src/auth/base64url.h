// Base64 as tokens and key sets spell it (RFC 4648 section 5), without padding.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace deferd {

std::string base64url(std::span<const unsigned char> bytes);
std::string base64url(std::string_view bytes);

// Nothing for a text that base64url() does not write.
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace deferd
