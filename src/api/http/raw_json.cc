#include "api/http/raw_json.h"

#include <cstring>

namespace deferd {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

void skip_space(std::string_view& text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
}

// `text` begins with a quote. Gives the offset behind the closing one.
std::size_t string_end(std::string_view text) {
  std::size_t at = 1;
  while (true) {
    const std::size_t quote = text.find('"', at);
    if (quote == text.npos) return text.size();
    std::size_t backslashes = 0;
    while (text[quote - 1 - backslashes] == '\\')
      ++backslashes;  // ends at the opening quote at the latest
    if (backslashes % 2 == 0) return quote + 1;
    at = quote + 1;
  }
}

// `text` begins with a value. Gives the offset behind it.
std::size_t value_end(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() == '"') return string_end(text);
  if (text.front() != '{' && text.front() != '[') {
    const std::size_t end = text.find_first_of(",]} \n\r\t");
    return end == text.npos ? text.size() : end;
  }
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at += string_end(text.substr(at));
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return text.size();
}

}  // namespace

std::string_view raw_member(std::string_view object, std::string_view key) {
  std::string_view left = object;
  skip_space(left);
  if (left.empty() || left.front() != '{') return {};
  left.remove_prefix(1);
  while (true) {
    skip_space(left);
    if (left.empty() || left.front() != '"') return {};
    const std::size_t key_end = string_end(left);
    const std::string_view found = left.substr(1, key_end - 2);
    left.remove_prefix(key_end);
    skip_space(left);
    if (left.empty()) return {};
    left.remove_prefix(1);  // the colon
    skip_space(left);
    const std::size_t end = value_end(left);
    if (found == key) return left.substr(0, end);
    left.remove_prefix(end);
    skip_space(left);
    if (left.empty() || left.front() != ',') return {};
    left.remove_prefix(1);
  }
}

RawElements::RawElements(std::string_view array) : left_(array) {
  skip_space(left_);
  if (!left_.empty()) left_.remove_prefix(1);  // the bracket
}

std::string_view RawElements::next() {
  skip_space(left_);
  if (!left_.empty() && left_.front() == ',') left_.remove_prefix(1);
  skip_space(left_);
  if (left_.empty() || left_.front() == ']') return {};
  const std::size_t end = value_end(left_);
  const std::string_view element = left_.substr(0, end);
  left_.remove_prefix(end);
  return element;
}

// Outside of strings a colon stands behind every key and nowhere else, and a comma between any two
// elements.
JsonCounts count_json(std::string_view text) {
  JsonCounts counts{.members = 0, .values = 1};
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at += string_end(text.substr(at));
      continue;
    }
    if (c == ':') ++counts.members;
    if (c == ',' || c == '[' || c == '{') ++counts.values;
    ++at;
  }
  return counts;
}

}  // namespace deferd
