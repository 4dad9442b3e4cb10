// API keys: random secrets that a caller shows with each call. A server keeps only their SHA-256.
// That is enough for 192 random bits, which nobody guesses; slow hashes are for passwords.
//
//   deferd_3f9c..(48 hex digits)     the prefix is for scanners that look for leaked secrets
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deferd {

using KeyHash = std::array<std::uint8_t, 32>;

// A new key from the system's randomness.
Result<std::string> make_api_key();

// Of any text.
KeyHash hash_of_key(std::string_view key);

// 64 hex digits, as access.yaml has them.
std::string to_string(const KeyHash& hash);
std::optional<KeyHash> parse_key_hash(std::string_view text);

}  // namespace deferd
