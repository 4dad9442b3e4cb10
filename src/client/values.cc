#include "client/values.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace deferd::inline v1::detail {
namespace {

namespace json = boost::json;
using std::chrono::floor;

struct Unit {
  std::string_view name;
  double microseconds;
};
constexpr std::array<Unit, 7> units = {{{"us", 1},
                                        {"ms", 1e3},
                                        {"s", 1e6},
                                        {"m", 60e6},
                                        {"h", 3600e6},
                                        {"d", 86400e6},
                                        {"w", 7 * 86400e6}}};

// Digits at `text`'s beginning, which are taken off it.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string duration_text(Duration duration) { return std::to_string(duration.count()) + "us"; }

std::optional<Duration> read_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view name = text.substr(0, text.find_first_of("0123456789."));
    const auto unit = std::ranges::find(units, name, &Unit::name);
    if (unit == units.end()) return std::nullopt;
    total += number * unit->microseconds;
    text.remove_prefix(name.size());
  }
  return Duration(std::llround(total));
}

std::string instant_text(Instant instant) {
  const auto day = floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(instant - day);
  std::array<char, 40> text;
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
      static_cast<int>(time.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<Instant> read_instant(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || !take(text, 'T')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second) return std::nullopt;
  int fraction = 0;
  if (take(text, '.')) {
    const auto microseconds = take_number(text, 6);
    if (!microseconds) return std::nullopt;
    fraction = *microseconds;
  }
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (text != "Z" || !date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + std::chrono::microseconds(fraction);
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) throw Error("the server's answer has a body_base64 that is no base64");
  // Padding is decoded as zeros.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

void ObjectText::add(std::string_view name, const json::value& value) {
  add_raw(name, json::serialize(value));
}
void ObjectText::add_duration(std::string_view name, const std::optional<Duration>& value) {
  if (value) add(name, json::value(duration_text(*value)));
}
void ObjectText::add_instant(std::string_view name, const std::optional<Instant>& value) {
  if (value) add(name, json::value(instant_text(*value)));
}

void ObjectText::add_body(std::string_view bytes) {
  const bool ascii = std::ranges::all_of(bytes, [](char c) { return (c & 0x80) == 0; });
  if (ascii) {
    add("body", json::value(bytes));
  } else {
    add("body_base64", json::value(base64(bytes)));
  }
}

void ObjectText::add_json(std::string_view name, std::string_view text) {
  boost::system::error_code error;
  (void)json::parse(text, error);
  if (error) {
    throw InvalidArgument({.code = 400,
                           .status = "INVALID_ARGUMENT",
                           .message = std::string(name) + " is no JSON: " + error.message(),
                           .field = std::string(name)});
  }
  add_raw(name, text);
}

void ObjectText::add_raw(std::string_view name, std::string_view text) {
  if (text == "{}") return;
  if (!members_.empty()) members_ += ',';
  members_ += json::serialize(json::value(name));
  members_ += ':';
  members_ += text;
}

Members::Members(const json::value& value) : object_(value.if_object()) {
  static const json::object none;
  if (object_ == nullptr) object_ = &none;
}

const json::value& Members::at(std::string_view name) const {
  static const json::value none;
  const json::value* const value = object_->if_contains(name);
  return value != nullptr ? *value : none;
}
bool Members::has(std::string_view name) const { return object_->contains(name); }

std::optional<std::string> Members::given_text(std::string_view name) const {
  const json::string* const text = at(name).if_string();
  return text != nullptr ? std::optional<std::string>(*text) : std::nullopt;
}
std::string Members::text(std::string_view name) const { return given_text(name).value_or(""); }

std::optional<std::int64_t> Members::number(std::string_view name) const {
  const auto number = json::try_value_to<std::int64_t>(at(name));
  return number ? std::optional(*number) : std::nullopt;
}
std::optional<int> Members::small(std::string_view name) const {
  const auto number = json::try_value_to<int>(at(name));
  return number ? std::optional(*number) : std::nullopt;
}
std::optional<double> Members::real(std::string_view name) const {
  const auto number = json::try_value_to<double>(at(name));
  return number ? std::optional(*number) : std::nullopt;
}

std::optional<Duration> Members::duration(std::string_view name) const {
  if (const auto seconds = real(name)) return Duration(std::llround(*seconds * 1e6));
  const auto text = given_text(name);
  return text ? read_duration(*text) : std::nullopt;
}
std::optional<Instant> Members::instant(std::string_view name) const {
  const auto text = given_text(name);
  return text ? read_instant(*text) : std::nullopt;
}

std::optional<std::string> Members::body() const {
  if (const auto encoded = given_text("body_base64")) return from_base64(*encoded);
  return given_text("body");
}

}  // namespace deferd::inline v1::detail
