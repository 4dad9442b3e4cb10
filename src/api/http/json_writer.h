// Appends JSON to a string by hand: answers are written once, in order, without building a tree
// first.
//
//   JsonWriter json(out);
//   json.begin_object();
//   json.member("queue", name);
//   json.key("tasks").begin_array(); ... json.end_array();
//   json.end_object();
//
// Commas are its business; that members are distinct and containers closed is the caller's. Text
// must be UTF-8.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace deferd {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  // `name` is one of ours: it needs no escaping.
  JsonWriter& key(std::string_view name) {
    separate();
    out_.push_back('"');
    out_.append(name);
    out_.append("\":");
    first_ = true;  // no comma between a key and its value
    return *this;
  }
  // A key that a caller chose.
  JsonWriter& foreign_key(std::string_view name) {
    separate();
    append_string(name);
    out_.push_back(':');
    first_ = true;
    return *this;
  }

  JsonWriter& value(std::string_view text) {
    separate();
    append_string(text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  template <std::integral Number>
  JsonWriter& value(Number number) {
    if constexpr (std::is_same_v<Number, bool>) {
      return raw(number ? "true" : "false");
    } else {
      separate();
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
      out_.append(digits, end);
      return *this;
    }
  }
  // JSON has no infinity and no NaN: both are null.
  JsonWriter& value(double number) {
    if (!std::isfinite(number)) return null();
    separate();
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out_.append(digits, end);
    return *this;
  }
  JsonWriter& null() { return raw("null"); }
  // JSON that is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    out_.append(json);
    return *this;
  }

  JsonWriter& member(std::string_view name, const auto& of) {
    key(name);
    return value(of);
  }

 private:
  JsonWriter& open(char bracket) {
    separate();
    out_.push_back(bracket);
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    out_.push_back(bracket);
    first_ = false;
    return *this;
  }
  void separate() {
    if (!first_) out_.push_back(',');
    first_ = false;
  }
  void append_string(std::string_view text) {
    out_.push_back('"');
    std::size_t plain_from = 0;  // what needs no escape is appended in one piece
    for (std::size_t i = 0; i < text.size(); ++i) {
      while (i + 8 <= text.size() && eight_are_plain(text.data() + i)) i += 8;
      if (i == text.size()) break;
      const auto c = static_cast<unsigned char>(text[i]);
      if (is_plain(c)) continue;
      out_.append(text.substr(plain_from, i - plain_from));
      plain_from = i + 1;
      append_escape(c);
    }
    out_.append(text.substr(plain_from));
    out_.push_back('"');
  }
  static bool is_plain(unsigned char c) { return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f; }
  // The same of eight bytes at once: a byte's high bit tells of one that is not (and, for bytes
  // after such a one, may tell so wrongly, which costs a closer look).
  static bool eight_are_plain(const char* bytes) {
    constexpr std::uint64_t each = 0x0101010101010101;
    constexpr std::uint64_t high = each * 0x80;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    const auto any_zero = [](std::uint64_t w) { return (w - each) & ~w & high; };
    const std::uint64_t below_space = (word - each * 0x20) & ~word & high;
    return (below_space | any_zero(word ^ each * '"') | any_zero(word ^ each * '\\') |
            any_zero(word ^ each * 0x7f)) == 0;
  }
  void append_escape(unsigned char c) {
    switch (c) {
      case '"':
        out_.append("\\\"");
        return;
      case '\\':
        out_.append("\\\\");
        return;
      case '\n':
        out_.append("\\n");
        return;
      case '\r':
        out_.append("\\r");
        return;
      case '\t':
        out_.append("\\t");
        return;
      default: {
        constexpr std::string_view hex = "0123456789abcdef";
        out_.append("\\u00");
        out_.push_back(hex[c >> 4]);
        out_.push_back(hex[c & 15]);
      }
    }
  }

  std::string& out_;
  bool first_ = true;
};

}  // namespace deferd
