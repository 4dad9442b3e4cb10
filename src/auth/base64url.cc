#include "auth/base64url.h"

namespace deferd {

std::string base64url(std::span<const unsigned char> bytes) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  unsigned bits = 0;  // the lowest `held` of them are not written yet
  int held = 0;
  for (const unsigned char byte : bytes) {
    bits = (bits << 8 | byte) & 0xffff;
    for (held += 8; held >= 6; held -= 6) text.push_back(digits[bits >> (held - 6) & 63]);
  }
  if (held > 0) text.push_back(digits[bits << (6 - held) & 63]);
  return text;
}

std::string base64url(std::string_view bytes) {
  return base64url({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

}  // namespace deferd
