// Whatever a caller shows: nothing may crash, and nothing is believed that a key of ours did not
// sign. Also key sets, as an issuer may send them.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/access.h"
#include "auth/base64url.h"
#include "auth/identity_token.h"

namespace {

using namespace deferd;

constexpr Wall now = wall_from_micros(1'800'000'000'000'000);
// RFC 7517, appendix A.1; whoever had its private half could make a token.
constexpr std::string_view public_key = R"({"keys":[{"kty":"EC","crv":"P-256","kid":"1",)"
                                        R"("x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
                                        R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})";

const IssuerRule& rule() {
  static const IssuerRule one{.issuer = "i", .audiences = {"a"}, .jwks = std::string(public_key)};
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeySet keys = *parse_key_set(public_key);
  static const Tickets tickets({}, {});
  static const Access access(
      {tickets, [](const QueueSettings&) { return std::vector<RoleBinding>(); }},
      {.issuers = {rule()}});
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const auto shown = access.authenticate({text, {}}, now);
  if (shown && !(*shown)->is_anonymous()) std::abort();
  const auto bare = access.authenticate({{}, text}, now);
  if (bare && !(*bare)->is_anonymous()) std::abort();

  if (const auto token = UnverifiedToken::parse(text))
    if (verify_token(*token, rule(), keys, now)) std::abort();
  // Past the base64 too: the bytes as claims of a header that is right.
  const std::string whole =
      base64url(R"({"alg":"ES256","kid":"1"})") + "." + base64url(text) + "." + base64url(text);
  if (const auto token = UnverifiedToken::parse(whole))
    if (verify_token(*token, rule(), keys, now)) std::abort();

  if (const auto bytes = decode_base64url(text); bytes && base64url(*bytes) != text) std::abort();
  (void)parse_key_set(text);
  return 0;
}
