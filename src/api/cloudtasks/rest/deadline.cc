#include "api/cloudtasks/rest/deadline.h"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace deferd::cloudtasks::rest {
namespace {

constexpr double seconds_max = 1e6;

std::optional<Nanos> of_seconds(std::string_view text) {
  double seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (error != std::errc() || stop != end || !(seconds > 0 && seconds < seconds_max))
    return std::nullopt;
  return Nanos(static_cast<std::int64_t>(seconds * 1e9));
}

// At most eight digits and a unit (gRPC over HTTP/2).
std::optional<Nanos> of_grpc(std::string_view text) {
  constexpr std::size_t digits_max = 8;
  std::int64_t count = 0;
  const auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0 || unit + 1 != text.data() + text.size() ||
      text.size() > digits_max + 1)
    return std::nullopt;
  switch (*unit) {
    case 'H':
      return std::chrono::hours(count);
    case 'M':
      return std::chrono::minutes(count);
    case 'S':
      return Seconds(count);
    case 'm':
      return Millis(count);
    case 'u':
      return Micros(count);
    case 'n':
      return Nanos(count);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Nanos> timeout_of(const HttpRequest& request) {
  if (const std::string_view text = request.header("x-server-timeout"); !text.empty())
    return of_seconds(text);
  if (const std::string_view text = request.header("grpc-timeout"); !text.empty())
    return of_grpc(text);
  return std::nullopt;
}

}  // namespace deferd::cloudtasks::rest
