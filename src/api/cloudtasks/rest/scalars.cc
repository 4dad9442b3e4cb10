#include "api/cloudtasks/rest/scalars.h"

#include <charconv>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "api/cloudtasks/rest/json_values.h"
#include "api/http/text.h"

namespace deferd::cloudtasks::rest {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return number;
}

std::optional<double> real_of(const Scalar& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*number);
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return std::nullopt;
  if (*text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (*text == "Infinity") return std::numeric_limits<double>::infinity();
  if (*text == "-Infinity") return -std::numeric_limits<double>::infinity();
  const auto number = number_in<double>(*text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

// A whole number, also when it is written as a text or with a fraction of zero.
template <std::signed_integral Whole>
std::optional<Whole> whole_of(const Scalar& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return std::in_range<Whole>(*number) ? std::optional(static_cast<Whole>(*number))
                                         : std::nullopt;
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    if (const auto number = number_in<Whole>(*text)) return number;
  }
  const std::optional<double> real = real_of(value);
  constexpr double beyond = 9'007'199'254'740'992.0;  // from here on a double skips whole numbers
  if (!real || std::trunc(*real) != *real || std::abs(*real) >= beyond) return std::nullopt;
  const auto number = static_cast<std::int64_t>(*real);
  return std::in_range<Whole>(number) ? std::optional(static_cast<Whole>(number)) : std::nullopt;
}

std::optional<bool> truth_of(const Scalar& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  const auto* text = std::get_if<std::string_view>(&value);
  if (text != nullptr && *text == "true") return true;
  if (text != nullptr && *text == "false") return false;
  return std::nullopt;
}

// By name or by number, also one that is not known: the call says what it thinks of that.
std::optional<int> enumerator_of(const Field& field, const Scalar& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    const EnumValueDescriptor* const named =
        field.descriptor->enum_type()->FindValueByName(std::string(*text));
    if (named != nullptr) return named->number();
  }
  return whole_of<std::int32_t>(value);
}

template <class T, class Put, class Add>
bool put(Message& message, const Field& field, const std::optional<T>& value, Put set, Add add) {
  if (!value) return false;
  const Reflection& reflection = *message.GetReflection();
  if (field.repeated) {
    (reflection.*add)(&message, field.descriptor, *value);
  } else {
    (reflection.*set)(&message, field.descriptor, *value);
  }
  return true;
}

bool put_string(Message& message, const Field& field, std::string value) {
  const Reflection& reflection = *message.GetReflection();
  if (field.repeated) {
    reflection.AddString(&message, field.descriptor, std::move(value));
  } else {
    reflection.SetString(&message, field.descriptor, std::move(value));
  }
  return true;
}

// A message that JSON writes as a text.
template <class T, class Read>
bool put_text_form(Message& message, const Field& field, std::string_view text, Read read) {
  T read_value;
  if (!read(text, read_value)) return false;
  const Reflection& reflection = *message.GetReflection();
  Message* const part = field.repeated ? reflection.AddMessage(&message, field.descriptor)
                                       : reflection.MutableMessage(&message, field.descriptor);
  static_cast<T&>(*part) = std::move(read_value);
  return true;
}

}  // namespace

bool put_scalar(Message& message, const Field& field, const Scalar& value) {
  const auto* const text = std::get_if<std::string_view>(&value);
  switch (field.kind) {
    case Kind::boolean:
      return put(message, field, truth_of(value), &Reflection::SetBool, &Reflection::AddBool);
    case Kind::int32:
      return put(message, field, whole_of<std::int32_t>(value), &Reflection::SetInt32,
                 &Reflection::AddInt32);
    case Kind::int64:
      return put(message, field, whole_of<std::int64_t>(value), &Reflection::SetInt64,
                 &Reflection::AddInt64);
    case Kind::real:
      return put(message, field, real_of(value), &Reflection::SetDouble, &Reflection::AddDouble);
    case Kind::enumeration:
      return put(message, field, enumerator_of(field, value), &Reflection::SetEnumValue,
                 &Reflection::AddEnumValue);
    case Kind::text:
      return text != nullptr && put_string(message, field, std::string(*text));
    case Kind::bytes: {
      if (text == nullptr) return false;
      auto bytes = decode_any_base64(*text);
      return bytes && put_string(message, field, std::move(*bytes));
    }
    case Kind::timestamp:
      return text != nullptr &&
             put_text_form<google::protobuf::Timestamp>(message, field, *text, read_timestamp);
    case Kind::duration:
      return text != nullptr &&
             put_text_form<google::protobuf::Duration>(message, field, *text, read_duration_text);
    case Kind::mask:
      return text != nullptr &&
             put_text_form<google::protobuf::FieldMask>(message, field, *text, read_mask);
    case Kind::message:
    case Kind::any:
      break;
  }
  return false;
}

}  // namespace deferd::cloudtasks::rest
