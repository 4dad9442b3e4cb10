#include "model/http_target.h"

#include "base/bytes.h"

namespace deferd {
namespace {

constexpr std::uint8_t format = 1;

// A part that may be absent: 0, or 1 and the part.
template <class T, class Write>
void write_part(const std::optional<T>& part, ByteWriter& out, Write write) {
  out.u8(part ? 1 : 0);
  if (part) write(*part);
}

template <class T, class Read>
void read_part(std::optional<T>& part, ByteReader& in, Read read) {
  if (in.u8() != 0) part = read();
}

}  // namespace

std::string encode(const HttpTarget& target) {
  std::string bytes;
  ByteWriter out(bytes);
  const auto text = [&out](const std::string& value) { out.bytes(value); };
  out.u8(format);
  write_part(target.scheme, out, [&](auto value) { out.u8(static_cast<std::uint8_t>(value)); });
  write_part(target.host, out, text);
  write_part(target.port, out, [&](std::uint16_t value) { out.varint(value); });
  write_part(target.path, out, text);
  write_part(target.query, out, text);
  out.u8(static_cast<std::uint8_t>(target.enforce));
  write_part(target.method, out, [&](auto value) { out.u8(static_cast<std::uint8_t>(value)); });
  out.varint(target.headers.size());
  for (const auto& [name, value] : target.headers) {
    out.bytes(name);
    out.bytes(value);
  }
  write_part(target.token, out, [&](const PushToken& token) {
    out.u8(static_cast<std::uint8_t>(token.kind));
    out.bytes(token.email);
    out.bytes(token.audience);
    out.bytes(token.scope);
  });
  return bytes;
}

Result<HttpTarget> decode_http_target(std::string_view bytes) {
  ByteReader in(bytes);
  HttpTarget target;
  bool valid = in.u8() == format;
  // An enumerator up to `last`.
  const auto choice = [&]<class Enum>(Enum last) {
    const std::uint8_t value = in.u8();
    if (value > static_cast<std::uint8_t>(last)) valid = false;
    return static_cast<Enum>(value);
  };
  const auto text = [&in] { return std::string(in.bytes()); };
  read_part(target.scheme, in, [&] { return choice(HttpTarget::Scheme::https); });
  read_part(target.host, in, text);
  read_part(target.port, in, [&] { return static_cast<std::uint16_t>(in.varint()); });
  read_part(target.path, in, text);
  read_part(target.query, in, text);
  target.enforce = choice(HttpTarget::Enforce::if_not_exists);
  read_part(target.method, in, [&] { return choice(HttpMethod::options); });
  const std::uint64_t headers = in.varint();
  if (headers > in.left() / 2) valid = false;
  for (std::uint64_t i = 0; valid && in.ok() && i < headers; ++i) {
    std::string name = text();
    target.headers.emplace_back(std::move(name), text());
  }
  read_part(target.token, in, [&] {
    PushToken token;
    token.kind = choice(PushToken::Kind::oauth);
    token.email = text();
    token.audience = text();
    token.scope = text();
    return token;
  });
  if (!valid || !in.ok() || !in.at_end())
    return fail(Reason::internal, "stored HTTP target does not decode");
  return target;
}

}  // namespace deferd
