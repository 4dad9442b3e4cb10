// Bytes as lower-case hex and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace deferd {

constexpr std::string_view hex_digits = "0123456789abcdef";

inline std::string hex(const std::uint8_t* bytes, std::size_t size) {
  std::string text;
  text.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    text.push_back(hex_digits[bytes[i] >> 4]);
    text.push_back(hex_digits[bytes[i] & 15]);
  }
  return text;
}

// False unless `text` is exactly `size` bytes in lower-case hex.
inline bool from_hex(std::string_view text, std::uint8_t* bytes, std::size_t size) {
  if (text.size() != 2 * size) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = hex_digits.find(text[i]);
    if (digit == std::string_view::npos) return false;
    bytes[i / 2] = static_cast<std::uint8_t>((i % 2 == 0 ? 0 : bytes[i / 2] << 4) | digit);
  }
  return true;
}

}  // namespace deferd
