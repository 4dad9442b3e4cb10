#include "api/cloudtasks/page_token.h"

#include "base/bytes.h"

namespace deferd::cloudtasks {
namespace {

constexpr std::uint8_t format = 1;
constexpr Micros good_for = std::chrono::hours(2);

// FNV-1a: against mistakes, not against malice; what a token says is checked as any request is.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14695981039346656037U;
  for (const char c : text) {
    value ^= static_cast<std::uint8_t>(c);
    value *= 1099511628211U;
  }
  return value;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    text.push_back(digits[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}

// Empty unless it is what to_hex() gives.
std::string from_hex(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return text.size() % 2 == 0 ? bytes : std::string();
}

tl::unexpected<Failure> bad_token() {
  return refuse_argument(
      "page_token is not one that this list gave in the last two hours; begin without one.");
}

}  // namespace

std::string make_page_token(std::string_view list, std::string_view after, Wall now) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(format);
  out.be64(hash(list));
  out.signed_varint(to_micros(now + good_for));
  out.bytes(after);
  out.be64(hash(bytes));
  return to_hex(bytes);
}

Outcome<std::string> read_page_token(std::string_view list, std::string_view token, Wall now) {
  if (token.empty()) return std::string();
  const std::string bytes = from_hex(token);
  if (bytes.size() < 8) return bad_token();
  ByteReader in(bytes);
  const std::uint8_t given_format = in.u8();
  const std::uint64_t given_list = in.be64();
  const Wall until = wall_from_micros(in.signed_varint());
  const std::string after(in.bytes());
  const std::uint64_t check = in.be64();
  const bool good = in.ok() && in.at_end() && given_format == format && given_list == hash(list) &&
                    check == hash(std::string_view(bytes).substr(0, bytes.size() - 8)) &&
                    until > now;
  if (!good) return bad_token();
  return after;
}

Outcome<std::uint32_t> page_size_of(std::int32_t given, std::uint32_t most) {
  if (given < 0) return refuse_argument("page_size cannot be negative.");
  if (given == 0 || static_cast<std::uint32_t>(given) > most) return most;
  return static_cast<std::uint32_t>(given);
}

}  // namespace deferd::cloudtasks
