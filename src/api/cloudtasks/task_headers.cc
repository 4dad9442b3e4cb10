#include "api/cloudtasks/task_headers.h"

#include <algorithm>

#include "base/header_text.h"
#include "base/text.h"

namespace deferd::cloudtasks {
namespace {

constexpr std::size_t headers_bytes_max = 80 * 1024;  // less than this

bool is_ours(std::string_view name, bool app_engine) {
  return equal_ignoring_case(name, "Host") || equal_ignoring_case(name, "Content-Length") ||
         (!app_engine && equal_ignoring_case(name, "User-Agent")) ||
         starts_ignoring_case(name, "X-Google-") || starts_ignoring_case(name, "X-AppEngine-") ||
         starts_ignoring_case(name, "X-CloudTasks-");
}

}  // namespace

const std::string* find_header(const HeaderList& headers, std::string_view name) {
  const auto found = std::ranges::find_if(
      headers, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
  return found == headers.end() ? nullptr : &found->second;
}

Outcome<void> check_headers(const HeaderList& given) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : given) {
    if (!is_header_name(name)) {
      return refuse_argument("headers: \"" + name.substr(0, 100) +
                             "\" is not the name of a header.");
    }
    if (!is_header_value(value)) {
      return refuse_argument("headers: the value of \"" + name +
                             "\" has a line break or another control character.");
    }
    bytes += name.size() + value.size();
  }
  if (bytes >= headers_bytes_max) {
    return refuse_argument("The total size of the headers is " + std::to_string(bytes) +
                           " bytes; it must be less than 80 KB.");
  }
  return {};
}

Outcome<HeaderList> kept_headers(HeaderList given, bool app_engine) {
  if (auto ok = check_headers(given); !ok) return refuse(ok.error());
  std::erase_if(given, [&](const auto& header) { return is_ours(header.first, app_engine); });
  std::ranges::sort(given);
  HeaderList kept;
  for (auto& header : given) {
    const auto same = std::ranges::find_if(
        kept, [&](const auto& one) { return equal_ignoring_case(one.first, header.first); });
    if (same != kept.end()) {
      *same = std::move(header);
    } else {
      kept.push_back(std::move(header));
    }
  }
  return kept;
}

}  // namespace deferd::cloudtasks
