#include "api/cloudtasks/rest/pretty.h"

namespace deferd::cloudtasks::rest {

std::string pretty(std::string_view json) {
  std::string out;
  out.reserve(json.size() * 2);
  std::size_t level = 0;
  const auto new_line = [&] { out.append("\n").append(level * 2, ' '); };
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      out.push_back(c);
      if (c == '\\') out.push_back(json[++i]);
      in_text = c != '"';
      continue;
    }
    const bool opens = c == '{' || c == '[';
    if (opens && (json[i + 1] == '}' || json[i + 1] == ']')) {
      out.append(json.substr(i++, 2));
      continue;
    }
    if (c == '}' || c == ']') {
      --level;
      new_line();
    }
    out.push_back(c);
    in_text = c == '"';
    if (opens) ++level;
    if (opens || c == ',') new_line();
    if (c == ':') out.push_back(' ');
  }
  return out.append("\n");
}

}  // namespace deferd::cloudtasks::rest
