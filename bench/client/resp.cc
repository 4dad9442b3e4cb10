#include "bench/client/resp.h"

#include <charconv>

namespace deferd::bench {

void append_resp_array(std::string& out, std::size_t parts) {
  out += '*';
  out += std::to_string(parts);
  out += "\r\n";
}

void append_resp_bulk(std::string& out, std::string_view text) {
  out += '$';
  out += std::to_string(text.size());
  out += "\r\n";
  out += text;
  out += "\r\n";
}

RespReader::Value RespReader::next() {
  const std::size_t end = in_.find("\r\n", at_);
  if (end == std::string_view::npos) return {};
  Value value{.kind = in_[at_], .text = in_.substr(at_ + 1, end - at_ - 1)};
  std::size_t after = end + 2;
  if (value.kind == '$' || value.kind == '*' || value.kind == ':') {
    std::from_chars(value.text.data(), value.text.data() + value.text.size(), value.number);
  }
  if (value.kind == '$' && value.number >= 0) {
    const auto bytes = static_cast<std::size_t>(value.number);
    if (in_.size() < after + bytes + 2) return {};
    value.text = in_.substr(after, bytes);
    after += bytes + 2;
  }
  at_ = after;
  return value;
}

bool RespReader::skip() {
  for (std::int64_t left = 1; left > 0; --left) {
    const Value value = next();
    if (value.kind == 0) return false;
    if (value.kind == '*' && value.number > 0) left += value.number;
  }
  return true;
}

}  // namespace deferd::bench
