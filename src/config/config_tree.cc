#include "config/config_tree.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace deferd {
namespace {

constexpr std::size_t shown_bytes_max = 120;  // of a line: what fits beside its indentation

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string_view line_of(std::string_view text, std::uint32_t number) {
  for (std::uint32_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string SourceText::complaint(TextPlace place, std::string_view message) const {
  std::string out = name + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) +
                    ": " + std::string(message);
  std::string_view line = line_of(text, place.line);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  if (line.find_first_not_of(" \t") == line.npos) return out;
  std::size_t caret = std::min<std::size_t>(place.column - 1, line.size());
  // A long line is shown from a little before the place on.
  if (line.size() > shown_bytes_max) {
    std::size_t from = caret > shown_bytes_max / 2 ? caret - shown_bytes_max / 2 : 0;
    while (from > 0 && is_continuation(line[from])) --from;
    std::size_t length = shown_bytes_max;
    while (from + length < line.size() && is_continuation(line[from + length])) ++length;
    line = line.substr(from, length);
    caret -= from;
  }
  out += "\n    ";
  // What a file holds must not steer the terminal of who reads the complaint.
  for (const char c : line) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  out += "\n    ";
  out.append(static_cast<std::size_t>(std::ranges::count_if(
                 line.substr(0, caret), [](char c) { return !is_continuation(c); })),
             ' ');
  return out + "^";
}

Error SourceText::error(TextPlace place, std::string_view message, std::string field) const {
  return {Reason::invalid, complaint(place, message), std::move(field), std::nullopt};
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto at = std::ranges::find(members, key, &ConfigMember::key);
  return at == members.end() ? nullptr : &at->value;
}

Result<SourceText> read_config_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Reason::invalid, path + ": " + std::strerror(errno));
  SourceText source{path, std::string(config_file_bytes_max + 1, '\0')};
  in.read(source.text.data(), static_cast<std::streamsize>(source.text.size()));
  if (in.bad()) return fail(Reason::invalid, path + ": cannot be read; give a file");
  source.text.resize(static_cast<std::size_t>(in.gcount()));
  if (source.text.size() > config_file_bytes_max)
    return fail(Reason::invalid, path + ": is larger than 1MiB");
  return source;
}

}  // namespace deferd
