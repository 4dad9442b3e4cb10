#include "config/schema_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "config/nearest_name.h"
#include "model/duration_text.h"

namespace deferd {

std::string shown_value(std::string_view text) {
  constexpr std::size_t shown_max = 80;
  std::string out(text.substr(0, shown_max));
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out + (text.size() > shown_max ? "..." : "");
}

std::string shown_value(const ConfigNode& value) {
  if (value.is_text()) return shown_value(value.text);
  return value.kind == ConfigNode::Kind::list ? "[]" : "";
}

void SchemaReader::refuse(TextPlace place, std::string_view key, std::string_view message) {
  if (error_) return;
  std::string field = subject_.empty() ? std::string(key) : subject_;
  if (!subject_.empty() && !key.empty()) field += "." + std::string(key);
  const std::string about = subject_.empty() ? "" : std::string(kind_) + " \"" + subject_ + "\": ";
  error_ = source_.error(place, about + std::string(message), std::move(field));
}

void SchemaReader::refuse_value(const Node& value, std::string_view key, std::string_view why,
                                std::string_view more) {
  refuse(value.place, key,
         "Unable to assign value '" + shown_value(value) + "' to attribute '" + std::string(key) +
             "':\n" + std::string(why) + (more.empty() ? "" : "\n" + std::string(more)));
}

void SchemaReader::refuse_expression(const Node& value, std::string_view key,
                                     std::string_view expression, std::string_view more) {
  refuse_value(value, key,
               "Value '" + shown_value(value) + "' for " + std::string(key) +
                   " does not match expression '" + std::string(expression) + "'",
               more);
}

bool SchemaReader::check_keys(const Node& map, std::string_view object,
                              std::span<const std::string_view> known) {
  std::set<std::string_view> seen;
  for (const ConfigMember& member : map.members) {
    if (std::ranges::find(known, member.key) == known.end()) {
      const auto nearest = nearest_name(member.key, known);
      refuse(member.place, shown_value(member.key),
             "Unexpected attribute '" + shown_value(member.key) + "' for object of type " +
                 std::string(object) + "." +
                 (nearest ? " Did you mean " + std::string(*nearest) + "?" : ""));
      return false;
    }
    if (!seen.insert(member.key).second) {
      refuse(member.place, member.key, "Duplicate attribute '" + member.key + "'.");
      return false;
    }
  }
  return true;
}

const ConfigNode* SchemaReader::given(const Node& map, std::string_view key) {
  const Node* const value = map.find(key);
  return value == nullptr || value->is_nothing() ? nullptr : value;
}

std::optional<std::string> SchemaReader::text(const Node& map, std::string_view key) {
  const Node* const value = given(map, key);
  if (value == nullptr) return std::nullopt;
  if (value->is_text()) return value->text;
  refuse_value(*value, key,
               "Value '" + shown_value(*value) + "' for " + std::string(key) +
                   " is not of the expected type str");
  return std::nullopt;
}

std::optional<std::int64_t> SchemaReader::integer(const Node& map, std::string_view key) {
  const Node* const value = given(map, key);
  if (value == nullptr) return std::nullopt;
  std::string_view digits = value->text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (value->is_text() && error == std::errc() && end == digits.data() + digits.size()) {
    return number;
  }
  refuse_value(*value, key,
               "Value '" + shown_value(*value) + "' for " + std::string(key) +
                   (value->is_text() ? " could not be converted to type int."
                                     : " is not of the expected type int"));
  return std::nullopt;
}

std::optional<Micros> SchemaReader::seconds(const Node& map, std::string_view key,
                                            std::string_view negative) {
  const Node* const value = given(map, key);
  if (value == nullptr) return std::nullopt;
  double number = 0;
  const char* const last = value->text.data() + value->text.size();
  const char* const first = value->text.data() + (value->text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, last, number);
  if (!value->is_text() || error != std::errc() || end != last || !std::isfinite(number)) {
    refuse_value(*value, key,
                 "Value '" + shown_value(*value) + "' for " + std::string(key) +
                     " could not be converted to type float.");
    return std::nullopt;
  }
  if (number < 0) {
    refuse(value->place, key, negative);
    return std::nullopt;
  }
  constexpr double seconds_max = static_cast<double>(duration_max.count()) / 1e6;
  if (number > seconds_max) {
    refuse(value->place, key, std::string(key) + " is longer than a century");
    return std::nullopt;
  }
  return Micros(std::llround(number * 1e6));
}

}  // namespace deferd
