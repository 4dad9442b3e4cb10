#include "model/push_request.h"

#include <array>

#include "base/bytes.h"

namespace deferd {
namespace {

constexpr std::array<std::pair<std::string_view, HttpMethod>, 7> methods = {{
    {"POST", HttpMethod::post},
    {"GET", HttpMethod::get},
    {"HEAD", HttpMethod::head},
    {"PUT", HttpMethod::put},
    {"DELETE", HttpMethod::del},
    {"PATCH", HttpMethod::patch},
    {"OPTIONS", HttpMethod::options},
}};

constexpr std::uint8_t format_plain = 1;
constexpr std::uint8_t format_with_note = 2;
constexpr std::uint8_t format_with_token = 3;

tl::unexpected<Error> damaged() { return fail(Reason::internal, "stored payload does not decode"); }

// format, door, method, url, [note], [token], header count, (name, value)*, the rest is the body:
// no length, so that a pull task's body costs 4 bytes more than itself. Note and token are there in
// their formats only, so that the many tasks without them are what they always were; the format
// with a token has a note too, which may be empty.
template <class Request>
std::string encode_any(const Request& request) {
  std::string out;
  const std::uint8_t format = request.token           ? format_with_token
                              : !request.note.empty() ? format_with_note
                                                      : format_plain;
  std::size_t size = 26 + request.url.size() + request.note.size() + request.body.size();
  for (const auto& [name, value] : request.headers) size += 10 + name.size() + value.size();
  out.reserve(size);
  ByteWriter writer(out);
  writer.u8(format);
  writer.u8(static_cast<std::uint8_t>(static_cast<unsigned>(request.door) << 4 |
                                      static_cast<unsigned>(request.method)));
  writer.bytes(request.url);
  if (format != format_plain) writer.bytes(request.note);
  if (request.token) {
    writer.u8(static_cast<std::uint8_t>(request.token->kind));
    writer.bytes(request.token->email);
    writer.bytes(request.token->audience);
    writer.bytes(request.token->scope);
  }
  writer.varint(request.headers.size());
  for (const auto& [name, value] : request.headers) {
    writer.bytes(name);
    writer.bytes(value);
  }
  writer.raw(request.body);
  return out;
}

}  // namespace

std::string_view to_string(HttpMethod method) {
  for (const auto& [name, value] : methods) {
    if (value == method) return name;
  }
  return "POST";
}

Result<HttpMethod> parse_http_method(std::string_view text) {
  for (const auto& [name, value] : methods) {
    if (name == text) return value;
  }
  return fail(Reason::invalid,
              "method \"" + std::string(text.substr(0, 20)) +
                  "\" is not one of POST, GET, HEAD, PUT, DELETE, PATCH, OPTIONS",
              "method");
}

std::string encode(const PushRequest& request) { return encode_any(request); }
std::string encode(const PushRequestView& request) { return encode_any(request); }

Result<PushRequestView> decode_push_request_view(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint8_t format = reader.u8();
  if (format < format_plain || format > format_with_token) return damaged();
  const std::uint8_t kind = reader.u8();
  if ((kind >> 4) > static_cast<std::uint8_t>(Door::cloudtasks) || (kind & 15) >= methods.size()) {
    return damaged();
  }
  PushRequestView request;
  request.door = static_cast<Door>(kind >> 4);
  request.method = static_cast<HttpMethod>(kind & 15);
  request.url = reader.bytes();
  if (format != format_plain) request.note = reader.bytes();
  if (format == format_with_token) {
    PushToken& token = request.token.emplace();
    const std::uint8_t token_kind = reader.u8();
    if (token_kind > static_cast<std::uint8_t>(PushToken::Kind::oauth)) return damaged();
    token.kind = static_cast<PushToken::Kind>(token_kind);
    token.email = reader.bytes();
    token.audience = reader.bytes();
    token.scope = reader.bytes();
  }
  const std::uint64_t header_count = reader.varint();
  if (header_count > reader.left() / 2) return damaged();  // each takes at least its two lengths
  request.headers.reserve(header_count);
  for (std::uint64_t i = 0; i < header_count && reader.ok(); ++i) {
    const std::string_view name = reader.bytes();
    const std::string_view value = reader.bytes();
    request.headers.emplace_back(name, value);
  }
  request.body = reader.raw(reader.left());
  if (!reader.ok()) return damaged();
  return request;
}

Result<PushRequest> decode_push_request(std::string_view bytes) {
  Result<PushRequestView> view = decode_push_request_view(bytes);
  if (!view) return fail(view.error());
  PushRequest request;
  request.door = view->door;
  request.method = view->method;
  request.url = view->url;
  request.headers.reserve(view->headers.size());
  for (const auto& [name, value] : view->headers) request.headers.emplace_back(name, value);
  request.body = view->body;
  request.note = view->note;
  request.token = std::move(view->token);
  return request;
}

}  // namespace deferd
